//! The course of training: `metrics.jsonl` as curves.

use super::html::{charts, section};
use super::{json, run::Run};
use crate::report::plot::{Chart, Colour, Range, Scale, Series, Style};

/// Pieces a noisy curve is summed up in.
const PIECES: usize = 150;

const HOW: &str = "Lines: batches; where they are many, the median of neighbouring steps in a band of their middle 68 %. \
                   Dots: validation.";

pub(super) fn html(runs: &[Run]) -> String {
    let step = Abscissa { label: "step", path: "/step", unit: 1.0 };
    let time = Abscissa::time(runs);
    let shown = [
        loss(runs, &step),
        ess(runs, &step),
        log(runs, &step, "Gradient norm", "/grad_norm"),
        loss(runs, &time),
        ess(runs, &time),
        log(runs, &step, "Learning rate", "/rate"),
        validated(runs, &step, "Forward effective sample size", "ESS", "ess_forward", Range::FromZero),
        validated(runs, &step, "Negative log-likelihood", "NLL", "nll", Range::Robust),
    ];
    section("Training", HOW, &charts(&shown))
}

/// The horizontal axis of the curves.
struct Abscissa {
    label: &'static str,
    path: &'static str,
    /// In which its numbers are shown.
    unit: f64,
}

impl Abscissa {
    fn time(runs: &[Run]) -> Self {
        let longest = runs.iter().flat_map(|run| json::values(run, "/seconds")).fold(0.0, f64::max);
        let (label, unit) = match longest {
            ..600.0 => ("time / s", 1.0),
            ..10_800.0 => ("time / min", 60.0),
            _ => ("time / h", 3600.0),
        };
        Self { label, path: "/seconds", unit }
    }

    fn curve(&self, run: &Run, path: &str) -> Vec<(f64, f64)> {
        json::curve(run, self.path, path).into_iter().map(|(x, y)| (x / self.unit, y)).collect()
    }

    fn chart(&self, title: &str, label: &str, y_range: Range) -> Chart {
        Chart { y_range, ..Chart::new(title, self.label, label) }
    }
}

fn loss(runs: &[Run], against: &Abscissa) -> Chart {
    let chart = against.chart("Loss", "loss", Range::Robust);
    with_dots(with_lines(chart, runs, against, "/loss"), runs, against, "/validation/loss")
}

fn ess(runs: &[Run], against: &Abscissa) -> Chart {
    let chart = against.chart("Reverse effective sample size", "ESS", Range::FromZero);
    with_dots(with_lines(chart, runs, against, "/ess_reverse"), runs, against, "/validation/ess_reverse")
}

fn log(runs: &[Run], against: &Abscissa, title: &str, path: &str) -> Chart {
    let chart = against.chart(title, &title.to_lowercase(), Range::Auto);
    Chart { y_scale: Scale::Log, ..with_lines(chart, runs, against, path) }
}

/// The numbers known at validation steps, or at every step.
fn validated(runs: &[Run], against: &Abscissa, title: &str, label: &str, key: &str, range: Range) -> Chart {
    let chart = with_lines(against.chart(title, label, range), runs, against, &format!("/{key}"));
    let chart = with_lines(chart, runs, against, &format!("/validation/{key}"));
    with_dots(chart, runs, against, &format!("/validation/{key}"))
}

/// The curves of the runs that have any.
fn curves<'a>(
    runs: &'a [Run],
    against: &'a Abscissa,
    path: &'a str,
) -> impl Iterator<Item = (usize, &'a Run, Vec<(f64, f64)>)> {
    let all = runs.iter().enumerate().map(|(i, run)| (i, run, against.curve(run, path)));
    all.filter(|(_, _, points)| points.iter().any(|point| point.1.is_finite()))
}

fn with_lines(mut chart: Chart, runs: &[Run], against: &Abscissa, path: &str) -> Chart {
    let line = |(i, run, points): (usize, &Run, _)| Series::trend(&run.name, Colour::Palette(i), points, PIECES);
    chart.series.extend(curves(runs, against, path).map(line));
    chart
}

/// Dots over the lines; a run is named here only if it has no line.
fn with_dots(mut chart: Chart, runs: &[Run], against: &Abscissa, path: &str) -> Chart {
    for (i, run, points) in curves(runs, against, path) {
        let named = chart.series.iter().any(|series| series.colour == Colour::Palette(i));
        let name = if named { "" } else { &run.name };
        chart.series.push(Series::new(name, Colour::Palette(i), Style::Points, points));
    }
    chart
}
