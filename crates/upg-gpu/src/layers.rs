//! Layers on a device. Each is the layer of the same name of upg-flows, whose file has the equations.

mod act_norm;
mod activation;
mod conditioner;
mod continuous;
mod coupling;
pub(crate) mod gauge;
mod householder;
mod lattice_field;
mod lattice_net;
mod lu;
mod mlp;
mod permutation;
mod plaquette_field;
mod scaling;
mod shallow_field;
pub(crate) mod transform;

pub(crate) use act_norm::ActNorm;
pub(crate) use conditioner::Conditioner;
pub(crate) use continuous::Continuous;
pub(crate) use coupling::{Coupling, Map, Space};
pub(crate) use gauge::GaugeCoupling;
pub(crate) use householder::Householder;
pub(crate) use lattice_field::LatticeField;
pub(crate) use lattice_net::LatticeNet;
pub(crate) use lu::LuLinear;
pub(crate) use mlp::Mlp;
pub(crate) use permutation::Permutation;
pub(crate) use plaquette_field::PlaquetteField;
pub(crate) use scaling::Scaling;
pub(crate) use shallow_field::ShallowField;

use crate::cuda::Cuda;
use crate::gpu::Argument;
use upg_core::{Accum, Invertible};

/// Any invertible layer of a device.
pub type AnyLayer<T, G> = Box<dyn Invertible<Cuda<T, G>>>;

/// Whether a kernel adds to what is there, as it reads it.
pub(crate) fn add(accum: Accum) -> Argument {
    Argument::Int(i32::from(accum == Accum::Add))
}
