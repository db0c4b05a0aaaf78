//! The emulator finds what is wrong with kernels, and computes what is right.

mod counts;
mod faults;
mod memory;
mod products;
mod support;
mod words;
