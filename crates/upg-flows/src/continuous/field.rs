//! What a continuous flow asks of its vector field.

use std::f64::consts::PI;
use upg_core::{Accum, Batch, ParamLayout, Real};

/// A moment of the flow, and what was prepared for it.
#[derive(Debug)]
pub struct Moment<'a, T, P> {
    /// t, from 0 to 1.
    pub time: f64,
    /// Its place among the times of [`VectorField::prepare`].
    pub index: usize,
    /// θ.
    pub theta: &'a [T],
    /// The result of [`VectorField::prepare`].
    pub prepared: &'a P,
}

/// A vector field f(x, t; θ), given by its value, its divergence, and the vector–Jacobian products of both.
///
/// Batches have shape `[dof, samples]`, whole tiles of [`lanes`](crate::simd::lanes) samples: a field may compute with full registers.
/// Samples that fill up the last tile are copies of others, their covectors and weights 0.
pub trait VectorField<T: Real>: Send + Sync + 'static {
    /// What all evaluations need of θ and of their times, made once a gradient.
    type Prepared: Default + Send + Sync + 'static;
    /// Memory free to be overwritten by each call.
    type Memory: Default + Send + 'static;

    /// Number of degrees of freedom.
    fn dof(&self) -> usize;

    /// Parameters: names, shapes, initial values.
    fn params(&self) -> ParamLayout;

    /// Fills `prepared` for θ and all times at which the field will be asked for.
    fn prepare(&self, theta: &[T], times: &[f64], prepared: &mut Self::Prepared);

    /// `velocity` ← f(x, t), `divergence` ← div f(x, t), one per sample; lengths and shapes are set.
    fn evaluate(
        &self,
        at: &Moment<'_, T, Self::Prepared>,
        x: &Batch<T>,
        velocity: &mut Batch<T>,
        divergence: &mut [f64],
        memory: &mut Self::Memory,
    );

    /// `out` ← (∂f/∂x)ᵀ a + w ∇div f with one w a sample; and if there are `sums`, adds Σ_samples (∂f/∂θ)ᵀ a + w ∂div f/∂θ to them.
    fn pull_back(
        &self,
        at: &Moment<'_, T, Self::Prepared>,
        x: &Batch<T>,
        covector: Covector<'_, T>,
        out: &mut Batch<T>,
        sums: Option<&mut [T]>,
        memory: &mut Self::Memory,
    );

    /// `evaluate` and `pull_back` without sums at the same x, for fields that share work between them.
    fn evaluate_with_pull_back(
        &self,
        at: &Moment<'_, T, Self::Prepared>,
        x: &Batch<T>,
        covector: Covector<'_, T>,
        result: Evaluation<'_, T>,
        memory: &mut Self::Memory,
    ) {
        let Evaluation { velocity, divergence, out } = result;
        self.evaluate(at, x, velocity, divergence, memory);
        self.pull_back(at, x, covector, out, None, memory);
    }

    /// Numbers that `pull_back` adds up, for so many times: by default one for each parameter.
    fn sums(&self, times: usize) -> usize {
        let _ = times;
        self.params().size()
    }

    /// ∂θ (+)= what the sums of all times amount to: by default the sums themselves.
    fn reduce(&self, theta: &[T], prepared: &Self::Prepared, sums: &[T], accum: Accum, into: &mut [T]) {
        let _ = (theta, prepared);
        match accum {
            Accum::Replace => into.copy_from_slice(sums),
            Accum::Add => into.iter_mut().zip(sums).for_each(|(into, &sum)| *into += sum),
        }
    }
}

/// cos πjt for all times and j < `count`, `[time][j]`: what weights that depend on time are made of.
pub(crate) fn fill_basis<T: Real>(times: &[f64], count: usize, basis: &mut Vec<T>) {
    basis.clear();
    basis.extend(times.iter().flat_map(|t| (0..count).map(move |j| T::of((PI * j as f64 * t).cos()))));
}

/// What is pulled back through f and div f.
#[derive(Clone, Copy, Debug)]
pub struct Covector<'a, T: Real> {
    /// a, the covector at f, `[dof, samples]`.
    pub a: &'a Batch<T>,
    /// w, the weight of div f, one per sample.
    pub weights: &'a [T],
}

/// Results of [`VectorField::evaluate_with_pull_back`].
#[derive(Debug)]
pub struct Evaluation<'a, T: Real> {
    /// f(x, t), `[dof, samples]`.
    pub velocity: &'a mut Batch<T>,
    /// div f(x, t), one per sample.
    pub divergence: &'a mut [f64],
    /// (∂f/∂x)ᵀ a + w ∇div f, `[dof, samples]`.
    pub out: &'a mut Batch<T>,
}
