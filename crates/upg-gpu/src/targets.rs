//! Targets on a device. Each is the target of the same name of upg-targets, whose file has the equations; any other is computed on the host.

mod gaussian;
mod gmm;
mod host;
mod phi4;
mod u1;

use crate::cuda::Cuda;
use crate::gpu::{Address, Gpu};
use crate::memory::{Batch, Sums};
use std::sync::Arc;
use upg_core::{Cpu, DeviceError, Memory, Real, Target};
use upg_targets::{Gaussian, Gmm, Phi4, U1};

/// Any target of a device.
pub type AnyTarget<T, G> = Box<dyn Target<Cuda<T, G>>>;

impl<T: Real, G: Gpu> Cuda<T, G> {
    /// φ⁴ theory.
    ///
    /// # Errors
    /// If its kernels can't be compiled; so below.
    pub fn phi4(&self, theory: &Phi4) -> Result<AnyTarget<T, G>, DeviceError> {
        Ok(Box::new(phi4::Phi4::new(self, theory)?))
    }

    /// U(1) gauge theory.
    ///
    /// # Errors
    /// As [`phi4`](Self::phi4).
    pub fn u1(&self, theory: &U1) -> Result<AnyTarget<T, G>, DeviceError> {
        Ok(Box::new(u1::U1::new(self, theory)?))
    }

    /// The Gaussian mixture.
    ///
    /// # Errors
    /// As [`phi4`](Self::phi4).
    pub fn gmm(&self, mixture: &Gmm) -> Result<AnyTarget<T, G>, DeviceError> {
        Ok(Box::new(gmm::Gmm::new(self, mixture)?))
    }

    /// The Gaussian.
    ///
    /// # Errors
    /// As [`phi4`](Self::phi4).
    pub fn gaussian(&self, gaussian: &Gaussian) -> Result<AnyTarget<T, G>, DeviceError> {
        Ok(Box::new(gaussian::Gaussian::new(self, gaussian)?))
    }

    /// A target without kernels: every call downloads the samples, computes on the host, and uploads actions and forces.
    pub fn host_target(&self, here: Cpu<T>, target: Arc<dyn Target<Cpu<T>>>) -> AnyTarget<T, G> {
        Box::new(host::HostTarget::new(here, target))
    }
}

/// Makes room for one action a sample, and for the force if it is wanted; returns where they go.
#[track_caller]
fn places<T: Real, G: Gpu>(
    device: &Cuda<T, G>,
    dof: usize,
    x: &Batch<T, G>,
    action: &mut Sums<G>,
    force: Option<&mut Batch<T, G>>,
) -> [Address; 2] {
    assert_eq!(x.rows(), dof, "rows of x, and degrees of freedom of the target");
    device.resize(action, x.samples());
    let force = force.map_or_else(Address::default, |force| {
        device.reshape(force, x.rows(), x.samples());
        force.at()
    });
    [action.at(), force]
}
