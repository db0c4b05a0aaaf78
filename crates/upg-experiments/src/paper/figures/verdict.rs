//! Where the path gradient wins, and where it doesn't.
//!
//! A metric is compared pair by pair, since the runs of a pair share everything but the estimator: with d the mean difference over the
//! seeds and e its standard error, the path gradient wins if it is better by more than t e, loses if it is worse by more than
//! t e, and there is no telling otherwise, where t is the number of Student's distribution that as many pairs exceed by chance as seldom as two standard
//! deviations: 2.9 for five of them. Of many comparisons one in some forty is told wrongly for better, and one for worse.
//!
//! A run that diverged has no metrics, and those of others may not be finite. Such a pair is left out of d and e; where fewer than two pairs are
//! left, the gradient wins that failed less often.

use super::compare::{Outcome, Pair, Study};
use super::run::{Moment, Run};
use serde::Serialize;
use upg_train::method::Divergence;
use upg_train::stats::{Moments, student};

/// A number by which runs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Effective sample size under the flow; the larger the better.
    EssReverse,
    /// Effective sample size under the target; the larger the better.
    EssForward,
    /// −log q on test data; the smaller the better.
    Nll,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EssReverse, Self::EssForward, Self::Nll];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::EssReverse => "reverse ESS",
            Self::EssForward => "forward ESS",
            Self::Nll => "NLL",
        }
    }

    /// Its name on an axis, with its unit.
    pub fn label(self) -> &'static str {
        if self == Self::Nll { "NLL / nat" } else { self.name() }
    }

    /// Its value in a test; NaN where it couldn't be computed.
    pub fn of(self, moment: &Moment) -> f64 {
        let value = match self {
            Self::EssReverse => moment.tested.ess_reverse,
            Self::EssForward => moment.tested.ess_forward,
            Self::Nll => moment.tested.nll,
        };
        value.unwrap_or(f64::NAN)
    }

    /// The difference that counts for the first.
    fn gain(self, first: f64, second: f64) -> f64 {
        if self == Self::Nll { second - first } else { first - second }
    }
}

/// Which gradient came out better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// The path gradient.
    Path,
    /// The ordinary one.
    Ordinary,
    /// Chance may have made the difference.
    Neither,
}

/// A mean with the standard deviation over the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean over the runs with a finite value.
    pub mean: Option<f64>,
    /// Their standard deviation.
    pub std: Option<f64>,
    /// Runs that diverged.
    pub diverged: usize,
    /// Other runs whose metric isn't finite, or couldn't be computed.
    pub not_finite: usize,
}

impl Spread {
    /// Runs that aren't in the mean.
    fn failed(&self) -> usize {
        self.diverged + self.not_finite
    }
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Name of the problem.
    pub problem: String,
    /// The divergence that was minimised.
    pub divergence: Divergence,
    /// The measure in which both are equal: `steps` or `seconds`.
    pub equal: &'static str,
    /// The metric.
    pub metric: Metric,
    /// Pairs of runs, one a seed.
    pub pairs: usize,
    /// With the ordinary gradient.
    pub ordinary: Spread,
    /// With the path gradient.
    pub path: Spread,
    /// The mean advantage of the path gradient over the pairs in which both have a finite value.
    pub gain: Option<f64>,
    /// Its standard error.
    pub gain_error: Option<f64>,
    /// Who won.
    pub winner: Winner,
}

