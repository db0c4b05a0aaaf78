//! `target: Python(…)`: a target of the user's own, a function of Python.
//!
//! Nothing here knows Python: the package of Python brings along who calls the function ([`provide`]), and without it such a target is refused. The
//! function is that of a file, or, without `module`, one that a program in Python hands in.

use super::foreign::{About, Check, Compute, Differences, ForeignTarget, Inhabitants, check, check_size, refused};
use super::invalid::Invalid;
use crate::text::{Shown, one_line};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use upg_flows::FlowSpec;
use upg_flows::numbers::{extents, whole};

/// A target in Python.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Python", deny_unknown_fields)]
pub struct PythonConfig {
    /// The file of the function, relative to the folder of the configuration; by default it is one that a program hands in.
    #[serde(default)]
    pub module: Option<PathBuf>,
    /// Name of the function.
    #[serde(default = "action_and_force")]
    pub function: String,
    /// Number of degrees of freedom.
    #[serde(deserialize_with = "whole")]
    pub dof: usize,
    /// Where the force comes from.
    #[serde(default)]
    pub force: Force,
    /// Where its degrees of freedom live.
    #[serde(default)]
    pub domain: Inhabitants,
    /// Shape of a sample; by default of any.
    #[serde(default, deserialize_with = "extents")]
    pub shape: Vec<usize>,
    /// Whether its force is compared with its action.
    #[serde(default)]
    pub check: Check,
}

fn action_and_force() -> String {
    "action_and_force".into()
}

/// Where a force comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "force")]
pub enum Force {
    /// From the function, beside the action.
    #[default]
    Given,
    /// From differences of the action, which is all that the function returns.
    FiniteDifferences,
}

/// Finds or loads the function of a target, and returns who calls it: always the same of a function that is in use.
///
/// # Errors
/// Why there is none.
pub type Provider = fn(&PythonConfig) -> Result<Arc<dyn Compute>, Invalid>;

static PROVIDER: OnceLock<Provider> = OnceLock::new();

/// Brings along who calls functions of Python; the first call counts.
pub fn provide(provider: Provider) {
    let _ = PROVIDER.set(provider);
}

/// A target in use, with who computes its actions.
type InUse = (PythonConfig, Weak<dyn Compute>, Weak<ForeignTarget>);

/// Targets in use: one each, however often a configuration is built.
static IN_USE: Mutex<Vec<InUse>> = Mutex::new(vec![]);

impl PythonConfig {
    /// Makes the path absolute, a relative one from `folder` on.
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(module) = &mut self.module {
            *module = folder.join(&module);
        }
    }

    /// What messages call it: the file and the function in it.
    pub fn name(&self) -> String {
        let function = one_line(&self.function, 60);
        self.module.as_ref().map_or_else(|| function.clone(), |module| format!("{function} of {}", module.shown()))
    }

    /// The target; the file is loaded, unless it is in use.
    ///
    /// # Errors
    /// If a value isn't accepted, there is no Python, or no such function.
    pub fn build(&self) -> Result<Arc<ForeignTarget>, Invalid> {
        self.check_values()?;
        let provider = PROVIDER.get().ok_or_else(|| {
            let accepted =
                "any other target in this program: one in Python needs the command upg of the Python package";
            Invalid { field: "target".into(), value: format!("Python, {}", self.name()), accepted: accepted.into() }
        })?;
        let computer = provider(self)?;
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|(_, _, target)| target.strong_count() > 0);
        let is_this =
            |(config, of, _): &&InUse| config == self && ptr::addr_eq(Weak::as_ptr(of), Arc::as_ptr(&computer));
        if let Some(target) = in_use.iter().find(is_this).and_then(|(_, _, target)| target.upgrade()) {
            return Ok(target);
        }
        let target = Arc::new(ForeignTarget::new(self.with_force(computer.clone()), self.about()));
        in_use.push((self.clone(), Arc::downgrade(&computer), Arc::downgrade(&target)));
        Ok(target)
    }

    fn with_force(&self, computer: Arc<dyn Compute>) -> Arc<dyn Compute> {
        match self.force {
            Force::Given => computer,
            Force::FiniteDifferences => Arc::new(Differences::of(computer, self.dof)),
        }
    }

    fn about(&self) -> About {
        let Self { dof, shape, domain, .. } = self;
        About { name: self.name(), dof: *dof, shape: shape.clone(), domain: domain.domain() }
    }

    fn check_values(&self) -> Result<(), Invalid> {
        check_size(self.dof, &self.shape)?;
        match (&self.module, &*self.function) {
            (_, "") => Err(refused("function", "\"\"", "the name of a function")),
            (Some(module), _) if !module.is_file() => {
                Err(refused("module", module.shown(), "a file of Python that is there"))
            }
            _ => Ok(()),
        }
    }

    /// Compares force and action at samples of the base of a flow that fits, unless that was done or isn't wanted.
    ///
    /// # Errors
    /// How far they are from each other, or what the function says.
    pub(super) fn check_force(&self, spec: &FlowSpec) -> Result<(), Invalid> {
        match self.check {
            Check::On => check::once(&*self.build()?, spec)
                .map_err(|accepted| refused("function", self.name(), format!("a function {accepted}"))),
            Check::Off => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn without_python_it_is_refused_in_one_line() {
        let text =
            "(flow: RealNvp(lattice: [3], couplings: 1, hidden: [4]), target: Python(function: \"energy\", dof: 3))";
        let told = Config::parse(text).unwrap().build::<f32>().err().unwrap().to_string();
        assert_eq!(
            told,
            "config: target = Python, energy: accepted is any other target in this program: one in Python needs the command upg of the Python package"
        );
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        let config = PythonConfig {
            module: None,
            function: "energy".into(),
            dof: 3,
            force: Force::Given,
            domain: Inhabitants::Reals,
            shape: vec![],
            check: Check::On,
        };
        for (wrong, told) in [
            (PythonConfig { dof: 0, ..config.clone() }, "target.dof = 0: accepted is a whole number, at least 1"),
            (
                PythonConfig { function: String::new(), ..config.clone() },
                "target.function = \"\": accepted is the name",
            ),
            (
                PythonConfig { module: Some("/none.py".into()), ..config.clone() },
                "target.module = /none.py: accepted is",
            ),
            (PythonConfig { shape: vec![2], ..config.clone() }, "target.shape = [2]: accepted is a shape of 3 numbers"),
        ] {
            let said = wrong.build().err().unwrap().to_string();
            assert!(said.contains(told), "{said}");
        }
    }
}
