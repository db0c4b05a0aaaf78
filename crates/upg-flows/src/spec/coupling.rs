//! Descriptions of couplings of numbers and of angles.

use super::{
    description::{Description, Needs, Work},
    net::NetSpec,
    net_description::{NetDescription, Place},
    transform::{AngleTransformSpec, AnyTransform, TransformSpec},
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
    fn parts(&self) -> Parts<'_> {
        Parts { mask: &self.mask, net: self.net.kind(), transform: AnyTransform::OfNumbers(&self.transform) }
    }
}

impl AngleCouplingSpec {
    fn parts(&self) -> Parts<'_> {
        Parts { mask: &self.mask, net: self.net.kind(), transform: AnyTransform::OfAngles(&self.transform) }
    }
}

/// What a coupling of either kind is made of.
struct Parts<'a> {
    mask: &'a MaskSpec,
    net: &'a dyn NetDescription,
    transform: AnyTransform<'a>,
}

impl Parts<'_> {
    fn field_errors(&self) -> Vec<FlowError> {
        FlowError::failed(self.net.checks(self.transform).into_iter().chain(self.transform.checks()))
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        let dof = shape.iter().product();
        if dof < 2 {
            return Err(FlowError::new("shape", shape, "extents of at least 1, two sites in all"));
        }
        self.mask.check(dof)?;
        self.net.check_shape(shape, self.mask, self.transform)
    }

    /// Where the net stands, on samples of this shape.
    fn place<'a>(&'a self, shape: &'a [usize]) -> Place<'a> {
        let dof = size::dof(shape);
        let transformed = self.mask.transformed(dof);
        Place { shape, kept: dof - transformed, transformed, transform: self.transform }
    }

    /// On the tape: the net's input; what the net leaves, and φ; λ and its partials.
    fn needs(&self, shape: &[usize]) -> Needs {
        let place = self.place(shape);
        let Needs { parameters, indices, kept } = self.net.needs(&place);
        let partials = place.transformed.saturating_mul(self.transform.kept());
        Needs {
            parameters,
            indices: indices.saturating_add(place.sites()),
            kept: [place.inputs(), kept, place.outputs(), partials].into_iter().fold(0, u64::saturating_add),
        }
    }

    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        self.net.multiply_adds(&self.place(shape))
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        self.net.params(&self.place(shape))
    }
}

impl Description for CouplingSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        self.parts().field_errors()
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        self.parts().check_shape(shape)
    }

    fn needs(&self, shape: &[usize]) -> Needs {
        self.parts().needs(shape)
    }

    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        self.parts().multiply_adds(shape)
    }

    fn work(&self) -> Work {
        self.net.kind().work()
    }

    fn hidden(&self) -> Option<&[usize]> {
        Some(self.net.kind().hidden())
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        self.parts().params(shape)
    }
}

impl Description for AngleCouplingSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Circle)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        self.parts().field_errors()
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        self.parts().check_shape(shape)
    }

    fn needs(&self, shape: &[usize]) -> Needs {
        self.parts().needs(shape)
    }

    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        self.parts().multiply_adds(shape)
    }

    fn work(&self) -> Work {
        self.net.kind().work()
    }

    fn hidden(&self) -> Option<&[usize]> {
        Some(self.net.kind().hidden())
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        self.parts().params(shape)
    }
}
