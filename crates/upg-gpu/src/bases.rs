//! Bases on a device. Each is the base of the same name of upg-core or upg-flows, whose file has the equations.

mod diagonal;
mod field;
mod normal;
mod uniform;

pub(crate) use diagonal::DiagonalNormal;
pub(crate) use field::{FieldBase, Signs};
pub(crate) use normal::StandardNormal;
pub(crate) use uniform::UniformTorus;

use crate::cuda::Cuda;
use crate::gpu::{Address, Gpu};
use crate::memory::Batch;
use upg_core::{Base, Memory, Real};

/// Any base of a device.
pub type AnyBase<T, G> = Box<dyn Base<Cuda<T, G>>>;

/// Where a score goes that is wanted, shaped as z; else nowhere.
fn place<T: Real, G: Gpu>(device: &Cuda<T, G>, score: Option<&mut Batch<T, G>>, z: &Batch<T, G>) -> Address {
    score.map_or_else(Address::default, |score| {
        device.reshape(score, z.rows(), z.samples());
        score.at()
    })
}

/// −(dof/2) log 2π.
fn normal_constant(dof: usize) -> f64 {
    -0.5 * dof as f64 * std::f64::consts::TAU.ln()
}
