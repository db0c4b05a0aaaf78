//! Description of a product of reflections.

use super::description::{Description, Needs, Work};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    error::{FlowError, require},
    householder,
    mlp::Bias,
    size,
};
use upg_core::{Domain, ParamLayout};

/// y = H_K … H_1 x + b (see [`householder`](crate::householder)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct HouseholderSpec {
    /// K.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub reflections: usize,
    /// Whether there is a b.
    #[cfg_attr(feature = "serde", serde(default))]
    pub bias: Bias,
}

impl Description for HouseholderSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        let accepted = "a whole number, at least 1";
        FlowError::failed([require(self.reflections > 0, "reflections", self.reflections, accepted)])
    }

    /// As many reflections as there are numbers make every orthogonal matrix.
    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        let accepted = "a whole number, at least 1, at most as many as a sample has numbers";
        require(self.reflections as u64 <= size::dof(shape), "reflections", self.reflections, accepted)
    }

    /// On the tape: x and a number for each reflection.
    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        let reflections = self.reflections as u64;
        let bias = if self.bias == Bias::Yes { dof } else { 0 };
        Needs {
            parameters: reflections.saturating_mul(dof).saturating_add(bias),
            indices: 0,
            kept: reflections.saturating_add(dof),
        }
    }

    /// Each vector twice.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        (self.reflections as u64).saturating_mul(2 * shape.iter().product::<usize>() as u64)
    }

    fn work(&self) -> Work {
        Work::Products(self.reflections)
    }

    fn hidden(&self) -> Option<&[usize]> {
        None
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        householder::params(self.reflections, shape.iter().product(), self.bias)
    }
}
