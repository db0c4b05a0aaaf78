//! The section `precision`: how accelerators multiply.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The section `precision`. That of numbers in memory is `training.precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "precision")]
pub struct PrecisionConfig {
    /// Products of matrices of f32.
    pub products: Products,
}

/// The precision of products of matrices of f32; those of f64 are always full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "products")]
pub enum Products {
    /// That of f32.
    #[default]
    Full,
    /// Each factor split into two numbers of TF32, on tensor cores: as accurate as f32, and faster on some cards. On CUDA alone.
    Split,
    /// Factors rounded to the 11 bits of TF32, sums in f32: faster on some cards, and gradients off by about 10⁻³ of their norm. On CUDA alone.
    Tf32,
}

impl Products {
    /// Whether they are those of f32.
    pub fn are_full(&self) -> bool {
        *self == Self::Full
    }
}

impl fmt::Display for Products {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "Full",
            Self::Split => "Split",
            Self::Tf32 => "Tf32",
        })
    }
}
