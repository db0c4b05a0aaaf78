//! Description of a scaling.

use super::description::{Description, Needs, Work};
use crate::{error::FlowError, scaling::Scales, size};
use upg_core::{Domain, Init, ParamLayout, Tensor};

/// y = x·e^σ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct ScalingSpec {
    /// How many σ there are.
    #[cfg_attr(feature = "serde", serde(default))]
    pub scales: Scales,
}

impl ScalingSpec {
    fn scales(&self, dof: u64) -> u64 {
        match self.scales {
            Scales::One => 1,
            Scales::PerDof => dof,
        }
    }
}

impl Description for ScalingSpec {
    fn domain(&self) -> Option<Domain> {
        Some(Domain::Line)
    }

    fn field_errors(&self) -> Vec<FlowError> {
        vec![]
    }

    fn check_shape(&self, _: &[usize]) -> Result<(), FlowError> {
        Ok(())
    }

    /// On the tape: y.
    fn needs(&self, shape: &[usize]) -> Needs {
        let dof = size::dof(shape);
        Needs { parameters: self.scales(dof), indices: 0, kept: dof }
    }

    /// One for each degree of freedom.
    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        shape.iter().product::<usize>() as u64
    }

    fn work(&self) -> Work {
        Work::Numbers
    }

    fn hidden(&self) -> Option<&[usize]> {
        None
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        let scales = self.scales(shape.iter().product::<usize>() as u64) as usize;
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("log_scale", [scales], Init::Constant(0.0)));
        layout
    }
}
