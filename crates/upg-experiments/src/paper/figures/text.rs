//! All that was found, as text.

use super::compare::Study;
use super::regularising::Regularising;
use super::verdict::{rows, spread};
use super::words::{self, shown};
use super::{Figures, cost::Cost};
use std::fmt::Write;
use upg_train::method::Estimator;

/// The costs of the steps, the comparisons, and the regularising effect.
pub fn text(figures: &Figures) -> String {
    let effect = figures.regularising.as_ref().map_or(String::new(), effect);
    if figures.studies.is_empty() {
        return effect;
    }
    format!("{}\n{}\n{effect}", costs(&figures.studies), words::table(&rows(&figures.studies)))
}

fn costs(studies: &[Study]) -> String {
    let mut out = String::from("cost of a step, median of steps that all estimators made in turn\n");
    let name = studies.iter().map(|study| study.problem.chars().count()).max().unwrap_or(0);
    for study in studies {
        for outcome in &study.outcomes {
            let base = outcome.ordinary.seconds.median;
            for Cost { divergence, estimator, seconds, rounds } in [outcome.ordinary, outcome.path] {
                let (problem, ms, relative) = (&study.problem, 1e3 * seconds.median, seconds.median / base);
                let divergence = divergence.to_string();
                writeln!(
                    out,
                    "{problem:<name$} {divergence:<8} {estimator:<15} {ms:>10.3} ms  {relative:.2}  {rounds} steps"
                )
                .expect("memory takes all");
            }
        }
    }
    out
}

/// The NLLs at the end.
fn effect(regularising: &Regularising) -> String {
    let Regularising { title, config, runs } = regularising;
    let mut out = format!("regularising effect: {title}, after {} steps\n", config.training.steps);
    for estimator in [Estimator::MaxLikelihood, Estimator::PathFast] {
        let last = || runs.iter().filter(|run| run.estimator == estimator).filter_map(|run| run.course.last());
        let train = spread(&last().map(|nll| Some(nll.train)).collect::<Vec<_>>());
        let test = spread(&last().map(|nll| Some(nll.test)).collect::<Vec<_>>());
        writeln!(out, "{estimator:<15} training NLL {:<20} test NLL {}", shown(train), shown(test))
            .expect("memory takes all");
    }
    out
}
