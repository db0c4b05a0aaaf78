//! One problem: its settings, its curves, and the noise of its gradients.

use super::super::compare::{Outcome, Pair, Study};
use super::super::noise::{NoiseAt, REPETITIONS};
use super::super::run::Run;
use super::super::verdict::Metric;
use super::{ORDINARY, PATH, settings};
use crate::report::curves;
use crate::report::page::{captioned, plain_table, section, with_error};
use crate::report::plot::{Chart, Scale, escape};
use upg_train::variance::Noise;

pub(super) fn html(study: &Study) -> String {
    let outcomes: String = study.outcomes.iter().map(outcome).collect();
    let problem = format!("{}{outcomes}", settings::html(&study.config));
    section(&escape(&study.title), "", &problem)
}

fn outcome(outcome: &Outcome) -> String {
    let heading = format!("{} KL", outcome.divergence);
    let charts = captioned(&charts(outcome));
    format!("<h3>Training for the {heading}</h3>\n{charts}{}", noise(&outcome.noise, &heading))
}

/// Every metric against steps and against seconds.
fn charts(outcome: &Outcome) -> Vec<(Chart, String)> {
    let of = |metric| [Against::Steps, Against::Seconds].map(|against| chart(outcome, metric, against));
    Metric::ALL.into_iter().flat_map(of).collect()
}

fn chart(outcome: &Outcome, metric: Metric, against: Against) -> (Chart, String) {
    let scale = if metric == Metric::EssForward { Scale::Log } else { Scale::Linear };
    let title = format!("{}{} by {}", &metric.name()[..1].to_uppercase(), &metric.name()[1..], against.name());
    let mut chart = Chart::new(&title, against.label(), metric.label());
    chart.y_scale = scale;
    let curve = |name, colour, of: fn(&Pair) -> &Run| {
        let runs = outcome.pairs.iter().map(of).filter(|run| !run.diverged());
        let runs: Vec<_> = runs.map(|run| points(run, metric, against)).collect();
        curves::mean(name, colour, &runs, scale)
    };
    let names = [&outcome.ordinary, &outcome.path].map(|cost| cost.estimator.to_string());
    chart.series = vec![curve(&names[0], ORDINARY, |pair| &pair.ordinary), curve(&names[1], PATH, |pair| &pair.path)];
    (chart, caption(outcome, metric, against))
}

fn caption(outcome: &Outcome, metric: Metric, against: Against) -> String {
    let what = match metric {
        Metric::EssReverse => "Effective sample size of samples of the flow; higher is better.",
        Metric::EssForward => {
            "Effective sample size of test data, on a logarithmic axis: means and bands are those of the logarithms, zeros are \
             left out; higher is better."
        }
        Metric::Nll => "Mean of −log q over test data; lower is better.",
    };
    let against = match against {
        Against::Steps => String::new(),
        Against::Seconds => {
            let ms = |cost: f64| 1e3 * cost;
            let (ordinary, path) = (outcome.ordinary.seconds.median, outcome.path.seconds.median);
            format!(
                " Time is steps times the cost of a step, {:.3} ms and {:.3} ms, the medians of {} steps that all estimators of the \
                 problem made in turn; it isn't the time the runs took.",
                ms(ordinary),
                ms(path),
                outcome.ordinary.rounds,
            )
        }
    };
    let seeds = outcome.pairs.len();
    let runs = outcome.pairs.iter().flat_map(|pair| [&pair.ordinary, &pair.path]);
    let diverged = match runs.filter(|run| run.diverged()).count() {
        0 => String::new(),
        runs => format!(" Runs that diverged ({runs}) are left out."),
    };
    format!(
        "{what} Mean over {seeds} seeds in a band of one standard deviation, without the test before the first step.{diverged}{against}"
    )
}

/// The tests of a run but the first, that of the initial weights, whose NLL is off any scale.
fn points(run: &Run, metric: Metric, against: Against) -> Vec<(f64, f64)> {
    let point = |x, moment| (x, metric.of(moment));
    match against {
        Against::Steps => run.course.iter().skip(1).map(|moment| point(moment.step as f64, moment)).collect(),
        Against::Seconds => {
            let course = run.stretched.as_ref().unwrap_or(&run.course);
            course.iter().skip(1).map(|moment| point(moment.seconds, moment)).collect()
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Against {
    Steps,
    Seconds,
}

impl Against {
    fn name(self) -> &'static str {
        if self == Self::Steps { "steps" } else { "time" }
    }

    fn label(self) -> &'static str {
        if self == Self::Steps { "steps" } else { "time / s" }
    }
}

/// Variance and signal-to-noise ratio of every estimator in the course of a training.
fn noise(course: &[NoiseAt], heading: &str) -> String {
    let Some(first) = course.first() else { return String::new() };
    let steps = |what| course.iter().map(move |at| format!("{what}, step {}", at.step));
    let head: Vec<_> =
        ["estimator".to_owned()].into_iter().chain(steps("variance")).chain(steps("signal to noise")).collect();
    let row = |i: usize| -> Vec<String> {
        let of = |number: fn(&Noise) -> String| course.iter().map(move |at| number(&at.estimators[i]));
        let name = first.estimators[i].estimator.to_string();
        let variance = of(|noise| with_error(noise.variance.value, noise.variance.error));
        let signal = of(|noise| with_error(noise.signal_to_noise.value, noise.signal_to_noise.error));
        [name].into_iter().chain(variance).chain(signal).collect()
    };
    let rows: Vec<_> = (0..first.estimators.len()).map(row).collect();
    let table = plain_table(&head, rows.iter().map(|row| &row[..]));
    format!(
        "<p class=\"how\">Noise of the gradients of the {heading} in the course of the first run with path-fast, per sample, from {} gradients of \
         {} samples each; jackknife errors of the last digits in brackets.</p>\n{table}",
        REPETITIONS.number, REPETITIONS.batch
    )
}
