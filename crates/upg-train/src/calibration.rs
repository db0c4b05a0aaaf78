//! Whether errors mean what they say: one evaluation many times over, of a problem with known answers.
//!
//! An estimate x̂ ± σ of a number x has the pull (x̂ − x)/σ. Where σ is right and x̂ isn't biased, pulls over many evaluations have the mean 0 and the
//! width 1, and where x̂ is Gaussian besides, 68.3, 95.4 and 99.7 % of them lie within one, two and three.

use crate::evaluate::{Number, Summary};
use crate::problem::Known;
use crate::stats::Estimate;
use crate::trained::Trained;
use std::collections::BTreeMap;
use upg_core::Device;

/// The exact values that are known of a target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExactValues {
    /// log Z.
    pub log_z: Option<f64>,
    /// Observables, by name.
    pub observables: BTreeMap<String, f64>,
    /// Names of the numbers that there are none of.
    pub unknown: Vec<String>,
}

impl ExactValues {
    pub(crate) fn of<D: Device>(known: &Known<D>) -> Self {
        let (mut observables, log_z) = (BTreeMap::new(), known.log_z());
        let mut unknown: Vec<String> = log_z.is_none().then(|| "log_z".into()).into_iter().collect();
        for observable in known.observables() {
            match observable.exact {
                Some(exact) => drop(observables.insert(observable.name, exact)),
                None => unknown.push(observable.name),
            }
        }
        Self { log_z, observables, unknown }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.log_z.is_none() && self.observables.is_empty()
    }

    /// The numbers of an evaluation that there are exact values of: what each is called, how it was estimated, the estimate, and the exact value.
    pub fn beside<'a>(&'a self, summary: &'a Summary) -> impl Iterator<Item = (&'a str, Way, Number)> {
        let log_z =
            self.log_z.map(|exact| ("log_z", Way::Reweighted, Number { exact: Some(exact), ..summary.log_z.number }));
        let reweighted =
            |(name, number): (&'a String, Number)| Some((&name[..], Way::Reweighted, self.with(name, number)?));
        let along = |(name, number): (&'a String, Number)| Some((&name[..], Way::AlongChain, self.with(name, number)?));
        let of_samples = summary.observables.iter().map(|(name, &number)| (name, number)).filter_map(reweighted);
        let of_chain = summary.observables_chain.iter().map(|(name, of)| (name, of.number)).filter_map(along);
        log_z.into_iter().chain(of_samples).chain(of_chain)
    }

    fn with(&self, name: &str, number: Number) -> Option<Number> {
        Some(Number { exact: Some(*self.observables.get(name)?), ..number })
    }
}

/// How a number was estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Way {
    /// From weighted samples.
    Reweighted,
    /// Along the Metropolis chain.
    AlongChain,
}

impl<D: Device + Clone> Trained<D> {
    /// Forgets the exact values that are known of the target, and returns them: from now on evaluations say what they would say of a problem that nobody knows the
    /// answers of.
    pub fn forget_exact(&mut self) -> ExactValues {
        let exact = ExactValues::of(&self.known);
        self.known.forget_exact();
        exact
    }
}

/// The pulls of a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pulls {
    pulls: Vec<f64>,
    missing: usize,
    /// Intervals, and those of them that hold the number.
    intervals: [usize; 2],
    unsettled: usize,
}

/// What pulls say; shares are of those that there are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Calibration {
    /// Number of evaluations that gave a value and an error.
    pub evaluations: usize,
    /// Number of those that didn't.
    pub missing: usize,
    /// The mean of the pulls.
    pub mean: Estimate,
    /// Their standard deviation.
    pub width: Estimate,
    /// The shares within one, two and three.
    pub coverage: [Estimate; 3],
    /// The share of the intervals of 95.4 % that hold the number, where it comes with intervals.
    pub interval_coverage: Option<Estimate>,
    /// Number of evaluations that were flagged, as too few samples carry the error.
    pub flagged: usize,
}

impl Pulls {
    /// Takes in an estimate.
    pub fn push(&mut self, number: Number) {
        let Number { value: Some(value), error: Some(error), exact: Some(exact), interval, .. } = number else {
            self.missing += 1;
            return;
        };
        if error <= 0.0 {
            self.missing += 1;
            return;
        }
        self.pulls.push((value - exact) / error);
        self.unsettled += usize::from(number.is_unsettled());
        if let Some([low, high]) = interval {
            self.intervals[0] += 1;
            self.intervals[1] += usize::from((low..=high).contains(&exact));
        }
    }

    /// The pulls, in the order in which they were taken in.
    pub fn values(&self) -> &[f64] {
        &self.pulls
    }

    /// What they say; `None` for fewer than two.
    pub fn calibration(&self) -> Option<Calibration> {
        let count = self.pulls.len() as f64;
        if self.pulls.len() < 2 {
            return None;
        }
        let mean = self.pulls.iter().sum::<f64>() / count;
        let moment = |power| self.pulls.iter().map(|pull| (pull - mean).powi(power)).sum::<f64>();
        let variance = moment(2) / (count - 1.0);
        let width = variance.sqrt();
        // Var(s²) = (μ₄ − σ⁴)/n to leading order
        let of_variance = ((moment(4) / count - variance * variance).max(0.0) / count).sqrt();
        let width_error = if width > 0.0 { of_variance / (2.0 * width) } else { 0.0 };
        let within = |sigmas: f64| self.pulls.iter().filter(|pull| pull.abs() <= sigmas).count();
        let [intervals, inside] = self.intervals;
        Some(Calibration {
            evaluations: self.pulls.len(),
            missing: self.missing,
            mean: Estimate { value: mean, error: width / count.sqrt() },
            width: Estimate { value: width, error: width_error },
            coverage: [1.0, 2.0, 3.0].map(|sigmas| share(within(sigmas), self.pulls.len())),
            interval_coverage: (intervals > 0).then(|| share(inside, intervals)),
            flagged: self.unsettled,
        })
    }
}

