//! How kernels go about a layer of given sizes: what specialises their text, how they are spread, and the tables that they read.

mod lattice;
mod shallow;
mod tiling;

pub(crate) use lattice::LatticePlan;
pub(crate) use shallow::ShallowPlan;
pub(crate) use tiling::Tiling;
