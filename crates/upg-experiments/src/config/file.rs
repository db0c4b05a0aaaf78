//! Configuration files, and what is said about a wrong one.

use super::experiment::Config;
use super::invalid::Invalid;
use super::locate::{self, Position};
use super::model::Model;
use super::notation;
use crate::io::memory;
use crate::text::one_line;
use ron::error::SpannedError;
use std::fmt;
use std::path::{Path, PathBuf};
use upg_core::Real;

/// A configuration and the text it was read from.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// The configuration.
    pub config: Config,
    path: PathBuf,
    text: String,
}

/// A configuration file is wrong; displayed as one line, `config FILE:LINE:COLUMN: FIELD = VALUE: PROBLEM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Where in the file, if the problem has a place.
    pub position: Option<Position>,
    /// The field, e.g. `flow.lattice`, and its value.
    pub field: Option<(String, String)>,
    /// The problem, and the accepted values.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config {}", self.file.display())?;
        if let Some(position) = self.position {
            write!(f, ":{position}")?;
        }
        if let Some((field, value)) = &self.field {
            write!(f, ": {field} = {value}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a configuration from text.
    ///
    /// # Errors
    /// If the text isn't RON, or a field is missing, unknown or of the wrong type; with its position.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        parse("config".as_ref(), text)
    }
}

impl ConfigFile {
    /// Reads a configuration file. Data files that it names are relative to its folder, and absolute in what is returned.
    ///
    /// # Errors
    /// If it can't be read, isn't RON, or a field is missing, unknown or of the wrong type.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError {
            file: path.to_owned(),
            position: None,
            field: None,
            problem: format!("cannot read the file: {e}"),
        })?;
        let mut file = Self::parse(path, text)?;
        let folder = path.canonicalize().ok().and_then(|full| Some(full.parent()?.to_owned())).unwrap_or_default();
        file.config.training.resolve(&folder);
        if let Some(data) = &mut file.config.data {
            data.resolve(&folder);
        }
        Ok(file)
    }

    /// Reads a configuration from the text of a file called `path`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        Ok(Self { config: parse(path, &text)?, path: path.to_owned(), text })
    }

    /// Checks all that can be checked without making the flow.
    ///
    /// # Errors
    /// The first field whose value isn't accepted.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.config.check().map_err(|invalid| self.locate(invalid))
    }

    /// Checks that a training fits into the memory of this machine, where that is known.
    ///
    /// # Errors
    /// As [`Config::check_memory`].
    pub fn check_memory(&self) -> Result<(), ConfigError> {
        let memory = memory::of_machine().unwrap_or(u64::MAX);
        self.config.check_memory(memory).map_err(|invalid| self.locate(invalid))
    }

    /// Makes the flow and the target.
    ///
    /// # Errors
    /// If a value isn't accepted, or the target doesn't live where the flow does.
    pub fn build<T: Real>(&self) -> Result<Model<T>, ConfigError> {
        self.config.build().map_err(|invalid| self.locate(invalid))
    }

    fn locate(&self, invalid: Invalid) -> ConfigError {
        let found = locate::fields(&self.text).into_iter().find(|field| field.path == invalid.field);
        ConfigError {
            file: self.path.clone(),
            position: found.map(|field| Position::of(&self.text, field.value)),
            field: Some((invalid.field, one_line(&invalid.value, 100))),
            problem: format!("accepted: {}", invalid.accepted),
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    notation::options().from_str(text).map_err(|error| describe(path, text, &error))
}

/// Adds the field and its value to what RON says.
fn describe(path: &Path, text: &str, error: &SpannedError) -> ConfigError {
    let told = Position { line: error.span.start.line, column: error.span.start.col }.byte(text);
    let at = text.len() - text[told..].trim_start().len(); // RON may mean the blank before a value
    let at = if text[..at].ends_with(['-', '"']) { at - 1 } else { at }; // or what is behind its first character
    let found = locate::fields(text);
    // What is missing doesn't belong to the field it is missing behind.
    let missing = matches!(error.code, ron::Error::MissingStructField { .. });
    let field = locate::field_at(&found, at).filter(|_| !missing);
    ConfigError {
        file: path.to_owned(),
        position: Some(Position::of(text, at)),
        field: field.map(|field| (one_line(&field.path, 100), field.value_text(text))),
        problem: one_line(&names_accepted_at(text, at, &error.code).unwrap_or_else(|| error.code.to_string()), 300),
    }
}

/// Where something stands that isn't a name and should be: which names are accepted. RON tells if there is a name, any name.
fn names_accepted_at(text: &str, at: usize, problem: &ron::Error) -> Option<String> {
    if !matches!(problem, ron::Error::SuggestRawIdentifier(_) | ron::Error::ExpectedIdentifier) {
        return None;
    }
    let with_a_name = format!("{}none {}", &text[..at], &text[at..]);
    match notation::options().from_str::<Config>(&with_a_name).err()?.code {
        ron::Error::NoSuchEnumVariant { expected, .. } => Some(format!("Expected one of `{}`", expected.join("`, `"))),
        _ => None,
    }
}
