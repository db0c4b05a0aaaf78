//! Values that take the place of those in a file: `--set training.optimiser.rate=1e-4`.
//!
//! An override is made in the text of the configuration with every default spelled out, by the names that messages give its fields, and the
//! text is read again: whatever a file may say can be said this way, and nothing else.

use super::experiment::Config;
use super::locate::{self, Field};
use super::mistakes::{ConfigError, Mistake, Origin};
use super::notation;
use super::parse::{place, problem};
use crate::text::one_line;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A field and the value it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Its path, e.g. `flow.layers[1].net.hidden`.
    pub field: String,
    /// The value, RON.
    pub value: String,
    /// The option that gave it, which messages name.
    pub option: &'static str,
}

impl FromStr for Override {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (field, value) = text.split_once('=').ok_or("accepted is FIELD=VALUE, e.g. training.batch=500")?;
        Ok(Self { field: field.trim().to_owned(), value: value.trim().to_owned(), option: "--set" })
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.field, self.value)
    }
}

impl Override {
    /// Whether it gives `field` its value: it is of that field or of one around it.
    pub(super) fn decides(&self, field: &str) -> bool {
        locate::is_within(field, &self.field)
    }

    fn refuse(&self, problem: impl Into<String>) -> Mistake {
        let field = Some((one_line(&self.field, 100), one_line(&self.value, 60)));
        Mistake { origin: Origin::Argument(self.option), field, problem: problem.into() }
    }

    /// The configuration with the value in it.
    fn apply(&self, config: &Config) -> Result<Config, Mistake> {
        let text = self.write_into(&config.to_ron())?;
        notation::options().from_str(&text).map_err(|error| match &error.code {
            ron::Error::NoSuchStructField { expected, found, .. } if self.names().any(|name| name == found) => {
                self.refuse(format!("accepted are the fields {}", expected.join(", ")))
            }
            code => self.refuse(problem(&text, place(&text, &error), code)),
        })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.field.split('.')
    }

    /// The text with the value in the place of the one that is there, or as one more field where there is none.
    fn write_into(&self, text: &str) -> Result<String, Mistake> {
        if !locate::is_one_value(&self.value) {
            return Err(self.refuse("accepted is one value, as a configuration would have it"));
        }
        let found = locate::fields(text);
        if let Some(Field { value, range, .. }) = found.iter().find(|found| found.path == self.field) {
            // A line of its own, lest a comment in it go on.
            return Ok(format!("{}{}\n{}", &text[..*value], self.value, &text[range.end..]));
        }
        let around = |found: &&Field| self.field.strip_prefix(&found.path).is_some_and(|rest| rest.starts_with('.'));
        let (path, held) = match found.iter().filter(around).max_by_key(|found| found.path.len()) {
            Some(field) => (&field.path[..], field.value..field.range.end),
            None => ("", 0..text.len()),
        };
        self.write_behind(text, path, held)
    }

    /// The text with the value as one more field of what is `held` by the field `path`.
    fn write_behind(&self, text: &str, path: &str, held: std::ops::Range<usize>) -> Result<String, Mistake> {
        let Some(fields) = text[held.clone()].strip_suffix(')') else {
            let held = one_line(&text[held], 60);
            return Err(self.refuse(format!("accepted is no field of {path}, which is {held}")));
        };
        let missing = &self.field[path.len()..];
        let missing: Vec<_> = missing.strip_prefix('.').unwrap_or(missing).split('.').collect();
        if let Some(name) = missing.iter().find(|name| !is_name(name)) {
            let problem = format!("accepted is the name of a field, or of an element there is, instead of {name:?}");
            return Err(self.refuse(one_line(&problem, 200)));
        }
        let (before, behind) = text.split_at(held.start + fields.len());
        let comma = if fields.ends_with('(') { "" } else { ", " };
        let value = format!("{}: {}\n{}", missing.join(": ("), self.value, ")".repeat(missing.len() - 1));
        Ok(format!("{before}{comma}{value}{behind}"))
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The configuration of a file with all overrides made, one after the other.
///
/// # Errors
/// Every one that can't be made.
pub(super) fn apply(file: &Path, mut config: Config, overrides: &[Override]) -> Result<Config, ConfigError> {
    let mut mistakes = vec![];
    for set in overrides {
        match set.apply(&config) {
            Ok(changed) => config = changed,
            Err(mistake) => mistakes.push(mistake),
        }
    }
    ConfigError::all(file, mistakes).map_or(Ok(config), Err)
}

#[cfg(test)]
mod tests;
