//! Continuous flows, lowered to layers on a device.

use super::LowerError;
use crate::cuda::Cuda;
use crate::gpu::Gpu;
use crate::layers::{AnyLayer, Continuous, LatticeField, ShallowField};
use crate::plans::{LatticePlan, ShallowPlan};
use std::fmt;
use upg_core::{ParamLayout, Real};
use upg_flows::FlowError;
use upg_flows::spec::{ContinuousSpec, FieldSpec};

impl<T: Real, G: Gpu> Cuda<T, G> {
    /// A continuous flow.
    pub(super) fn continuous(
        &self,
        flow: &ContinuousSpec,
        shape: &[usize],
        params: ParamLayout,
    ) -> Result<AnyLayer<T, G>, LowerError> {
        let (steps, number) = (flow.steps, size_of::<T>());
        Ok(match flow.field {
            FieldSpec::Lattice { frequencies, times, .. } => {
                let plan = LatticePlan::new(shape, frequencies + 1, number);
                self.fits(plan.tiling().shared, "field", SMALL_LATTICE)?;
                let field = LatticeField::new(self, plan, [frequencies, times, steps], params)?;
                Box::new(Continuous::new(field, steps))
            }
            FieldSpec::Shallow { width, times } => {
                let plan = ShallowPlan::new(shape.iter().product(), width, number);
                self.fits(plan.tiling.shared, "field", SMALL_NET)?;
                Box::new(Continuous::new(ShallowField::new(self, plan, [times, steps], params)?, steps))
            }
        })
    }

    /// Whether a block can have so much shared memory.
    fn fits(&self, bytes: usize, field: &'static str, accepted: &'static str) -> Result<(), FlowError> {
        let most = self.gpu().facts().shared_memory;
        match bytes <= most {
            true => Ok(()),
            false => Err(FlowError::new(field, Shared { bytes, most }, accepted)),
        }
    }
}

/// Fields whose samples fit into shared memory.
const SMALL_LATTICE: &str = "a lattice that fits into it, such as 64 x 64 in f32; the cpu takes any";
const SMALL_NET: &str = "a sample and hidden values that fit into it; the cpu takes any";

/// Shared memory that a block would need, and can have.
struct Shared {
    bytes: usize,
    most: usize,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one that takes {} bytes of the shared memory of a card that has {}", self.bytes, self.most)
    }
}
