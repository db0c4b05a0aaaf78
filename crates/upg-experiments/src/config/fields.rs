//! How the fields of flows and targets stand in a file: names, which may be left out, what a number may be.
//!
//! The structs mirror those of other crates, which know nothing of files (serde's *remote derive*).

use crate::numbers::{extents, whole, wholes};
use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};
use upg_flows::{Activation, MaskPattern, RealNvp, StartAt, U1Flow, Z2Nice};

/// RON as used here: `RealNvp(lattice: …)` without a second pair of parentheses, `clamp: 2.0` without `Some(…)`.
pub(super) fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME)
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "RealNvp", rename = "RealNvp", deny_unknown_fields)]
pub(super) struct RealNvpFields {
    #[serde(deserialize_with = "extents")]
    lattice: Vec<usize>,
    #[serde(deserialize_with = "whole")]
    couplings: usize,
    #[serde(deserialize_with = "wholes")]
    hidden: Vec<usize>,
    #[serde(with = "ActivationName")]
    activation: Activation,
    #[serde(with = "MaskName")]
    mask: MaskPattern,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clamp: Option<f64>,
    #[serde(default, rename = "init", with = "InitName")]
    start: StartAt,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Z2Nice", rename = "Z2Nice", deny_unknown_fields)]
pub(super) struct Z2NiceFields {
    #[serde(deserialize_with = "extents")]
    lattice: Vec<usize>,
    #[serde(deserialize_with = "whole")]
    couplings: usize,
    #[serde(deserialize_with = "wholes")]
    hidden: Vec<usize>,
    #[serde(default, with = "ActivationName")]
    activation: Activation,
    #[serde(default, with = "MaskName")]
    mask: MaskPattern,
    #[serde(default, rename = "init", with = "InitName")]
    start: StartAt,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "U1Flow", rename = "U1", deny_unknown_fields)]
pub(super) struct U1FlowFields {
    #[serde(deserialize_with = "extents")]
    lattice: Vec<usize>,
    #[serde(deserialize_with = "whole")]
    layers: usize,
    #[serde(deserialize_with = "whole")]
    mixtures: usize,
    #[serde(deserialize_with = "wholes")]
    hidden: Vec<usize>,
    #[serde(default = "default_kernel", deserialize_with = "whole")]
    kernel: usize,
    #[serde(default = "default_slope")]
    slope: f64,
    #[serde(default, rename = "init", with = "InitName")]
    start: StartAt,
}

fn default_kernel() -> usize {
    U1Flow::default().kernel
}

fn default_slope() -> f64 {
    U1Flow::default().slope
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Activation", rename = "activation")]
enum ActivationName {
    Tanh,
    Relu,
    LeakyRelu(f64),
    Silu,
    Softplus,
    Elu,
    Gelu,
    Identity,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "MaskPattern", rename = "mask")]
enum MaskName {
    Alternating,
    Checkerboard,
    Custom(Vec<Vec<usize>>),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "StartAt", rename = "init")]
enum InitName {
    Random,
    Identity,
}
