//! Tests of the program, and of the crate from outside, in one binary: what they share is compiled and linked once.
//! `mutations` counts what its process allocates, so it has one of its own.

mod bad_input;
mod bad_train;
mod collapse;
mod commands;
mod configs;
mod console;
mod faulty_card;
mod flows;
mod golden;
mod gpu;
mod layers;
mod library;
mod memory;
mod outputs;
mod overrides;
mod reference;
mod results;
#[cfg(unix)]
mod resume;
mod support;
#[cfg(target_os = "linux")]
mod sweep;
mod table2;
