//! Description of a continuous flow.

use super::description::{Description, Needs, Work};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    error::{FlowError, require},
    lattice_field, modes,
    orbits::{Orbits, number_of_orbits},
    shallow_field, size,
};
use upg_core::{Domain, ParamLayout};

/// The flow of a vector field over a unit of time (see [`continuous`](crate::continuous)).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct ContinuousSpec {
    /// The vector field.
    pub field: FieldSpec,
    /// Steps of the Runge–Kutta method of order 4.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub steps: usize,
}

/// A vector field.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "field", deny_unknown_fields)
)]
pub enum FieldSpec {
    /// On a lattice, equivariant under its symmetries and φ → −φ (see [`lattice_field`](crate::lattice_field)).
    Lattice {
        /// F, how many sines there are.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        frequencies: usize,
        /// K, how many functions of time.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        times: usize,
        /// How large φ is, > 0: the frequencies range from 2.3/scale to 13/scale at the start. By default 4.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        scale: Option<f64>,
    },
    /// One hidden layer, for any numbers (see [`shallow_field`](crate::shallow_field)).
    Shallow {
        /// Width of the hidden layer.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        width: usize,
        /// K, how many functions of time.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        times: usize,
    },
}

/// Stages of a step.
const STAGES: u64 = 4;
/// Most steps, frequencies and functions of time that anybody wants.
const MOST: usize = 10_000;

impl ContinuousSpec {
    /// Values of the field in one pass.
    fn evaluations(&self) -> u64 {
        STAGES.saturating_mul(self.steps as u64)
    }
}

impl FieldSpec {
    /// A lattice field with so many sines and functions of time.
    pub fn lattice(frequencies: usize, times: usize) -> Self {
        Self::Lattice { frequencies, times, scale: None }
    }

    /// A lattice field that has no scale gets this one.
    pub fn with_default_scale(self, default: f64) -> Self {
        match self {
            Self::Lattice { frequencies, times, scale } => {
                Self::Lattice { frequencies, times, scale: scale.or(Some(default)) }
            }
            other => other,
        }
    }

    fn checks(&self) -> [Result<(), FlowError>; 3] {
        let count = |field, value| {
            require((1..=MOST).contains(&value), field, value, "a whole number, at least 1, at most 10000")
        };
        match *self {
            Self::Lattice { frequencies, times, scale } => {
                let scale = scale.unwrap_or(lattice_field::SCALE);
                let sound = scale.is_normal() && scale > 0.0;
                [
                    count("field.frequencies", frequencies),
                    count("field.times", times),
                    require(sound, "field.scale", scale, "a number > 0"),
                ]
            }
            Self::Shallow { width, times } => {
                let width = require(width > 0, "field.width", width, "a whole number, at least 1");
                [width, count("field.times", times), Ok(())]
            }
        }
    }

    fn parameters(&self, shape: &[usize]) -> u64 {
        let dof = size::dof(shape);
        match *self {
            Self::Lattice { frequencies, times, .. } => {
                let weights =
                    (frequencies as u64 + 1).saturating_mul(times as u64).saturating_mul(number_of_orbits(shape));
                weights.saturating_add(frequencies as u64)
            }
            Self::Shallow { width, times } => {
                (width as u64).saturating_mul(dof.saturating_mul(2).saturating_add(2).saturating_add(times as u64))
            }
        }
    }

    /// Multiply-adds of one value for one sample.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        let dof = shape.iter().product::<usize>() as u64;
        match *self {
            Self::Lattice { frequencies, .. } => {
                let frequencies = frequencies as u64;
                let transforms = (frequencies + 2).saturating_mul(modes::multiply_adds(shape));
                transforms.saturating_add((frequencies + 1).saturating_mul(dof))
            }
            Self::Shallow { width, .. } => 2 * dof.saturating_mul(width as u64),
        }
    }
}

impl Description for ContinuousSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        let accepted = "a whole number, at least 1, at most 10000";
        let steps = require((1..=MOST).contains(&self.steps), "steps", self.steps, accepted);
        FlowError::failed(self.field.checks().into_iter().chain([steps]))
    }

    fn check_shape(&self, _: &[usize]) -> Result<(), FlowError> {
        Ok(())
    }

    /// On the tape: the inputs of all stages. Tables: the orbit of every mode.
    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        let indices = match self.field {
            FieldSpec::Lattice { .. } => dof,
            FieldSpec::Shallow { .. } => 0,
        };
        Needs { parameters: self.field.parameters(shape), indices, kept: self.evaluations().saturating_mul(dof) }
    }

    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        self.evaluations().saturating_mul(self.field.multiply_adds(shape))
    }

    fn work(&self) -> Work {
        match self.field {
            FieldSpec::Lattice { .. } => Work::Tiles,
            FieldSpec::Shallow { width, .. } => Work::Products(width),
        }
    }

    fn hidden(&self) -> Option<&[usize]> {
        None
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        match self.field {
            FieldSpec::Lattice { frequencies, times, scale } => {
                let sizes = [frequencies, times, Orbits::new(shape).count()];
                lattice_field::params(sizes, scale.unwrap_or(lattice_field::SCALE))
            }
            FieldSpec::Shallow { width, times } => shallow_field::params([shape.iter().product(), width, times]),
        }
    }
}
