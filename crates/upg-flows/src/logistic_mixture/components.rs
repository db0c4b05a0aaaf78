//! The components of a mixture of logistic distributions, and what they add up to, for one chunk of elements.

use crate::elementwise::PhiPartials;
use crate::implicit::CHUNK;
use upg_core::Real;
use upg_core::vmath::{MulAdd, scalar};

/// A component's numbers, in the rows of its partials, which replace them in the end.
pub(super) struct Parts<'a, T> {
    /// A, then e^{A − max A}, then r; ∂g/∂l.
    r: &'a mut [T],
    /// B, then e^{B − max B}, then q; ∂λ/∂l.
    q: &'a mut [T],
    /// z; ∂g/∂μ.
    z: &'a mut [T],
    /// e^{−s}; ∂λ/∂μ.
    e: &'a mut [T],
    /// σ(z); ∂g/∂s.
    sigma: &'a mut [T],
    /// σ(−z); ∂λ/∂s.
    sigma_bar: &'a mut [T],
}

/// The component whose l, μ and s are these rows of φ.
#[inline(always)]
pub(super) fn parts<'a, T>(dphi: &'a mut PhiPartials<'_, T>, rows: [usize; 3]) -> Parts<'a, T> {
    let [(r, q), (z, e), (sigma, sigma_bar)] = dphi.pairs(rows);
    Parts { r, q, z, e, sigma, sigma_bar }
}

impl<'a, T: Real> Parts<'a, T> {
    /// All rows of the same length n.
    #[inline(always)]
    fn cut(self, n: usize) -> Self {
        let Self { r, q, z, e, sigma, sigma_bar } = self;
        Self {
            r: &mut r[..n],
            q: &mut q[..n],
            z: &mut z[..n],
            e: &mut e[..n],
            sigma: &mut sigma[..n],
            sigma_bar: &mut sigma_bar[..n],
        }
    }

    /// A, B, z, e^{−s}, σ(z) and σ(−z).
    #[inline(always)]
    pub fn fill<M: MulAdd>(self, x: &[T], l: &[T], mu: &[T], s: &[T]) {
        let (zero, one, n) = (T::zero(), T::one(), x.len());
        let (l, mu, s) = (&l[..n], &mu[..n], &s[..n]);
        let Self { r: a_k, q: b_k, z, e, sigma, sigma_bar } = self.cut(n);
        for i in 0..n {
            e[i] = scalar::exp::<T, M>(-s[i]);
            z[i] = (x[i] - mu[i]) * e[i];
            let negative = z[i] < zero;
            let exp_minus_abs_z = scalar::exp::<T, M>(-z[i].abs());
            let larger = (one + exp_minus_abs_z).recip(); // σ(|z|)
            let smaller = exp_minus_abs_z * larger; // σ(−|z|)
            sigma[i] = if negative { smaller } else { larger };
            sigma_bar[i] = if negative { larger } else { smaller };
            let ln_larger = -scalar::ln_1p_unit::<T, M>(exp_minus_abs_z);
            a_k[i] = l[i] + (ln_larger + if negative { z[i] } else { zero });
            b_k[i] = l[i] + (ln_larger - if negative { zero } else { z[i] });
        }
    }
}

/// Sums over the components, of a chunk of elements.
pub(super) struct Sums<T> {
    /// max A and max B.
    max: [[T; CHUNK]; 2],
    /// Σ e^{A − max A} and Σ e^{B − max B}, then their reciprocals.
    sum: [[T; CHUNK]; 2],
    /// P and Q.
    slope: [[T; CHUNK]; 2],
    /// e^a.
    scale: [T; CHUNK],
    /// e^a u.
    value: [T; CHUNK],
    /// 1/u'.
    inverse: [T; CHUNK],
}

impl<T: Real> Sums<T> {
    #[inline(always)]
    pub fn new() -> Self {
        let zero = [T::zero(); CHUNK];
        let low = [T::neg_infinity(); CHUNK];
        Self { max: [low; 2], sum: [zero; 2], slope: [zero; 2], scale: zero, value: zero, inverse: zero }
    }

    /// Takes A and B into the maxima.
    #[inline(always)]
    pub fn bound(&mut self, parts: Parts<'_, T>) {
        for (row, max) in [parts.r, parts.q].into_iter().zip(&mut self.max) {
            for (&mut x, max) in row.iter_mut().zip(max) {
                *max = if x > *max { x } else { *max };
            }
        }
    }

    /// Adds e^{A − max A} and e^{B − max B}.
    #[inline(always)]
    pub fn add_exponentials<M: MulAdd>(&mut self, parts: Parts<'_, T>) {
        for ((row, max), sum) in [parts.r, parts.q].into_iter().zip(&self.max).zip(&mut self.sum) {
            let n = row.len();
            let (max, sum) = (&max[..n], &mut sum[..n]);
            for i in 0..n {
                let term = scalar::exp::<T, M>(row[i] - max[i]);
                row[i] = term;
                sum[i] += term;
            }
        }
    }

