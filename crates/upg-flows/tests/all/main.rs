//! Tests of the crate from outside, in one binary: what they share is compiled and linked once. `no_allocation` counts
//! what its process allocates, so it has one of its own.

mod autoregressive;
mod bases;
mod battery;
mod cnn;
mod continuous;
mod gauge;
mod implicit;
mod lattice;
mod linear;
mod mask;
mod matmul;
mod modes;
mod plaquettes;
mod spec;
mod spline;
mod theorems;

use upg_testkit::alloc;

/// Counts, thread by thread, for the tests that ask.
#[global_allocator]
static COUNTER: alloc::Counter = alloc::Counter;
