//! Continuous flows, lowered to layers on a device.

use super::LowerError;
use crate::cuda::Cuda;
use crate::gpu::Gpu;
use crate::layers::{AnyLayer, Continuous, LatticeField, PlaquetteField, ShallowField};
use crate::plans::{LatticePlan, ShallowPlan};
use std::fmt;
use upg_core::{ParamLayout, Real};
use upg_flows::FlowError;
use upg_flows::spec::{ContinuousSpec, FieldSpec, PlaquetteFlowSpec};

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
                self.fits(plan.tiling().shared, "field", One, SMALL_LATTICE)?;
                let field = LatticeField::new(self, plan, [frequencies, times, steps], params)?;
                Box::new(Continuous::new(field, steps))
            }
            FieldSpec::Shallow { width, times } => {
                let plan = ShallowPlan::new(shape.iter().product(), width, number);
                self.fits(plan.tiling.shared, "field", One, SMALL_NET)?;
                Box::new(Continuous::new(ShallowField::new(self, plan, [times, steps], params)?, steps))
            }
        })
    }

    /// A continuous flow of links.
    pub(super) fn plaquette_flow(
        &self,
        flow: &PlaquetteFlowSpec,
        shape: &[usize],
        params: ParamLayout,
    ) -> Result<AnyLayer<T, G>, LowerError> {
        let plan = LatticePlan::of_plaquettes(&lattice_of_any_links(shape)?, flow.products, size_of::<T>());
        self.fits(plan.tiling().shared, "shape", shape, SMALL_LINKS)?;
        Ok(Box::new(Continuous::new(PlaquetteField::new(self, &plan, flow, params)?, flow.steps)))
    }

    /// Whether a block can have so much shared memory.
    fn fits(
        &self,
        bytes: usize,
        field: &'static str,
        value: impl fmt::Debug,
        accepted: &'static str,
    ) -> Result<(), FlowError> {
        let most = self.gpu().facts().shared_memory;
        match bytes <= most {
            true => Ok(()),
            false => Err(FlowError::new(field, Shared { value, bytes, most }, accepted)),
        }
    }
}

/// The extents of the lattice whose links have this shape.
fn lattice_of_any_links(shape: &[usize]) -> Result<[usize; 2], FlowError> {
    match *shape {
        [2, rows, columns] if rows >= 2 && columns >= 2 => Ok([rows, columns]),
        _ => Err(FlowError::new("shape", shape, "[2, L_0, L_1], two extents, each at least 2")),
    }
}

/// Fields whose samples fit into shared memory.
const SMALL_LATTICE: &str = "a lattice that fits into it, such as 64 x 64 in f32; the cpu takes any";
const SMALL_NET: &str = "a sample and hidden values that fit into it; the cpu takes any";

const SMALL_LINKS: &str = "a lattice that fits into it, such as 64 x 64 with products of 2 in f32; the cpu takes any";

/// A value that isn't shown.
struct One;

impl fmt::Debug for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one")
    }
}

/// A value, and shared memory that a block would need for it, and can have.
struct Shared<V> {
    value: V,
    bytes: usize,
    most: usize,
}

impl<V: fmt::Debug> fmt::Debug for Shared<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, bytes, most } = self;
        write!(f, "{value:?} that takes {bytes} bytes of the shared memory of a card that has {most}")
    }
}
