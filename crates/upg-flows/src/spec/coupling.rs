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

/// A coupling of either kind.
trait Coupling {
    fn parts(&self) -> Parts<'_>;
}

impl Coupling for CouplingSpec {
    fn parts(&self) -> Parts<'_> {
        Parts { mask: &self.mask, net: self.net.kind(), transform: AnyTransform::OfNumbers(&self.transform) }
    }
}

impl Coupling for AngleCouplingSpec {
    fn parts(&self) -> Parts<'_> {
        Parts { mask: &self.mask, net: self.net.kind(), transform: AnyTransform::OfAngles(&self.transform) }
    }
}

/// What it is made of.
#[derive(Clone, Copy)]
struct Parts<'a> {
    mask: &'a MaskSpec,
    net: &'a dyn NetDescription,
    transform: AnyTransform<'a>,
}

impl<'a> Parts<'a> {
    /// Where the net stands, on samples of this shape.
    fn place(self, shape: &'a [usize]) -> Place<'a> {
        let dof = size::dof(shape);
        let transformed = self.mask.transformed(dof);
        Place { shape, kept: dof - transformed, transformed, transform: self.transform }
    }
}

impl<C: Coupling> Description for C {
    fn domain(&self) -> Option<Domain> {
        Some(self.parts().transform.domain())
    }

    fn field_errors(&self) -> Vec<FlowError> {
        let Parts { net, transform, .. } = self.parts();
        FlowError::failed(net.checks(transform).into_iter().chain(transform.checks()))
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        let Parts { mask, net, transform } = self.parts();
        let dof = shape.iter().product();
        if dof < 2 {
            return Err(FlowError::new("shape", shape, "extents of at least 1, two sites in all"));
        }
        mask.check(dof)?;
        net.check_shape(shape, mask, transform)
    }

    /// On the tape: the net's input; what the net leaves, and φ; λ and its partials.
    fn needs(&self, shape: &[usize]) -> Needs {
        let parts = self.parts();
        let place = parts.place(shape);
        let Needs { parameters, indices, kept } = parts.net.needs(&place);
        let partials = place.transformed.saturating_mul(parts.transform.kept());
        Needs {
            parameters,
            indices: indices.saturating_add(place.sites()),
            kept: [place.inputs(), kept, place.outputs(), partials].into_iter().fold(0, u64::saturating_add),
        }
    }

    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        let parts = self.parts();
        parts.net.multiply_adds(&parts.place(shape))
    }

    fn work(&self) -> Work {
        self.parts().net.work()
    }

    fn hidden(&self) -> Option<&[usize]> {
        Some(self.parts().net.hidden())
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        let parts = self.parts();
        parts.net.params(&parts.place(shape))
    }
}
