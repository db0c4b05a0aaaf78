//! A step of an optimiser as a device makes it: moments, parameters and average, each read and written once.
//!
//! With the gradient g = `grad`·min(1, `clip`/‖`grad`‖) of step t = 1, 2, … at the learning rate η:
//!
//! | rule | per parameter |
//! |---|---|
//! | `Adam` | m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂/(√v̂ + ε) − decay θ, m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) |
//! | `Momentum` | u ← momentum u + g, θ ← θ − η u |
//! | `Descent` | θ ← θ − η g |
//!
//! and, where asked for, the moving average of the weights, θ̄ ← θ̄ + (1 − decay)(θ − θ̄). In T the weights of old and new are β and
//! 1 − β with β rounded to T first, in the bias corrections too: they sum to one. Source: D. P. Kingma and J. Ba, arXiv:1412.6980.

use super::{
    Memory,
    tiles::{self, Cut, tail, tail_mut},
};
use crate::real::Real;
use crate::vmath::{Kernel, MulAdd};

/// The rule of one step, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Adam, and AdamW with a decay. Two moments, m and v.
    Adam {
        /// β₁ and β₂.
        beta: [f64; 2],
        /// ε.
        epsilon: f64,
        /// η.
        rate: f64,
        /// The share of θ that the step takes away: 0, or η times the weight decay.
        decay: f64,
        /// t, from 1.
        step: u64,
    },
    /// Gradient descent with momentum. One moment, u.
    Momentum {
        /// Share of u that is kept.
        momentum: f64,
        /// η.
        rate: f64,
    },
    /// Gradient descent. No moment.
    Descent {
        /// η.
        rate: f64,
    },
}

impl Rule {
    /// Number of moments it keeps, each of the length of θ.
    pub fn moments(self) -> usize {
        match self {
            Self::Adam { .. } => 2,
            Self::Momentum { .. } => 1,
            Self::Descent { .. } => 0,
        }
    }
}

/// The buffers of a step, all of one length.
pub struct Update<'a, D: Memory + ?Sized> {
    /// The parameters θ.
    pub theta: &'a mut D::Buffer,
    /// The gradient.
    pub grad: &'a D::Buffer,
    /// The largest norm: a longer gradient is shortened to it. `None`: any.
    pub clip: Option<f64>,
    /// As many as the rule keeps.
    pub moments: &'a mut [D::Buffer],
    /// The moving average of the weights, if one is kept.
    pub average: Option<Average<'a, D>>,
}

/// The moving average of the weights.
///
/// In f32 it stops following where |θ − θ̄| (1 − decay) is below half an ulp of θ̄.
pub struct Average<'a, D: Memory + ?Sized> {
    /// The average θ̄.
    pub theta: &'a mut D::Buffer,
    /// Share of it that is kept, in [0, 1].
    pub decay: f64,
}

/// The factor that shortens a gradient of norm `norm` to `max_norm`: min(1, `max_norm`/`norm`); NaN for NaN, 0 for ∞.
///
/// ```
/// use upg_core::device::clip_factor;
/// assert_eq!((clip_factor(4.0, 1.0), clip_factor(0.5, 1.0)), (0.25, 1.0));
/// ```
pub fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    if norm <= max_norm { 1.0 } else { max_norm / norm }
}

