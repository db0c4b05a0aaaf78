//! The error of a target that cannot be made.

use std::fmt;

/// A parameter of a target that is not accepted; displayed as one line, `field = value: accepted is …`.
///
/// ```
/// let error = upg_targets::Phi4::new(&[4, 0], 0.3, 0.02).unwrap_err();
/// assert_eq!(error.to_string(), "lattice = [4, 0]: accepted is at least one extent, each at least 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    /// Name of the parameter.
    pub field: &'static str,
    /// Its value, or the part of it that is wrong.
    pub value: String,
    /// The accepted values.
    pub accepted: &'static str,
}

impl TargetError {
    pub(crate) fn new(field: &'static str, value: impl Into<String>, accepted: &'static str) -> Self {
        Self { field, value: value.into(), accepted }
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: accepted is {}", self.field, self.value, self.accepted)
    }
}

impl std::error::Error for TargetError {}

/// `value`, if it is finite.
pub(crate) fn finite(field: &'static str, value: f64) -> Result<f64, TargetError> {
    require(value.is_finite(), field, value, "a finite number")
}

/// `value`, if `accept` holds.
pub(crate) fn require(
    accept: bool,
    field: &'static str,
    value: f64,
    accepted: &'static str,
) -> Result<f64, TargetError> {
    if accept { Ok(value) } else { Err(TargetError::new(field, value.to_string(), accepted)) }
}

/// The number of sites of `lattice`, if every extent is at least 1.
pub(crate) fn sites_of(lattice: &[usize]) -> Result<usize, TargetError> {
    let sites = lattice.iter().try_fold(1_usize, |sites, &extent| sites.checked_mul(extent)).unwrap_or(0);
    if lattice.is_empty() || sites == 0 {
        return Err(TargetError::new("lattice", format!("{lattice:?}"), "at least one extent, each at least 1"));
    }
    Ok(sites)
}
