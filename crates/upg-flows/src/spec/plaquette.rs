//! Description of a continuous flow of links by the vector field of their plaquettes.

use super::description::{Description, Needs, Work};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    error::{FlowError, require},
    modes,
    orbits::{Orbits, number_of_orbits},
    plaquette_field, size,
};
use upg_core::{Domain, ParamLayout};

/// The flow of the links of a two-dimensional lattice by a vector field of its plaquettes, samples of shape `[2, L_0, L_1]` (see
/// [`plaquette_flow`](crate::plaquette_flow)).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct PlaquetteFlowSpec {
    /// N, how many sines there are.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub sines: usize,
    /// M, of how many sines and cosines there are products.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub products: usize,
    /// K, how many functions of time.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub times: usize,
    /// Steps of the Runge–Kutta method of order 4.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub steps: usize,
}

/// Stages of a step.
const STAGES: u64 = 4;
/// Most steps, sines and functions of time that anybody wants.
const MOST: usize = 10_000;
/// Most sines and cosines whose products anybody wants.
const MOST_PRODUCTS: usize = 100;

impl PlaquetteFlowSpec {
    /// Values of the field in one pass.
    fn evaluations(&self) -> u64 {
        STAGES.saturating_mul(self.steps as u64)
    }

    /// M².
    fn pairs(&self) -> u64 {
        (self.products as u64).saturating_mul(self.products as u64)
    }
}

impl Description for PlaquetteFlowSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Circle)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        let accepted = "a whole number, at least 1, at most 10000";
        let count = |field, value| require((1..=MOST).contains(&value), field, value, accepted);
        let few = "a whole number, at least 1, at most 100";
        let products = require((1..=MOST_PRODUCTS).contains(&self.products), "products", self.products, few);
        let [sines, times, steps] = [("sines", self.sines), ("times", self.times), ("steps", self.steps)]
            .map(|(field, value)| count(field, value));
        FlowError::failed([sines, products, times, steps])
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        lattice_of_any_links(shape).map(drop)
    }

    /// On the tape: the plaquettes at all stages. Tables: the orbits of all modes, and the modes of all orbits.
    fn needs(&self, shape: &[usize]) -> Needs {
        let lattice = shape.get(1..).unwrap_or_default();
        let (plaquettes, orbits) = (size::dof(lattice), number_of_orbits(lattice));
        let of_a_time = self.pairs().saturating_mul(2).saturating_mul(orbits).saturating_add(self.sines as u64);
        Needs {
            parameters: (self.times as u64).saturating_mul(of_a_time),
            indices: plaquettes.saturating_mul(2),
            kept: self.evaluations().saturating_mul(plaquettes),
        }
    }

    /// Of a value of the field: 4M transforms; A and B, C and S at every mode; N sines, N cosines and 2M products at every site.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        let lattice = shape.get(1..).unwrap_or_default();
        let plaquettes = size::dof(lattice);
        let transforms = 4_u64.saturating_mul(self.products as u64).saturating_mul(modes::multiply_adds(lattice));
        let linear = (self.sines as u64).saturating_add(self.products as u64).saturating_mul(2);
        let of_a_site = self.pairs().saturating_mul(4).saturating_add(linear);
        self.evaluations().saturating_mul(transforms.saturating_add(plaquettes.saturating_mul(of_a_site)))
    }

    fn work(&self) -> Work {
        Work::Tiles
    }

    fn on_links(&self) -> bool {
        true
    }

    fn hidden(&self) -> Option<&[usize]> {
        None
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        let orbits = Orbits::new(&shape[1..]).count();
        plaquette_field::params([self.sines, self.products, self.times, orbits])
    }
}

/// The extents of the lattice whose links have this shape.
pub(super) fn lattice_of_any_links(shape: &[usize]) -> Result<[usize; 2], FlowError> {
    match *shape {
        [2, rows, columns] if rows >= 2 && columns >= 2 => Ok([rows, columns]),
        _ => Err(FlowError::new("shape", shape, "[2, L_0, L_1], two extents, each at least 2")),
    }
}