/// The step on the host, of a gradient whose norm is `norm`, a finite number.
#[track_caller]
pub(super) fn on_host<T: Real, D: Memory<Real = T, Buffer = Vec<T>>>(rule: Rule, norm: f64, update: Update<'_, D>) {
    let Update { theta, grad, clip, moments, average } = update;
    let scale = clip.map_or(1.0, |clip| clip_factor(norm, clip));
    assert_eq!(grad.len(), theta.len(), "elements of the gradient, and parameters");
    assert_eq!(moments.len(), rule.moments(), "moments given, and moments of the rule");
    assert!(moments.iter().all(|moment| moment.len() == theta.len()), "a moment isn't as long as the parameters");
    let average = average.map(|Average { theta: average, decay }| {
        assert_eq!(average.len(), theta.len(), "averaged parameters, and parameters");
        Follow { theta: average, share: T::of(1.0 - decay) }
    });
    let buffers = Buffers { scale: T::of(scale), grad, theta, average };
    match (rule, moments) {
        (Rule::Adam { beta, epsilon, rate, decay, step }, [m, v]) => {
            buffers.pass(Adam::new(beta, epsilon, rate, decay, step), [m, v]);
        }
        (Rule::Momentum { momentum, rate }, [u]) => {
            buffers.pass(Momentum { momentum: T::of(momentum), rate: T::of(rate) }, [u]);
        }
        (Rule::Descent { rate }, []) => buffers.pass(Descent { rate: T::of(rate) }, []),
        _ => unreachable!("counted above"),
    }
}

/// The buffers all rules work on.
struct Buffers<'a, T> {
    scale: T,
    grad: &'a [T],
    theta: &'a mut [T],
    average: Option<Follow<'a, T>>,
}

impl<T: Real> Buffers<'_, T> {
    fn pass<E: Elementwise<T, N>, const N: usize>(self, rule: E, moments: [&mut Vec<T>; N]) {
        let Self { scale, grad, theta, average } = self;
        let moments = moments.map(Vec::as_mut_slice);
        tiles::run(Pass { rule, scale, grad, theta, moments, average }, |(), ()| ());
    }
}

/// The change of one parameter by a rule that remembers `N` numbers a parameter.
trait Elementwise<T, const N: usize>: Copy + Send {
    /// The new moments, and what is to be subtracted from θ.
    fn advance<M: MulAdd>(self, moments: [T; N], grad: T, theta: T) -> ([T; N], T);
}

/// Adam and AdamW. The bias corrections are folded into two scalars:
/// η m̂/(√v̂ + ε) = step·m/(√v + epsilon), step = η √(1 − β₂ᵗ)/(1 − β₁ᵗ), epsilon = ε √(1 − β₂ᵗ).
#[derive(Clone, Copy)]
struct Adam<T> {
    beta: [T; 2],
    step: T,
    epsilon: T,
    decay: T,
}

impl<T: Real> Adam<T> {
    fn new(beta: [f64; 2], epsilon: f64, rate: f64, decay: f64, t: u64) -> Self {
        let beta = beta.map(T::of);
        let [first, second] = beta.map(|beta| 1.0 - beta.wide().powf(t as f64));
        let root = second.sqrt();
        Self { beta, step: T::of(rate * root / first), epsilon: T::of(epsilon * root), decay: T::of(decay) }
    }
}

impl<T: Real> Elementwise<T, 2> for Adam<T> {
    #[inline(always)]
    fn advance<M: MulAdd>(self, [m, v]: [T; 2], g: T, theta: T) -> ([T; 2], T) {
        let [beta1, beta2] = self.beta;
        let m = M::mul_add(beta1, m, (T::one() - beta1) * g);
        let v = M::mul_add(beta2, v, (T::one() - beta2) * g * g);
        let direction = m / (v.sqrt() + self.epsilon);
        ([m, v], M::mul_add(self.decay, theta, self.step * direction))
    }
}

/// Gradient descent with momentum.
#[derive(Clone, Copy)]
struct Momentum<T> {
    momentum: T,
    rate: T,
}

impl<T: Real> Elementwise<T, 1> for Momentum<T> {
    #[inline(always)]
    fn advance<M: MulAdd>(self, [u]: [T; 1], g: T, _: T) -> ([T; 1], T) {
        let u = M::mul_add(self.momentum, u, g);
        ([u], self.rate * u)
    }
}

/// Plain gradient descent.
#[derive(Clone, Copy)]
struct Descent<T> {
    rate: T,
}

impl<T: Real> Elementwise<T, 0> for Descent<T> {
    #[inline(always)]
    fn advance<M: MulAdd>(self, _: [T; 0], g: T, _: T) -> ([T; 0], T) {
        ([], self.rate * g)
    }
}

