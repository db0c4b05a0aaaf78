//! The inner loops of a step: moments, parameters and average, each read and written once.

use super::tiles::{Cut, tail, tail_mut};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd};

/// What a rule that remembers `N` numbers a parameter does to one parameter.
pub(super) trait Elementwise<T, const N: usize>: Copy + Send {
    /// The new moments, and what is to be subtracted from θ.
    fn advance<M: MulAdd>(self, moments: [T; N], grad: T, theta: T) -> ([T; N], T);
}

/// Adam and AdamW. The bias corrections are folded into two scalars:
/// η m̂/(√v̂ + ε) = step·m/(√v + epsilon), step = η √(1 − β₂ᵗ)/(1 − β₁ᵗ), epsilon = ε √(1 − β₂ᵗ).
#[derive(Clone, Copy, Debug)]
pub(super) struct Adam<T> {
    beta: [T; 2],
    step: T,
    epsilon: T,
    decay: T,
}

impl<T: Real> Adam<T> {
    /// Step `t` ≥ 1 at learning rate `rate`; `decay` is the share of θ that the step takes away.
    pub(super) fn new(beta: [f64; 2], epsilon: f64, rate: f64, decay: f64, t: u64) -> Self {
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Momentum<T> {
    pub(super) momentum: T,
    pub(super) rate: T,
}

impl<T: Real> Elementwise<T, 1> for Momentum<T> {
    #[inline(always)]
    fn advance<M: MulAdd>(self, [u]: [T; 1], g: T, _: T) -> ([T; 1], T) {
        let u = M::mul_add(self.momentum, u, g);
        ([u], self.rate * u)
    }
}

/// Plain gradient descent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sgd<T> {
    pub(super) rate: T,
}

impl<T: Real> Elementwise<T, 0> for Sgd<T> {
    #[inline(always)]
    fn advance<M: MulAdd>(self, _: [T; 0], g: T, _: T) -> ([T; 0], T) {
        ([], self.rate * g)
    }
}

/// The moving average of the weights: θ̄ ← θ̄ + share (θ − θ̄).
#[derive(Debug)]
pub(super) struct Follow<'a, T> {
    pub(super) theta: &'a mut [T],
    pub(super) share: T,
}

/// A step over slices of one length.
pub(super) struct Pass<'a, T, E, const N: usize> {
    pub(super) rule: E,
    /// What the gradient is multiplied with.
    pub(super) scale: T,
    pub(super) grad: &'a [T],
    pub(super) theta: &'a mut [T],
    pub(super) moments: [&'a mut [T]; N],
    pub(super) average: Option<Follow<'a, T>>,
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
