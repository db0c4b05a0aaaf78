//! Description of the convolutional net of a gauge coupling.

use super::net_description::{check_hidden, in_net, net_params};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    activation::Activation,
    cnn::{self, Architecture, FEATURES, Outputs},
    error::{FlowError, require},
    mlp::{Bias, StartAt},
    size,
};
use upg_core::ParamLayout;

/// A periodic convolutional net of a gauge coupling (see [`cnn`](crate::cnn)).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "net", deny_unknown_fields))]
pub struct CnnSpec {
    /// Channels of the hidden layers.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Extent of the windows, odd.
    #[cfg_attr(feature = "serde", serde(default = "CnnSpec::default_kernel", deserialize_with = "numbers::whole"))]
    pub kernel: usize,
    /// Slope of LeakyReLU for negative arguments.
    #[cfg_attr(feature = "serde", serde(default = "CnnSpec::default_slope"))]
    pub slope: f64,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
}

impl CnnSpec {
    /// Windows of 3×3.
    pub(crate) fn default_kernel() -> usize {
        3
    }

    /// 0.01.
    pub(crate) fn default_slope() -> f64 {
        0.01
    }

    /// Numbers in a window.
    pub(super) fn window(&self) -> u64 {
        (self.kernel as u64).saturating_mul(self.kernel as u64)
    }

    /// Parameters of a net with so many outputs.
    pub(super) fn size(&self, outputs: u64) -> u64 {
        size::net_parameters(FEATURES as u64, &self.hidden, outputs, self.window(), 1)
    }

    /// Numbers of one sample in each hidden layer: on as many of the four stripes of sites as the layers above read, an even number of
    /// channels padded by one.
    pub(super) fn hidden_values(&self, sites: u64) -> impl Iterator<Item = u64> {
        let widths = self.hidden.iter().zip(self.stripes());
        widths.map(move |(&channels, stripes)| (channels as u64 | 1).saturating_mul(sites / 4 * stripes))
    }

    /// How many of the four stripes of sites each layer is computed on: those that the layers above read; the last on the active one.
    pub(super) fn stripes(&self) -> impl Iterator<Item = u64> {
        let reach = (self.kernel as u64).saturating_sub(1);
        (0..=self.hidden.len() as u64).rev().map(move |above| reach.saturating_mul(above).saturating_add(1).min(4))
    }

    /// The net with so many outputs on the host: angle zero, (1, 0), where no plaquette is frozen.
    pub(super) fn architecture(&self, outputs: usize) -> Architecture {
        Architecture {
            elsewhere: vec![1.0, 0.0],
            hidden: self.hidden.clone(),
            kernel: self.kernel,
            activation: Activation::LeakyRelu(self.slope),
            bias: Bias::Yes,
            outputs: vec![Outputs::of_values(outputs)],
            start: self.start,
        }
    }

    /// The parameters as tensors.
    pub(super) fn params(&self, outputs: usize) -> ParamLayout {
        net_params([FEATURES, outputs], &self.hidden, &[self.kernel; 2], |_, outputs| outputs, self.start)
    }

    pub(super) fn checks(&self) -> [Result<(), FlowError>; 3] {
        let slope = self.slope.is_finite() && self.slope >= 0.0;
        [
            check_hidden(&self.hidden),
            cnn::check_kernel(self.kernel).map_err(in_net),
            require(slope, "net.slope", self.slope, "a number of at least 0"),
        ]
    }
}
