//! Mixture of tan transforms of an angle p, and a shift: φ = (s_1 … s_K, t).
//!
//! A single one is p ↦ 2 atan(e^s tan(p/2)), a bijection of the circle that fixes 0 and π. Written as p + 2h with
//!
//! h = atan( (e^s − 1) sin(p/2) cos(p/2) / (cos²(p/2) + e^s sin²(p/2)) ),  |h| < π/2,
//!
//! it is continuous and increasing on the whole line and commutes with p ↦ p + 2π: it is the lift of the map of the
//! circle, and no angle is an exception. The same holds for the mean of several and for a shift:
//!
//! | | |
//! |---|---|
//! | g | p + (2/K) Σ_k h_k + t |
//! | g' | (1/K) Σ_k d_k, d_k = 1/(e^{−s_k} cos²(p/2) + e^{s_k} sin²(p/2)) |
//! | λ | log g' |
//! | ∂λ/∂p | −Σ_k d_k² sinh(s_k) sin p / Σ_k d_k |
//! | ∂g/∂s_k, ∂g/∂t | d_k sin p / K, 1 |
//! | ∂λ/∂s_k, ∂λ/∂t | −d_k² (e^{s_k} sin²(p/2) − e^{−s_k} cos²(p/2)) / Σ_j d_j, 0 |
//!
//! g equals [(1/K) Σ_k 2 atan(e^{s_k} tan(p/2)) mod 2π] + t modulo 2π. p is any representative of the angle, |p| ≤ 200; what
//! comes out is the representative that belongs to it, not wrapped. |s| ≤ 40 in f32, 350 in f64: beyond, e^{2|s|} overflows.
//! The inverse has a closed form for K = 1 only; it is implicit, and that form gives close brackets.
//! Source: D. Rezende et al., *Normalizing flows on tori and spheres*, arXiv:2002.02428; G. Kanwar et al., arXiv:2003.06413.

use crate::elementwise::{AllRows, Elementwise, Partials, Phi};
use crate::implicit::{Bracket, CHUNK, Implicit, Monotone, chunks};
use std::f64::consts::{FRAC_PI_2, PI};
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};
use upg_core::{Batch, Real};

/// y = p + (2/K) Σ_k h_k + t, φ = (s_1 … s_K, t).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TanMixture {
    /// K, at least 1.
    pub mixtures: usize,
}

impl<T: Real> Elementwise<T> for TanMixture {
    type Inverse = Implicit<Self>;

    fn width(&self) -> usize {
        self.mixtures + 1
    }

    fn evaluate(&self, p: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(Apply { mixtures: self.mixtures, p, phi, partials });
    }

    fn inverse(&self) -> Implicit<Self> {
        Implicit::of(*self)
    }

    fn value(&self, p: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], _: &mut Batch<T>) {
        dispatch(Value { mixtures: self.mixtures, p, phi, lambda });
    }
}

impl<T: Real> Monotone<T> for TanMixture {
    /// e^{±s_k/2} are in the rows of ∂g/∂s_k, ∂λ/∂s_k.
    fn value_and_slope(&self, p: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(ValueAndSlope {
            mixtures: self.mixtures,
            shift: phi.row(self.mixtures),
            p,
            rows: partials.all_rows(self.mixtures + 1),
        });
    }

    /// The solutions of the single transforms, y − t + 2h(y − t; −s_k), enclose that of the mixture; it is near their mean.
    fn bracket(&self, y: &[T], phi: Phi<'_, T>, partials: Partials<'_, T>, bracket: Bracket<'_, T>) {
        dispatch(Enclose { mixtures: self.mixtures, y, phi, rows: partials.all_rows(self.mixtures + 1), bracket });
    }
}

/// Rows of g and of all partials.
struct Apply<'a, T> {
    mixtures: usize,
    p: &'a mut [T],
    phi: Phi<'a, T>,
    partials: Partials<'a, T>,
}

