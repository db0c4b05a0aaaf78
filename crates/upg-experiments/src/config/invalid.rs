//! Values that aren't accepted.

use crate::text::one_line;
use std::fmt;
use upg_flows::FlowError;
use upg_targets::TargetError;
use upg_train::Refused;

/// A field has a value that isn't accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: accepted is {accepted}")]
pub struct Invalid {
    /// The field, e.g. `flow.clamp`.
    pub field: String,
    /// Its value.
    pub value: String,
    /// The accepted values.
    pub accepted: String,
}

/// Every field whose value isn't accepted: at least one, and each once; displayed as a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllInvalid {
    /// The first.
    pub first: Invalid,
    /// The others.
    pub others: Vec<Invalid>,
}

impl AllInvalid {
    /// Of several mistakes of one field the first; an error if there is any.
    pub(super) fn none_of(invalid: impl IntoIterator<Item = Invalid>) -> Result<(), Self> {
        let mut invalid = invalid.into_iter();
        let Some(first) = invalid.next() else { return Ok(()) };
        let mut all = Self { first, others: vec![] };
        for next in invalid {
            if all.iter().all(|told| told.field != next.field) {
                all.others.push(next);
            }
        }
        Err(all)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Invalid> {
        [&self.first].into_iter().chain(&self.others)
    }
}

impl From<Invalid> for AllInvalid {
    fn from(first: Invalid) -> Self {
        Self { first, others: vec![] }
    }
}

impl fmt::Display for AllInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.iter().map(|invalid| format!("config: {invalid}")).collect();
        write_lines(f, "config: ", &lines)
    }
}

impl std::error::Error for AllInvalid {}

/// Most mistakes that are told one by one: who reads more?
const MOST_LINES: usize = 20;

/// The first lines, and how many more there are behind `place`; no line end behind the last.
pub(super) fn write_lines(f: &mut fmt::Formatter<'_>, place: &str, lines: &[String]) -> fmt::Result {
    let told = &lines[..lines.len().min(MOST_LINES)];
    f.write_str(&told.join("\n"))?;
    match lines.len() - told.len() {
        0 => Ok(()),
        more => write!(f, "\n{place}and {more} more"),
    }
}

impl From<FlowError> for Invalid {
    fn from(error: FlowError) -> Self {
        let value = one_line(&error.value, 100);
        Self { field: format!("flow.{}", error.path()), value, accepted: error.accepted.into() }
    }
}

impl From<TargetError> for Invalid {
    fn from(error: TargetError) -> Self {
        let value = one_line(&error.value, 100);
        Self { field: format!("target.{}", error.field), value, accepted: error.accepted.into() }
    }
}

/// Of a plan that a training was made from.
impl From<Refused> for Invalid {
    fn from(refused: Refused) -> Self {
        let Refused { field, value, accepted } = refused.inside("training");
        Self { field, value, accepted }
    }
}
