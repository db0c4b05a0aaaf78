//! The test between training steps: effective sample sizes on samples that were not trained on.

use crate::method::Method;
use crate::objective::Objective;
use crate::peers::Peers;
use crate::plan::Keep;
use crate::purpose::Purpose;
use crate::round_trip;
use crate::stats::{DataWeightSums, Moments, WeightSums};
use crate::trained::PIECE;
use ndarray::{ArrayView2, Axis, s};
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
    /// Standard error of `loss`; none if it isn't finite.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub loss_error: Option<f64>,
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

    /// The standard error of the objective between tests: of the terms with fresh samples. The data are the same in all tests.
    pub(crate) fn objective_error(&self, objective: Objective) -> f64 {
        let reverse = objective.terms().into_iter().filter(|(_, method)| matches!(method, Method::Reverse(_)));
        reverse.map(|(weight, _)| weight).sum::<f64>() * self.loss_error.unwrap_or(0.0)
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

/// Tests `theta` after `step` steps of a run with `seed`, on `samples` fresh samples and on as many of `data`, shape `[samples, dof]`, piece by
/// piece: memory doesn't grow with their number. Every process takes its share of a piece.
pub(crate) fn test<D: Device>(
    engine: &mut Engine<D>,
    peers: &Peers,
    theta: &D::Buffer,
    (seed, step): (u64, u64),
    samples: usize,
    data: Option<ArrayView2<'_, D::Real>>,
) -> Result<Tested, DeviceError> {
    let stream = Purpose::Validation(step).samples(seed);
    let (mut weights, mut loss, mut log_weights) = (WeightSums::default(), Mean::default(), Moments::default());
    for first in (0..samples).step_by(PIECE) {
        let piece = PIECE.min(samples - first);
        let share = peers.share(piece);
        let seen = Seen::of_share(share.len(), |samples| {
            let drawn = engine.sample(theta, Start::Draw { stream, first: (first + share.start) as u64, samples })?;
            Ok(Seen { loss: drawn.loss, missed: 0, log_weights: drawn.log_weights.to_vec() })
        })?;
        let seen = seen.join(peers, piece)?;
        weights.extend(&seen.log_weights);
        log_weights.extend(&seen.log_weights);
        loss.add(piece, seen.loss);
    }
    let of_data =
        data.map(|data| test_on(engine, peers, theta, data.slice(s![..samples.min(data.nrows()), ..]))).transpose();
    engine.set_end_samples(EndSamples::Discard);
    let of_data = of_data?;
    Ok(Tested {
        ess_reverse: weights.ess(),
        ess_forward: of_data.as_ref().and_then(|of| of.weights.ess()),
        loss: loss.mean,
        loss_error: log_weights.standard_error(),
        nll: of_data.as_ref().map(|of| of.nll.mean),
        missed_by_inverse: of_data.map(|of| of.missed),
    })
}

/// What data tell.
#[derive(Default)]
struct OfData {
    weights: DataWeightSums,
    nll: Mean,
    missed: u64,
}

fn test_on<D: Device>(
    engine: &mut Engine<D>,
    peers: &Peers,
    theta: &D::Buffer,
    data: ArrayView2<'_, D::Real>,
) -> Result<OfData, DeviceError> {
    let mut of_data = OfData::default();
    engine.set_end_samples(EndSamples::Keep);
    for piece in data.axis_chunks_iter(Axis(0), PIECE) {
        let share = piece.slice(s![peers.share(piece.nrows()), ..]);
        let seen = Seen::of_share(share.nrows(), |_| {
            let weighed = engine.weigh(theta, share)?;
            let (loss, log_weights, latent) = (weighed.loss, weighed.log_weights.to_vec(), weighed.end.to_owned());
            Ok(Seen { loss, missed: round_trip::missed(engine, theta, share, latent.view())?, log_weights })
        })?;
        let seen = seen.join(peers, piece.nrows())?;
        of_data.weights.extend(&seen.log_weights);
        of_data.nll.add(piece.nrows(), seen.loss);
        of_data.missed += seen.missed;
    }
    Ok(of_data)
}

/// The outcome of a piece of samples.
#[derive(Default)]
struct Seen {
    loss: f64,
    missed: u64,
    log_weights: Vec<f64>,
}

impl Seen {
    /// That of a process's share, which may be empty.
    fn of_share(samples: usize, see: impl FnOnce(usize) -> Result<Self, DeviceError>) -> Result<Self, DeviceError> {
        if samples == 0 { Ok(Self::default()) } else { see(samples) }
    }

    /// That of all samples, from those of the processes.
    fn join(self, peers: &Peers, samples: usize) -> Result<Self, DeviceError> {
        if peers.is_alone() {
            return Ok(self);
        }
        let own = [&[self.loss, self.missed as f64][..], &self.log_weights].concat();
        let all = peers.gather(&own, |rank| 2 + peers.share_of(rank, samples).len())?;
        let (mut rest, mut joined, mut loss) = (&all[..], Self::default(), Mean::default());
        for share in (0..peers.size()).map(|rank| peers.share_of(rank, samples).len()) {
            let (own, others) = rest.split_at(2 + share);
            if share > 0 {
                loss.add(share, own[0]);
            }
            joined.missed += own[1] as u64;
            joined.log_weights.extend_from_slice(&own[2..]);
            rest = others;
        }
        joined.loss = loss.mean;
        Ok(joined)
    }
}

/// The mean of the means of pieces.
#[derive(Default)]
struct Mean {
    samples: usize,
    mean: f64,
}

impl Mean {
    fn add(&mut self, samples: usize, mean: f64) {
        self.samples += samples;
        self.mean += samples as f64 / self.samples as f64 * (mean - self.mean);
    }
}