impl<T: Real> Kernel for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { mixtures, p, phi, mut partials } = self;
        for range in chunks(p.len()) {
            let rows = partials.part(range.clone()).all_rows(mixtures + 1);
            apply::<T, M>(mixtures, &mut p[range.clone()], phi.part(range), rows);
        }
    }
}

/// The same for one chunk.
#[inline(always)]
fn apply<T: Real, M: MulAdd>(mixtures: usize, p: &mut [T], phi: Phi<'_, T>, rows: AllRows<'_, T>) {
    let AllRows { lambda, dg_dt: dg_dp, dlambda_dt: dlambda_dp, mut dphi } = rows;
    let (n, half) = (p.len(), Half::of::<M>(p));
    let [mut up, mut down, mut h, mut d, mut dd_dp] = [[T::zero(); CHUNK]; 5];
    for k in 0..mixtures {
        fill_roots::<T, M>(phi.row(k), &mut up[..n], &mut down[..n]);
        let (dg, dlambda) = dphi.pair(k);
        half.add_angle::<M>(&up[..n], &down[..n], &mut h[..n]);
        half.add_derivatives(&up[..n], &down[..n], Derivatives { d: &mut d[..n], dd_dp: &mut dd_dp[..n], dg, dlambda });
        scale(dg, share::<T>(mixtures) + share(mixtures));
    }
    fill_lambda::<T, M>(share(mixtures), [lambda, dg_dp, dlambda_dp], &mut d[..n], &dd_dp[..n]);
    for k in 0..mixtures {
        dphi.pair(k).1.iter_mut().zip(&d).for_each(|(dlambda, &d)| *dlambda *= d);
    }
    add_angle_and_shift::<T, M>(p, share(mixtures), &h[..n], phi.row(mixtures));
    let (dg_dshift, dlambda_dshift) = dphi.pair(mixtures);
    dg_dshift.fill(T::one());
    dlambda_dshift.fill(T::zero());
}

/// Rows of g and of λ.
struct Value<'a, T> {
    mixtures: usize,
    p: &'a mut [T],
    phi: Phi<'a, T>,
    lambda: &'a mut [T],
}

impl<T: Real> Kernel for Value<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { mixtures, p, phi, lambda } = self;
        for range in chunks(p.len()) {
            let (p, phi, lambda) = (&mut p[range.clone()], phi.part(range.clone()), &mut lambda[range]);
            let (n, half) = (p.len(), Half::of::<M>(p));
            let [mut up, mut down, mut h, mut d] = [[T::zero(); CHUNK]; 4];
            for k in 0..mixtures {
                fill_roots::<T, M>(phi.row(k), &mut up[..n], &mut down[..n]);
                half.add_angle::<M>(&up[..n], &down[..n], &mut h[..n]);
                half.add_d::<M>(&up[..n], &down[..n], &mut d[..n]);
            }
            let share = share::<T>(mixtures);
            lambda.iter_mut().zip(&d).for_each(|(lambda, &d)| *lambda = scalar::ln::<T, M>(d * share));
            add_angle_and_shift::<T, M>(p, share, &h[..n], phi.row(mixtures));
        }
    }
}

/// g and ∂g/∂p of one chunk, with the roots that [`Enclose`] left.
struct ValueAndSlope<'a, T> {
    mixtures: usize,
    p: &'a mut [T],
    shift: &'a [T],
    rows: AllRows<'a, T>,
}

impl<T: Real> Kernel for ValueAndSlope<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { mixtures, p, shift, rows: AllRows { dg_dt: dg_dp, mut dphi, .. } } = self;
        let (n, half) = (p.len(), Half::of::<M>(p));
        let mut h = [T::zero(); CHUNK];
        dg_dp.fill(T::zero());
        for k in 0..mixtures {
            let (up, down) = dphi.pair(k);
            half.add_angle::<M>(up, down, &mut h[..n]);
            half.add_d::<M>(up, down, dg_dp);
        }
        scale(dg_dp, share(mixtures));
        add_angle_and_shift::<T, M>(p, share(mixtures), &h[..n], shift);
    }
}