/// The moving average of the weights: θ̄ ← θ̄ + share (θ − θ̄).
struct Follow<'a, T> {
    theta: &'a mut [T],
    share: T,
}

/// A step over slices of one length.
struct Pass<'a, T, E, const N: usize> {
    rule: E,
    scale: T,
    grad: &'a [T],
    theta: &'a mut [T],
    moments: [&'a mut [T]; N],
    average: Option<Follow<'a, T>>,
}

impl<T: Real, E: Elementwise<T, N>, const N: usize> Kernel for Pass<'_, T, E, N> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { rule, scale, grad, theta, moments, average } = self;
        let n = theta.len();
        // Slices that are seen to be of one length leave no bounds check in the loops.
        let (grad, mut moments) = (&grad[..n], moments.map(|moment| &mut moment[..n]));
        match average {
            None => {
                for (i, theta) in theta.iter_mut().enumerate() {
                    *theta -= change::<T, E, M, N>(rule, &mut moments, i, scale * grad[i], *theta);
                }
            }
            Some(Follow { theta: average, share }) => {
                for (i, (theta, average)) in theta.iter_mut().zip(&mut average[..n]).enumerate() {
                    *theta -= change::<T, E, M, N>(rule, &mut moments, i, scale * grad[i], *theta);
                    *average = M::mul_add(share, *theta - *average, *average);
                }
            }
        }
    }
}

/// Brings the moments of parameter `i` up to date; returns what is to be subtracted from it.
#[inline(always)]
fn change<T: Real, E: Elementwise<T, N>, M: MulAdd, const N: usize>(
    rule: E,
    moments: &mut [&mut [T]; N],
    i: usize,
    grad: T,
    theta: T,
) -> T {
    let mut old = [T::zero(); N];
    for (old, moment) in old.iter_mut().zip(&*moments) {
        *old = moment[i];
    }
    let (new, change) = rule.advance::<M>(old, grad, theta);
    for (moment, new) in moments.iter_mut().zip(new) {
        moment[i] = new;
    }
    change
}

impl<T: Real, E: Elementwise<T, N>, const N: usize> Cut for Pass<'_, T, E, N> {
    fn len(&self) -> usize {
        self.theta.len()
    }

    fn split_off(&mut self, at: usize) -> Self {
        let average =
            self.average.as_mut().map(|Follow { theta, share }| Follow { theta: tail_mut(theta, at), share: *share });
        Self {
            rule: self.rule,
            scale: self.scale,
            grad: tail(&mut self.grad, at),
            theta: tail_mut(&mut self.theta, at),
            moments: self.moments.each_mut().map(|moment| tail_mut(moment, at)),
            average,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;
    use crate::vmath::{InstructionSet, dispatch_to};
    use rand::RngExt;

    #[test]
    fn instruction_sets_agree() {
        let rng = &mut Streams::new(4).next_stream();
        let mut numbers = |low: f32| -> Vec<f32> { (0..1001).map(|_| rng.random_range(low..1.0)).collect() };
        let (grad, start, mean, squares) = (numbers(-1.0), numbers(-1.0), numbers(-1.0), numbers(0.1));
        let run = |set| {
            let (mut theta, mut average, mut moments) = (start.clone(), mean.clone(), [mean.clone(), squares.clone()]);
            let rule = Adam::<f32>::new([0.9, 0.99], 1e-3, 0.1, 0.01, 3);
            let followed = Some(Follow { theta: &mut average, share: 0.2 });
            let moments = moments.each_mut().map(Vec::as_mut_slice);
            dispatch_to(set, Pass { rule, scale: 2.0, grad: &grad, theta: &mut theta, moments, average: followed });
            [theta, average].concat()
        };
        for (a, b) in run(InstructionSet::Baseline).iter().zip(run(InstructionSet::detect())) {
            assert!((a - b).abs() <= 3e-7 * b.abs().max(1.0), "{a} without instructions, {b} with them");
        }
    }
}