type At = (&'static str, fn(&Run) -> Option<Moment>);

const EQUAL: [At; 2] = [("steps", |run| run.at_steps), ("seconds", |run| run.at_seconds)];

/// All comparisons.
pub fn rows(studies: &[Study]) -> Vec<Row> {
    let mut rows = vec![];
    for study in studies {
        for outcome in &study.outcomes {
            for at in EQUAL {
                rows.extend(Metric::ALL.map(|metric| row(&study.problem, outcome, at, metric)));
            }
        }
    }
    rows
}

fn row(problem: &str, outcome: &Outcome, (equal, at): At, metric: Metric) -> Row {
    let of = |run: fn(&Pair) -> &Run| -> Vec<Option<f64>> {
        outcome.pairs.iter().map(|pair| at(run(pair)).map(|moment| metric.of(&moment))).collect()
    };
    let (ordinary, path) = (of(|pair| &pair.ordinary), of(|pair| &pair.path));
    let mut gains = Moments::default();
    let pairs = path.iter().zip(&ordinary).filter_map(|(path, ordinary)| path.zip(*ordinary));
    let of_pairs = pairs.map(|(path, ordinary)| metric.gain(path, ordinary));
    of_pairs.filter(|gain| gain.is_finite()).for_each(|gain| gains.push(gain));
    let (ordinary, path) = (spread(&ordinary), spread(&path));
    let (gain, gain_error) = (gains.mean(), gains.standard_error());
    Row {
        problem: problem.into(),
        divergence: outcome.divergence,
        equal,
        metric,
        pairs: outcome.pairs.len(),
        ordinary,
        path,
        gain,
        gain_error,
        winner: winner(gain.zip(gain_error), gains.count(), ordinary.failed(), path.failed()),
    }
}

/// By the mean gain of the path gradient with its error, which two pairs have at least, else by the runs that failed.
fn winner(gain: Option<(f64, f64)>, pairs: u64, ordinary_failed: usize, path_failed: usize) -> Winner {
    let noise = |error: f64| student(2.0, pairs as f64 - 1.0) * error;
    match gain {
        Some((gain, error)) if gain > noise(error) => Winner::Path,
        Some((gain, error)) if gain < -noise(error) => Winner::Ordinary,
        None if path_failed < ordinary_failed => Winner::Path,
        None if ordinary_failed < path_failed => Winner::Ordinary,
        _ => Winner::Neither,
    }
}

/// Of the values of all runs; those that diverged have none.
pub(super) fn spread(values: &[Option<f64>]) -> Spread {
    let (mut moments, mut not_finite) = (Moments::default(), 0);
    for &value in values.iter().flatten() {
        if value.is_finite() { moments.push(value) } else { not_finite += 1 }
    }
    let diverged = values.iter().filter(|value| value.is_none()).count();
    Spread { mean: moments.mean(), std: moments.variance().map(f64::sqrt), diverged, not_finite }
}

#[cfg(test)]
mod tests {
    use super::super::cost::Cost;
    use super::super::words::{in_words, shown, table};
    use super::*;
    use crate::config::{Config, FlowConfig, TargetConfig};
    use crate::paper::table2::Seconds;
    use upg_train::Tested;
    use upg_train::method::Estimator;

    fn run(ess: f64, nll: f64) -> Run {
        let tested = Tested {
            ess_reverse: Some(ess),
            ess_forward: None,
            loss: 0.0,
            loss_error: None,
            nll: Some(nll),
            missed_by_inverse: None,
        };
        let at_steps = Moment { step: 10, seconds: 1.0, tested };
        let at = Some(at_steps);
        Run {
            estimator: Estimator::PathFast,
            course: vec![at_steps],
            stretched: None,
            at_steps: at,
            at_seconds: at,
            given_up: None,
        }
    }

    fn diverged() -> Run {
        Run { at_steps: None, at_seconds: None, given_up: Some(7), ..run(0.5, 1.0) }
    }

    fn study(pairs: &[[(f64, f64); 2]]) -> Study {
        of_runs(pairs.iter().map(|runs| runs.map(|(ess, nll)| run(ess, nll))))
    }

    fn of_runs(pairs: impl IntoIterator<Item = [Run; 2]>) -> Study {
        let pairs = pairs.into_iter().zip(1..).map(|([ordinary, path], seed)| Pair { seed, ordinary, path });
        let divergence = Divergence::Reverse;
        let cost = |estimator| Cost { divergence, estimator, seconds: Seconds::of(&[0.1]), rounds: 1 };
        let (ordinary, path) = (cost(Estimator::Reparam), cost(Estimator::PathFast));
        let outcome = Outcome { divergence, ordinary, path, pairs: pairs.collect(), noise: vec![] };
        let config = Config::new(FlowConfig::RealNvp(Default::default()), TargetConfig::Gmm { dim: 2 });
        Study { problem: "gmm".into(), title: "a".into(), config, outcomes: vec![outcome] }
    }

    #[test]
    fn pairs_are_compared_and_directions_known() {
        // The path run is better by 0.1 in each pair, though seeds spread by more; its NLL is worse.
        let rows = rows(&[study(&[[(0.1, 3.0), (0.2, 3.5)], [(0.5, 4.0), (0.61, 4.4)], [(0.8, 2.0), (0.9, 2.6)]])]);
        assert_eq!(rows.len(), 6);
        assert_eq!(rows[0].winner, Winner::Path);
        assert!((rows[0].gain.unwrap() - 0.31 / 3.0).abs() < 1e-12);
        assert_eq!((rows[1].winner, rows[1].path.mean), (Winner::Neither, None));
        assert_eq!(rows[2].winner, Winner::Ordinary);
        let text = table(&rows);
        assert!(
            text.contains("The path gradient is better in 2 of 6 comparisons, the ordinary gradient in 2; no telling"),
            "{text}"
        );
        let words = "gmm, reverse KL, 3 pairs: path better: reverse ESS at equal steps (+0.1033 ± 0.0033) and seconds (+0.1033 ± 0.0033); ";
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn noise_is_no_win() {
        let rows = rows(&[study(&[[(0.5, 1.0), (0.6, 1.0)], [(0.6, 1.0), (0.5, 1.0)]])]);
        assert_eq!(rows[0].winner, Winner::Neither);
        assert_eq!(rows[2].winner, Winner::Neither, "equal to the bit");
    }

    /// Three gains of 0.1 ± 0.03 are seen by chance as often as three standard errors of two degrees of freedom are: one time in ten.
    #[test]
    fn few_seeds_have_to_differ_by_more() {
        let of = |gains: &[f64]| {
            let pairs: Vec<_> = gains.iter().map(|gain| [(0.5, 1.0), (0.5 + gain, 1.0)]).collect();
            rows(&[study(&pairs)])[0].winner
        };
        let three = [0.04, 0.10, 0.16];
        assert_eq!(of(&three), Winner::Neither);
        assert_eq!(of(&[three, three].concat()), Winner::Path);
    }

    #[test]
    fn pairs_with_a_run_that_diverged_are_left_out_and_counted() {
        let good = |ess| [run(ess, 1.0), run(ess + 0.1, 1.0)];
        let study = of_runs([good(0.4), [diverged(), run(0.1, 9.0)], good(0.5)]);
        let rows = rows(&[study]);
        assert_eq!((rows[0].winner, rows[0].ordinary.diverged, rows[0].path.diverged), (Winner::Path, 1, 0));
        assert!((rows[0].gain.unwrap() - 0.1).abs() < 1e-12, "{:?}", rows[0]);
        assert!(shown(rows[0].ordinary).ends_with(", 1 diverged"), "{:?}", rows[0]);
        let words = in_words(&rows);
        assert!(words.contains("1 of 3 runs with the ordinary gradient diverged; path better: reverse ESS"), "{words}");
    }

    #[test]
    fn whoever_diverges_less_often_wins_where_no_pairs_are_left() {
        let winner = |pairs: [[Run; 2]; 2]| rows(&[of_runs(pairs)])[0].clone();
        let row = winner([[diverged(), run(0.4, 1.0)], [diverged(), run(0.5, 1.0)]]);
        assert_eq!((row.winner, shown(row.ordinary)), (Winner::Path, "diverged".to_owned()));
        let row = winner([[run(0.3, 1.0), diverged()], [run(0.5, 1.0), run(0.9, 1.0)]]);
        assert_eq!(row.winner, Winner::Ordinary);
        let row = winner([[diverged(), run(0.4, 1.0)], [run(0.5, 1.0), diverged()]]);
        assert_eq!((row.winner, row.gain), (Winner::Neither, None));
    }
}