/// The bracket of one chunk; leaves e^{±s_k/2} in the rows of ∂g/∂s_k and ∂λ/∂s_k.
struct Enclose<'a, T> {
    mixtures: usize,
    y: &'a [T],
    phi: Phi<'a, T>,
    rows: AllRows<'a, T>,
    bracket: Bracket<'a, T>,
}

impl<T: Real> Kernel for Enclose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { mixtures, y, phi, rows: AllRows { mut dphi, .. }, bracket } = self;
        let Bracket { low, high, guess, terms } = bracket;
        let n = y.len();
        for (((guess, terms), &y), &t) in guess.iter_mut().zip(&mut *terms).zip(y).zip(phi.row(mixtures)) {
            *guess = y - t;
            *terms = guess.abs() + t.abs() + T::of(PI);
        }
        let half = Half::of::<M>(guess);
        let mut sum = [T::zero(); CHUNK];
        low.fill(T::of(FRAC_PI_2));
        high.fill(-T::of(FRAC_PI_2));
        for k in 0..mixtures {
            let (up, down) = dphi.pair(k);
            fill_roots::<T, M>(phi.row(k), up, down);
            let mut h = [T::zero(); CHUNK];
            half.add_angle::<M>(down, up, &mut h[..n]);
            bound(&h[..n], low, high, &mut sum);
        }
        fill_bracket(low, high, guess, terms, &sum[..n], share(mixtures));
    }
}

/// 1/K.
fn share<T: Real>(mixtures: usize) -> T {
    assert!(mixtures > 0, "a mixture of {mixtures} transforms");
    T::of(1.0 / mixtures as f64)
}

/// Functions of half the angles of a chunk.
struct Half<T> {
    sin2: [T; CHUNK],
    cos2: [T; CHUNK],
    sin_cos: [T; CHUNK],
}

impl<T: Real> Half<T> {
    /// sin²(p/2), cos²(p/2) and sin(p/2) cos(p/2).
    #[inline(always)]
    fn of<M: MulAdd>(p: &[T]) -> Self {
        let zero = [T::zero(); CHUNK];
        let mut half = Self { sin2: zero, cos2: zero, sin_cos: zero };
        let n = p.len();
        let (sin2, cos2, sin_cos) = (&mut half.sin2[..n], &mut half.cos2[..n], &mut half.sin_cos[..n]);
        for i in 0..n {
            let (sin, cos) = scalar::sin_cos::<T, M>(p[i] * T::of(0.5));
            (sin2[i], cos2[i], sin_cos[i]) = (sin * sin, cos * cos, sin * cos);
        }
        half
    }

    /// h += the angle of one transform, `up` = e^{s/2}, `down` = e^{−s/2}.
    #[inline(always)]
    fn add_angle<M: MulAdd>(&self, up: &[T], down: &[T], h: &mut [T]) {
        let n = h.len();
        let (up, down) = (&up[..n], &down[..n]);
        let (sin2, cos2, sin_cos) = (&self.sin2[..n], &self.cos2[..n], &self.sin_cos[..n]);
        for i in 0..n {
            let top = (up[i] - down[i]) * sin_cos[i];
            let bottom = M::mul_add(up[i], sin2[i], down[i] * cos2[i]);
            h[i] += scalar::atan_of_ratio::<T, M>(top, bottom);
        }
    }

    /// d += d_k.
    #[inline(always)]
    fn add_d<M: MulAdd>(&self, up: &[T], down: &[T], d: &mut [T]) {
        let n = d.len();
        let (up, down, sin2, cos2) = (&up[..n], &down[..n], &self.sin2[..n], &self.cos2[..n]);
        for i in 0..n {
            d[i] += M::mul_add(up[i] * up[i], sin2[i], down[i] * down[i] * cos2[i]).recip();
        }
    }

