//! A Gaussian of any mean and covariance: see [`upg_targets::gaussian`]. Kernel: `gaussian.cu`.

use super::places;
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::Gpu;
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Sums};
use std::sync::Arc;
use upg_core::{DeviceError, Real, Target};

/// The Gaussian.
pub(super) struct Gaussian<G: Gpu> {
    dim: usize,
    mean: Table<G>,
    /// C⁻¹, shape `[dim, dim]`.
    precision: Table<G>,
    kernels: Arc<Kernels<G>>,
}

impl<G: Gpu> Gaussian<G> {
    pub fn new<T: Real>(device: &Cuda<T, G>, gaussian: &upg_targets::Gaussian) -> Result<Self, DeviceError> {
        let dim = gaussian.mean().len();
        let elements = (0..dim).flat_map(|i| (0..dim).map(move |j| gaussian.precision(i, j)));
        let precision = device.numbers(&elements.collect::<Vec<f64>>());
        let mean = device.numbers(gaussian.mean());
        Ok(Self { dim, mean, precision, kernels: device.kernels(kernels::GAUSSIAN, vec![])? })
    }
}

impl<T: Real, G: Gpu> Target<Cuda<T, G>> for Gaussian<G> {
    fn dof(&self) -> usize {
        self.dim
    }

    fn action_and_force(
        &self,
        device: &Cuda<T, G>,
        x: &Batch<T, G>,
        action: &mut Sums<G>,
        force: Option<&mut Batch<T, G>>,
    ) {
        let [action, force] = places(device, self.dim, x, action, force);
        let (mean, precision, samples) = (self.mean.at(), self.precision.at(), x.samples());
        let arguments = arguments![x.at(), mean, precision, action, force, self.dim, samples];
        device.launch(&self.kernels, "gaussian", Spread::rows(samples), arguments);
    }
}
