//! The comparison as an HTML page.

use super::compare::{Comparison, Point};
use super::outcome::Outcome;
use super::table::{cells, legend, mark};
use crate::report::curves;
use crate::report::page::{captioned, document, plain_table, section};
use crate::report::plot::{Chart, Range, Scale, escape};
use upg_train::Tested;

/// More curves than these can't be told apart.
const MOST_CURVES: usize = 16;

pub(super) fn html(folder: &str, comparison: &Comparison) -> String {
    let title = format!("Sweep {folder}");
    let body = format!(
        "<h1>{}</h1>\n{}{}{}{}",
        escape(&title),
        comparison.made_by().iter().map(|made| format!("<p class=\"how\">{}.</p>\n", escape(made))).collect::<String>(),
        section("Comparison", &escape(&legend(comparison)), &table(comparison)),
        section("Training", "", &captioned(&charts(comparison))),
        unfinished(comparison)
    );
    document(&title, &body)
}

fn table(comparison: &Comparison) -> String {
    let measures = comparison.measures();
    let fields = comparison.fields.iter().map(|field| escape(field));
    let names = measures.iter().map(|measure| measure.name().to_owned());
    let head: Vec<_> = [String::new()].into_iter().chain(fields).chain(names).chain(["runs".into()]).collect();
    let row = |point: &Point| -> Vec<String> {
        let values = point.values.iter().cloned();
        let all = [mark(point.standing).to_owned()].into_iter().chain(values).chain(cells(point, &measures));
        all.map(|cell| escape(&cell)).collect()
    };
    let rows: Vec<_> = comparison.points.iter().map(row).collect();
    plain_table(&head, rows.iter().map(Vec::as_slice))
}

fn unfinished(comparison: &Comparison) -> String {
    let item = |(name, step): &(String, u64)| format!("<li>{}, at step {step}</li>\n", escape(name));
    let items: String = comparison.unfinished.iter().map(item).collect();
    let list = if items.is_empty() { items } else { format!("<ul>\n{items}</ul>\n") };
    section("Runs that aren't done", "", &list)
}

/// A number of a test.
type Of = fn(&Outcome, &Tested) -> Option<f64>;

fn charts(comparison: &Comparison) -> Vec<(Chart, String)> {
    let loss: Of = |outcome, tested| tested.objective(outcome.config.training.objective);
    let reverse: Of = |_, tested| tested.ess_reverse;
    let forward: Of = |_, tested| tested.ess_forward;
    let shown = [
        ("Loss", loss, Range::Robust),
        ("Reverse ESS", reverse, Range::FromZero),
        ("Forward ESS", forward, Range::FromZero),
    ];
    let both = |(title, of, range)| [false, true].map(|by_seconds| chart(comparison, title, of, range, by_seconds));
    shown.into_iter().flat_map(both).collect()
}

fn chart(comparison: &Comparison, title: &str, of: Of, y_range: Range, by_seconds: bool) -> (Chart, String) {
    let against = if by_seconds { "seconds" } else { "steps" };
    let mut chart = Chart { y_range, ..Chart::new(&format!("{title} by {against}"), against, title) };
    let points = comparison.points.iter().filter(|point| point.done > 0);
    chart.series = points
        .take(MOST_CURVES)
        .enumerate()
        .map(|(i, point)| {
            let curve = |outcome: &Outcome| {
                let at = |&(step, seconds, tested): &(u64, f64, Tested)| {
                    (if by_seconds { seconds } else { step as f64 }, of(outcome, &tested).unwrap_or(f64::NAN))
                };
                outcome.tests.iter().map(at).collect()
            };
            let curves: Vec<Vec<_>> = point.outcomes.iter().map(curve).collect();
            curves::mean(&name(comparison, point), i, &curves, Scale::Linear)
        })
        .collect();
    let left = comparison.points.len().saturating_sub(MOST_CURVES);
    let left = if left == 0 {
        String::new()
    } else {
        format!(" The first {MOST_CURVES} points, of {}.", comparison.points.len())
    };
    (chart, format!("Validations; means over the seeds in a band of one standard deviation.{left}"))
}

fn name(comparison: &Comparison, point: &Point) -> String {
    let values = comparison.fields.iter().zip(&point.values).map(|(field, value)| format!("{field} = {value}"));
    let name = values.collect::<Vec<_>>().join(", ");
    if name.is_empty() { "all seeds".into() } else { name }
}
