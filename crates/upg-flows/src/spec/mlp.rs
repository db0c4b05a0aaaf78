//! Description of a fully connected net.

use super::{
    description::{Needs, Work},
    net_description::{NetDescription, Place, check_activation, check_hidden, net_params},
    transform::AnyTransform,
};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    activation::Activation,
    error::FlowError,
    mask::MaskSpec,
    mlp::{Bias, StartAt},
    size,
};
use upg_core::ParamLayout;

/// A fully connected net (see [`mlp`](crate::mlp)); the numbers of inputs and outputs follow from where it stands.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "Mlp", deny_unknown_fields))]
pub struct MlpSpec {
    /// Widths of the hidden layers.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    #[cfg_attr(feature = "serde", serde(default))]
    pub activation: Activation,
    /// Whether the linear maps have a bias.
    #[cfg_attr(feature = "serde", serde(default))]
    pub bias: Bias,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
}

impl MlpSpec {
    /// Width of the widest hidden layer.
    pub(super) fn widest(&self) -> usize {
        self.hidden.iter().copied().max().unwrap_or(0)
    }

    /// Parameters of a net with so many inputs and outputs.
    pub(super) fn size(&self, inputs: u64, outputs: u64) -> u64 {
        size::net_parameters(inputs, &self.hidden, outputs, 1, u64::from(self.bias == Bias::Yes))
    }

    /// Numbers that the hidden layers leave on the tape of one sample: values, and derivatives where the activation needs them stored.
    pub(super) fn kept(&self) -> u64 {
        let rows = if self.activation.stores_derivative() { 2 } else { 1 };
        size::sum(&self.hidden).saturating_mul(rows)
    }

    pub(super) fn checks(&self) -> [Result<(), FlowError>; 2] {
        [check_hidden(&self.hidden), check_activation(self.activation)]
    }
}

impl NetDescription for MlpSpec {
    fn checks(&self, _: AnyTransform<'_>) -> Vec<Result<(), FlowError>> {
        self.checks().to_vec()
    }

    fn check_shape(&self, _: &[usize], _: &MaskSpec, _: AnyTransform<'_>) -> Result<(), FlowError> {
        Ok(())
    }

    fn needs(&self, place: &Place<'_>) -> Needs {
        Needs { parameters: self.size(place.inputs(), place.outputs()), indices: 0, kept: self.kept() }
    }

    /// The weights.
    fn multiply_adds(&self, place: &Place<'_>) -> u64 {
        size::net_parameters(place.inputs(), &self.hidden, place.outputs(), 1, 0)
    }

    fn work(&self) -> Work {
        Work::Products(self.widest())
    }

    fn hidden(&self) -> &[usize] {
        &self.hidden
    }

    fn params(&self, place: &Place<'_>) -> ParamLayout {
        let biases = |_, outputs| if self.bias == Bias::Yes { outputs } else { 0 };
        net_params([place.inputs() as usize, place.outputs() as usize], &self.hidden, &[], biases, self.start)
    }
}
