//! Description of a coupling of numbers.

use super::{
    description::{Description, Needs, Work},
    net::{MlpSpec, NetSpec},
    transform::TransformSpec,
};
use crate::{error::FlowError, mask::MaskSpec, size};
use upg_core::{Domain, ParamLayout};

/// A coupling of numbers: the mask's degrees of freedom move, by a transform whose parameters a net computes from the others.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct CouplingSpec {
    /// The degrees of freedom that move.
    pub mask: MaskSpec,
    /// From the others, in flat index order, to the parameters of the transform.
    pub net: NetSpec,
    /// How they move.
    pub transform: TransformSpec,
}

impl CouplingSpec {
    fn net(&self) -> &MlpSpec {
        let NetSpec::Mlp(net) = &self.net;
        net
    }
}

impl Description for CouplingSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        FlowError::failed(self.net().checks().into_iter().chain([self.transform.check()]))
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        let dof = shape.iter().product();
        if dof < 2 {
            return Err(FlowError::new("shape", shape, "extents of at least 1, two sites in all"));
        }
        self.mask.check(dof)
    }

    /// On the tape: the kept part; hidden values and φ; λ and its partials.
    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        let (width, transformed) = (self.transform.width(), self.mask.transformed(dof));
        let inputs = dof - transformed;
        let outputs = transformed.saturating_mul(width as u64);
        let kept = [inputs, self.net().kept(), outputs, transformed.saturating_mul(self.transform.kept())];
        Needs {
            parameters: self.net().size(inputs, outputs),
            indices: dof,
            kept: kept.into_iter().fold(0, u64::saturating_add),
        }
    }

    /// The weights of the net.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        let dof = shape.iter().product::<usize>() as u64;
        let transformed = self.mask.transformed(dof);
        let outputs = transformed.saturating_mul(self.transform.width() as u64);
        size::net_parameters(dof - transformed, &self.net().hidden, outputs, 1, 0)
    }

    fn work(&self) -> Work {
        Work::Products(self.net().widest())
    }

    fn hidden(&self) -> Option<&[usize]> {
        Some(&self.net().hidden)
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        let dof: usize = shape.iter().product();
        let transformed = self.mask.transformed(dof as u64) as usize;
        self.net().params(dof - transformed, self.transform.width() * transformed)
    }
}
