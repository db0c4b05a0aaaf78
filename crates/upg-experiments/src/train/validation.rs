//! The test between training steps: effective sample sizes on samples that were not trained on.

use crate::config::Validation;
use ndarray::{Array2, s};
use serde::{Deserialize, Deserializer, Serialize};
use upg_core::{Cpu, Engine, Real, Start};
use upg_train::Purpose;
use upg_train::stats::{DataWeightSums, WeightSums};

/// Tests weights on fresh samples and on test data, and keeps the best.
#[derive(Debug)]
pub struct Validator<T> {
    samples: usize,
    seed: u64,
    data: Option<Array2<T>>,
    best: Option<Vec<T>>,
}

/// The outcome of a test; what can't be computed is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// Effective sample size under the flow, in (0, 1].
    pub ess_reverse: Option<f64>,
    /// Effective sample size under the target, in (0, 1].
    pub ess_forward: Option<f64>,
    /// mean(log q + S), a bound on −log Z; in JSON `null` where it isn't finite.
    #[serde(deserialize_with = "number_or_null")]
    pub loss: f64,
    /// mean(−log q) on the test data.
    pub nll: Option<f64>,
}

/// A number; NaN for the `null` that JSON has in its place.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Tested {
    /// What decides which weights are the best: the reverse ESS or, where there are data, the smaller of both, since a flow that has lost
    /// a mode shows it in the forward ESS only.
    pub fn ess(&self) -> Option<f64> {
        match (self.ess_reverse, self.nll) {
            (Some(reverse), Some(_)) => Some(reverse.min(self.ess_forward.unwrap_or(0.0))),
            (reverse, _) => reverse,
        }
    }
}

impl<T: Real> Validator<T> {
    /// Tests on fresh samples of the streams of `seed`, and on as many of `data`, shape `[samples, dof]`.
    pub fn new(validation: &Validation, seed: u64, data: Option<Array2<T>>) -> Self {
        Self { samples: validation.samples, seed, data, best: None }
    }

    /// Tests `theta` after `step` steps.
    pub fn test(&self, engine: &mut Engine<Cpu<T>>, theta: &Vec<T>, step: u64) -> Tested {
        let stream = Purpose::Validation(step).samples(self.seed);
        let drawn = engine
            .sample(theta, Start::Draw { stream, first: 0, samples: self.samples })
            .expect("the processor doesn't fail");
        let mut weights = WeightSums::default();
        weights.extend(drawn.log_weights);
        let (ess_reverse, loss) = (weights.ess(), drawn.loss);
        let Some(data) = &self.data else { return Tested { ess_reverse, ess_forward: None, loss, nll: None } };
        let weighed = engine
            .weigh(theta, data.slice(s![..self.samples.min(data.nrows()), ..]))
            .expect("the processor doesn't fail");
        let mut weights = DataWeightSums::default();
        weights.extend(weighed.log_weights);
        Tested { ess_reverse, ess_forward: weights.ess(), loss, nll: Some(weighed.loss) }
    }

    /// Keeps `theta` as the best.
    pub fn keep(&mut self, theta: &[T]) {
        let best = self.best.get_or_insert_default();
        best.clear();
        best.extend_from_slice(theta);
    }

    /// The best weights, if they were found after the last call.
    pub fn take_best(&mut self) -> Option<Vec<T>> {
        self.best.take()
    }
}
