//! Every number of an evaluation; what can't be computed is `None`.

use super::collect::{Collected, Weighed};
use super::integration::Integration;
use super::trust;
use crate::problem::Known;
use crate::stats::interval::FEWEST;
use crate::stats::{Estimate, Refined, WeightSums, tail_index};
use std::collections::BTreeMap;
use upg_core::Device;
use upg_targets::Observable;

/// All numbers.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Summary {
    /// Number of samples of the flow.
    pub samples: usize,
    /// Effective sample size under the flow.
    pub ess_reverse: Option<f64>,
    /// Effective sample size under the target.
    pub ess_forward: Option<f64>,
    /// Acceptance of the independence Metropolis chain.
    pub acceptance: Option<f64>,
    /// The longest integrated autocorrelation time of a primary along the chain.
    pub tau_int: Option<f64>,
    /// Its standard error.
    pub tau_int_error: Option<f64>,
    /// mean(log q + S), a bound on −log Z.
    pub loss: Option<f64>,
    /// Its standard error.
    pub loss_error: Option<f64>,
    /// The heaviest sample's share of the weight.
    pub largest_share: Option<f64>,
    /// The index k̂ of the tail of the weights, [`tail`](crate::stats::tail); `None` where they have none.
    pub tail_index: Option<f64>,
    /// The same of their largest tenth.
    pub tail_index_of_tenth: Option<f64>,
    /// The same of the weights times the size of each primary.
    pub tail_index_primaries: BTreeMap<String, Option<f64>>,
    /// log Z from the samples of the flow.
    pub log_z: LogZ,
    /// log Z from the data.
    pub log_z_forward: Option<Estimate>,
    /// −log Z per site.
    pub free_energy_per_site: Number,
    /// −log q on the test data.
    pub nll: Option<Estimate>,
    /// Test data that the inverse of the flow misses, as a slope there is below the precision.
    pub missed_by_inverse: Option<u64>,
    /// What twice the steps of the integrator change, for a continuous flow.
    pub integration: Option<Integration>,
    /// Observables by reweighting.
    pub observables: BTreeMap<String, Number>,
    /// All that speaks against these.
    pub observables_warnings: Vec<String>,
    /// Observables along the chain.
    pub observables_chain: BTreeMap<String, Observed>,
    /// All that speaks against the numbers of the chain.
    pub chain_warnings: Vec<String>,
}

/// A number with its error and its exact value; `null` where they aren't known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Number {
    /// The estimate: of numbers to second order the middle of the 68.3 % interval, [`Refined`].
    pub value: Option<f64>,
    /// Its standard error.
    pub error: Option<f64>,
    /// Where the number is with a probability of 95.4 %, to second order.
    pub interval: Option<[f64; 2]>,
    /// As many samples carry the error; where they are fewer than ten, it isn't known.
    pub rests_on: Option<f64>,
    /// The exact value.
    pub exact: Option<f64>,
}

/// The same along a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Observed {
    /// The number.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub number: Number,
    /// The integrated autocorrelation time of the primary of the same name, if there is one.
    pub tau_int: Option<f64>,
}

/// log Z, and whether to believe it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LogZ {
    /// The number.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub number: Number,
    /// Whether nothing speaks against it.
    pub trusted: bool,
    /// All that speaks against it.
    pub warnings: Vec<String>,
}

impl LogZ {
    /// That of independent samples with these log-weights, of which nothing else is known.
    pub fn of(log_weights: &[f64]) -> Self {
        let mut weights = WeightSums::default();
        weights.extend(log_weights);
        let mut warnings = trust::of_samples(&weights);
        let tail = tail_index(log_weights.iter().copied());
        warnings.extend(tail.and_then(|tail| trust::of_tail(log_weights.len(), tail)));
        Self { number: Number::of_weights(&weights, None), trusted: warnings.is_empty(), warnings }
    }
}

impl Number {
    /// log Z of samples with these weights. Here an error of exactly 0 is one: all weights were the same.
    fn of_weights(weights: &WeightSums, exact: Option<f64>) -> Self {
        Self { value: weights.log_mean(), error: weights.log_mean_error(), exact, ..Self::default() }
            .refined_by(weights.refined())
    }

    /// This number as it is known to second order.
    fn refined_by(self, refined: Option<Refined>) -> Self {
        let Some(Refined { estimate: Estimate { value, error }, interval, rests_on }) = refined else { return self };
        let rests_on = Some(rests_on).filter(|on| on.is_finite());
        Self { value: Some(value), error: Some(error), interval: Some(interval), rests_on, ..self }
    }

    /// That of an estimate to second order. An error of exactly 0 is none that was computed.
    fn of_refined(refined: Option<Refined>, exact: Option<f64>) -> Self {
        let has_error = |refined: &Refined| refined.estimate.error > 0.0;
        match refined {
            Some(refined) if has_error(&refined) => Self { exact, ..Self::default() }.refined_by(Some(refined)),
            other => Self::of(other.map(|of| of.estimate), exact),
        }
    }

    /// Whether so few samples carry the error that it isn't known.
    pub fn is_unsettled(&self) -> bool {
        self.rests_on.is_some_and(|on| on < FEWEST)
    }

