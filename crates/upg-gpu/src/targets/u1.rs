//! U(1) gauge theory in two dimensions: see [`upg_targets::u1`]. Kernel: `u1.cu`.

use super::places;
use crate::cuda::{Cuda, Kernels};
use crate::gpu::Gpu;
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Sums};
use std::sync::Arc;
use upg_core::{DeviceError, Real, Target};

/// U(1) gauge theory.
pub(super) struct U1<G: Gpu> {
    theory: upg_targets::U1,
    kernels: Arc<Kernels<G>>,
}

impl<G: Gpu> U1<G> {
    pub fn new<T: Real>(device: &Cuda<T, G>, theory: &upg_targets::U1) -> Result<Self, DeviceError> {
        Ok(Self { theory: *theory, kernels: device.kernels(kernels::U1, vec![])? })
    }
}

impl<T: Real, G: Gpu> Target<Cuda<T, G>> for U1<G> {
    fn dof(&self) -> usize {
        2 * self.theory.volume()
    }

    fn action_and_force(
        &self,
        device: &Cuda<T, G>,
        links: &Batch<T, G>,
        action: &mut Sums<G>,
        force: Option<&mut Batch<T, G>>,
    ) {
        let [action, force] = places(device, 2 * self.theory.volume(), links, action, force);
        let ([rows, columns], samples) = (self.theory.lattice(), links.samples());
        let arguments = arguments![links.at(), action, force, self.theory.beta(), rows, columns, samples];
        device.launch(&self.kernels, "u1", Spread::rows(samples), arguments);
    }
}
