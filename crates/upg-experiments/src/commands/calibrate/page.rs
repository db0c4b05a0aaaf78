//! The page.

use super::table::{COLUMNS, Row, Table, way};
use crate::report::page::{captioned, document, plain_table, section};
use crate::report::plot::{Bars, Chart, Colour, Series, Style, escape};
use std::collections::BTreeMap;
use upg_train::calibration::Verdicts;

const HOW: &str = "The pull of an estimate is its distance from the exact value over its standard error. Where errors mean what they say, pulls have \
                   the mean 0 and the width 1, and a Gaussian has 68.3, 95.4 and 99.7 % of them within one, two and three. \
                   Intervals: as many of those of 95.4 % hold the exact value. Flagged: as many evaluations said that too few samples carry the error, %.";

/// The tables, by the number of samples.
pub(super) fn html(run: &str, tables: &BTreeMap<usize, Table>) -> String {
    let parts: String = tables
        .iter()
        .map(|(samples, table)| section(&format!("{samples} samples"), HOW, &(of(table) + &captioned(&charts(table)))))
        .collect();
    let title = format!("Calibration of {run}");
    document(&title, &format!("<h1>{}</h1>\n{parts}", escape(&title)))
}

fn of(table: &Table) -> String {
    let head: Vec<_> = ["number", "estimated", "evaluations"].into_iter().chain(COLUMNS).collect();
    let row = |row: &Row| {
        let evaluations = row.calibration.map_or(0, |of| of.evaluations);
        let front = [escape(&row.name), way(row.way).to_owned(), evaluations.to_string()];
        front.into_iter().chain(row.cells()).collect::<Vec<_>>()
    };
    let rows: Vec<_> = table.numbers.iter().map(row).collect();
    let numbers = plain_table(&head, rows.iter().map(Vec::as_slice));
    let Some(Verdicts { right, missed_alarms, false_alarms, alarms }) = table.verdicts else { return numbers };
    let counts = [right, missed_alarms, false_alarms, alarms].map(|count| count.to_string());
    let head = [
        "trusted, within 3 σ",
        "trusted, beyond: missed alarms",
        "not trusted, within: false alarms",
        "not trusted, beyond",
    ];
    format!(
        "{numbers}<p>Verdicts on log Z, which don't know the exact value:</p>\n{}",
        plain_table(&head, [&counts[..]])
    )
}

/// The pulls of each number beside the normal distribution.
fn charts(table: &Table) -> Vec<(Chart, String)> {
    const BINS: usize = 40;
    let normal = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let chart = |row: &Row| {
        let mut chart = Chart::new(&format!("{}, {}", row.name, way(row.way)), "pull", "density");
        let bars = Bars::over((-5.0, 5.0), row.pulls.values(), BINS).density();
        chart.series.push(Series::new("pulls", Colour::Palette(0), Style::Bars, bars));
        let curve = (-50..=50).map(|i| 0.1 * f64::from(i)).map(|x| (x, normal(x))).collect();
        chart.series.push(Series::new("normal", Colour::Neutral, Style::Line, curve));
        (chart, String::new())
    };
    table.numbers.iter().filter(|row| row.calibration.is_some()).map(chart).collect()
}
