//! What can be wrong with the description of a flow.

use std::fmt;

/// A field of a flow's description has a value that isn't accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// The field, e.g. `hidden`.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What is accepted.
    pub accepted: &'static str,
}

impl FlowError {
    pub(crate) fn new(field: &'static str, value: impl fmt::Debug, accepted: &'static str) -> Self {
        Self { field, value: format!("{value:?}"), accepted }
    }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} is not accepted: {}", self.field, self.value, self.accepted)
    }
}

impl std::error::Error for FlowError {}
