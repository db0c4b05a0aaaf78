//! The whole paper: what was measured of it, and which of its claims hold by that.
//!
//! | module | what is there |
//! |---|---|
//! | `found` | what the stages find, as plain data |
//! | `stages` | a file for each stage, so that a reproduction goes on where it was stopped |
//! | `gather` | the stages: costs, comparisons, few data, trained flows |
//! | `claims` | the paper's claims, and what is measured of each |
//! | `document`, `words` | all of it as text, once for Markdown and for HTML |
//!
//! No number of a text is written by hand: those of this project come from the stages, the settings of the paper from its configurations, and its ranges
//! of costs stand beside the claims about them.

mod claims;
mod document;
mod error;
mod found;
mod gather;
mod stages;
mod words;

pub use claims::{Judgement, Verdict, judge};
pub use error::ReproductionError;
pub use found::{
    Compared, Comparison, Cost, FewData, Findings, Found, Learned, Likeness, Made, Noise, Sampler, Setting, Stage,
};
pub use gather::{comparison, costs, few_data, sampler};
pub use stages::Stages;
pub use words::{html, markdown};

use crate::io::output::{OutputFile, finish_together};
use std::path::Path;

/// The text of `paper.json`.
pub fn to_json(findings: &Findings) -> String {
    serde_json::to_string_pretty(findings).expect("names and numbers") + "\n"
}

/// The findings in such a text.
///
/// # Errors
/// What is wrong with it.
pub fn of_json(text: &str) -> Result<Findings, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Names of the files that [`write()`] makes.
pub const FILES: [&str; 3] = ["paper.json", "PAPER.md", "paper.html"];

/// Writes the findings as JSON, as Markdown and as a page into `folder`.
///
/// # Errors
/// If a file can't be written.
pub fn write(folder: &Path, findings: &Findings) -> Result<(), ReproductionError> {
    let contents = [to_json(findings), markdown(findings), html(findings)];
    let write = |(name, content): (&str, String)| OutputFile::create(&folder.join(name))?.with(content.as_bytes());
    Ok(finish_together(FILES.into_iter().zip(contents).map(write).collect::<Result<_, _>>()?)?)
}
