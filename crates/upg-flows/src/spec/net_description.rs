//! What is asked of the description of a net, and what descriptions of nets have in common.

use super::{
    description::{Needs, Work},
    transform::AnyTransform,
};
use crate::{activation::Activation, error::FlowError, mask::MaskSpec, mlp::StartAt, size};
use upg_core::{Init, ParamLayout, Tensor};

/// What is asked of the description of a net in a coupling.
pub(super) trait NetDescription {
    /// Every field that makes no net beside this transform.
    fn checks(&self, transform: AnyTransform<'_>) -> Vec<Result<(), FlowError>>;

    /// Refuses what makes no net on samples of this shape.
    fn check_shape(&self, shape: &[usize], mask: &MaskSpec, transform: AnyTransform<'_>) -> Result<(), FlowError>;

    /// What the net needs, its output not counted.
    fn needs(&self, place: &Place<'_>) -> Needs;

    /// Multiply-adds of a pass of one sample.
    fn multiply_adds(&self, place: &Place<'_>) -> u64;

    /// What it works with.
    fn work(&self) -> Work;

    /// Widths of the hidden layers.
    fn hidden(&self) -> &[usize];

    /// The parameters.
    fn params(&self, place: &Place<'_>) -> ParamLayout;
}

/// Where a net stands: between so many kept degrees of freedom and the parameters of a transform of the others. Counts saturate.
pub(super) struct Place<'a> {
    pub shape: &'a [usize],
    pub kept: u64,
    pub transformed: u64,
    pub transform: AnyTransform<'a>,
}

impl Place<'_> {
    /// Numbers that a fully connected net reads.
    pub fn inputs(&self) -> u64 {
        self.kept.saturating_mul(self.transform.features())
    }

    /// Parameters of the transform in all.
    pub fn outputs(&self) -> u64 {
        self.transformed.saturating_mul(self.transform.width() as u64)
    }

    /// Degrees of freedom.
    pub fn sites(&self) -> u64 {
        self.kept.saturating_add(self.transformed)
    }
}

/// Refuses a slope that isn't positive.
pub(super) fn check_activation(activation: Activation) -> Result<(), FlowError> {
    match activation {
        Activation::LeakyRelu(slope) if !(slope > 0.0 && slope.is_finite()) => {
            Err(FlowError::new("net.activation", activation, "a positive slope"))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_hidden(hidden: &[usize]) -> Result<(), FlowError> {
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

/// The linear maps or convolutions of a net: `net.{k}.weight` of shape `[out, in, window…]`, and `net.{k}.bias` of as many numbers as
/// `biases(k, out)` says.
pub(super) fn net_params(
    [inputs, outputs]: [usize; 2],
    hidden: &[usize],
    window: &[usize],
    biases: impl Fn(usize, usize) -> usize,
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
        let biases = biases(k, outputs);
        if biases > 0 {
            layout.push(Tensor::new(format!("net.{k}.bias"), [biases], init));
        }
    }
    layout
}
