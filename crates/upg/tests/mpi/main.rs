//! Runs of the program on several processes, launched by `mpirun`: `cargo xtask test-mpi` brings what they need.

#[path = "../commands/support.rs"]
#[allow(dead_code)]
mod support;

mod ended;
mod launch;
mod same;
