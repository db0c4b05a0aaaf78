//! Tests of the crate from outside, in one binary: what they share is compiled and linked once. `no_allocation` counts
//! what its process allocates, so it has one of its own.

mod battery;
mod gauge;
mod implicit;
mod theorems;
