//! How large a flow is, told before it is made, and how large it may be.
//!
//! A wrong digit in a description must not ask for a terabyte: what is larger than [`Size::LARGEST`] in any respect is refused before
//! anything is allocated. Counts saturate, so they are right wherever it matters.

use crate::error::FlowError;

/// How large a flow is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Parameters.
    pub parameters: u64,
    /// Entries of the tables of indices that the layers keep: masks and stencils. At most so many.
    pub indices: u64,
    /// Numbers on the tapes of all layers, of all samples under way at one time.
    pub kept: u64,
}

/// Most layers of a flow.
const MOST_LAYERS: usize = 10_000;
/// Most hidden layers of a net.
pub(crate) const MOST_HIDDEN: usize = 100;

impl Size {
    /// 2³¹ parameters, 2³¹ indices, 2³⁶ numbers kept: some hundred gigabytes.
    pub const LARGEST: Self = Self { parameters: 1 << 31, indices: 1 << 31, kept: 1 << 36 };

    /// Refuses what is larger than [`LARGEST`](Self::LARGEST), in the name of the shape of the samples; too many parameters in the name
    /// of `hidden`, the widths of the largest net, if there is any.
    pub(crate) fn check(self, shape: &[usize], hidden: Option<&[usize]>) -> Result<Self, FlowError> {
        let Self { parameters, indices, kept } = self;
        let refuse = |field, value: &[usize], what: String, accepted| {
            Err(FlowError { field, layer: None, value: format!("{value:?} ({what})"), accepted })
        };
        if parameters > Self::LARGEST.parameters {
            let (field, value) = hidden.map_or(("shape", shape), |hidden| ("net.hidden", hidden));
            let accepted = "at most 2147483648 parameters in all layers";
            return refuse(field, value, format!("{parameters} parameters"), accepted);
        }
        if indices > Self::LARGEST.indices {
            let accepted = "at most 2147483648 indices in all layers";
            return refuse("shape", shape, format!("{indices} indices"), accepted);
        }
        if kept > Self::LARGEST.kept {
            let accepted = "at most 68719476736 numbers kept of a micro-batch by all layers and lanes";
            return refuse("shape", shape, format!("{kept} numbers kept"), accepted);
        }
        Ok(self)
    }
}

/// Refuses no layers, or more than anybody wants; `field` says how many there are.
pub(crate) fn check_layers(field: &'static str, layers: usize) -> Result<(), FlowError> {
    if layers == 0 || layers > MOST_LAYERS {
        return Err(FlowError::new(field, layers, "a whole number, at least 1, at most 10000"));
    }
    Ok(())
}

/// Degrees of freedom of samples of this shape.
pub(crate) fn dof(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |dof: u64, &extent| dof.saturating_mul(extent as u64))
}

/// Sum of the widths.
pub(crate) fn sum(widths: &[usize]) -> u64 {
    widths.iter().fold(0, |sum, &width| sum.saturating_add(width as u64))
}

/// Parameters of a net of the widths inputs → hidden… → outputs with `window` weights for each pair of channels, and a `bias` or none.
pub(crate) fn net_parameters(inputs: u64, hidden: &[usize], outputs: u64, window: u64, bias: u64) -> u64 {
    let (mut width, mut all) = (inputs, 0_u64);
    for next in hidden.iter().map(|&width| width as u64).chain([outputs]) {
        let per_output = width.saturating_mul(window).saturating_add(bias);
        all = all.saturating_add(next.saturating_mul(per_output));
        width = next;
    }
    all
}
