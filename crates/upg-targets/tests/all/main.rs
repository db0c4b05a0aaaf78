//! Tests of the crate from outside, in one binary: what they share is compiled and linked once.

mod banana;
mod battery;
mod data;
mod frozen;
mod funnel;
mod gaussian;
mod gmm;
mod hmc;
mod many_well;
mod observables;
mod phi4;
mod random_gaussians;
mod simple;
mod u1;