    /// An error of exactly 0 is none that was computed: all blocks were the same, because a chain never moved or one sample had all the weight.
    pub(crate) fn of(estimate: Option<Estimate>, exact: Option<f64>) -> Self {
        let known = |x: f64| x.is_finite().then_some(x);
        let error = estimate.and_then(|e| known(e.error)).filter(|&error| error > 0.0);
        Self { value: estimate.and_then(|e| known(e.value)), error, exact, ..Self::default() }
    }
}

/// Forms all numbers.
pub(super) fn summarise<D: Device>(
    known: &Known<D>,
    collected: &Collected,
    data: Option<&Weighed>,
    integration: Option<Integration>,
) -> Summary {
    let Collected { names, weights, losses, reweighted, chain, tail, .. } = collected;
    let observables = known.observables();
    let spreads = reweighted.spreads().unwrap_or_default();
    let along = |o: &Observable| {
        let primary = names.iter().position(|name| *name == o.name);
        let tau_int = primary.and_then(|i| chain.of_primary(i)).map(|of| of.tau);
        let refined = chain.refine(&|means| o.value(means), &spreads);
        Observed { number: Number::of_refined(refined, o.exact), tau_int }
    };
    let log_z = Number::of_weights(weights, known.log_z());
    let functions: Vec<_> = observables.iter().map(|o| move |means: &[f64]| o.value(means)).collect();
    let refined = reweighted.refine(functions.iter().map(|f| f as &dyn Fn(&[f64]) -> f64));
    let by_reweighting: BTreeMap<_, _> = observables
        .iter()
        .zip(refined)
        .map(|(o, refined)| (o.name.clone(), Number::of_refined(refined, o.exact)))
        .collect();
    let tails: BTreeMap<_, _> = names.iter().cloned().zip(collected.tails.iter().copied()).collect();
    let mut warnings = warnings(weights, data, log_z, &by_reweighting);
    warnings.extend(tail.and_then(|tail| trust::of_tail(collected.samples, tail)));
    warnings.extend(trust::of_primaries(tails.iter().filter_map(|(name, index)| Some((name, (*index)?)))));
    warnings.extend(integration.and_then(|integration| trust::of_integration(&integration, log_z.error)));
    let observables_chain: BTreeMap<_, _> = observables.iter().map(|o| (o.name.clone(), along(o))).collect();
    let of_chain = observables_chain.iter().map(|(name, of)| (name, of.number));
    let mut chain_warnings = chain.warnings();
    chain_warnings.extend(trust::of_unsettled(unsettled(of_chain)));
    Summary {
        samples: collected.samples,
        ess_reverse: weights.ess(),
        ess_forward: data.and_then(|data| data.weights.ess()),
        acceptance: chain.acceptance,
        tau_int: chain.slowest().map(|slowest| slowest.tau),
        tau_int_error: chain.slowest().map(|slowest| slowest.tau_error),
        loss: losses.mean(),
        loss_error: losses.standard_error(),
        largest_share: weights.largest_share(),
        tail_index: tail.map(|tail| tail.index),
        tail_index_of_tenth: tail.map(|tail| tail.of_tenth),
        tail_index_primaries: tails,
        free_energy_per_site: scaled(log_z, -1.0 / known.sites as f64),
        log_z: LogZ { number: log_z, trusted: warnings.is_empty(), warnings },
        log_z_forward: data.and_then(|data| trust::log_z_of_data(&data.weights)),
        nll: data.and_then(|data| Some(Estimate { value: data.nll.mean()?, error: data.nll.standard_error()? })),
        missed_by_inverse: data.map(|data| data.missed),
        integration,
        observables_warnings: trust::of_unsettled(unsettled(
            by_reweighting.iter().map(|(name, &number)| (name, number)),
        ))
        .into_iter()
        .collect(),
        chain_warnings,
        observables_chain,
        observables: by_reweighting,
    }
}

fn scaled(number: Number, factor: f64) -> Number {
    let scale = |x: f64| factor * x + 0.0; // 0, not −0
    let Number { value, error, interval, rests_on, exact } = number;
    Number {
        value: value.map(scale),
        error: error.map(|x| factor.abs() * x),
        interval: interval.map(|ends| ends.map(scale)).map(|[a, b]| [a.min(b), a.max(b)]),
        exact: exact.map(scale),
        rests_on,
    }
}

/// Those whose errors rest on few samples.
fn unsettled<'a>(numbers: impl Iterator<Item = (&'a String, Number)>) -> impl Iterator<Item = &'a str> {
    numbers.filter(|(_, number)| number.is_unsettled()).map(|(name, _)| &name[..])
}

/// All that speaks against log Z.
fn warnings(
    weights: &WeightSums,
    data: Option<&Weighed>,
    log_z: Number,
    observables: &BTreeMap<String, Number>,
) -> Vec<String> {
    let mut warnings = trust::of_samples(weights);
    warnings.extend(data.and_then(|data| trust::of_inverse(data.missed, data.weights.samples())));
    warnings.extend(data.into_iter().flat_map(|data| trust::of_data(weights, &data.weights)));
    let named = [("log Z", log_z)].into_iter().chain(observables.iter().map(|(name, &number)| (&name[..], number)));
    for (name, number) in named {
        if let Number { value: Some(value), error: Some(error), exact: Some(exact), .. } = number {
            warnings.extend(trust::of_exact(name, Estimate { value, error }, exact));
        }
    }
    warnings
}
