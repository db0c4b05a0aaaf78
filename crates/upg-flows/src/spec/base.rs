//! The bases of flows as plain data: the registry of their kinds.

use upg_core::{Domain, ParamLayout};

/// A base density.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "base"))]
pub enum BaseSpec {
    /// N(0, 1) in every degree of freedom.
    StandardNormal,
    /// Uniform in [0, 2π) in every degree of freedom.
    UniformTorus,
}

impl BaseSpec {
    /// The parameters of the base, which come first in the flat buffer, as `base.…`. There is no base with parameters yet.
    pub fn params(&self) -> ParamLayout {
        match self {
            Self::StandardNormal | Self::UniformTorus => ParamLayout::default(),
        }
    }

    /// Where its samples live.
    pub fn domain(&self) -> Domain {
        match self {
            Self::StandardNormal => Domain::Line,
            Self::UniformTorus => Domain::Circle,
        }
    }
}
