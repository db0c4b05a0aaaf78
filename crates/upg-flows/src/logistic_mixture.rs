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

mod components;

use crate::elementwise::{AllRows, Elementwise, Partials, PartialsRef, Phi, block_rows};
use crate::implicit::{Bracket, CHUNK, Implicit, Monotone, chunks};
use components::{Sums, parts};
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};
use upg_core::{Batch, Real};

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

    fn value(&self, x: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], memory: &mut Batch<T>) {
        for range in chunks(x.len()) {
            let (n, x, phi) = (range.len(), &mut x[range.clone()], phi.part(range.clone()));
            memory.reshape(block_rows(self.rows()), n);
            let partials = Partials::of(memory.as_mut_slice(), n);
            dispatch(Apply { mixture: *self, x, phi, partials, fill: Fill::Lambda });
            lambda[range].copy_from_slice(PartialsRef::of(memory.as_slice(), n).lambda());
        }
    }
}

impl<T: Real> Monotone<T> for LogisticMixture {
    fn value_and_slope(&self, x: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(Apply { mixture: *self, x, phi, partials, fill: Fill::Slope });
    }

    fn bracket(&self, y: &[T], phi: Phi<'_, T>, _: Partials<'_, T>, bracket: Bracket<'_, T>) {
        dispatch(Enclose { mixture: *self, y, phi, bracket });
    }
}

/// The results wanted beside g.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// ∂g/∂x.
    Slope,
    /// λ.
    Lambda,
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

/// The same for one chunk. The rows that belong to a component hold its [`Parts`](components::Parts) until they are filled.
#[inline(always)]
fn apply<T: Real, M: MulAdd>(g: LogisticMixture, x: &mut [T], phi: Phi<'_, T>, rows: AllRows<'_, T>, fill: Fill) {
    let AllRows { lambda, dg_dt: dg_dx, dlambda_dt: dlambda_dx, mut dphi } = rows;
    let (a, b) = (phi.row(LOG_SCALE), phi.row(SHIFT));
    let mut sums = Sums::new();
    for k in 0..g.mixtures {
        let [l, mu, s] = g.component(k).map(|row| phi.row(row));
        parts(&mut dphi, g.component(k)).fill::<M>(x, l, mu, s);
        sums.bound(parts(&mut dphi, g.component(k)));
    }
    for k in 0..g.mixtures {
        sums.add_exponentials::<M>(parts(&mut dphi, g.component(k)));
    }
    sums.fill_value::<M>(a, b, x);
    for k in 0..g.mixtures {
        sums.add_slope::<M>(parts(&mut dphi, g.component(k)));
    }
    match fill {
        Fill::Slope => sums.fill_slope(dg_dx),
        Fill::Lambda => sums.fill_lambda::<M>(a, lambda),
        Fill::Everything => {
            sums.fill_slope(dg_dx);
            sums.fill_lambda::<M>(a, lambda);
            dlambda_dx.fill(T::zero());
            for k in 0..g.mixtures {
                sums.fill_partials::<M>(parts(&mut dphi, g.component(k)), dlambda_dx);
            }
            sums.fill_outer_partials(&mut dphi, [LOG_SCALE, SHIFT]);
        }
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
            let (exp_a, exp_minus_a) = scalar::exp_both_ways::<T, M>(a[i]);
            z[i] = (y[i] - b[i]) * exp_minus_a;
            (scale[i], terms[i]) = (exp_a, exp_a + b[i].abs());
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
