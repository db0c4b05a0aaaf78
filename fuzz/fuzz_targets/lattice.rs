//! Extents of a lattice in an argument.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| upg_fuzz::loaders::lattice::load(bytes));
