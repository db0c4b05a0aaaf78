//! The target of a flow that has none.

use super::Place;
use upg_core::Target;

/// S = 0: what samples are weighed by where log q alone is wanted, as −S − log q is −log q then.
#[derive(Clone, Copy, Debug)]
pub struct Flat {
    /// Degrees of freedom.
    pub dof: usize,
}

impl<D: Place> Target<D> for Flat {
    fn dof(&self) -> usize {
        self.dof
    }

    fn action_and_force(&self, device: &D, x: &D::Batch, action: &mut D::PerSample, force: Option<&mut D::Batch>) {
        device.clear(action, D::samples_of(x));
        if let Some(force) = force {
            device.copy(x, force);
            device.axpby(-1.0, x, 1.0, force);
        }
    }
}
