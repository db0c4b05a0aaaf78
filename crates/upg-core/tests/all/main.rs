//! Tests of the crate from outside, in one binary: what they share is compiled and linked once. `allocations` counts
//! what its process allocates, so it has one of its own.

mod batteries;
mod densities;
mod engine;
mod layers;
mod own_layer;
mod random;
mod trained_base;
mod vectors;
mod vmath;
