//! Description of an autoregressive layer.

use super::{
    description::{Description, Needs, Work},
    mlp::MlpSpec,
    transform::TransformSpec,
};
use crate::{autoregressive::net, error::FlowError, permutation::Order, size};
use upg_core::{Domain, ParamLayout};

/// A layer that moves every degree of freedom, by a transform whose parameters a masked net computes from those before it
/// (see [`autoregressive`](crate::autoregressive)).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct AutoregressiveSpec {
    /// Which come before which.
    #[cfg_attr(feature = "serde", serde(default))]
    pub order: Order,
    /// From all degrees of freedom to the parameters of the transforms of all; its weights are masked.
    pub net: MlpSpec,
    /// How they move.
    pub transform: TransformSpec,
}

impl AutoregressiveSpec {
    /// As many weights as could be of any interest are counted one step after the other.
    const MOST_COUNTED: u64 = 1 << 40;
}

impl Description for AutoregressiveSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        FlowError::failed(self.net.checks().into_iter().chain(self.transform.checks()))
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        if size::dof(shape) < 2 {
            return Err(FlowError::new("shape", shape, "extents of at least 1, two sites in all"));
        }
        self.order.check(shape)
    }

    /// Parameters: masked entries, too. On the tape: x; hidden values and φ; λ and its partials.
    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        let width = self.transform.width();
        let outputs = dof.saturating_mul(width as u64);
        let kept = [dof, self.net.kept(), outputs, dof.saturating_mul(self.transform.kept())];
        Needs {
            parameters: self.net.size(dof, outputs),
            indices: dof,
            kept: kept.into_iter().fold(0, u64::saturating_add),
        }
    }

    /// The weights of the net that aren't masked.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        let (dof, width) = (shape.iter().product::<usize>(), self.transform.width());
        let all = size::net_parameters(dof as u64, &self.net.hidden, (dof as u64).saturating_mul(width as u64), 1, 0);
        if dof < 2 || self.net.hidden.contains(&0) || all > Self::MOST_COUNTED {
            return all;
        }
        net::masks(dof, &self.net.hidden, width).map(|mask| mask.entries()).sum()
    }

    fn work(&self) -> Work {
        Work::Products(self.net.widest())
    }

    fn hidden(&self) -> Option<&[usize]> {
        Some(&self.net.hidden)
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        let MlpSpec { hidden, bias, start, .. } = &self.net;
        net::params(shape.iter().product(), hidden, self.transform.width(), *bias, *start)
    }
}
