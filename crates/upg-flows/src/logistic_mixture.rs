//! Mixture of logistic distributions on the line: y = e^a u + b, u = logit F(x), F(x) = Σ_k π_k σ(z_k), z_k = (x − μ_k) e^{−s_k}.
//!
//! φ = (a, b, l_1 … l_K, μ_1 … μ_K, s_1 … s_K), π = softmax(l). For K = 1 this is affine in x.
//!
//! With A_k = l_k + log σ(z_k) and B_k = l_k + log σ(−z_k), u = log Σ e^{A_k} − log Σ e^{B_k}: no 1 − F is formed, the tails
//! keep their digits, and the normalisation of π drops out. With r = softmax(A), q = softmax(B), σ_k = σ(z_k),
//! σ̄_k = σ(−z_k), e_k = e^{−s_k}, and per component c_k = r_k σ̄_k + q_k σ_k = ∂u/∂z_k:
//!
//! | | |
//! |---|---|
//! | P, Q | Σ_k e_k r_k σ̄_k = ∂ log F/∂x, Σ_k e_k q_k σ_k = −∂ log(1 − F)/∂x |
//! | g', λ | e^a u', a + log u' with u' = P + Q |
//! | D_k = ∂u'/∂z_k | r_k σ̄_k (w_k − P) + q_k σ_k (w_k + Q), w_k = e_k (σ̄_k − σ_k) |
//! | ∂λ/∂x | Σ_k e_k D_k / u' |
//! | ∂g/∂a, ∂g/∂b | e^a u, 1 |
//! | ∂g/∂l_k, ∂g/∂μ_k, ∂g/∂s_k | e^a (r_k − q_k), −e^a e_k c_k, −e^a z_k c_k |
//! | ∂λ/∂a, ∂λ/∂b | 1, 0 |
//! | ∂λ/∂l_k | (r_k (e_k σ̄_k − P) + q_k (e_k σ_k − Q)) / u' |
//! | ∂λ/∂μ_k, ∂λ/∂s_k | −e_k D_k / u', −(z_k D_k + e_k c_k) / u' |
//!
//! The inverse is implicit; the solutions of the components, μ_k + e^{s_k} (y − b) e^{−a}, enclose that of the mixture.
//! Source: J. Ho et al., *Flow++*, arXiv:1902.00275.

use crate::elementwise::{AllRows, Bracket, Elementwise, Partials, Phi, PhiPartials};
use crate::implicit::{CHUNK, Implicit, chunks};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};

/// y = e^a logit(Σ_k π_k σ((x − μ_k) e^{−s_k})) + b, φ = (a, b, logits of π, μ, s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogisticMixture {
    /// K, at least 1.
    pub mixtures: usize,
}

/// Row of a in φ.
const LOG_SCALE: usize = 0;
/// Row of b in φ.
const SHIFT: usize = 1;

impl LogisticMixture {
    /// Rows of l_k, μ_k and s_k in φ.
    #[inline(always)]
    fn component(self, k: usize) -> [usize; 3] {
        [0, 1, 2].map(|block| 2 + block * self.mixtures + k)
    }

    fn rows(self) -> usize {
        assert!(self.mixtures > 0, "a mixture of {} distributions", self.mixtures);
        2 + 3 * self.mixtures
    }
}

impl<T: Real> Elementwise<T> for LogisticMixture {
    type Inverse = Implicit<Self>;

    fn width(&self) -> usize {
        self.rows()
    }

    fn evaluate(&self, x: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(Apply { mixture: *self, x, phi, partials, fill: Fill::Everything });
    }

    fn inverse(&self) -> Implicit<Self> {
        Implicit::of(*self)
    }

    fn value_and_slope(&self, x: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(Apply { mixture: *self, x, phi, partials, fill: Fill::Slope });
    }

    fn bracket(&self, y: &[T], phi: Phi<'_, T>, _: Partials<'_, T>, bracket: Bracket<'_, T>) {
        dispatch(Enclose { mixture: *self, y, phi, bracket });
    }
}

