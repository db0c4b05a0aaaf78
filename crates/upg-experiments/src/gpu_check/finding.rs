//! What a step finds: a figure, or a deviation held against a limit.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The step.
    pub step: String,
    /// What was looked at, e.g. `realnvp, path-fast, reverse, f64`.
    pub name: String,
    /// The number found; none where words are all there is, or it wasn't finite.
    pub value: Option<f64>,
    /// Its unit; empty for a pure number.
    pub unit: String,
    /// What comes of it.
    pub verdict: Verdict,
    /// What is to be said besides.
    pub note: String,
}

/// What comes of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A figure, to be read.
    Figure,
    /// It is as it has to be.
    Passed,
    /// It isn't.
    Failed,
    /// It could not be looked at on this machine.
    NotRun,
}

/// Where the findings of a step go, one line of JSON each, on the disk as soon as they are made.
pub struct Findings {
    step: &'static str,
    file: File,
    failed: bool,
}

impl Findings {
    /// Appends to `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn append_to(path: &Path, step: &'static str) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { step, file, failed: false })
    }

    /// Whether none of them failed.
    pub fn all_passed(&self) -> bool {
        !self.failed
    }

    /// A figure.
    pub fn figure(&mut self, name: impl Into<String>, value: f64, unit: &str) {
        self.add(name.into(), Some(value), unit, Verdict::Figure, String::new());
    }

    /// Words.
    pub fn say(&mut self, name: impl Into<String>, note: impl Into<String>) {
        self.add(name.into(), None, "", Verdict::Figure, note.into());
    }

    /// A deviation, which has to be at most `limit`.
    pub fn deviation(&mut self, name: impl Into<String>, value: f64, limit: f64) {
        let verdict = if value <= limit { Verdict::Passed } else { Verdict::Failed };
        self.add(name.into(), Some(value), "", verdict, format!("limit {limit:e}"));
    }

    /// Something that holds or doesn't.
    pub fn holds(&mut self, name: impl Into<String>, holds: bool, note: impl Into<String>) {
        let verdict = if holds { Verdict::Passed } else { Verdict::Failed };
        self.add(name.into(), None, "", verdict, note.into());
    }

    /// Something that can't be looked at here.
    pub fn not_run(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.add(name.into(), None, "", Verdict::NotRun, why.into());
    }

    fn add(&mut self, name: String, value: Option<f64>, unit: &str, verdict: Verdict, note: String) {
        self.failed |= verdict == Verdict::Failed;
        let (value, step) = (value.filter(|value| value.is_finite()), self.step.to_owned());
        let finding = Finding { step, name, value, unit: unit.to_owned(), verdict, note };
        let mut line = serde_json::to_string(&finding).expect("a finding has a text");
        line.push('\n');
        // A disk that is full must not end the check: the verdict of the step is told by its exit status, too.
        let _ = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
    }
}

/// The findings in a file, as far as they are whole.
pub fn read(path: &Path) -> Vec<Finding> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
