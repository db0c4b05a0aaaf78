//! Exact values of a target, and exact samples of it.

use upg_core::{Batch, Real, Rng};

/// A target whose normalisation may be known.
pub trait Exact {
    /// log Z = log ∫ e^{−S(x)} dx, where it can be computed for these parameters.
    fn log_z(&self) -> Option<f64>;
}

/// A target one can draw independent samples from.
pub trait ExactSampler<T: Real> {
    /// Fills `x`, whose shape `[dof, samples]` is already set, with independent draws of p ∝ e^{−S}.
    ///
    /// # Panics
    /// If the rows of `x` are not the degrees of freedom of the target.
    fn sample(&self, rng: &mut Rng, x: &mut Batch<T>);
}
