//! Memory of continuous flows, in whole tiles of samples.

use super::steps::{Stage, Stages, Steps, add_scaled, combine};
use crate::simd::lanes;
use upg_core::{Batch, Real};

/// The tape: the inputs of all stages, `[dof, whole tiles of samples]` each.
pub(super) struct Tape<T: Real> {
    inputs: Vec<Batch<T>>,
    /// Samples, without those that fill up the last tile.
    pub samples: usize,
}

impl<T: Real> Default for Tape<T> {
    fn default() -> Self {
        Self { inputs: vec![], samples: 0 }
    }
}

impl<T: Real> Tape<T> {
    /// The inputs of the stages of every step, to be written.
    pub fn record(&mut self, steps: Steps, samples: usize) -> impl Iterator<Item = &mut [Batch<T>]> {
        self.inputs.resize_with(Stage::IN_A_STEP * steps.count(), Batch::default);
        self.samples = samples;
        self.inputs.chunks_exact_mut(Stage::IN_A_STEP)
    }

    /// The inputs of the stages of one step.
    pub fn inputs(&self, step: usize) -> &[Batch<T>] {
        &self.inputs[step * Stage::IN_A_STEP..][..Stage::IN_A_STEP]
    }
}

/// Memory that all continuous flows share whose fields have memory of type `M`.
pub(super) struct Work<T: Real, M> {
    pub running: Running<T>,
    /// The inputs of the stages of one step, where there is no tape.
    pub untaped: [Batch<T>; Stage::IN_A_STEP],
    pub carried: Carried<T>,
    /// What a field adds up for ∂θ.
    pub sums: Vec<T>,
    pub field: M,
}

impl<T: Real, M: Default> Default for Work<T, M> {
    fn default() -> Self {
        let untaped = std::array::from_fn(|_| Batch::default());
        Self { running: Running::default(), untaped, carried: Carried::default(), sums: vec![], field: M::default() }
    }
}

/// Samples on their way.
pub(super) struct Running<T: Real> {
    /// x, `[dof, whole tiles of samples]`.
    pub state: Batch<T>,
    /// k_i.
    pub velocity: Batch<T>,
    /// div f at stage i.
    pub divergence: Vec<f64>,
    /// ℓ so far.
    log_det: Vec<f64>,
}

impl<T: Real> Default for Running<T> {
    fn default() -> Self {
        Self { state: Batch::default(), velocity: Batch::default(), divergence: vec![], log_det: vec![] }
    }
}

impl<T: Real> Running<T> {
    /// From these samples on, with copies of the first one to fill up the last tile.
    pub fn begin(&mut self, x: &Batch<T>) {
        let Self { state, velocity, divergence, log_det } = self;
        widen(x, Fill::Copies, state);
        velocity.reshape(state.rows(), state.samples());
        divergence.resize(state.samples(), 0.0);
        log_det.clear();
        log_det.resize(state.samples(), 0.0);
    }

    /// x and ℓ by the share of stage i, and the input of the stage after it: MATH (30).
    pub fn advance(&mut self, stages: &Stages, i: usize, inputs: &mut [Batch<T>]) {
        let Self { state, velocity, divergence, log_det } = self;
        let stage = &stages[i];
        add_scaled(stage.weight, velocity, state);
        for (sum, divergence) in log_det.iter_mut().zip(divergence) {
            *sum += stage.weight * *divergence;
        }
        if i + 1 < stages.len() {
            let (first, rest) = inputs.split_at_mut(1);
            combine(stage.reach, velocity, 1.0, &first[0], &mut rest[i]);
        }
    }

    /// x, and ℓ added to `log_det`.
    pub fn end(&self, x: &mut Batch<T>, log_det: &mut [f64]) {
        narrow(&self.state, x);
        log_det.iter_mut().zip(&self.log_det).for_each(|(sum, log_det)| *sum += log_det);
    }
}

/// A covector on its way.
pub(super) struct Carried<T: Real> {
    /// a, `[dof, whole tiles of samples]`.
    pub a: Batch<T>,
    /// a_0, at the beginning of a step.
    pub start: Batch<T>,
    pub kappa: Batch<T>,
    pub xi: Batch<T>,
    /// The weights of div f, one per sample.
    pub weights: Vec<T>,
    /// Samples, without those that fill up the last tile.
    pub samples: usize,
}

impl<T: Real> Default for Carried<T> {
    fn default() -> Self {
        let [a, start, kappa, xi] = std::array::from_fn(|_| Batch::default());
        Self { a, start, kappa, xi, weights: vec![], samples: 0 }
    }
}

impl<T: Real> Carried<T> {
    /// From this covector on, with zeros to fill up the last tile.
    pub fn begin(&mut self, covector: &Batch<T>) {
        self.samples = covector.samples();
        widen(covector, Fill::Zeros, &mut self.a);
    }
}

/// What fills up the last tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// Copies of the first sample.
    Copies,
    /// Zeros.
    Zeros,
}

/// Fills `wide` with the samples of `batch` and as many more as make the last tile full.
fn widen<T: Real>(batch: &Batch<T>, fill: Fill, wide: &mut Batch<T>) {
    let samples = batch.samples();
    wide.reshape(batch.rows(), samples.next_multiple_of(lanes::<T>()));
    for row in 0..batch.rows() {
        let from = batch.row(row);
        let (taken, rest) = wide.row_mut(row).split_at_mut(samples);
        taken.copy_from_slice(from);
        rest.fill(match fill {
            Fill::Copies => from[0],
            Fill::Zeros => T::zero(),
        });
    }
}

/// The samples of `wide` that are those of a batch of its shape.
pub(super) fn narrow<T: Real>(wide: &Batch<T>, batch: &mut Batch<T>) {
    let samples = batch.samples();
    for row in 0..batch.rows() {
        batch.row_mut(row).copy_from_slice(&wide.row(row)[..samples]);
    }
}