    /// d += d_k, dd_dp += ∂d_k/∂p; fills dg with ½ K ∂g/∂s_k and dlambda with ∂d_k/∂s_k.
    #[inline(always)]
    fn add_derivatives(&self, up: &[T], down: &[T], to: Derivatives<'_, T>) {
        let Derivatives { d, dd_dp, dg, dlambda } = to;
        let n = d.len();
        let (up, down, dg, dlambda, dd_dp) = (&up[..n], &down[..n], &mut dg[..n], &mut dlambda[..n], &mut dd_dp[..n]);
        let (sin2, cos2, sin_cos) = (&self.sin2[..n], &self.cos2[..n], &self.sin_cos[..n]);
        for i in 0..n {
            let (exp_s, exp_minus_s) = (up[i] * up[i], down[i] * down[i]);
            let (a, b) = (exp_s * sin2[i], exp_minus_s * cos2[i]);
            let d_k = (a + b).recip();
            let sinh_sin = (exp_s - exp_minus_s) * sin_cos[i]; // sinh(s) sin p
            d[i] += d_k;
            dd_dp[i] -= d_k * (d_k * sinh_sin);
            dg[i] = sin_cos[i] * d_k;
            dlambda[i] = d_k * (d_k * (b - a));
        }
    }
}

/// The rows that [`Half::add_derivatives`] adds to and fills.
struct Derivatives<'a, T> {
    d: &'a mut [T],
    dd_dp: &'a mut [T],
    dg: &'a mut [T],
    dlambda: &'a mut [T],
}

/// up ← e^{s/2}, down ← e^{−s/2}.
#[inline(always)]
fn fill_roots<T: Real, M: MulAdd>(s: &[T], up: &mut [T], down: &mut [T]) {
    for ((&s, up), down) in s.iter().zip(up).zip(down) {
        (*up, *down) = scalar::exp_both_ways::<T, M>(s * T::of(0.5));
    }
}

#[inline(always)]
fn scale<T: Real>(row: &mut [T], factor: T) {
    row.iter_mut().for_each(|x| *x *= factor);
}

/// From Σ d_k and Σ ∂d_k/∂p: λ, ∂g/∂p and ∂λ/∂p; leaves 1/Σ d_k in `d`.
#[inline(always)]
fn fill_lambda<T: Real, M: MulAdd>(share: T, rows: [&mut [T]; 3], d: &mut [T], dd_dp: &[T]) {
    let [lambda, dg_dp, dlambda_dp] = rows;
    let rows = lambda.iter_mut().zip(dg_dp).zip(dlambda_dp);
    for (((lambda, dg_dp), dlambda_dp), (d, &dd_dp)) in rows.zip(d.iter_mut().zip(dd_dp)) {
        *dg_dp = *d * share;
        *lambda = scalar::ln::<T, M>(*dg_dp);
        *d = d.recip();
        *dlambda_dp = dd_dp * *d;
    }
}

/// p ← p + (2/K) Σ h_k + t.
#[inline(always)]
fn add_angle_and_shift<T: Real, M: MulAdd>(p: &mut [T], share: T, h: &[T], t: &[T]) {
    for ((p, &h), &t) in p.iter_mut().zip(h).zip(t) {
        *p = M::mul_add(share + share, h, *p) + t;
    }
}

/// Takes another h into the bounds and the sum.
#[inline(always)]
fn bound<T: Real>(h: &[T], low: &mut [T], high: &mut [T], sum: &mut [T]) {
    for (((&h, low), high), sum) in h.iter().zip(low).zip(high).zip(sum) {
        *low = if h < *low { h } else { *low };
        *high = if h > *high { h } else { *high };
        *sum += h;
    }
}

/// From y − t in `guess` and the bounds and the sum of h to bounds and mean of the solutions; the bounds get some ε wider.
#[inline(always)]
fn fill_bracket<T: Real>(low: &mut [T], high: &mut [T], guess: &mut [T], terms: &[T], sum: &[T], share: T) {
    let two = T::of(2.0);
    let rows = low.iter_mut().zip(high).zip(guess);
    for (((low, high), guess), (&terms, &sum)) in rows.zip(terms.iter().zip(sum)) {
        let room = T::of(8.0) * T::epsilon() * terms;
        *low = *guess + two * *low - room;
        *high = *guess + two * *high + room;
        *guess += two * share * sum;
    }
}
