//! Samples of the flow and of the target, seen piece by piece: what is kept of each is its log-weight and its primaries.

use crate::commands::run_weights::Loaded;
use crate::config::AnyTarget;
use ndarray::{Array2, s};
use upg_core::{Batch, Real, Start};
use upg_train::Purpose;
use upg_train::stats::{DataWeightSums, Moments};

/// What is kept of samples of the flow.
pub struct Collected {
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
    /// Draws `samples` samples and measures them.
    pub fn draw<T: Real>(loaded: &mut Loaded<T>, theory: &AnyTarget<T>, samples: usize) -> Self {
        let names = theory.primaries();
        let stream = Purpose::Evaluation.samples(loaded.config.training.seed);
        let mut collected = Self { log_weights: vec![], primaries: vec![], shown: Array2::zeros((0, 0)), names };
        let (mut x, mut measured) = (Batch::<T>::default(), Batch::default());
        for first in (0..samples).step_by(loaded.piece) {
            let piece = loaded.piece.min(samples - first);
            let start = Start::Draw { stream, first: first as u64, samples: piece };
            let drawn = loaded.engine.sample(&loaded.theta, start).expect("the processor doesn't fail");
            x.assign_samples(drawn.end);
            theory.measure(&x, &mut measured);
            collected.take(drawn.log_weights, &measured);
            if first == 0 {
                let shown = if x.rows() <= FEW { piece.min(SHOWN) } else { 1 };
                collected.shown = drawn.end.slice(s![..shown, ..]).mapv(Real::wide);
            }
        }
        collected
    }

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

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.log_weights.is_empty()
    }
}

/// Samples of the target as the flow sees them.
#[derive(Clone, Debug, Default)]
pub struct Weighed {
    /// Their weights.
    pub weights: DataWeightSums,
    /// −log q.
    pub nll: Moments,
}

impl Weighed {
    /// Weighs `data`, shape `[samples, dof]`.
    pub fn of<T: Real>(loaded: &mut Loaded<T>, data: &Array2<T>) -> Self {
        let mut weighed = Self::default();
        let mut piece_of = Batch::default();
        let theory = loaded.config.target.theory::<T>().expect("it was made before");
        for first in (0..data.nrows()).step_by(loaded.piece) {
            let piece = data.slice(s![first..data.nrows().min(first + loaded.piece), ..]);
            let seen = loaded.engine.weigh(&loaded.theta, piece).expect("the processor doesn't fail");
            weighed.weights.extend(seen.log_weights);
            // −log q = log w + S
            piece_of.assign_samples(piece);
            let mut action = vec![];
            theory.action_and_force(&upg_core::Cpu::here(), &piece_of, &mut action, None);
            for (log_weight, action) in seen.log_weights.iter().zip(action) {
                weighed.nll.push(log_weight + action);
            }
        }
        weighed
    }
}
