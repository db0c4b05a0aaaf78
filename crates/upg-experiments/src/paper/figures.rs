//! The paper's comparison: ordinary against path gradients, at equal steps and at equal seconds.
//!
//! Every problem is trained for the reverse and for the forward KL, with the ordinary gradient and with `path-fast`, from several seeds. A pair of
//! runs shares its initial weights, its base samples, its data and the order of the data. The run with path gradients makes the steps of
//! the problem; the ordinary one makes as many, is tested, and goes on until it has taken the same seconds, in which it makes about
//! 4/3 as many steps. Seconds are those of the training steps alone. Forward ESS and −log q are those of test data.

mod compare;
mod error;
mod page;
mod problems;
mod verdict;

pub use compare::{Moment, Outcome, Pair, compare};
pub use error::FiguresError;
pub use page::page;
pub use problems::{Extent, Problem, problems};
pub use verdict::{Metric, Row, Winner, rows, text};

use crate::io::output::{OutputError, OutputFile, Provenance};
use std::path::Path;

/// Writes `figures.json` and `figures.html` into `folder`.
///
/// # Errors
/// If a file can't be written.
pub fn write(folder: &Path, outcomes: &[Outcome], provenance: &Provenance) -> Result<(), OutputError> {
    let rows = rows(outcomes);
    let object = serde_json::json!({ "rows": rows, "runs": outcomes, "provenance": provenance });
    let json = serde_json::to_string_pretty(&object).expect("names and numbers");
    OutputFile::create(&folder.join("figures.json"))?.commit(json.as_bytes())?;
    OutputFile::create(&folder.join("figures.html"))?.commit(page(outcomes, &rows, provenance).as_bytes())
}

#[cfg(test)]
mod tests;
