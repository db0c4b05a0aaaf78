//! Samples of the flow and of the target, seen piece by piece: of each its log-weight and its primaries are kept.

use crate::purpose::Purpose;
use crate::stats::{DataWeightSums, Moments};
use crate::trained::{PIECE, Trained};
use ndarray::{Array2, s};
use upg_core::{Batch, Device, DeviceError, Real, Start};

/// Samples of the flow by their numbers.
pub(super) struct Collected {
    /// log w, per sample.
    pub log_weights: Vec<f64>,
    /// Names of the primaries.
    pub names: Vec<String>,
    /// Primaries, sample after sample: shape `[samples, primaries]`.
    primaries: Vec<f64>,
    /// Some samples themselves, shape `[shown, dof]`.
    pub shown: Array2<f64>,
}

/// Numbers shown of samples: 10,000 samples of 8 degrees of freedom at most, or a single one of more.
const SHOWN: usize = 10_000;
/// Most degrees of freedom of which distributions are shown.
pub const FEW: usize = 8;

impl Collected {
    fn take(&mut self, log_weights: &[f64], measured: &Batch<f64>) {
        self.log_weights.extend_from_slice(log_weights);
        for sample in 0..measured.samples() {
            self.primaries.extend((0..measured.rows()).map(|i| measured.row(i)[sample]));
        }
    }

    /// The primaries of a sample.
    pub fn primaries(&self, sample: usize) -> &[f64] {
        let width = self.names.len();
        &self.primaries[sample * width..][..width]
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.log_weights.len()
    }
}

/// Samples of the target as the flow sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Weighed {
    /// Their weights.
    pub weights: DataWeightSums,
    /// −log q.
    pub nll: Moments,
}

impl<D: Device + Clone> Trained<D> {
    /// Draws `samples` samples and measures them.
    pub(super) fn collect(&mut self, samples: usize, seed: u64) -> Result<Collected, DeviceError> {
        let stream = Purpose::Evaluation.samples(seed);
        let names = self.known.primaries();
        let mut collected = Collected { log_weights: vec![], primaries: vec![], shown: Array2::zeros((0, 0)), names };
        let (mut x, mut measured) = (Batch::default(), Batch::default());
        for first in (0..samples).step_by(PIECE) {
            let piece = PIECE.min(samples - first);
            let drawn = self.engine.sample(&self.theta, Start::Draw { stream, first: first as u64, samples: piece })?;
            x.assign_samples(drawn.end);
            self.known.measure(&x, &mut measured);
            collected.take(drawn.log_weights, &measured);
            if first == 0 {
                let shown = if x.rows() <= FEW { piece.min(SHOWN) } else { 1 };
                collected.shown = drawn.end.slice(s![..shown, ..]).mapv(Real::wide);
            }
        }
        Ok(collected)
    }

    /// Weighs `data`, shape `[samples, dof]`.
    pub(super) fn weigh(&mut self, data: &Array2<D::Real>) -> Result<Weighed, DeviceError> {
        let mut weighed = Weighed::default();
        let (mut x, mut sums, mut action) = (D::Batch::default(), D::PerSample::default(), vec![]);
        for first in (0..data.nrows()).step_by(PIECE) {
            let piece = data.slice(s![first..data.nrows().min(first + PIECE), ..]);
            let seen = self.engine.weigh(&self.theta, piece)?;
            weighed.weights.extend(seen.log_weights);
            // −log q = log w + S
            self.device.upload(piece, &mut x);
            action.resize(piece.nrows(), 0.0);
            let log_weights = seen.log_weights.to_vec();
            self.engine.target().action_and_force(&self.device, &x, &mut sums, None);
            self.device.read(&sums, &mut action);
            log_weights.iter().zip(&action).for_each(|(log_weight, action)| weighed.nll.push(log_weight + action));
        }
        self.device.status()?;
        Ok(weighed)
    }
}
