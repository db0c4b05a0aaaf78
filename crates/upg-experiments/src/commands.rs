//! The commands of `upg`, one module each: its options, and `run`, which does the work and returns the line to be printed.

pub mod arguments;
pub mod arrays;
pub mod calibrate;
pub mod caller;
pub mod config;
pub mod evaluate;
pub mod flows;
pub mod gradient;
pub mod held;
pub mod hmc;
pub mod log_prob;
pub mod place;
pub mod report;
pub mod run_weights;
pub mod sample;
pub mod sweep;
pub mod tensors;
mod together;
pub mod train;
pub mod variance;

pub use together::{agree, answer_signals};
