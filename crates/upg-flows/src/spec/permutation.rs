//! Description of a permutation.

use super::description::{Description, Needs, Work};
use crate::{error::FlowError, permutation::Order, size};
use upg_core::{Domain, ParamLayout};

/// y_i = x_{order(i)}, for numbers or angles (see [`permutation`](crate::permutation)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct PermutationSpec {
    /// What comes to each place.
    pub order: Order,
}

impl Description for PermutationSpec {
    fn domain(&self) -> Option<Domain> {
        None
    }

    fn field_errors(&self) -> Vec<FlowError> {
        vec![]
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        self.order.check(shape)
    }

    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        Needs { parameters: 0, indices: dof.saturating_mul(2), kept: 0 }
    }

    fn multiply_adds(&self, _: &[usize]) -> u64 {
        0
    }

    fn work(&self) -> Work {
        Work::Numbers
    }

    fn hidden(&self) -> Option<&[usize]> {
        None
    }

    fn params(&self, _: &[usize]) -> ParamLayout {
        ParamLayout::default()
    }
}