/// A part of all, with its error: half of Wilson's interval, which has a width where all are or none is.
fn share(part: usize, all: usize) -> Estimate {
    let (value, n) = (part as f64 / all as f64, all as f64);
    Estimate { value, error: (value * (1.0 - value) / n + 0.25 / (n * n)).sqrt() / (1.0 + 1.0 / n) }
}

/// How often a verdict was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verdicts {
    /// Trusted, and within three standard errors.
    pub right: usize,
    /// Trusted, and further off, or without a value or an error: a missed alarm.
    pub missed_alarms: usize,
    /// Not trusted, and within three standard errors: a false alarm.
    pub false_alarms: usize,
    /// Not trusted, and further off, or without a value or an error.
    pub alarms: usize,
}

impl Verdicts {
    /// Takes in a verdict on an estimate.
    pub fn push(&mut self, is_trusted: bool, number: Number) {
        let mut pulls = Pulls::default();
        pulls.push(number);
        let is_close = pulls.values().first().is_some_and(|pull| pull.abs() <= 3.0);
        let counted = match (is_trusted, is_close) {
            (true, true) => &mut self.right,
            (true, false) => &mut self.missed_alarms,
            (false, true) => &mut self.false_alarms,
            (false, false) => &mut self.alarms,
        };
        *counted += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64, error: f64) -> Number {
        Number { value: Some(value), error: Some(error), exact: Some(1.0), ..Number::default() }
    }

    #[test]
    fn pulls_worked_out_by_hand() {
        let mut pulls = Pulls::default();
        for value in [0.5, 1.5, 2.0, 4.5] {
            pulls.push(number(value, 0.5));
        }
        pulls.push(Number { error: None, ..number(1.0, 0.0) });
        assert_eq!(pulls.values(), [-1.0, 1.0, 2.0, 7.0]);
        let Calibration { evaluations, missing, mean, width, coverage, .. } = pulls.calibration().unwrap();
        assert_eq!((evaluations, missing), (4, 1));
        assert_eq!((mean.value, width.value), (2.25, (34.75_f64 / 3.0).sqrt()));
        assert!((mean.error - width.value / 2.0).abs() < 1e-15);
        assert_eq!(coverage.map(|share| share.value), [0.5, 0.75, 0.75]);
        // Wilson's interval of three in four at one standard error, 0.7 ± 0.2, and that of all of four, 0.9 ± 0.1.
        assert!((coverage[1].error - 0.2).abs() < 1e-15);
        assert!((share(4, 4).error - 0.1).abs() < 1e-15);
        assert_eq!(Pulls::default().calibration(), None);
    }

    #[test]
    fn intervals_and_flags_are_counted() {
        let mut pulls = Pulls::default();
        for (low, rests_on) in [(0.5, 20.0), (0.9, 3.0), (1.1, 9.9), (1.0, 10.0)] {
            pulls.push(Number { interval: Some([low, 2.0]), rests_on: Some(rests_on), ..number(1.5, 0.5) });
        }
        pulls.push(number(1.5, 0.5));
        let Calibration { interval_coverage, flagged, evaluations, .. } = pulls.calibration().unwrap();
        assert_eq!((evaluations, flagged, interval_coverage.unwrap().value), (5, 2, 0.75));
    }

    #[test]
    fn errors_of_a_calibration_are_those_of_many() {
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = upg_core::Streams::new(3).next_stream();
        let mut draw = || -> f64 { StandardNormal.sample(&mut rng) };
        let (mut of_mean, mut of_width) = (Pulls::default(), Pulls::default());
        for _ in 0..400 {
            let mut pulls = Pulls::default();
            (0..300).for_each(|_| pulls.push(number(1.0 + 0.1 * draw(), 0.1)));
            let Calibration { mean, width, .. } = pulls.calibration().unwrap();
            of_mean.push(Number { exact: Some(0.0), ..number(mean.value, mean.error) });
            of_width.push(number(width.value, width.error));
        }
        for pulls in [of_mean, of_width] {
            let Calibration { mean, width, .. } = pulls.calibration().unwrap();
            assert!(mean.value.abs() < 0.2 && (width.value - 1.0).abs() < 0.15, "{mean:?} {width:?}");
        }
    }

    #[test]
    fn verdicts_are_counted() {
        let mut verdicts = Verdicts::default();
        for (is_trusted, value) in [(true, 1.29), (true, 1.31), (false, 0.9), (false, 0.6), (false, f64::NAN)] {
            verdicts.push(is_trusted, number(value, 0.1));
        }
        verdicts.push(true, Number { error: None, ..number(1.0, 0.0) });
        assert_eq!(verdicts, Verdicts { right: 1, missed_alarms: 2, false_alarms: 1, alarms: 2 });
    }
}
