//! How far the results of a continuous flow depend on the steps of its integrator: the same samples with twice as many.
//!
//! The error of a method of order 4 falls by 16, so the change is what the flow's own steps are wrong by, to 7 %. Integrating forth and back
//! are two densities: both are doubled.

use crate::purpose::Purpose;
use crate::stats::{DataWeightSums, Moments, WeightSums};
use crate::trained::Trained;
use ndarray::{Array2, s};
use upg_core::{Device, DeviceError, EndSamples, Engine, Real, Start, Weighted};

/// Most samples that are looked at: few enough for all of them at a time.
const MOST: usize = 4096;

/// What twice the steps change.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Integration {
    /// Steps of the flow.
    pub steps: usize,
    /// For samples of the flow.
    pub of_samples: Change,
    /// For samples of the target, which go the other way.
    pub of_data: Option<Change>,
}

/// The change of some samples' numbers; what isn't finite is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Change {
    /// How many were looked at.
    pub samples: usize,
    /// Mean of the change of log w.
    pub log_weight_mean: Option<f64>,
    /// Its standard deviation.
    pub log_weight_std: Option<f64>,
    /// The change of the estimate of log Z from these samples.
    pub log_z: Option<f64>,
    /// Root mean square of the change of the scores where the samples arrive, over that of the scores.
    pub score: Option<f64>,
}

impl<D: Device + Clone> Trained<D> {
    /// The change of `samples` samples at most, and of as many data, if the flow has an integrator.
    pub(super) fn integration(
        &mut self,
        seed: u64,
        samples: usize,
        data: Option<&Array2<D::Real>>,
    ) -> Result<Option<Integration>, DeviceError> {
        let Self { engine, theta, doubled, .. } = self;
        let Some((doubled, steps)) = doubled else { return Ok(None) };
        engine.set_end_samples(EndSamples::Scores);
        doubled.set_end_samples(EndSamples::Scores);
        let stream = Purpose::Evaluation.samples(seed);
        let of_samples = compare(samples, [engine, doubled], |engine, samples| {
            engine.sample(theta, Start::Draw { stream, first: 0, samples })
        });
        let of_data = data.map(|data| {
            compare(data.nrows(), [engine, doubled], |engine, samples| {
                engine.weigh(theta, data.slice(s![..samples, ..]))
            })
        });
        engine.set_end_samples(EndSamples::Keep);
        let of_samples = of_samples?.change(WeightSums::log_mean);
        let of_data = of_data.transpose()?.map(|both: Both<DataWeightSums>| both.change(DataWeightSums::log_z));
        Ok(Some(Integration { steps: *steps, of_samples, of_data }))
    }
}

/// Sums over samples that were seen by both engines; of weights of type `W`.
#[derive(Default)]
struct Both<W> {
    weights: [W; 2],
    changes: Moments,
    /// Σ |s' − s|² and Σ |s|².
    scores: [f64; 2],
}

/// Shows the first of `number` samples to both engines.
fn compare<D: Device, W: Default + Weights>(
    number: usize,
    engines: [&mut Engine<D>; 2],
    show: impl for<'e> Fn(&'e mut Engine<D>, usize) -> Result<Weighted<'e, D>, DeviceError>,
) -> Result<Both<W>, DeviceError> {
    let ([engine, doubled], samples) = (engines, number.min(MOST));
    let mut both = Both::default();
    if samples > 0 {
        both.take(&show(engine, samples)?, &show(doubled, samples)?);
    }
    Ok(both)
}

impl<W: Weights> Both<W> {
    fn take<D: Device>(&mut self, seen: &Weighted<'_, D>, doubled: &Weighted<'_, D>) {
        self.weights[0].take(seen.log_weights);
        self.weights[1].take(doubled.log_weights);
        let changes =
            doubled.log_weights.iter().zip(seen.log_weights).map(|(doubled, log_weight)| doubled - log_weight);
        changes.for_each(|change| self.changes.push(change));
        for (&doubled, &score) in doubled.end.iter().zip(seen.end) {
            self.scores[0] += (doubled.wide() - score.wide()).powi(2);
            self.scores[1] += score.wide().powi(2);
        }
    }

    fn change(&self, log_z: impl Fn(&W) -> Option<f64>) -> Change {
        let [change, scores] = self.scores;
        Change {
            samples: self.changes.count() as usize,
            log_weight_mean: self.changes.mean(),
            log_weight_std: self.changes.variance().map(f64::sqrt),
            log_z: log_z(&self.weights[1]).zip(log_z(&self.weights[0])).map(|(doubled, log_z)| doubled - log_z),
            score: Some((change / scores).sqrt()).filter(|score| score.is_finite()),
        }
    }
}

/// Sums of weights of samples of the flow, or of the target.
trait Weights {
    fn take(&mut self, log_weights: &[f64]);
}

impl Weights for WeightSums {
    fn take(&mut self, log_weights: &[f64]) {
        self.extend(log_weights);
    }
}

impl Weights for DataWeightSums {
    fn take(&mut self, log_weights: &[f64]) {
        self.extend(log_weights);
    }
}
