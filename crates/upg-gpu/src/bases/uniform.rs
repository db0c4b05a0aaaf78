//! Uniform angles: see [`upg_core::UniformTorus`]. Kernels: `random.cu`.

use crate::cuda::Cuda;
use crate::gpu::Gpu;
use crate::memory::{Batch, Sums};
use crate::random::Random;
use std::f64::consts::TAU;
use upg_core::{Base, BasePass, DeviceError, Memory, Real, SampleStream};

/// Uniform on the torus [0, 2π)^dof.
pub(crate) struct UniformTorus<G: Gpu> {
    dof: usize,
    random: Random<G>,
}

impl<G: Gpu> UniformTorus<G> {
    /// The uniform density of `dof` angles.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, dof: usize) -> Result<Self, DeviceError> {
        Ok(Self { dof, random: Random::new(device)? })
    }
}

impl<T: Real, G: Gpu> Base<Cuda<T, G>> for UniformTorus<G> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn sample(&self, pass: &mut BasePass<'_, Cuda<T, G>>, stream: SampleStream, first: u64, z: &mut Batch<T, G>) {
        assert_eq!(z.rows(), self.dof, "rows of z, and degrees of freedom of the base");
        self.random.angles(pass.device, stream, first, z);
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Cuda<T, G>>,
        z: &Batch<T, G>,
        log_density: &mut Sums<G>,
        score: Option<&mut Batch<T, G>>,
    ) {
        assert_eq!(z.rows(), self.dof, "rows of z, and degrees of freedom of the base");
        let device = pass.device;
        device.resize(log_density, z.samples());
        device.fill_sums(log_density, -(self.dof as f64) * TAU.ln());
        if let Some(score) = score {
            device.reshape(score, z.rows(), z.samples());
            device.fill(score, 0.0);
        }
    }
}
