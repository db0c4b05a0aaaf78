//! Glow: linear layers between couplings.

use super::{Recipe, Repeated};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    act_norm::FirstValues,
    activation::Activation,
    error::{FlowError, require},
    mask::MaskPattern,
    mlp::{Bias, StartAt},
    spec::{ActNormSpec, BaseSpec, LayerSpec, LinearSpec, MlpSpec, NetSpec, TransformSpec},
};

/// Steps of three layers, an ActNorm, a linear one by its LU factors, and a coupling with a fully connected net (D. Kingma, P. Dhariwal,
/// arXiv:1807.03039).
///
/// ```
/// use upg_core::Layer;
/// let flow = upg_flows::Glow { lattice: vec![4, 4], steps: 2, hidden: vec![32], ..Default::default() };
/// assert_eq!(flow.spec().unwrap().layers.len(), 6);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "Glow", deny_unknown_fields)
)]
pub struct Glow {
    /// Extents of the lattice; the flat index is in C order. `[d]` for d numbers without a lattice.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// Number of steps, three layers each.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub steps: usize,
    /// Widths of the hidden layers of every conditioner.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    #[cfg_attr(feature = "serde", serde(default))]
    pub activation: Activation,
    /// Which degrees of freedom each coupling transforms.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mask: MaskPattern,
    /// How they are transformed.
    #[cfg_attr(feature = "serde", serde(default))]
    pub transform: TransformSpec,
    /// Extents of the cells whose sites a linear layer mixes; `None`: all numbers.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "numbers::optional_wholes", skip_serializing_if = "Option::is_none")
    )]
    pub cells: Option<Vec<usize>>,
    /// How the scales and shifts of ActNorm start.
    #[cfg_attr(feature = "serde", serde(default))]
    pub norm: FirstValues,
    /// Initial parameters of nets and linear layers.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
    /// The base density.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BaseSpec::is_default"))]
    pub base: BaseSpec,
}

impl Glow {
    /// Most steps: three layers each, of which a flow has at most 10,000.
    const MOST_STEPS: usize = 3333;
}

impl Recipe for Glow {
    fn check(&self) -> Result<(), FlowError> {
        let accepted = (1..=Self::MOST_STEPS).contains(&self.steps);
        require(accepted, "steps", self.steps, "a whole number, at least 1, at most 3333")
    }

    fn repeated(&self) -> Repeated {
        let Self { lattice, steps, hidden, activation, mask, transform, cells, norm, start, base } = self;
        let net = MlpSpec { hidden: hidden.clone(), activation: *activation, bias: Bias::Yes, start: *start };
        let couplings = Repeated::couplings(lattice, *steps, mask, &NetSpec::Mlp(net), *transform);
        let linear = LinearSpec { cells: cells.clone(), start: *start, ..LinearSpec::default() };
        let step = |coupling| {
            let norm = ActNormSpec { start: *norm };
            [LayerSpec::ActNorm(norm), LayerSpec::Linear(linear.clone()), coupling]
        };
        let kinds = couplings.kinds.into_iter().flat_map(step).collect();
        Repeated { base: *base, kinds, layers: steps.saturating_mul(3), ..couplings }
    }
}
