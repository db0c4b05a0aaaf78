//! The Gaussian mixture of the paper: see [`upg_targets::gmm`]. Kernel: `gmm.cu`.

use super::places;
use crate::cuda::{Cuda, Kernels};
use crate::gpu::Gpu;
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Sums};
use std::sync::Arc;
use upg_core::{DeviceError, Real, Target};

/// The mixture.
pub(super) struct Gmm<G: Gpu> {
    mixture: upg_targets::Gmm,
    kernels: Arc<Kernels<G>>,
}

impl<G: Gpu> Gmm<G> {
    pub fn new<T: Real>(device: &Cuda<T, G>, mixture: &upg_targets::Gmm) -> Result<Self, DeviceError> {
        Ok(Self { mixture: *mixture, kernels: device.kernels(kernels::GMM, vec![])? })
    }
}

impl<T: Real, G: Gpu> Target<Cuda<T, G>> for Gmm<G> {
    fn dof(&self) -> usize {
        self.mixture.dim()
    }

    fn action_and_force(
        &self,
        device: &Cuda<T, G>,
        x: &Batch<T, G>,
        action: &mut Sums<G>,
        force: Option<&mut Batch<T, G>>,
    ) {
        let [action, force] = places(device, self.mixture.dim(), x, action, force);
        let (constant, dim, samples) = (self.mixture.constant(), self.mixture.dim(), x.samples());
        device.launch(
            &self.kernels,
            "gmm",
            Spread::rows(samples),
            arguments![x.at(), action, force, constant, dim, samples],
        );
    }
}
