//! The test between training steps: effective sample sizes on samples that were not trained on.

use crate::method::Method;
use crate::objective::Objective;
use crate::plan::Keep;
use crate::purpose::Purpose;
use crate::round_trip;
use crate::stats::{DataWeightSums, WeightSums};
use ndarray::{ArrayView2, s};
use upg_core::{Device, DeviceError, EndSamples, Engine, Start};

/// The outcome of a test; what can't be computed is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tested {
    /// Effective sample size under the flow, in (0, 1].
    pub ess_reverse: Option<f64>,
    /// Effective sample size under the target, in (0, 1].
    pub ess_forward: Option<f64>,
    /// mean(log q + S), a bound on −log Z; in JSON `null` where it isn't finite.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "number_or_null"))]
    pub loss: f64,
    /// mean(−log q) on the test data.
    pub nll: Option<f64>,
    /// Test data that the inverse of the flow misses, as a slope there is below the precision.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub missed_by_inverse: Option<u64>,
}

/// A number; NaN for the `null` that JSON has in its place.
#[cfg(feature = "serde")]
fn number_or_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(|number: Option<f64>| number.unwrap_or(f64::NAN))
}

impl Tested {
    /// The value of the objective: the weighted sum of the losses of its terms; none if it isn't finite, or wants data where there were none.
    pub fn objective(&self, objective: Objective) -> Option<f64> {
        let of_term = |(weight, method): (f64, Method)| match method {
            Method::Reverse(_) => Some(weight * self.loss),
            Method::Forward(_) => self.nll.map(|nll| weight * nll),
        };
        objective.terms().into_iter().map(of_term).sum::<Option<f64>>().filter(|loss| loss.is_finite())
    }

    /// The number by which `keep` compares tests; none if there is nothing to compare by.
    pub(crate) fn criterion(&self, keep: Keep, objective: Objective) -> Option<f64> {
        match keep {
            Keep::Loss => self.objective(objective),
            Keep::ReverseEss => self.ess_reverse,
            Keep::ForwardEss => self.ess_forward,
            Keep::Last => None,
        }
    }
}

/// Tests `theta` after `step` steps of a run with `seed`, on `samples` fresh samples and on as many of `data`, shape `[samples, dof]`.
pub(crate) fn test<D: Device>(
    engine: &mut Engine<D>,
    theta: &D::Buffer,
    (seed, step): (u64, u64),
    samples: usize,
    data: Option<ArrayView2<'_, D::Real>>,
) -> Result<Tested, DeviceError> {
    let stream = Purpose::Validation(step).samples(seed);
    let drawn = engine.sample(theta, Start::Draw { stream, first: 0, samples })?;
    let mut weights = WeightSums::default();
    weights.extend(drawn.log_weights);
    let (ess_reverse, loss) = (weights.ess(), drawn.loss);
    let of_samples = Tested { ess_reverse, ess_forward: None, loss, nll: None, missed_by_inverse: None };
    match data {
        None => Ok(of_samples),
        Some(data) => {
            let of_data = test_on(engine, theta, data.slice(s![..samples.min(data.nrows()), ..]));
            engine.set_end_samples(EndSamples::Discard);
            Ok(Tested { ess_reverse, loss, ..of_data? })
        }
    }
}

/// What `data` tell.
fn test_on<D: Device>(
    engine: &mut Engine<D>,
    theta: &D::Buffer,
    data: ArrayView2<'_, D::Real>,
) -> Result<Tested, DeviceError> {
    engine.set_end_samples(EndSamples::Keep);
    let weighed = engine.weigh(theta, data)?;
    let mut weights = DataWeightSums::default();
    weights.extend(weighed.log_weights);
    let (nll, latent) = (weighed.loss, weighed.end.to_owned());
    let missed = round_trip::missed(engine, theta, data, latent.view())?;
    Ok(Tested {
        ess_reverse: None,
        ess_forward: weights.ess(),
        loss: f64::NAN,
        nll: Some(nll),
        missed_by_inverse: Some(missed),
    })
}
