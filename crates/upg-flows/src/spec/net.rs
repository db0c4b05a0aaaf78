//! The nets of couplings of numbers as plain data: the registry of their kinds.

use super::{lattice_net::LatticeNetSpec, mlp::MlpSpec, net_description::NetDescription};

/// The net of a coupling.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "net"))]
pub enum NetSpec {
    /// Fully connected.
    Mlp(MlpSpec),
    /// Convolutional, on a lattice.
    Cnn(LatticeNetSpec),
}

impl NetSpec {
    pub(super) fn kind(&self) -> &dyn NetDescription {
        match self {
            Self::Mlp(net) => net,
            Self::Cnn(net) => net,
        }
    }
}
