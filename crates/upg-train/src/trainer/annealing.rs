//! A coupling of the target that starts elsewhere and goes to its value.

use crate::schedule::Ramp;
use upg_core::{Device, Target};

/// The course of a coupling, and the target at each of its values.
pub struct Annealing<D: Device> {
    ramp: Ramp,
    to: f64,
    target: Box<dyn Fn(f64) -> Box<dyn Target<D>> + Send + Sync>,
}

impl<D: Device> Annealing<D> {
    /// The coupling goes along `ramp` to `to`; `target` makes the target with a coupling.
    pub fn new<P: Target<D> + 'static>(ramp: Ramp, to: f64, target: impl Fn(f64) -> P + Send + Sync + 'static) -> Self {
        Self { ramp, to, target: Box::new(move |value| Box::new(target(value))) }
    }

    /// The coupling at step `step` = 0, 1, …
    pub fn value(&self, step: u64) -> f64 {
        self.ramp.value(step, self.to)
    }

    /// Whether the coupling has its final value in all steps from `step` on.
    pub fn has_ended(&self, step: u64) -> bool {
        step >= self.ramp.steps
    }

    /// The target with this coupling.
    pub fn target(&self, coupling: f64) -> Box<dyn Target<D>> {
        (self.target)(coupling)
    }
}
