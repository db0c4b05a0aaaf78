//! N(0, 1) in every degree of freedom: see [`upg_core::StandardNormal`]. Kernels: `random.cu`, `base.cu`.

use super::{normal_constant, place};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Sums};
use crate::random::{Moved, Random};
use std::sync::Arc;
use upg_core::{Base, BasePass, DeviceError, Real, SampleStream};

/// N(0, 1) in every degree of freedom.
pub(crate) struct StandardNormal<G: Gpu> {
    dof: usize,
    random: Random<G>,
    kernels: Arc<Kernels<G>>,
}

impl<G: Gpu> StandardNormal<G> {
    /// The standard normal of `dof` degrees of freedom.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, dof: usize) -> Result<Self, DeviceError> {
        Ok(Self { dof, random: Random::new(device)?, kernels: device.kernels(kernels::BASE, vec![])? })
    }
}

impl<T: Real, G: Gpu> Base<Cuda<T, G>> for StandardNormal<G> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn sample(&self, pass: &mut BasePass<'_, Cuda<T, G>>, stream: SampleStream, first: u64, z: &mut Batch<T, G>) {
        assert_eq!(z.rows(), self.dof, "rows of z, and degrees of freedom of the base");
        self.random.normals(pass.device, stream, first, z, Moved::default());
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Cuda<T, G>>,
        z: &Batch<T, G>,
        log_density: &mut Sums<G>,
        score: Option<&mut Batch<T, G>>,
    ) {
        assert_eq!(z.rows(), self.dof, "rows of z, and degrees of freedom of the base");
        let (device, samples, none) = (pass.device, z.samples(), Address::default());
        device.resize(log_density, samples);
        let (score, constant) = (place(device, score, z), normal_constant(self.dof));
        let arguments = arguments![z.at(), none, none, none, constant, log_density.at(), score, self.dof, samples];
        device.launch(&self.kernels, "normal_density", Spread::rows(samples), arguments);
    }
}
