//! Targets that code of the user's computes: functions of shared libraries ([`library`](super::library)) and of Python ([`python`](super::python)).
//!
//! | file | what is there |
//! |---|---|
//! | `foreign/theory.rs` | the target: transposed, in the precision of the run, with its failures, observables and chains |
//! | `foreign/check.rs` | the force against finite differences of the action |
//! | `foreign/differences.rs` | a force made of differences of the action, where there is none |

pub mod check;
mod differences;
mod theory;

pub use differences::Differences;
pub use theory::{About, ForeignTarget};

use super::invalid::Invalid;
use crate::text::shape_text;
use serde::{Deserialize, Serialize};
use upg_core::Domain;

/// Who computes batches of samples.
pub trait Compute: Send + Sync {
    /// Fills `action`, one number a sample, with S and `force`, as long as x, if wanted, with −∂S/∂x, of the samples `x`, shape `[samples, dof]`, all of
    /// which are finite. `x` may be taken away, and so may the others on a failure.
    ///
    /// # Errors
    /// What it can't compute.
    fn compute(&self, x: &mut Vec<f64>, action: &mut Vec<f64>, force: Option<&mut Vec<f64>>) -> Result<(), Failure>;

    /// Tells of something that isn't an error.
    fn warn(&self, words: &str) {
        crate::io::console::say(format_args!("warning: {words}"));
    }
}

/// Why samples can't be computed, in the words of who should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The sample, if one is to blame.
    pub sample: Option<usize>,
    /// Why.
    pub words: String,
    /// Whether the call was cut off from outside, and is to be made again.
    pub was_cut_off: bool,
}

impl Failure {
    /// One that stays, of no sample in particular.
    pub fn saying(words: impl Into<String>) -> Self {
        Self { sample: None, words: words.into(), was_cut_off: false }
    }
}

/// What degrees of freedom are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "domain")]
pub enum Inhabitants {
    /// Numbers.
    #[default]
    Reals,
    /// Angles, of period 2π.
    Angles,
}

impl Inhabitants {
    pub(super) fn domain(self) -> Domain {
        match self {
            Self::Reals => Domain::Line,
            Self::Angles => Domain::Circle,
        }
    }
}

/// Whether the force is compared with finite differences of the action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "check")]
pub enum Check {
    /// Before anything is computed.
    #[default]
    On,
    /// Never.
    Off,
}

/// That a field of the target has a value that isn't accepted.
pub(super) fn refused(field: &str, value: impl Into<String>, accepted: impl Into<String>) -> Invalid {
    Invalid { field: format!("target.{field}"), value: value.into(), accepted: accepted.into() }
}

/// Checks the number of degrees of freedom, and that the shape of a sample has as many.
pub(super) fn check_size(dof: usize, shape: &[usize]) -> Result<(), Invalid> {
    match shape.iter().product() {
        _ if dof == 0 => Err(refused("dof", "0", "a whole number, at least 1")),
        numbers if !shape.is_empty() && usize::ne(&numbers, &dof) => {
            Err(refused("shape", shape_text(shape), format!("a shape of {dof} numbers, as target.dof says")))
        }
        _ => Ok(()),
    }
}
