//! Optimisers: the change of the parameters in a step, in one pass over memory.
//!
//! With the gradient g = `grad`·min(1, `clip`/‖`grad`‖) and the learning rate η = `rate` of step t = 1, 2, …:
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
//! Parameters, gradient, moments and average stay on the device, which makes the step: [`upg_core::device::Vectors::optimise`].

mod rule;

#[cfg(all(test, feature = "serde"))]
mod tests;

pub use rule::Rule;
pub use upg_core::device::clip_factor;

use upg_core::Device;
use upg_core::device::{self, Average};

/// A rule, the number of steps it has made, and its moments of their gradients.
pub struct Optimiser<D: Device> {
    rule: Rule,
    steps: u64,
    /// As many as the rule names, each of the length of θ.
    moments: Vec<D::Buffer>,
}

/// The buffers and numbers of a step.
pub struct Update<'a, D: Device> {
    /// The parameters θ.
    pub theta: &'a mut D::Buffer,
    /// The gradient.
    pub grad: &'a D::Buffer,
    /// The learning rate η of this step.
    pub rate: f64,
    /// The largest norm: a longer gradient is shortened to it. `None`: any.
    pub clip: Option<f64>,
    /// The moving average of the weights, if one is kept.
    pub average: Option<Average<'a, D>>,
}

impl<D: Device> Optimiser<D> {
    /// An optimiser that has made no step, for `len` parameters.
    pub fn new(device: &D, rule: Rule, len: usize) -> Self {
        let moments = rule.moment_names().iter().map(|_| device.zeros(len)).collect();
        Self { rule, steps: 0, moments }
    }

    /// The optimiser that had made `steps` steps and had these [`moments`](Self::moments), in the order of [`Rule::moment_names`].
    ///
    /// # Panics
    /// If there are more or fewer moments than the rule names.
    #[track_caller]
    pub fn restore(device: &D, rule: Rule, steps: u64, moments: &[Vec<D::Real>]) -> Self {
        assert_eq!(moments.len(), rule.moment_names().len(), "moments given, and moments of the rule");
        Self { rule, steps, moments: moments.iter().map(|moment| device.buffer(moment)).collect() }
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Number of steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The moments, to be saved besides the number of steps, in the order of [`Rule::moment_names`]: one number a parameter each.
    pub fn moments(&self, device: &D) -> Vec<Vec<D::Real>> {
        self.moments.iter().map(|moment| device.to_host(moment)).collect()
    }

    /// Makes one step, and returns the norm of the gradient, as it was before clipping. If that isn't finite, there was no step.
    ///
    /// # Panics
    /// If the parameters, the gradient or the average aren't as long as the optimiser was made for.
    #[track_caller]
    pub fn step(&mut self, device: &D, update: Update<'_, D>) -> f64 {
        let Update { theta, grad, rate, clip, average } = update;
        let rule = self.rule.at(rate, self.steps + 1);
        let norm = device.optimise(rule, device::Update { theta, grad, clip, moments: &mut self.moments, average });
        self.steps += u64::from(norm.is_finite());
        norm
    }
}
