//! `target: Library(…)`: a target of the user's own, in a shared library with the functions of `include/upg_target.h`.
//!
//! | file | what is there |
//! |---|---|
//! | `library/abi.rs` | loading, and the calls of the functions |
//! | `library/computer.rs` | who computes a batch: calls of the functions, one at a time or several at once |

mod abi;
mod computer;

use super::foreign::{About, Check, ForeignTarget, Inhabitants, check, check_size, refused};
use super::invalid::Invalid;
use crate::text::{Shown, one_line};
use computer::Computer;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
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

/// Libraries in use: their state is made once, however often a configuration is built.
static IN_USE: Mutex<Vec<(LibraryConfig, Weak<ForeignTarget>)>> = Mutex::new(vec![]);

impl LibraryConfig {
    /// Makes the path absolute, a relative one from `folder` on.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.path = folder.join(&self.path);
    }

    /// The target; the library is loaded, unless it is in use.
    ///
    /// # Errors
    /// If a value isn't accepted, or the library isn't what it should be.
    pub(super) fn build(&self) -> Result<Arc<ForeignTarget>, Invalid> {
        self.check_values()?;
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|(_, target)| target.strong_count() > 0);
        let found = in_use.iter().find(|(config, _)| config == self).and_then(|(_, target)| target.upgrade());
        match found {
            Some(target) if target.failure().is_none() => Ok(target),
            _ => {
                let target = Arc::new(ForeignTarget::new(Arc::new(Computer::load(self)?), self.about()));
                in_use.push((self.clone(), Arc::downgrade(&target)));
                Ok(target)
            }
        }
    }

    fn check_values(&self) -> Result<(), Invalid> {
        let Self { symbol, dof, shape, .. } = self;
        check_size(*dof, shape)?;
        match symbol.is_empty() || symbol.contains('\0') {
            true => Err(refused("symbol", format!("{:?}", one_line(symbol, 60)), "the name of a function")),
            false => Ok(()),
        }
    }

    /// Compares force and action at samples of the base of a flow that fits, unless that was done or isn't wanted.
    ///
    /// # Errors
    /// How far they are from each other, or what the library says.
    pub(super) fn check_force(&self, spec: &FlowSpec) -> Result<(), Invalid> {
        match self.check {
            Check::On => check::once(&*self.build()?, spec).map_err(|accepted| Invalid {
                field: "target.path".into(),
                value: self.path.shown(),
                accepted: format!("a library {accepted}"),
            }),
            Check::Off => Ok(()),
        }
    }

    fn about(&self) -> About {
        let (name, domain) = (self.path.shown(), self.domain.domain());
        About { name, dof: self.dof, shape: self.shape.clone(), domain }
    }
}
