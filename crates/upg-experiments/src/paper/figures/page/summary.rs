//! The summary: what a step costs, and what came of it.

use super::super::compare::{Outcome, Pair, Study};
use super::super::cost::Cost;
use super::super::run::{Moment, Run};
use super::super::verdict::{Metric, spread};
use super::super::words::shown;
use super::settings::in_short;
use crate::report::page::{plain_table, section};
use crate::report::plot::{escape, significant};

const HOW: &str = "A row an estimator: the cost of a step, and the last test, when both estimators of a problem have taken the same seconds; \
                   mean ± standard deviation over the seeds.";

pub(super) fn html(studies: &[Study]) -> String {
    let rows: Vec<_> = studies.iter().flat_map(|study| study.outcomes.iter().flat_map(|of| both(study, of))).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head =
        ["problem", "KL", "estimator", "step / ms", "relative", "steps", "reverse ESS", "forward ESS", "NLL / nat"];
    let settings: String = studies.iter().map(settings).collect();
    let table = plain_table(&head, rows.iter().map(|row| &row[..]));
    section("Summary", HOW, &format!("{table}<ul class=\"how\">{settings}</ul>\n"))
}

fn settings(study: &Study) -> String {
    let seeds = study.outcomes.first().map_or(0, |outcome| outcome.pairs.len());
    let (name, title) = (escape(&study.problem), escape(&study.title));
    format!("<li>{name}: {title}; {}; seeds: {seeds}</li>\n", escape(&in_short(&study.config)))
}

fn both(study: &Study, outcome: &Outcome) -> [[String; 9]; 2] {
    let Outcome { ordinary, path, .. } = outcome;
    [row(study, outcome, ordinary, |pair| &pair.ordinary), row(study, outcome, path, |pair| &pair.path)]
}

fn row(study: &Study, outcome: &Outcome, cost: &Cost, of: fn(&Pair) -> &Run) -> [String; 9] {
    let last: Vec<_> = outcome.pairs.iter().map(|pair| of(pair).at_seconds).collect();
    let [reverse, forward, nll] = Metric::ALL.map(|metric| {
        let value = |moment: &Option<Moment>| moment.map(|moment| metric.of(&moment));
        shown(spread(&last.iter().map(value).collect::<Vec<_>>()))
    });
    [
        escape(&study.problem),
        outcome.divergence.to_string(),
        cost.estimator.to_string(),
        significant(1e3 * cost.seconds.median, 3),
        format!("{:.2}", cost.seconds.median / outcome.ordinary.seconds.median),
        last.iter().flatten().next().map_or(String::new(), |moment| moment.step.to_string()),
        reverse,
        forward,
        nll,
    ]
}