/// What is wanted beside g.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// ∂g/∂x.
    Slope,
    /// λ and all partials.
    Everything,
}

/// A row of g and of its partials.
struct Apply<'a, T> {
    mixture: LogisticMixture,
    x: &'a mut [T],
    phi: Phi<'a, T>,
    partials: Partials<'a, T>,
    fill: Fill,
}

impl<T: Real> Kernel for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { mixture, x, phi, mut partials, fill } = self;
        for range in chunks(x.len()) {
            let rows = partials.part(range.clone()).all_rows(mixture.rows());
            apply::<T, M>(mixture, &mut x[range.clone()], phi.part(range), rows, fill);
        }
    }
}

/// The same for one chunk. The rows that belong to a component hold its [`Parts`] until they are filled.
#[inline(always)]
fn apply<T: Real, M: MulAdd>(g: LogisticMixture, x: &mut [T], phi: Phi<'_, T>, rows: AllRows<'_, T>, fill: Fill) {
    let AllRows { lambda, dg_dt: dg_dx, dlambda_dt: dlambda_dx, mut dphi } = rows;
    let (a, b) = (phi.row(LOG_SCALE), phi.row(SHIFT));
    let mut sums = Sums::new();
    for k in 0..g.mixtures {
        let [l, mu, s] = g.component(k).map(|row| phi.row(row));
        parts(&mut dphi, g, k).fill::<M>(x, l, mu, s);
        sums.bound(parts(&mut dphi, g, k));
    }
    for k in 0..g.mixtures {
        sums.add_exponentials::<M>(parts(&mut dphi, g, k));
    }
    sums.fill_value::<M>(a, b, x);
    for k in 0..g.mixtures {
        sums.add_slope::<M>(parts(&mut dphi, g, k));
    }
    sums.fill_slope(dg_dx);
    if fill == Fill::Everything {
        sums.fill_lambda::<M>(a, lambda);
        dlambda_dx.fill(T::zero());
        for k in 0..g.mixtures {
            sums.fill_partials::<M>(parts(&mut dphi, g, k), dlambda_dx);
        }
        sums.fill_outer_partials(&mut dphi);
    }
}

/// A component's numbers, in the rows of its partials, which replace them in the end.
struct Parts<'a, T> {
    /// A, then e^{A − max A}, then r; ∂g/∂l.
    left: &'a mut [T],
    /// B, then e^{B − max B}, then q; ∂λ/∂l.
    right: &'a mut [T],
    /// z; ∂g/∂μ.
    z: &'a mut [T],
    /// e^{−s}; ∂λ/∂μ.
    e: &'a mut [T],
    /// σ(z); ∂g/∂s.
    below: &'a mut [T],
    /// σ(−z); ∂λ/∂s.
    above: &'a mut [T],
}

/// The rows of component k.
#[inline(always)]
fn parts<'a, T>(dphi: &'a mut PhiPartials<'_, T>, g: LogisticMixture, k: usize) -> Parts<'a, T> {
    let [(left, right), (z, e), (below, above)] = dphi.pairs(g.component(k));
    Parts { left, right, z, e, below, above }
}

impl<'a, T: Real> Parts<'a, T> {
    /// All rows of the same length n.
    #[inline(always)]
    fn cut(self, n: usize) -> Self {
        let Self { left, right, z, e, below, above } = self;
        Self {
            left: &mut left[..n],
            right: &mut right[..n],
            z: &mut z[..n],
            e: &mut e[..n],
            below: &mut below[..n],
            above: &mut above[..n],
        }
    }

