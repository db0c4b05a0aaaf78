//! The page of a report.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| upg_fuzz::loaders::page::load(bytes));
