//! How noisy the gradients are in the course of a training: [`upg_train::variance`] at its weights.

use super::error::FiguresError;
use super::run::T;
use crate::config::Config;
use ndarray::Array2;
use serde::Serialize;
use upg_core::Cpu;
use upg_train::Trained;
use upg_train::method::Divergence;
use upg_train::variance::{Noise, Repetitions};

/// Gradients of each estimator.
pub(super) const REPETITIONS: Repetitions = Repetitions { number: 50, batch: 64 };

/// The noise of every estimator at some weights of a training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoiseAt {
    /// Steps made.
    pub step: u64,
    /// The estimators of the divergence that is trained.
    pub estimators: Vec<Noise>,
}

/// The weights of a training at its start, in its middle and at its end, as it passes them.
pub(super) struct Passed {
    steps: [u64; 3],
    weights: Vec<(u64, Vec<T>)>,
}

impl Passed {
    /// Of a training that makes so many steps.
    pub fn of(steps: u64) -> Self {
        Self { steps: [0, steps / 2, steps], weights: vec![] }
    }

    /// Keeps the weights after `step` if they are wanted.
    pub fn watch(&mut self, step: u64, weights: impl FnOnce() -> Vec<T>) {
        if self.steps.contains(&step) {
            self.weights.push((step, weights()));
        }
    }

    /// The noise at the weights that were kept.
    pub fn noise(
        &self,
        config: &Config,
        divergence: Divergence,
        device: &Cpu<T>,
        data: Option<&Array2<T>>,
    ) -> Result<Vec<NoiseAt>, FiguresError> {
        let data = data.filter(|_| divergence == Divergence::Forward);
        let at = |(step, weights): &(u64, Vec<T>)| {
            let mut trained = Trained::new(config.build()?.problem(), device.clone(), weights);
            let noise = trained.variance(REPETITIONS, config.training.seed, data).expect("the processor doesn't fail");
            let estimators = noise.into_iter().filter(|noise| noise.divergence == divergence).collect();
            Ok(NoiseAt { step: *step, estimators })
        };
        self.weights.iter().map(at).collect()
    }
}