    /// x ← e^a u + b.
    #[inline(always)]
    pub fn fill_value<M: MulAdd>(&mut self, a: &[T], b: &[T], x: &mut [T]) {
        let n = x.len();
        let Self { max: [max_a, max_b], sum: [sum_a, sum_b], scale, value, .. } = self;
        let (max_a, max_b, sum_a, sum_b) = (&max_a[..n], &max_b[..n], &mut sum_a[..n], &mut sum_b[..n]);
        let (scale, value, a, b) = (&mut scale[..n], &mut value[..n], &a[..n], &b[..n]);
        for i in 0..n {
            let u = (max_a[i] - max_b[i]) + (scalar::ln::<T, M>(sum_a[i]) - scalar::ln::<T, M>(sum_b[i]));
            let exp_a = scalar::exp::<T, M>(a[i]);
            (scale[i], value[i], x[i]) = (exp_a, exp_a * u, M::mul_add(exp_a, u, b[i]));
            (sum_a[i], sum_b[i]) = (sum_a[i].recip(), sum_b[i].recip());
        }
    }

    /// Normalises r and q, adds to P and Q.
    #[inline(always)]
    pub fn add_slope<M: MulAdd>(&mut self, parts: Parts<'_, T>) {
        let n = parts.e.len();
        let Parts { r, q, e, sigma, sigma_bar, .. } = parts.cut(n);
        let Self { sum: [of_r, of_q], slope: [p_sum, q_sum], .. } = self;
        let (of_r, of_q, p_sum, q_sum) = (&of_r[..n], &of_q[..n], &mut p_sum[..n], &mut q_sum[..n]);
        for i in 0..n {
            (r[i], q[i]) = (r[i] * of_r[i], q[i] * of_q[i]);
            p_sum[i] = M::mul_add(e[i] * sigma_bar[i], r[i], p_sum[i]);
            q_sum[i] = M::mul_add(e[i] * sigma[i], q[i], q_sum[i]);
        }
    }

    /// ∂g/∂x = e^a (P + Q).
    #[inline(always)]
    pub fn fill_slope(&mut self, dg_dx: &mut [T]) {
        let n = dg_dx.len();
        let Self { slope: [p, q], scale, inverse, .. } = self;
        let (p, q, scale, inverse) = (&p[..n], &q[..n], &scale[..n], &mut inverse[..n]);
        for i in 0..n {
            dg_dx[i] = scale[i] * (p[i] + q[i]);
            inverse[i] = (p[i] + q[i]).recip();
        }
    }

    /// λ = a + log u'.
    #[inline(always)]
    pub fn fill_lambda<M: MulAdd>(&self, a: &[T], lambda: &mut [T]) {
        let n = lambda.len();
        let [p, q] = &self.slope;
        let (p, q, a) = (&p[..n], &q[..n], &a[..n]);
        for i in 0..n {
            lambda[i] = a[i] + scalar::ln::<T, M>(p[i] + q[i]);
        }
    }

    /// The partials of one component; adds its e D/u' to ∂λ/∂x.
    #[inline(always)]
    pub fn fill_partials<M: MulAdd>(&self, parts: Parts<'_, T>, dlambda_dx: &mut [T]) {
        let n = dlambda_dx.len();
        let Parts { r, q, z, e, sigma, sigma_bar } = parts.cut(n);
        let [p_sum, q_sum] = &self.slope;
        let (p_sum, q_sum, scale, inverse) = (&p_sum[..n], &q_sum[..n], &self.scale[..n], &self.inverse[..n]);
        for i in 0..n {
            let (of_r, of_q) = (r[i] * sigma_bar[i], q[i] * sigma[i]);
            let w = e[i] * (sigma_bar[i] - sigma[i]);
            let c = of_r + of_q;
            let d = of_r * (w - p_sum[i]) + of_q * (w + q_sum[i]);
            let dl = r[i] * (e[i] * sigma_bar[i] - p_sum[i]) + q[i] * (e[i] * sigma[i] - q_sum[i]);
            let (dg, dlambda) = (scale[i] * c, d * inverse[i]);
            dlambda_dx[i] += e[i] * dlambda;
            r[i] = scale[i] * (r[i] - q[i]);
            q[i] = dl * inverse[i];
            sigma_bar[i] = -M::mul_add(z[i], dlambda, e[i] * c * inverse[i]);
            sigma[i] = -z[i] * dg;
            z[i] = -e[i] * dg;
            e[i] = -e[i] * dlambda;
        }
    }

    /// The partials with respect to a and b.
    #[inline(always)]
    pub fn fill_outer_partials(&self, dphi: &mut PhiPartials<'_, T>, rows: [usize; 2]) {
        let [(dg_da, dlambda_da), (dg_db, dlambda_db)] = dphi.pairs(rows);
        let n = dg_da.len();
        dg_da.copy_from_slice(&self.value[..n]);
        dlambda_da.fill(T::one());
        dg_db.fill(T::one());
        dlambda_db.fill(T::zero());
    }
}
