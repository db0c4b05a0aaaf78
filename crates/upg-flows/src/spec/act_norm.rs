//! Description of ActNorm.

use super::description::{Description, Needs, Work};
use crate::{
    act_norm::{self, FirstValues},
    error::FlowError,
    size,
};
use upg_core::{Domain, ParamLayout};

/// y_i = x_i·e^{σ_i} + b_i (see [`act_norm`](crate::act_norm)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct ActNormSpec {
    /// How σ and b start.
    #[cfg_attr(feature = "serde", serde(default))]
    pub start: FirstValues,
}

impl Description for ActNormSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        vec![]
    }

    fn check_shape(&self, _: &[usize]) -> Result<(), FlowError> {
        Ok(())
    }

    /// On the tape: x.
    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        Needs { parameters: dof.saturating_mul(2), indices: 0, kept: dof }
    }

    /// One for each degree of freedom.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        shape.iter().product::<usize>() as u64
    }

    fn work(&self) -> Work {
        Work::Numbers
    }

    fn hidden(&self) -> Option<&[usize]> {
        None
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        act_norm::params(shape.iter().product())
    }
}
