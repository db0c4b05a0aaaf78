//! Descriptions of couplings of numbers and of angles, with fully connected nets.

use super::{
    description::{Description, Needs, Work},
    net::{MlpSpec, NetSpec},
    transform::{AngleTransformSpec, TransformSpec},
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

/// A coupling of angles: as [`CouplingSpec`], but the net reads the cosines of the others, then their sines.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct AngleCouplingSpec {
    /// The angles that move.
    pub mask: MaskSpec,
    /// From the others to the parameters of the transform.
    pub net: NetSpec,
    /// How they move.
    pub transform: AngleTransformSpec,
}

impl CouplingSpec {
    fn shape(&self) -> Shape<'_> {
        let NetSpec::Mlp(net) = &self.net;
        Shape { mask: &self.mask, net, width: self.transform.width(), rows: self.transform.kept(), features: 1 }
    }
}

impl AngleCouplingSpec {
    fn shape(&self) -> Shape<'_> {
        let NetSpec::Mlp(net) = &self.net;
        Shape { mask: &self.mask, net, width: self.transform.width(), rows: self.transform.kept(), features: 2 }
    }
}

/// What decides how large a coupling is.
struct Shape<'a> {
    mask: &'a MaskSpec,
    net: &'a MlpSpec,
    /// Numbers φ, and numbers kept, of one that moves.
    width: usize,
    rows: u64,
    /// Numbers that the net reads of one that doesn't.
    features: u64,
}

impl Shape<'_> {
    fn check(&self, shape: &[usize]) -> Result<(), FlowError> {
        let dof = shape.iter().product();
        if dof < 2 {
            return Err(FlowError::new("shape", shape, "extents of at least 1, two sites in all"));
        }
        self.mask.check(dof)
    }

    /// Inputs and outputs of the net.
    fn ends(&self, dof: u64) -> [u64; 2] {
        let transformed = self.mask.transformed(dof);
        [(dof - transformed).saturating_mul(self.features), transformed.saturating_mul(self.width as u64)]
    }

    /// On the tape: the net's input; hidden values and φ; λ and its partials.
    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        let [inputs, outputs] = self.ends(dof);
        let kept = [inputs, self.net.kept(), outputs, self.mask.transformed(dof).saturating_mul(self.rows)];
        Needs {
            parameters: self.net.size(inputs, outputs),
            indices: dof,
            kept: kept.into_iter().fold(0, u64::saturating_add),
        }
    }

    /// The weights of the net.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        let [inputs, outputs] = self.ends(shape.iter().product::<usize>() as u64);
        size::net_parameters(inputs, &self.net.hidden, outputs, 1, 0)
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        let [inputs, outputs] = self.ends(shape.iter().product::<usize>() as u64);
        self.net.params(inputs as usize, outputs as usize)
    }
}

impl Description for CouplingSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        FlowError::failed(self.shape().net.checks().into_iter().chain(self.transform.checks()))
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        self.shape().check(shape)
    }

    fn needs(&self, shape: &[usize]) -> Needs {
        self.shape().needs(shape)
    }

    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        self.shape().multiply_adds(shape)
    }

    fn work(&self) -> Work {
        Work::Products(self.shape().net.widest())
    }

    fn hidden(&self) -> Option<&[usize]> {
        Some(&self.shape().net.hidden)
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        self.shape().params(shape)
    }
}

impl Description for AngleCouplingSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Circle)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        FlowError::failed(self.shape().net.checks().into_iter().chain([self.transform.check()]))
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        self.shape().check(shape)
    }

    fn needs(&self, shape: &[usize]) -> Needs {
        self.shape().needs(shape)
    }

    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        self.shape().multiply_adds(shape)
    }

    fn work(&self) -> Work {
        Work::Products(self.shape().net.widest())
    }

    fn hidden(&self) -> Option<&[usize]> {
        Some(&self.shape().net.hidden)
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        self.shape().params(shape)
    }
}
