//! What is said about a hyper-parameter that isn't accepted.

/// A field has a value that isn't accepted; displayed as one line, `field = value: accepted: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: accepted: {accepted}")]
pub struct Refused {
    /// The field, e.g. `beta1`.
    pub field: String,
    /// Its value.
    pub value: String,
    /// What is accepted.
    pub accepted: String,
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

/// What is kept of a moving average: in [0, 1).
pub(crate) fn fraction(field: &str, value: f64) -> Result<(), Refused> {
    require((0.0..1.0).contains(&value), field, value, "a number in [0, 1)")
}
