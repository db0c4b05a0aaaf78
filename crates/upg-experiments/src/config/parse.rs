//! From a text to a configuration, and the words for a text that is none.

use super::experiment::Config;
use super::locate::{self, Position};
use super::mistakes::{ConfigError, Mistake, Origin};
use super::notation;
use crate::text::one_line;
use ron::error::SpannedError;
use serde::de::DeserializeOwned;
use std::path::Path;

impl Config {
    /// Reads a configuration from text.
    ///
    /// # Errors
    /// If the text isn't RON, or a field is missing, unknown or of the wrong type; with its position.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        parse("config".as_ref(), text)
    }
}

/// Reads the text of a file called `path`.
///
/// # Errors
/// If it isn't RON, or a field is missing, unknown or of the wrong type.
pub(super) fn parse<C: DeserializeOwned>(path: &Path, text: &str) -> Result<C, ConfigError> {
    notation::options().from_str(text).map_err(|error| describe(path, text, &error))
}

/// Adds the field and its value to what RON says.
fn describe(path: &Path, text: &str, error: &SpannedError) -> ConfigError {
    let at = place(text, error);
    let found = locate::fields(text);
    // What is missing doesn't belong to the field it is missing behind.
    let missing = matches!(error.code, ron::Error::MissingStructField { .. });
    let field = locate::field_at(&found, at).filter(|_| !missing);
    let mistake = Mistake {
        origin: Origin::File(Some(Position::of(text, at))),
        field: field.map(|field| (one_line(&field.path, 100), field.value_text(text))),
        problem: problem(text, at, &error.code),
    };
    ConfigError::one(path, mistake)
}

/// The byte that RON means.
pub(super) fn place(text: &str, error: &SpannedError) -> usize {
    let told = Position { line: error.span.start.line, column: error.span.start.col }.byte(text);
    let at = text.len() - text[told..].trim_start().len(); // RON may mean the blank before a value
    if text[..at].ends_with(['-', '"']) { at - 1 } else { at } // or what is behind its first character
}

/// RON's words for what stands at byte `at`, or better ones.
pub(super) fn problem(text: &str, at: usize, code: &ron::Error) -> String {
    let words = match code {
        ron::Error::ExceededRecursionLimit => "accepted are values at most 128 deep in one another".to_owned(),
        _ => names_accepted_at(text, at, code).unwrap_or_else(|| code.to_string()),
    };
    one_line(&words, 300)
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
