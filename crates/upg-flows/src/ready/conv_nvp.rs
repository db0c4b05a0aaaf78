//! Couplings with convolutional nets on a lattice of scalars.

use super::{Recipe, Repeated, check_even};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    activation::Activation,
    error::FlowError,
    lattice_net::Symmetry,
    mask::MaskPattern,
    mlp::StartAt,
    spec::{BaseSpec, CnnSpec, LatticeNetSpec, NetSpec, TransformSpec},
};

/// Couplings with convolutional conditioners on a periodic lattice of one to four dimensions, in a checkerboard: they commute with the
/// translations that keep it, and with Z₂ symmetry, T(−z) = −T(z) to the bit, q(x) = q(−x).
///
/// ```
/// use upg_core::Layer;
/// use upg_flows::{ConvNvp, Symmetry};
/// let flow = ConvNvp { lattice: vec![8, 4], couplings: 6, hidden: vec![8, 8], symmetry: Symmetry::Z2, ..Default::default() };
/// assert_eq!(flow.build::<f64>().unwrap().dof(), 32);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "ConvNvp", deny_unknown_fields)
)]
pub struct ConvNvp {
    /// Extents of the lattice, even, each at least the kernel.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// Number of coupling layers; even sites move in layer 0, 2, …, odd ones in layer 1, 3, …
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub couplings: usize,
    /// Channels of the hidden layers of every network.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Extent of the networks' windows along every axis, odd.
    #[cfg_attr(feature = "serde", serde(default = "CnnSpec::default_kernel", deserialize_with = "numbers::whole"))]
    pub kernel: usize,
    /// Activation of the hidden layers; odd with Z₂ symmetry.
    #[cfg_attr(feature = "serde", serde(default))]
    pub activation: Activation,
    /// How the sites move.
    #[cfg_attr(feature = "serde", serde(default))]
    pub transform: TransformSpec,
    /// What the flow commutes with, beside translations.
    #[cfg_attr(feature = "serde", serde(default))]
    pub symmetry: Symmetry,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
    /// The base density; even with Z₂ symmetry.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BaseSpec::is_default"))]
    pub base: BaseSpec,
}

impl Default for ConvNvp {
    /// 8×8, eight affine couplings, hidden channels 8 and 8, windows of 3, tanh, no symmetry.
    fn default() -> Self {
        Self {
            lattice: vec![8, 8],
            couplings: 8,
            hidden: vec![8, 8],
            kernel: CnnSpec::default_kernel(),
            activation: Activation::Tanh,
            transform: TransformSpec::default(),
            symmetry: Symmetry::None,
            start: StartAt::Random,
            base: BaseSpec::default(),
        }
    }
}

impl Recipe for ConvNvp {
    fn check(&self) -> Result<(), FlowError> {
        if self.symmetry == Symmetry::Z2 { check_even(self.base) } else { Ok(()) }
    }

    fn repeated(&self) -> Repeated {
        let Self { lattice, couplings, hidden, kernel, activation, transform, symmetry, start, base } = self.clone();
        let net = LatticeNetSpec { hidden, kernel, activation, symmetry, start };
        let mask = MaskPattern::Checkerboard;
        Repeated { base, ..Repeated::couplings(&lattice, couplings, &mask, &NetSpec::Cnn(net), transform) }
    }
}
