//! Affine transform (RealNVP): y = t·e^s + m, φ = (m, r): shift m, raw log-scale r.
//!
//! s = r, or s = c·tanh(r/c) with a soft clamp c, and s' = ds/dr = 1 or 1 − tanh²(r/c).
//!
//! | | λ | ∂/∂input | ∂/∂m | ∂/∂r | ∂λ/∂r |
//! |---|---|---|---|---|---|
//! | y = t·e^s + m | s | e^s | 1 | t·e^s·s' | s' |
//! | t = (y − m)·e^{−s} | −s | e^{−s} | −e^{−s} | −t·s' | −s' |
//!
//! λ depends on neither t nor m. Source: L. Dinh, J. Sohl-Dickstein, S. Bengio, *Density estimation using Real NVP*, arXiv:1605.08803.

use crate::elementwise::{Elementwise, PartialRows, Partials, Phi};
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};
use upg_core::{Batch, Real};

/// y = t·e^s + m.
#[derive(Clone, Copy, Debug, Default)]
pub struct Affine {
    /// c of the soft clamp s = c·tanh(r/c); `None`: s = r, unbounded.
    pub clamp: Option<f64>,
}

/// t = (y − m)·e^{−s}.
#[derive(Clone, Copy, Debug)]
pub struct AffineInverse {
    affine: Affine,
}

impl<T: Real> Elementwise<T> for Affine {
    type Inverse = AffineInverse;

    fn width(&self) -> usize {
        2
    }

    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(Apply { clamp: self.clamp, t, phi, partials });
    }

    fn inverse(&self) -> AffineInverse {
        AffineInverse { affine: *self }
    }

    fn value(&self, t: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], _: &mut Batch<T>) {
        dispatch(Value { clamp: self.clamp, map: Map::Apply, t, phi, lambda });
    }
}

impl<T: Real> Elementwise<T> for AffineInverse {
    type Inverse = Affine;

    fn width(&self) -> usize {
        2
    }

    fn evaluate(&self, y: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(Undo { clamp: self.affine.clamp, y, phi, partials });
    }

    fn inverse(&self) -> Affine {
        self.affine
    }

    fn value(&self, y: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], _: &mut Batch<T>) {
        dispatch(Value { clamp: self.affine.clamp, map: Map::Undo, t: y, phi, lambda });
    }
}

/// A row of y = t·e^s + m.
struct Apply<'a, T> {
    clamp: Option<f64>,
    t: &'a mut [T],
    phi: Phi<'a, T>,
    partials: Partials<'a, T>,
}

impl<T: Real> Kernel for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { clamp, t, phi, partials } = self;
        let (shift, raw) = (phi.row(0), phi.row(1));
        let Rows { lambda, dg_dt, dg_dm, dg_dr, dlambda_dr } = rows(partials);
        log_scale::<T, M>(clamp, raw, lambda);
        log_scale_slope::<T, M>(clamp, lambda, dlambda_dr);
        for i in 0..t.len() {
            let scale = scalar::exp::<T, M>(lambda[i]);
            let scaled = t[i] * scale;
            t[i] = scaled + shift[i];
            dg_dt[i] = scale;
            dg_dm[i] = T::one();
            dg_dr[i] = scaled * dlambda_dr[i];
        }
    }
}

/// A row of t = (y − m)·e^{−s}.
struct Undo<'a, T> {
    clamp: Option<f64>,
    y: &'a mut [T],
    phi: Phi<'a, T>,
    partials: Partials<'a, T>,
}

impl<T: Real> Kernel for Undo<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { clamp, y, phi, partials } = self;
        let (shift, raw) = (phi.row(0), phi.row(1));
        let Rows { lambda, dg_dt, dg_dm, dg_dr, dlambda_dr } = rows(partials);
        log_scale::<T, M>(clamp, raw, lambda);
        log_scale_slope::<T, M>(clamp, lambda, dlambda_dr);
        for i in 0..y.len() {
            lambda[i] = -lambda[i];
            dlambda_dr[i] = -dlambda_dr[i];
            let scale = scalar::exp::<T, M>(lambda[i]);
            y[i] = (y[i] - shift[i]) * scale;
            dg_dt[i] = scale;
            dg_dm[i] = -scale;
            dg_dr[i] = y[i] * dlambda_dr[i];
        }
    }
}

/// A row of either map, and λ.
struct Value<'a, T> {
    clamp: Option<f64>,
    map: Map,
    t: &'a mut [T],
    phi: Phi<'a, T>,
    lambda: &'a mut [T],
}

/// Which of the two maps.
#[derive(Clone, Copy, Debug)]
enum Map {
    /// t·e^s + m.
    Apply,
    /// (y − m)·e^{−s}.
    Undo,
}

impl<T: Real> Kernel for Value<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { clamp, map, t, phi, lambda } = self;
        let (shift, raw) = (phi.row(0), phi.row(1));
        log_scale::<T, M>(clamp, raw, lambda);
        match map {
            Map::Apply => {
                for ((t, &s), &m) in t.iter_mut().zip(&*lambda).zip(shift) {
                    *t = *t * scalar::exp::<T, M>(s) + m;
                }
            }
            Map::Undo => {
                for ((y, lambda), &m) in t.iter_mut().zip(lambda).zip(shift) {
                    *lambda = -*lambda;
                    *y = (*y - m) * scalar::exp::<T, M>(*lambda);
                }
            }
        }
    }
}

/// The rows of the partials that are not constant.
struct Rows<'a, T> {
    lambda: &'a mut [T],
    dg_dt: &'a mut [T],
    dg_dm: &'a mut [T],
    dg_dr: &'a mut [T],
    dlambda_dr: &'a mut [T],
}

/// The rows of a block; the constant ones are filled.
#[inline(always)]
fn rows<T: Real>(partials: Partials<'_, T>) -> Rows<'_, T> {
    let PartialRows { lambda, dg_dt, dlambda_dt, dphi } = partials.rows::<2>();
    let [(dg_dm, dlambda_dm), (dg_dr, dlambda_dr)] = dphi;
    dlambda_dt.fill(T::zero());
    dlambda_dm.fill(T::zero());
    Rows { lambda, dg_dt, dg_dm, dg_dr, dlambda_dr }
}

/// Fills `s` with the log-scale for the raw values `raw`.
#[inline(always)]
fn log_scale<T: Real, M: MulAdd>(clamp: Option<f64>, raw: &[T], s: &mut [T]) {
    match clamp.map(T::of) {
        None => s.copy_from_slice(raw),
        Some(c) => s.iter_mut().zip(raw).for_each(|(s, &r)| *s = c * scalar::tanh::<T, M>(r / c)),
    }
}

/// Fills `ds` with ds/dr = 1 − (s/c)² from the log-scale `s`.
#[inline(always)]
fn log_scale_slope<T: Real, M: MulAdd>(clamp: Option<f64>, s: &[T], ds: &mut [T]) {
    match clamp.map(T::of) {
        None => ds.fill(T::one()),
        Some(c) => ds.iter_mut().zip(s).for_each(|(ds, &s)| *ds = M::mul_add(-(s / c), s / c, T::one())),
    }
}
