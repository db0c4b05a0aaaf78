//! Tests of the crate from outside, in one binary: what they share is compiled and linked once.

mod battery;
mod data;
mod frozen;
mod gaussian;
mod gmm;
mod hmc;
mod observables;
mod phi4;
mod simple;
mod u1;
