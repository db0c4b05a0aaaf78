//! What is said about a configuration file that isn't accepted: a line for each mistake.

use super::invalid::write_lines;
use super::locate::Position;
use crate::text::Shown;
use std::fmt;
use std::path::PathBuf;

/// A configuration isn't accepted; displayed as a line for each mistake, `config FILE:LINE:COLUMN: FIELD = VALUE: PROBLEM` or
/// `--set FIELD = VALUE: PROBLEM` (or another option's name); without `config …: ` for a text that isn't in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file; empty for a text that isn't in one.
    pub file: PathBuf,
    /// What is wrong with it, in the order of the file: one mistake or several.
    pub mistakes: Vec<Mistake>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was made.
    pub origin: Origin,
    /// The field, e.g. `flow.lattice`, and its value.
    pub field: Option<(String, String)>,
    /// The problem, and the accepted values.
    pub problem: String,
}

/// Where a mistake was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the file, if the problem has a place there.
    File(Option<Position>),
    /// In an argument of this option.
    Argument(&'static str),
    /// Nowhere: the machine refuses to read the file.
    Machine,
}

impl ConfigError {
    /// 2 if the input is wrong, 1 if the machine refuses to read it.
    pub fn exit_status(&self) -> u8 {
        if self.mistakes.iter().any(|mistake| mistake.origin == Origin::Machine) { 1 } else { 2 }
    }

    /// A single mistake.
    pub(super) fn one(file: impl Into<PathBuf>, mistake: Mistake) -> Self {
        Self { file: file.into(), mistakes: vec![mistake] }
    }

    /// All mistakes, put into the order of the file, those without a place behind the others; `None` if there are none.
    pub(super) fn all(file: impl Into<PathBuf>, mut mistakes: Vec<Mistake>) -> Option<Self> {
        mistakes.sort_by_key(|mistake| match mistake.origin {
            Origin::File(Some(Position { line, column })) => (0, line, column),
            Origin::File(None) => (1, 0, 0),
            Origin::Argument(_) | Origin::Machine => (2, 0, 0),
        });
        (!mistakes.is_empty()).then(|| Self { file: file.into(), mistakes })
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.shown();
        let is_in_a_file = !self.file.as_os_str().is_empty();
        let lines = self.mistakes.iter().map(|Mistake { origin, field, problem }| {
            let place = match origin {
                Origin::File(_) if !is_in_a_file => String::new(),
                Origin::File(None) | Origin::Machine => format!("config {file}: "),
                Origin::File(Some(position)) => format!("config {file}:{position}: "),
                Origin::Argument(option) => format!("{option} "),
            };
            let field = field.as_ref().map_or(String::new(), |(field, value)| format!("{field} = {value}: "));
            format!("{place}{field}{problem}")
        });
        let more = if is_in_a_file { format!("config {file}: ") } else { String::new() };
        write_lines(f, &more, &lines.collect::<Vec<_>>())
    }
}

impl std::error::Error for ConfigError {}
