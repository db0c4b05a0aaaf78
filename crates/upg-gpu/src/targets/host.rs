//! A target that is computed on the host.

use super::places;
use crate::cuda::Cuda;
use crate::gpu::Gpu;
use crate::memory::{Batch, Sums, bytes_of};
use std::sync::{Arc, Mutex, PoisonError};
use upg_core::{Batch as HostBatch, Cpu, DeviceError, Execution, Memory, Real, Target};

/// A target of the host as one of a device.
pub(super) struct HostTarget<T: Real> {
    here: Cpu<T>,
    target: Arc<dyn Target<Cpu<T>>>,
    memory: Mutex<OnHost<T>>,
}

/// Samples, actions and forces on the host, kept between calls.
struct OnHost<T: Real> {
    x: HostBatch<T>,
    action: Vec<f64>,
    force: HostBatch<T>,
}

impl<T: Real> HostTarget<T> {
    pub fn new(here: Cpu<T>, target: Arc<dyn Target<Cpu<T>>>) -> Self {
        let memory = OnHost { x: HostBatch::default(), action: vec![], force: HostBatch::default() };
        Self { here, target, memory: Mutex::new(memory) }
    }
}

impl<T: Real, G: Gpu> Target<Cuda<T, G>> for HostTarget<T> {
    fn dof(&self) -> usize {
        self.target.dof()
    }

    fn action_and_force(
        &self,
        device: &Cuda<T, G>,
        x: &Batch<T, G>,
        action: &mut Sums<G>,
        force: Option<&mut Batch<T, G>>,
    ) {
        let wanted = force.is_some();
        let places = places(device, self.target.dof(), x, action, force);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let OnHost { x: on_host, action, force } = &mut *memory;
        on_host.reshape(x.rows(), x.samples());
        device.download(x, on_host.as_array_mut().reversed_axes());
        self.here.install(|| {
            self.target.action_and_force(&self.here, on_host, action, wanted.then_some(&mut *force));
        });
        device.write(bytes_of(action), places[0]);
        if wanted {
            device.write(bytes_of(force.as_slice()), places[1]);
        }
    }

    fn status(&self) -> Result<(), DeviceError> {
        self.target.status()
    }
}
