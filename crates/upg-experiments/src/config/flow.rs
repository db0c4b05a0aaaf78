//! The section `flow`.

use super::fields::{RealNvpFields, U1FlowFields, Z2NiceFields};
use super::space::Space;
use serde::{Deserialize, Serialize};
use upg_core::{Cut, Real};
use upg_flows::{Flow, FlowError, RealNvp, Size, U1Flow, Z2Nice};

/// The flows there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "flow")]
pub enum FlowConfig {
    /// `RealNvp(lattice, couplings, hidden, activation, mask, clamp?, init?)`.
    RealNvp(#[serde(with = "RealNvpFields")] RealNvp),
    /// `Z2Nice(lattice, couplings, hidden, activation?, mask?, init?)`.
    Z2Nice(#[serde(with = "Z2NiceFields")] Z2Nice),
    /// `U1(lattice, layers, mixtures, hidden, kernel?, slope?, init?)`.
    U1(#[serde(with = "U1FlowFields")] U1Flow),
}

/// A flow, how it likes its batches cut, and where it lives.
pub(super) struct BuiltFlow<'a, T: Real> {
    pub flow: Flow<T>,
    pub cut: Cut,
    pub space: Space,
    pub lattice: &'a [usize],
}

impl FlowConfig {
    /// How large the flow is.
    ///
    /// # Errors
    /// If it is larger than anybody wants.
    pub fn size(&self) -> Result<Size, FlowError> {
        match self {
            Self::RealNvp(flow) => flow.size(),
            Self::Z2Nice(flow) => flow.size(),
            Self::U1(flow) => flow.size(),
        }
    }

    /// Makes the flow.
    ///
    /// # Errors
    /// If a value isn't accepted.
    pub(super) fn build<T: Real>(&self) -> Result<BuiltFlow<'_, T>, FlowError> {
        let (flow, cut, space, lattice) = match self {
            Self::RealNvp(flow) => (flow.build()?, flow.cut(), Space::Sites, &flow.lattice),
            Self::Z2Nice(flow) => (flow.build()?, flow.cut(), Space::Sites, &flow.lattice),
            Self::U1(flow) => (flow.build()?, flow.cut(), Space::Links, &flow.lattice),
        };
        Ok(BuiltFlow { flow, cut, space, lattice })
    }
}
