//! Hyper-parameters that aren't accepted.

use std::fmt;

/// A field has a value that isn't accepted; displayed as one line, `field = value: accepted is …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The field, e.g. `beta1`.
    pub field: String,
    /// Its value.
    pub value: String,
    /// The accepted values.
    pub accepted: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, accepted } = self;
        write!(f, "{field} = {value}: accepted is {accepted}")
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// The refusal of a field of `section`: `section.field`.
    pub fn inside(self, section: &str) -> Self {
        Self { field: format!("{section}.{}", self.field), ..self }
    }
}

/// The first of `all` as the error of a check.
pub(crate) fn first(all: Vec<Refused>) -> Result<(), Refused> {
    all.into_iter().next().map_or(Ok(()), Err)
}

/// All of `refused` as refusals of fields of `section`.
pub(crate) fn inside(section: &str, refused: Vec<Refused>) -> impl Iterator<Item = Refused> {
    refused.into_iter().map(move |refused| refused.inside(section))
}

/// Those of the checks that failed.
pub(crate) fn failed(checks: impl IntoIterator<Item = Result<(), Refused>>) -> Vec<Refused> {
    checks.into_iter().filter_map(Result::err).collect()
}

/// Refuses `value` unless `holds`.
pub(crate) fn require(
    holds: bool,
    field: &str,
    value: impl ToString,
    accepted: impl Into<String>,
) -> Result<(), Refused> {
    match holds {
        true => Ok(()),
        false => Err(Refused { field: field.to_owned(), value: value.to_string(), accepted: accepted.into() }),
    }
}

/// A learning rate: finite and above 0.
pub(crate) fn positive(field: &str, value: f64) -> Result<(), Refused> {
    require(value.is_finite() && value > 0.0, field, value, "a finite number above 0")
}

/// The share of a moving average that is kept: in [0, 1).
pub(crate) fn fraction(field: &str, value: f64) -> Result<(), Refused> {
    require((0.0..1.0).contains(&value), field, value, "a number in [0, 1)")
}
