//! An optimiser from what was saved of it.

use super::Optimiser;
use std::collections::BTreeMap;
use upg_core::Real;
use upg_train::optimiser::Rule;

/// What was saved isn't the state of such an optimiser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Something is missing.
    #[error("the optimiser's {name} is missing")]
    Missing {
        /// Name of the moment.
        name: &'static str,
    },
    /// Something is there that this rule hasn't.
    #[error("the optimiser has no {name}: accepted: {accepted:?}")]
    Unknown {
        /// Name of the moment.
        name: String,
        /// Names this rule has.
        accepted: &'static [&'static str],
    },
    /// A moment has another length than the parameters.
    #[error("the optimiser's {name} has {found} numbers: accepted: {expected}, one a parameter")]
    Length {
        /// Name of the moment.
        name: &'static str,
        /// Its length.
        found: usize,
        /// Number of parameters.
        expected: usize,
    },
}

impl<T: Real> Optimiser<T> {
    /// The optimiser for `len` parameters that had made `steps` steps and had these [`moments`](Self::moments), in any order.
    ///
    /// # Errors
    /// If a moment is missing, unknown to the rule, or has another length than `len`.
    pub fn restore(
        rule: Rule,
        len: usize,
        steps: u64,
        moments: impl IntoIterator<Item = (String, Vec<T>)>,
    ) -> Result<Self, RestoreError> {
        let mut saved: BTreeMap<_, _> = moments.into_iter().collect();
        let accepted = rule.moment_names();
        let moments = accepted.iter().map(|&name| take(&mut saved, name, len)).collect::<Result<_, _>>()?;
        match saved.into_keys().next() {
            Some(name) => Err(RestoreError::Unknown { name, accepted }),
            None => Ok(Self { rule, steps, len, moments }),
        }
    }
}

fn take<T>(saved: &mut BTreeMap<String, Vec<T>>, name: &'static str, expected: usize) -> Result<Vec<T>, RestoreError> {
    let moment = saved.remove(name).ok_or(RestoreError::Missing { name })?;
    match moment.len() {
        found if found == expected => Ok(moment),
        found => Err(RestoreError::Length { name, found, expected }),
    }
}
