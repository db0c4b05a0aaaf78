//! Optimisers: what a step does to the parameters, in one pass over memory.
//!
//! With the gradient g = `scale`·`grad` and the learning rate η = `rate` of step t = 1, 2, …:
//!
//! | rule | per parameter |
//! |---|---|
//! | `Adam` | m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂/(√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) |
//! | `AdamW` | the same, with θ ← θ − η (m̂/(√v̂ + ε) + decay θ) |
//! | `Sgd` | u ← momentum u + g, θ ← θ − η u |
//!
//! and, where asked for, the moving average of the weights, θ̄ ← θ̄ + (1 − decay)(θ − θ̄).
//!
//! Sources: D. P. Kingma and J. Ba, *Adam: a method for stochastic optimization*, arXiv:1412.6980; I. Loshchilov and F. Hutter,
//! *Decoupled weight decay regularization*, arXiv:1711.05101. Semantics and defaults are those of `torch.optim`.
//!
//! A step reads and writes every number once and is bound by memory. All work is elementwise, cut into tiles of fixed size
//! that the threads of the caller's rayon pool share, so the result is bitwise the same for any number of threads.
//!
//! In T the weights of old and new are β and 1 − β with β rounded to T first, in the bias corrections too: they sum to one.

mod pass;
mod restore;
mod tiles;
mod vector;

#[cfg(test)]
mod tests;

pub use restore::RestoreError;
pub use vector::{clip_factor, combine, norm};

use pass::{Elementwise, Pass};
use upg_core::Real;
use upg_train::optimiser::Rule;

/// A rule, how many steps it has made, and what it remembers of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimiser<T> {
    rule: Rule,
    steps: u64,
    len: usize,
    /// As many as the rule names, each of the length of θ.
    moments: Vec<Vec<T>>,
}

/// What a step works on.
#[derive(Debug)]
pub struct Update<'a, T> {
    /// The parameters θ.
    pub theta: &'a mut [T],
    /// The gradient; finite, as the norm tells.
    pub grad: &'a [T],
    /// The learning rate η of this step.
    pub rate: f64,
    /// What the gradient is multiplied with, e.g. the clipping factor; 1 leaves it as it is.
    pub scale: f64,
    /// The moving average of the weights, if one is kept.
    pub average: Option<Average<'a, T>>,
}

/// The moving average of the weights.
///
/// In f32 it stops following where |θ − θ̄| (1 − decay) is below half an ulp of θ̄.
#[derive(Debug)]
pub struct Average<'a, T> {
    /// The average θ̄, of the length of θ.
    pub theta: &'a mut [T],
    /// What is kept of it, in [0, 1].
    pub decay: f64,
}

impl<T: Real> Optimiser<T> {
    /// An optimiser that has made no step, for `len` parameters.
    pub fn new(rule: Rule, len: usize) -> Self {
        let moments = rule.moment_names().iter().map(|_| vec![T::zero(); len]).collect();
        Self { rule, steps: 0, len, moments }
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Number of steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is to be saved besides the number of steps: each moment's name and its values, one a parameter.
    ///
    /// `first_moment` (m) and `second_moment` (v) of Adam, `momentum` (u) of SGD with momentum, nothing of plain SGD.
    pub fn moments(&self) -> impl Iterator<Item = (&'static str, &[T])> {
        self.rule.moment_names().iter().copied().zip(self.moments.iter().map(Vec::as_slice))
    }

    /// Makes one step.
    ///
    /// # Panics
    /// If the parameters, the gradient or the average aren't as long as the optimiser was made for.
    #[track_caller]
    pub fn step(&mut self, update: Update<'_, T>) {
        assert_eq!(update.theta.len(), self.len, "parameters, and parameters of the optimiser");
        assert_eq!(update.grad.len(), self.len, "gradient, and parameters of the optimiser");
        if let Some(average) = &update.average {
            assert_eq!(average.theta.len(), self.len, "averaged parameters, and parameters of the optimiser");
        }
        self.steps += 1;
        let rate = update.rate;
        match self.rule {
            Rule::Adam { beta1, beta2, epsilon, .. } => {
                self.pass(pass::Adam::new([beta1, beta2], epsilon, rate, 0.0, self.steps), update);
            }
            Rule::AdamW { beta1, beta2, epsilon, weight_decay, .. } => {
                self.pass(pass::Adam::new([beta1, beta2], epsilon, rate, rate * weight_decay, self.steps), update);
            }
            Rule::Sgd { momentum: 0.0, .. } => self.pass(pass::Sgd { rate: T::of(rate) }, update),
            Rule::Sgd { momentum, .. } => {
                self.pass(pass::Momentum { momentum: T::of(momentum), rate: T::of(rate) }, update);
            }
        }
    }

    /// The one pass over memory.
    fn pass<E: Elementwise<T, N>, const N: usize>(&mut self, rule: E, update: Update<'_, T>) {
        let Update { theta, grad, scale, average, .. } = update;
        let mut moments = self.moments.iter_mut();
        let moments = std::array::from_fn(|_| moments.next().expect("as many as the rule names").as_mut_slice());
        let average = average.map(|Average { theta, decay }| pass::Follow { theta, share: T::of(1.0 - decay) });
        tiles::run(Pass { rule, scale: T::of(scale), grad, theta, moments, average }, |(), ()| ());
    }
}
