//! Layers on a device. Each is the layer of the same name of upg-flows, whose file has the equations.

mod conditioner;
mod coupling;
mod mlp;
mod scaling;
pub(crate) mod transform;

pub(crate) use coupling::{Coupling, Map, Space};
pub(crate) use mlp::Mlp;
pub(crate) use scaling::Scaling;

use crate::cuda::Cuda;
use crate::gpu::Argument;
use upg_core::{Accum, Invertible};

/// Any invertible layer of a device.
pub type AnyLayer<T, G> = Box<dyn Invertible<Cuda<T, G>>>;

/// Whether a kernel adds to what is there, as it reads it.
fn add(accum: Accum) -> Argument {
    Argument::Int(i32::from(accum == Accum::Add))
}
