//! The paper's comparison: ordinary against path gradients, at equal steps and at equal seconds, and what is behind it.
//!
//! | module | what is there |
//! |---|---|
//! | `compare` | every problem, trained for the reverse and for the forward KL, with the ordinary gradient and with `path-fast` |
//! | `cost` | the cost of a step with each of these, measured in turn before anything is trained |
//! | `noise` | variance and signal-to-noise ratio of the gradients at the start, in the middle and at the end of a training |
//! | `regularising` | the effect of the path gradient where training data are few |
//! | `verdict`, `words` | who wins where, and by how much |
//! | `text`, `page` | all of it as text and as one HTML page |
//!
//! A pair of runs shares its initial weights, its base samples, its data and the order of the data. Both make the steps of the problem, and
//! the ordinary one goes on until it has taken the same seconds, in which it makes about 4/3 as many; where the learning rate falls until the end
//! of a training, a second one makes these, with a rate that falls to its own end. The seconds of a run are its steps times the cost of a step, not
//! the time it happened to take, so what else the machine did meanwhile favours nobody. Forward ESS and −log q are those of test data. A
//! continuous flow is tested with more steps of its integrator than it is trained with. A run that diverges ends there, and is told and counted.

mod compare;
mod cost;
mod error;
mod noise;
mod page;
mod problems;
mod regularising;
mod run;
mod text;
mod verdict;
mod words;

pub use compare::{Outcome, Pair, Study, compare};
pub use cost::Cost;
pub use error::FiguresError;
pub use noise::NoiseAt;
pub use page::page;
pub use problems::{Extent, FEW_DATA, Problem, few_data, problems};
pub use regularising::{Learning, Nll, Regularising, regularising};
pub use run::{Moment, Run};
pub use text::text;
pub use verdict::{Metric, Row, Spread, Winner, rows};
pub use words::shown;

use crate::io::output::{OutputError, OutputFile, Provenance};
use std::path::Path;

/// All that is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The comparisons, one a problem.
    pub studies: Vec<Study>,
    /// The regularising effect.
    pub regularising: Option<Regularising>,
}

/// Writes `figures.json` and `figures.html` into `folder`.
///
/// # Errors
/// If a file can't be written.
pub fn write(folder: &Path, figures: &Figures, provenance: &Provenance) -> Result<(), OutputError> {
    let object = serde_json::json!({
        "rows": rows(&figures.studies),
        "studies": figures.studies,
        "regularising": figures.regularising,
        "provenance": provenance,
    });
    let json = serde_json::to_string_pretty(&object).expect("names and numbers");
    OutputFile::create(&folder.join("figures.json"))?.commit(json.as_bytes())?;
    OutputFile::create(&folder.join("figures.html"))?.commit(page(figures, provenance).as_bytes())
}

#[cfg(test)]
mod tests;
