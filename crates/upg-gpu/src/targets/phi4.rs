//! φ⁴ theory in any dimension: see [`upg_targets::phi4`]. Kernel: `phi4.cu`.

use super::places;
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::Gpu;
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Sums};
use std::sync::Arc;
use upg_core::{DeviceError, Real, Target};

/// φ⁴ theory.
pub(super) struct Phi4<G: Gpu> {
    sites: usize,
    /// 2d.
    degree: usize,
    /// κ, a and λ: those of −2κφφ₊, φ² and φ⁴.
    couplings: [f64; 3],
    /// Shape `[sites, 2d]`.
    neighbours: Table<G>,
    kernels: Arc<Kernels<G>>,
}

impl<G: Gpu> Phi4<G> {
    pub fn new<T: Real>(device: &Cuda<T, G>, theory: &upg_targets::Phi4) -> Result<Self, DeviceError> {
        Ok(Self {
            sites: theory.sites(),
            degree: 2 * theory.lattice().len(),
            couplings: [theory.kappa(), theory.quadratic(), theory.lambda()],
            neighbours: device.indices(theory.neighbours()),
            kernels: device.kernels(kernels::PHI4, vec![])?,
        })
    }
}

impl<T: Real, G: Gpu> Target<Cuda<T, G>> for Phi4<G> {
    fn dof(&self) -> usize {
        self.sites
    }

    fn action_and_force(
        &self,
        device: &Cuda<T, G>,
        x: &Batch<T, G>,
        action: &mut Sums<G>,
        force: Option<&mut Batch<T, G>>,
    ) {
        let [action, force] = places(device, self.sites, x, action, force);
        let (neighbours, samples) = (self.neighbours.at(), x.samples());
        let [kappa, quadratic, lambda] = self.couplings.map(|coupling| device.real(coupling));
        let (degree, sites) = (self.degree, self.sites);
        let arguments = arguments![x.at(), neighbours, action, force, kappa, quadratic, lambda, degree, sites, samples];
        device.launch(&self.kernels, "phi4", Spread::rows(samples), arguments);
    }
}
