//! Descriptions of the nets of couplings.

#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    activation::Activation,
    cnn::{self, FEATURES},
    error::{FlowError, require},
    mlp::{Bias, StartAt},
    size,
};
use upg_core::{Init, ParamLayout, Tensor};

/// The net of a coupling.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "net"))]
pub enum NetSpec {
    /// Fully connected.
    Mlp(MlpSpec),
}

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

    /// The same as tensors.
    pub(super) fn params(&self, inputs: usize, outputs: usize) -> ParamLayout {
        net_params([inputs, outputs], &self.hidden, &[], self.bias, self.start)
    }

    pub(super) fn checks(&self) -> [Result<(), FlowError>; 2] {
        let activation = match self.activation {
            Activation::LeakyRelu(slope) if !(slope > 0.0 && slope.is_finite()) => {
                Err(FlowError::new("net.activation", self.activation, "a positive slope"))
            }
            _ => Ok(()),
        };
        [check_hidden(&self.hidden), activation]
    }
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

    /// The parameters as tensors.
    pub(super) fn params(&self, outputs: usize) -> ParamLayout {
        net_params([FEATURES, outputs], &self.hidden, &[self.kernel; 2], Bias::Yes, self.start)
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

fn check_hidden(hidden: &[usize]) -> Result<(), FlowError> {
    if hidden.len() > size::MOST_HIDDEN {
        return Err(FlowError::new("net.hidden", hidden, "at most 100 widths"));
    }
    if hidden.contains(&0) {
        return Err(FlowError::new("net.hidden", hidden, "widths of at least 1"));
    }
    Ok(())
}

/// What is said about a field of a net, with the name that the field has in a layer.
pub(super) fn in_net(error: FlowError) -> FlowError {
    let field = match error.field {
        "hidden" => "net.hidden",
        "kernel" => "net.kernel",
        "slope" => "net.slope",
        other => other,
    };
    FlowError { field, ..error }
}

/// The linear maps or convolutions of a net: `net.{k}.weight` of shape `[out, in, window…]`, and `net.{k}.bias`.
fn net_params(
    [inputs, outputs]: [usize; 2],
    hidden: &[usize],
    window: &[usize],
    bias: Bias,
    start: StartAt,
) -> ParamLayout {
    let mut layout = ParamLayout::default();
    let ins = [inputs].into_iter().chain(hidden.iter().copied());
    let outs = hidden.iter().copied().chain([outputs]);
    for (k, (inputs, outputs)) in ins.zip(outs).enumerate() {
        let fan_in = inputs * window.iter().product::<usize>();
        let init = match start {
            StartAt::Identity if k == hidden.len() => Init::Constant(0.0),
            _ => Init::Uniform { bound: (fan_in as f64).sqrt().recip() },
        };
        layout.push(Tensor::new(format!("net.{k}.weight"), [&[outputs, inputs], window].concat(), init.clone()));
        if bias == Bias::Yes {
            layout.push(Tensor::new(format!("net.{k}.bias"), [outputs], init));
        }
    }
    layout
}
