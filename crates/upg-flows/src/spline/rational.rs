//! The rational-quadratic function of one bin, by numbers; the loops around it are vectorised.

use super::form::LEAST;
use upg_core::Real;
use upg_core::vmath::{MulAdd, scalar};

/// c = log(e^{1−m} − 1): a raw slope of 0 is the slope 1.
pub(super) const UNIT_SLOPE: f64 = 0.539_742_417_236_952;

/// One bin.
#[derive(Clone, Copy)]
pub(super) struct Bin<T> {
    /// Width.
    pub w: T,
    /// Height.
    pub h: T,
    /// 1/w and s = h/w.
    pub inverse_w: T,
    pub s: T,
    /// The slope at the left knot.
    pub left: Slope<T>,
    /// The slope at the right knot.
    pub right: Slope<T>,
}

/// A slope at a knot.
#[derive(Clone, Copy)]
pub(super) struct Slope<T> {
    /// δ.
    pub delta: T,
    /// ∂δ/∂θ.
    pub by_raw: T,
}

/// A place in a bin, ξ and 1 − ξ.
#[derive(Clone, Copy)]
pub(super) struct Place<T> {
    pub xi: T,
    pub xi_bar: T,
}

/// A partial of g, and one of λ.
pub(super) type Pair<T> = [T; 2];

/// What the function is and how it changes.
pub(super) struct Local<T> {
    /// (g − y_k)/h.
    pub rise: T,
    /// g'.
    pub slope: T,
    /// ∂λ/∂t.
    pub dlambda_dt: T,
    /// By w at fixed x_k.
    pub by_w: Pair<T>,
    /// By h at fixed y_k.
    pub by_h: Pair<T>,
    /// By θ_d of the left knot.
    pub by_left: Pair<T>,
    /// By θ_d of the right knot.
    pub by_right: Pair<T>,
}

impl<T: Real> Slope<T> {
    /// δ = m + log(1 + e^z), z = θ + c, and the logistic function of z.
    #[inline(always)]
    pub fn of<M: MulAdd>(z: T) -> Self {
        let (zero, one) = (T::zero(), T::one());
        let e = scalar::exp_beside_one::<T, M>(-z.abs());
        let larger = (one + e).recip();
        let positive = if z < zero { zero } else { z };
        Self {
            delta: T::of(LEAST) + (positive + scalar::ln_1p_unit::<T, M>(e)),
            by_raw: if z < zero { e * larger } else { larger },
        }
    }
}

impl<T: Real> Place<T> {
    /// The place at a distance from the left knot.
    #[inline(always)]
    pub fn at(distance: T, bin: Bin<T>) -> Self {
        let xi = unit(distance * bin.inverse_w);
        Self { xi, xi_bar: T::one() - xi }
    }

    /// The place where N/D = η, 1 − η = η̄: nothing cancels.
    #[inline(always)]
    pub fn of_rise<M: MulAdd>(bin: Bin<T>, eta: T, eta_bar: T) -> Self {
        let two_s = T::of(2.0) * bin.s;
        let b = M::mul_add(bin.left.delta, eta_bar, -(bin.right.delta * eta));
        let root = M::mul_add(b, b, (two_s * eta) * (two_s * eta_bar)).sqrt();
        let far = b.abs() + root;
        let (near_left, near_right) = (two_s * eta, two_s * eta_bar);
        let xi = if b < T::zero() { far } else { near_left };
        let xi_bar = if b < T::zero() { near_right } else { far };
        let whole = (xi + xi_bar).recip();
        Self { xi: xi * whole, xi_bar: xi_bar * whole }
    }
}

/// A share in [0, 1]: round-off of the knots may lead out of it. NaN stays NaN.
#[inline(always)]
pub(super) fn unit<T: Real>(x: T) -> T {
    let x = if x < T::zero() { T::zero() } else { x };
    if x > T::one() { T::one() } else { x }
}

impl<T: Real> Local<T> {
    /// With r = N/D: ∂r/∂s = e (δ_{k+1} ξ² − δ_k ξ̄²)/D², ∂r/∂δ_k = e (s ξ̄² + δ_{k+1} e)/D², ∂r/∂δ_{k+1} = −e N/D²,
    /// ∂λ/∂s = 2e [(δ_k + δ_{k+1})/(s D) + 1/P], ∂λ/∂δ_k = ξ̄²/P − 2e/D, ∂λ/∂δ_{k+1} = ξ²/P − 2e/D and
    /// ∂λ/∂ξ = 2 [δ_{k+1} ξ − δ_k ξ̄ + s (ξ̄ − ξ)]/P − 2 (δ_k + δ_{k+1} − 2s)(ξ̄ − ξ)/D; s = h/w and ξ = (t − x_k)/w depend on w.
    #[inline(always)]
    pub fn of<M: MulAdd>(bin: Bin<T>, place: Place<T>) -> Self {
        let Bin { h, inverse_w, s, .. } = bin;
        let (Slope { delta: left, by_raw: by_left }, Slope { delta: right, by_raw: by_right }) = (bin.left, bin.right);
        let (Place { xi, xi_bar }, two) = (place, T::of(2.0));
        let (xi2, xi_bar2, e, both) = (xi * xi, xi_bar * xi_bar, xi * xi_bar, left + right);
        let d = M::mul_add(both, e, s * (xi2 + xi_bar2));
        let n = M::mul_add(left, e, s * xi2);
        let (left_part, right_part) = (left * xi_bar2, right * xi2);
        let p = M::mul_add(two * s, e, left_part + right_part);
        let (inverse_hd, inverse_p) = ((h * d).recip(), p.recip());
        let inverse_d = h * inverse_hd;
        let (e_d, twice_e) = (e * inverse_d, two * e);
        let s_d = s * inverse_d;

        let rise = n * inverse_d;
        let slope = s_d * s_d * p;
        let turn = xi_bar - xi;
        let dp = M::mul_add(right, xi, M::mul_add(s, turn, -(left * xi_bar)));
        let dd = M::mul_add(-two, s, both) * turn;
        let dlambda_dt = two * inverse_w * M::mul_add(dp, inverse_p, -(dd * inverse_d));

        let rise_by_s = e_d * inverse_d * (right_part - left_part);
        let lambda_by_h = twice_e * M::mul_add(both, inverse_hd, inverse_w * inverse_p);
        let s_rise_by_s = s * rise_by_s;
        let by_w = [-M::mul_add(xi, slope, s * s_rise_by_s), -M::mul_add(xi, dlambda_dt, s * lambda_by_h)];
        let scale = h * e_d * inverse_d;
        let common = twice_e * inverse_d;
        Self {
            rise,
            slope,
            dlambda_dt,
            by_w,
            by_h: [rise + s_rise_by_s, lambda_by_h],
            by_left: [
                by_left * (scale * M::mul_add(right, e, s * xi_bar2)),
                by_left * M::mul_add(xi_bar2, inverse_p, -common),
            ],
            by_right: [-by_right * (scale * n), by_right * M::mul_add(xi2, inverse_p, -common)],
        }
    }
}
