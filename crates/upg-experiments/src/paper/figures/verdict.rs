//! Where the path gradient wins, and where it doesn't.
//!
//! A metric is compared pair by pair, since the runs of a pair share everything but the estimator: with d the mean difference over the
//! seeds and e its standard error, the path gradient wins if it is better by more than 2e, loses if it is worse by more than
//! 2e, and there is no telling otherwise. With a handful of seeds that is a description, not a test of significance.

use super::compare::{Outcome, Pair, Study};
use super::run::{Moment, Run};
use serde::Serialize;
use std::fmt::Write;
use upg_train::method::Divergence;
use upg_train::stats::Moments;

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
    /// Within two standard errors.
    Neither,
}

/// A mean with the standard deviation over the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: Option<f64>,
    /// The standard deviation.
    pub std: Option<f64>,
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
    /// With the ordinary gradient.
    pub ordinary: Spread,
    /// With the path gradient.
    pub path: Spread,
    /// The mean advantage of the path gradient over the pairs.
    pub gain: Option<f64>,
    /// Its standard error.
    pub gain_error: Option<f64>,
    /// Who won.
    pub winner: Winner,
}

type At = (&'static str, fn(&Run) -> &Moment);

const EQUAL: [At; 2] = [("steps", |run| &run.at_steps), ("seconds", |run| &run.at_seconds)];

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
    let of =
        |run: fn(&Pair) -> &Run| -> Vec<f64> { outcome.pairs.iter().map(|pair| metric.of(at(run(pair)))).collect() };
    let (ordinary, path) = (of(|pair| &pair.ordinary), of(|pair| &pair.path));
    let mut gains = Moments::default();
    path.iter().zip(&ordinary).for_each(|(&path, &ordinary)| gains.push(metric.gain(path, ordinary)));
    let (gain, gain_error) = (gains.mean(), gains.standard_error());
    let winner = match gain.zip(gain_error) {
        Some((gain, error)) if gain > 2.0 * error => Winner::Path,
        Some((gain, error)) if gain < -2.0 * error => Winner::Ordinary,
        _ => Winner::Neither,
    };
    let (ordinary, path) = (spread(&ordinary), spread(&path));
    Row {
        problem: problem.into(),
        divergence: outcome.divergence,
        equal,
        metric,
        ordinary,
        path,
        gain,
        gain_error,
        winner,
    }
}

pub(super) fn spread(values: &[f64]) -> Spread {
    let mut moments = Moments::default();
    moments.extend(values);
    Spread { mean: moments.mean(), std: moments.variance().map(f64::sqrt) }
}

/// The table as text, and the verdict in words.
pub(super) fn text(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut line = |cells: [&str; 7]| {
        let [problem, kl, equal, metric, ordinary, path, winner] = cells;
        let text = format!("{problem:<6} {kl:<8} {equal:<8} {metric:<12} {ordinary:<20} {path:<20} {winner}");
        writeln!(out, "{}", text.trim_end()).expect("memory takes all");
    };
    line(["", "KL", "equal", "", "ordinary", "path", "better"]);
    for row in rows {
        let winner = match row.winner {
            Winner::Path => "path",
            Winner::Ordinary => "ordinary",
            Winner::Neither => "no telling",
        };
        line([
            &row.problem,
            &row.divergence.to_string(),
            row.equal,
            row.metric.name(),
            &shown(row.ordinary),
            &shown(row.path),
            winner,
        ]);
    }
    writeln!(out, "\n{}", in_words(rows)).expect("memory takes all");
    out
}

/// Mean ± standard deviation.
pub(super) fn shown(spread: Spread) -> String {
    match (spread.mean, spread.std) {
        (Some(mean), Some(std)) if mean.abs() < 1e-3 => format!("{mean:.1e} ± {std:.1e}"),
        (Some(mean), Some(std)) => format!("{mean:.4} ± {std:.4}"),
        (Some(mean), None) => format!("{mean:.4}"),
        _ => "not computed".into(),
    }
}

/// Where each of the two wins.
pub(super) fn in_words(rows: &[Row]) -> String {
    let of = |winner| -> Vec<String> {
        let won = rows.iter().filter(|row| row.winner == winner);
        won.map(|row| format!("{} ({} KL, equal {}, {})", row.problem, row.divergence, row.equal, row.metric.name()))
            .collect()
    };
    let sentence = |who: &str, won: Vec<String>| match won.len() {
        0 => format!("{who} is better nowhere."),
        n => format!("{who} is better in {n} of {} comparisons: {}.", rows.len(), won.join("; ")),
    };
    let none = rows.iter().filter(|row| row.winner == Winner::Neither).count();
    let path = sentence("The path gradient", of(Winner::Path));
    let ordinary = sentence("The ordinary gradient", of(Winner::Ordinary));
    format!("{path}\n{ordinary}\nNo telling (within two standard errors) in {none}.")
}

#[cfg(test)]
mod tests {
    use super::super::cost::Cost;
    use super::*;
    use crate::config::{Config, FlowConfig, TargetConfig};
    use crate::paper::table2::Seconds;
    use upg_train::Tested;
    use upg_train::method::Estimator;

    fn run(ess: f64, nll: f64) -> Run {
        let tested =
            Tested { ess_reverse: Some(ess), ess_forward: None, loss: 0.0, nll: Some(nll), missed_by_inverse: None };
        let at_steps = Moment { step: 10, seconds: 1.0, tested };
        Run { estimator: Estimator::PathFast, course: vec![at_steps], at_steps, at_seconds: at_steps }
    }

    fn study(pairs: &[[(f64, f64); 2]]) -> Study {
        let pairs = pairs.iter().zip(1..).map(|(&[ordinary, path], seed)| Pair {
            seed,
            ordinary: run(ordinary.0, ordinary.1),
            path: run(path.0, path.1),
        });
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
        let text = text(&rows);
        assert!(text.contains("The path gradient is better in 2 of 6") && text.contains("No telling"), "{text}");
    }

    #[test]
    fn noise_is_no_win() {
        let rows = rows(&[study(&[[(0.5, 1.0), (0.6, 1.0)], [(0.6, 1.0), (0.5, 1.0)]])]);
        assert_eq!(rows[0].winner, Winner::Neither);
        assert_eq!(rows[2].winner, Winner::Neither, "equal to the bit");
    }
}
