//! The comparison as text.

use super::compare::{Comparison, Mean, Point, Standing};
use super::outcome::Measure;
use crate::report::page::with_error;
use crate::report::plot::significant;

/// The table, what its marks mean, and which runs aren't done.
pub(super) fn text(comparison: &Comparison) -> String {
    let measures = comparison.measures();
    let head = comparison.fields.iter().map(String::as_str).chain(measures.iter().map(|measure| measure.name()));
    let head: Vec<String> = [""].into_iter().chain(head).chain(["runs"]).map(str::to_owned).collect();
    let row = |point: &Point| -> Vec<String> {
        let values = point.values.iter().cloned();
        [mark(point.standing).to_owned()].into_iter().chain(values).chain(cells(point, &measures)).collect()
    };
    let rows: Vec<_> = [head].into_iter().chain(comparison.points.iter().map(row)).collect();
    format!("{}{}{}", aligned(&rows), legend(comparison), unfinished(comparison))
}

/// How a point stands, in a sign.
pub(super) fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::Best => "*",
        Standing::NotToldFromBest => "~",
        Standing::Other => "",
    }
}

/// The means of a point, and how many of its runs are done.
pub(super) fn cells(point: &Point, measures: &[Measure]) -> Vec<String> {
    let mean = |measure| point.means.get(measure).map_or("not known".into(), written);
    let runs =
        if point.done == point.runs { point.runs.to_string() } else { format!("{} of {}", point.done, point.runs) };
    measures.iter().map(mean).chain([runs]).collect()
}

fn written(mean: &Mean) -> String {
    mean.error.map_or_else(|| significant(mean.mean, 6), |error| with_error(mean.mean, error))
}

/// What the signs and numbers are.
pub(super) fn legend(comparison: &Comparison) -> String {
    let by = match comparison.by {
        by if !comparison.measures().contains(&by) => {
            return "No run that is done was tested on its way (training.validation.every, training.steps): there is no best one.\n".into();
        }
        Measure::Loss => "the lowest loss",
        _ => "the largest reverse ESS, as the losses aren't of one objective and target",
    };
    format!(
        "* {by} of the points all of whose runs are done; ~ within two standard errors of it.\nMeans over the runs that are done, standard errors of the last \
         digits in brackets. Loss, ESS and the error of log Z\nby the validation of the weights that were kept; seconds of runs side by side.\n"
    )
}

fn unfinished(comparison: &Comparison) -> String {
    const SHOWN: usize = 8;
    let line = |(name, step): &(String, u64)| format!("not done: {name}, at step {step}\n");
    let lines: String = comparison.unfinished.iter().take(SHOWN).map(line).collect();
    match comparison.unfinished.len().saturating_sub(SHOWN) {
        0 => lines,
        more => format!("{lines}not done: {more} more\n"),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let cell = |(text, width): (&String, &usize)| format!("{text:<width$}");
    let line = |row: &Vec<String>| row.iter().zip(&widths).map(cell).collect::<Vec<_>>().join("  ");
    rows.iter().map(|row| line(row).trim_end().to_owned() + "\n").collect()
}
