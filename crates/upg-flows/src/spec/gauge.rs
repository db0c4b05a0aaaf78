//! Description of a gauge coupling.

use super::{
    cnn::CnnSpec,
    description::{Description, Needs, Work},
    transform::AngleTransformSpec,
};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    cnn::{self, FEATURES},
    error::{FlowError, require},
    size,
};
use upg_core::{Domain, ParamLayout};

/// A coupling of the links of a two-dimensional lattice, samples of shape `[2, L_0, L_1]` (see [`gauge`](crate::gauge)).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct GaugeCouplingSpec {
    /// μ of the links that move, 0 or 1.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub direction: usize,
    /// The first active stripe, 0 to 3: sites with x_{1−μ} ≡ offset modulo 4 are active.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub offset: usize,
    /// From the frozen plaquettes to the parameters of the transform.
    pub net: CnnSpec,
    /// How the active plaquettes move.
    pub transform: AngleTransformSpec,
}

impl GaugeCouplingSpec {
    /// Numbers of one sample in the largest layer of the net.
    fn largest_layer(&self, sites: u64) -> u64 {
        let outputs = (self.transform.width() as u64 | 1).saturating_mul(sites / 4);
        self.net.hidden_values(sites).fold(outputs.max(sites), u64::max)
    }
}

impl Description for GaugeCouplingSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Circle)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        let direction = require(self.direction <= 1, "direction", self.direction, "0 or 1");
        let offset = require(self.offset <= 3, "offset", self.offset, "a coordinate from 0 to 3");
        FlowError::failed([direction, offset].into_iter().chain(self.net.checks()).chain([self.transform.check()]))
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        let [rows, columns] = lattice_of_links(shape)?;
        if self.largest_layer((rows * columns) as u64) > cnn::MOST_VECTORS as u64 {
            let accepted = "channels of a layer times its sites at most 67108863";
            return Err(FlowError::new("net.hidden", &self.net.hidden, accepted));
        }
        Ok(())
    }

    /// On the tape: cosines and sines of the frozen half of the plaquettes; hidden values; λ and its partials.
    fn needs(&self, shape: &[usize]) -> Needs {
        let (sites, width) = (size::dof(shape) / 2, self.transform.width());
        let stencils = 2 * (self.net.hidden.len() as u64 + 1) + 1; // there, back, and for the gradient of the last
        let partials = (sites / 4).saturating_mul(self.transform.kept());
        Needs {
            parameters: self.net.size(width as u64),
            indices: sites.saturating_mul(self.net.window()).saturating_mul(stencils),
            kept: self.net.hidden_values(sites).fold(sites.saturating_add(partials), u64::saturating_add),
        }
    }

    /// The weights of the net at all the sites where the layers above read its values: the active stripe at last.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        let sites = shape.iter().product::<usize>() as u64 / 2;
        let channels = self.net.hidden.iter().map(|&channels| channels as u64).chain([self.transform.width() as u64]);
        let inputs = [FEATURES as u64].into_iter().chain(self.net.hidden.iter().map(|&channels| channels as u64));
        let products = inputs.zip(channels).zip(self.net.stripes()).map(|((inputs, outputs), stripes)| {
            inputs.saturating_mul(outputs).saturating_mul(self.net.window()).saturating_mul(sites / 4 * stripes)
        });
        products.fold(0, u64::saturating_add)
    }

    fn work(&self) -> Work {
        Work::Tiles
    }

    fn on_links(&self) -> bool {
        true
    }

    fn hidden(&self) -> Option<&[usize]> {
        Some(&self.net.hidden)
    }

    fn params(&self, _: &[usize]) -> ParamLayout {
        self.net.params(self.transform.width())
    }
}

/// The extents of the lattice whose links have this shape.
pub(super) fn lattice_of_links(shape: &[usize]) -> Result<[usize; 2], FlowError> {
    let striped = |extent: usize| extent > 0 && extent.is_multiple_of(4);
    match *shape {
        [2, rows, columns] if striped(rows) && striped(columns) => Ok([rows, columns]),
        _ => Err(FlowError::new("shape", shape, "[2, L_0, L_1], two extents that are positive multiples of 4")),
    }
}
