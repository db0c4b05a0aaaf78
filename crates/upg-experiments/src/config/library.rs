//! `target: Library(…)`: a target of the user's own, in a shared library with the functions of `include/upg_target.h`.
//!
//! | file | what is there |
//! |---|---|
//! | `library/abi.rs` | loading, and the calls of the functions |
//! | `library/theory.rs` | the target: transposed, in the precision of the run, with its failures, observables and chains |
//! | `library/check.rs` | the force against finite differences of the action |

mod abi;
mod check;
mod theory;

pub use theory::LibraryTarget;

use super::invalid::Invalid;
use crate::text::{one_line, shape_text};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use upg_core::Domain;
use upg_flows::FlowSpec;
use upg_flows::numbers::{extents, whole};

/// A target in a shared library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Library", deny_unknown_fields)]
pub struct LibraryConfig {
    /// The library; relative to the folder of the configuration.
    pub path: PathBuf,
    /// Number of degrees of freedom.
    #[serde(deserialize_with = "whole")]
    pub dof: usize,
    /// Name of the function that computes it, with which the names of the others begin.
    #[serde(default = "upg_target")]
    pub symbol: String,
    /// A text for the library.
    #[serde(default)]
    pub options: String,
    /// Where its degrees of freedom live.
    #[serde(default)]
    pub domain: Inhabitants,
    /// Shape of a sample; by default of any.
    #[serde(default, deserialize_with = "extents")]
    pub shape: Vec<usize>,
    /// From how many threads it may be called.
    #[serde(default)]
    pub calls: Calls,
    /// Whether its force is compared with its action.
    #[serde(default)]
    pub check: Check,
}

fn upg_target() -> String {
    "upg_target".into()
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

/// From how many threads a library may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "calls")]
pub enum Calls {
    /// One call at a time, of many samples; from any thread.
    #[default]
    OneAtATime,
    /// Several at once, of a few samples each.
    Parallel,
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

/// Libraries in use: their state is made once, however often a configuration is built.
static IN_USE: Mutex<Vec<(LibraryConfig, Weak<LibraryTarget>)>> = Mutex::new(vec![]);

impl LibraryConfig {
    /// Makes the path absolute, a relative one from `folder` on.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.path = folder.join(&self.path);
    }

    /// The target; the library is loaded, unless it is in use.
    ///
    /// # Errors
    /// If a value isn't accepted, or the library isn't what it should be.
    pub(super) fn build(&self) -> Result<Arc<LibraryTarget>, Invalid> {
        self.check_values()?;
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|(_, target)| target.strong_count() > 0);
        let found = in_use.iter().find(|(config, _)| config == self).and_then(|(_, target)| target.upgrade());
        match found {
            Some(target) if target.failure().is_none() => Ok(target),
            _ => {
                let target = Arc::new(LibraryTarget::load(self)?);
                in_use.push((self.clone(), Arc::downgrade(&target)));
                Ok(target)
            }
        }
    }

    fn check_values(&self) -> Result<(), Invalid> {
        let refused = |field: &str, value, accepted: &str| {
            Err(Invalid { field: format!("target.{field}"), value, accepted: accepted.into() })
        };
        let numbers: usize = self.shape.iter().product();
        match self {
            Self { dof: 0, .. } => refused("dof", "0".into(), "a whole number, at least 1"),
            Self { symbol, .. } if symbol.is_empty() || symbol.contains('\0') => {
                refused("symbol", format!("{:?}", one_line(symbol, 60)), "the name of a function")
            }
            Self { shape, dof, .. } if !shape.is_empty() && numbers != *dof => {
                refused("shape", shape_text(shape), &format!("a shape of {dof} numbers, as target.dof says"))
            }
            _ => Ok(()),
        }
    }

    /// Compares force and action at samples of the base of a flow that fits, unless that was done or isn't wanted.
    ///
    /// # Errors
    /// How far they are from each other, or what the library says.
    pub(super) fn check_force(&self, spec: &FlowSpec) -> Result<(), Invalid> {
        match self.check {
            Check::On => check::once(&*self.build()?, self, spec),
            Check::Off => Ok(()),
        }
    }

    fn domain(&self) -> Domain {
        match self.domain {
            Inhabitants::Reals => Domain::Line,
            Inhabitants::Angles => Domain::Circle,
        }
    }
}
