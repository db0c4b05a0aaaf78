//! Description of a linear layer by its LU factors.

use super::description::{Description, Needs, Work};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    error::FlowError,
    lu::{self, LuChoices},
    mlp::{Bias, StartAt},
    permutation::Order,
    size,
};
use upg_core::{Domain, ParamLayout};

/// y = P L U x + b, over all numbers or over the sites of cells (see [`lu`](crate::lu)).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct LinearSpec {
    /// Extents of the cells, whose sites are mixed by one matrix; `None`: one matrix for all numbers.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "numbers::optional_wholes", skip_serializing_if = "Option::is_none")
    )]
    pub cells: Option<Vec<usize>>,
    /// P, an order of the numbers of a cell.
    pub order: Order,
    /// Rows of U whose element on the diagonal is negative.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub negative: Vec<usize>,
    /// Whether there is a b.
    pub bias: Bias,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(rename = "init"))]
    pub start: StartAt,
}

impl LinearSpec {
    /// The same as choices of the layer.
    pub fn choices(&self) -> LuChoices {
        let Self { cells, order, negative, bias, start } = self.clone();
        LuChoices { cells, order, negative, bias, start }
    }

    /// Channels for samples of `dof` numbers.
    fn channels(&self, dof: u64) -> u64 {
        let product = |cells: &Vec<usize>| cells.iter().fold(1, |n: u64, &extent| n.saturating_mul(extent as u64));
        self.cells.as_ref().map_or(dof, product).min(dof)
    }
}

impl Description for LinearSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        vec![]
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        let channels = lu::channels(self.cells.as_deref(), shape)?;
        lu::check_negative(&self.negative, channels)?;
        self.order.check(self.cells.as_deref().unwrap_or(shape))
    }

    /// On the tape: x and U x.
    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        let n = self.channels(dof);
        let bias = if self.bias == Bias::Yes { n } else { 0 };
        Needs {
            parameters: n.saturating_mul(n).saturating_add(bias),
            indices: dof.saturating_mul(2),
            kept: dof.saturating_mul(2),
        }
    }

    /// The elements of L and U off the diagonal of L, for each cell.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        let dof = shape.iter().product::<usize>() as u64;
        dof.saturating_mul(self.channels(dof))
    }

    fn work(&self) -> Work {
        match self.cells {
            None => Work::Squares,
            Some(_) => Work::Products(self.channels(u64::MAX) as usize),
        }
    }

    fn hidden(&self) -> Option<&[usize]> {
        None
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        let n = self.channels(shape.iter().product::<usize>() as u64) as usize;
        lu::params(n, self.bias, self.start)
    }
}