    /// All but r and q.
    #[inline(always)]
    fn fill<M: MulAdd>(self, x: &[T], l: &[T], mu: &[T], s: &[T]) {
        let (zero, one, n) = (T::zero(), T::one(), x.len());
        let (l, mu, s) = (&l[..n], &mu[..n], &s[..n]);
        let Self { left, right, z, e, below, above } = self.cut(n);
        for i in 0..n {
            let inverse_width = scalar::exp::<T, M>(-s[i]);
            let position = (x[i] - mu[i]) * inverse_width;
            let decay = scalar::exp::<T, M>(-position.abs());
            let rest = scalar::ln_1p_unit::<T, M>(decay);
            let near = (one + decay).recip();
            let far = decay * near;
            let negative = position < zero;
            (z[i], e[i]) = (position, inverse_width);
            below[i] = if negative { far } else { near };
            above[i] = if negative { near } else { far };
            left[i] = l[i] - (rest + if negative { -position } else { zero });
            right[i] = l[i] - (rest + if negative { zero } else { position });
        }
    }
}

/// What the components of a chunk add up to.
struct Sums<T> {
    /// max A, then log Σ e^A … of both sides.
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
    fn new() -> Self {
        let zero = [T::zero(); CHUNK];
        let low = [T::neg_infinity(); CHUNK];
        Self { max: [low; 2], sum: [zero; 2], slope: [zero; 2], scale: zero, value: zero, inverse: zero }
    }

    /// Takes A and B into the maxima.
    #[inline(always)]
    fn bound(&mut self, parts: Parts<'_, T>) {
        for (row, max) in [parts.left, parts.right].into_iter().zip(&mut self.max) {
            for (&mut x, max) in row.iter_mut().zip(max) {
                *max = if x > *max { x } else { *max };
            }
        }
    }

    /// Adds e^{A − max A} and e^{B − max B}.
    #[inline(always)]
    fn add_exponentials<M: MulAdd>(&mut self, parts: Parts<'_, T>) {
        for ((row, max), sum) in [parts.left, parts.right].into_iter().zip(&self.max).zip(&mut self.sum) {
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
    fn fill_value<M: MulAdd>(&mut self, a: &[T], b: &[T], x: &mut [T]) {
        let n = x.len();
        let Self { max: [max_left, max_right], sum: [left, right], scale, value, .. } = self;
        let (max_left, max_right, left, right) = (&max_left[..n], &max_right[..n], &mut left[..n], &mut right[..n]);
        let (scale, value, a, b) = (&mut scale[..n], &mut value[..n], &a[..n], &b[..n]);
        for i in 0..n {
            let u = (max_left[i] - max_right[i]) + (scalar::ln::<T, M>(left[i]) - scalar::ln::<T, M>(right[i]));
            let grown = scalar::exp::<T, M>(a[i]);
            (scale[i], value[i], x[i]) = (grown, grown * u, M::mul_add(grown, u, b[i]));
            (left[i], right[i]) = (left[i].recip(), right[i].recip());
        }
    }

    /// Normalises r and q, adds to P and Q.
    #[inline(always)]
    fn add_slope<M: MulAdd>(&mut self, parts: Parts<'_, T>) {
        let n = parts.e.len();
        let Parts { left, right, e, below, above, .. } = parts.cut(n);
        let Self { sum: [sum_left, sum_right], slope: [p, q], .. } = self;
        let (sum_left, sum_right, p, q) = (&sum_left[..n], &sum_right[..n], &mut p[..n], &mut q[..n]);
        for i in 0..n {
            let (weight_left, weight_right) = (left[i] * sum_left[i], right[i] * sum_right[i]);
            p[i] = M::mul_add(e[i] * above[i], weight_left, p[i]);
            q[i] = M::mul_add(e[i] * below[i], weight_right, q[i]);
            (left[i], right[i]) = (weight_left, weight_right);
        }
    }

    /// ∂g/∂x = e^a (P + Q).
    #[inline(always)]
    fn fill_slope(&mut self, dg_dx: &mut [T]) {
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
    fn fill_lambda<M: MulAdd>(&self, a: &[T], lambda: &mut [T]) {
        let n = lambda.len();
        let [p, q] = &self.slope;
        let (p, q, a) = (&p[..n], &q[..n], &a[..n]);
        for i in 0..n {
            lambda[i] = a[i] + scalar::ln::<T, M>(p[i] + q[i]);
        }
    }

    /// The partials of one component; adds its e D/u' to ∂λ/∂x.
    #[inline(always)]
    fn fill_partials<M: MulAdd>(&self, parts: Parts<'_, T>, dlambda_dx: &mut [T]) {
        let n = dlambda_dx.len();
        let Parts { left, right, z, e, below, above } = parts.cut(n);
        let [p, q] = &self.slope;
        let (p, q, scale, inverse) = (&p[..n], &q[..n], &self.scale[..n], &self.inverse[..n]);
        for i in 0..n {
            let rise = (left[i] * above[i], right[i] * below[i]);
            let lean = e[i] * (above[i] - below[i]);
            let c = rise.0 + rise.1;
            let d = rise.0 * (lean - p[i]) + rise.1 * (lean + q[i]);
            let dl = left[i] * (e[i] * above[i] - p[i]) + right[i] * (e[i] * below[i] - q[i]);
            let (dg, dlambda) = (scale[i] * c, d * inverse[i]);
            dlambda_dx[i] += e[i] * dlambda;
            left[i] = scale[i] * (left[i] - right[i]);
            right[i] = dl * inverse[i];
            above[i] = -M::mul_add(z[i], dlambda, e[i] * c * inverse[i]);
            below[i] = -z[i] * dg;
            z[i] = -e[i] * dg;
            e[i] = -e[i] * dlambda;
        }
    }

    /// The partials with respect to a and b.
    #[inline(always)]
    fn fill_outer_partials(&self, dphi: &mut PhiPartials<'_, T>) {
        let [(dg_da, dlambda_da), (dg_db, dlambda_db)] = dphi.pairs([LOG_SCALE, SHIFT]);
        let n = dg_da.len();
        dg_da.copy_from_slice(&self.value[..n]);
        dlambda_da.fill(T::one());
        dg_db.fill(T::one());
        dlambda_db.fill(T::zero());
    }
}

/// The bracket of one chunk.
struct Enclose<'a, T> {
    mixture: LogisticMixture,
    y: &'a [T],
    phi: Phi<'a, T>,
    bracket: Bracket<'a, T>,
}

impl<T: Real> Kernel for Enclose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { mixture, y, phi, bracket: Bracket { low, high, guess, terms } } = self;
        let n = y.len();
        let (low, high, guess, terms) = (&mut low[..n], &mut high[..n], &mut guess[..n], &mut terms[..n]);
        let [mut z, mut scale] = [[T::zero(); CHUNK]; 2];
        let (z, scale, a, b) = (&mut z[..n], &mut scale[..n], &phi.row(LOG_SCALE)[..n], &phi.row(SHIFT)[..n]);
        for i in 0..n {
            let (grown, shrunk) = scalar::exp_both_ways::<T, M>(a[i]);
            z[i] = (y[i] - b[i]) * shrunk;
            (scale[i], terms[i]) = (grown, grown + b[i].abs());
        }
        low.fill(T::infinity());
        high.fill(T::neg_infinity());
        guess.fill(T::zero());
        let share = T::of(1.0 / mixture.mixtures as f64);
        for k in 0..mixture.mixtures {
            let [l, mu, s] = mixture.component(k).map(|row| &phi.row(row)[..n]);
            for i in 0..n {
                let spread = scalar::exp::<T, M>(s[i]) * z[i];
                let (x, room) = (mu[i] + spread, T::of(8.0) * T::epsilon() * (mu[i].abs() + spread.abs()));
                low[i] = if x - room < low[i] { x - room } else { low[i] };
                high[i] = if x + room > high[i] { x + room } else { high[i] };
                guess[i] = M::mul_add(x, share, guess[i]);
                terms[i] = M::mul_add(scale[i] * share, l[i].abs(), terms[i]);
            }
        }
    }
}
