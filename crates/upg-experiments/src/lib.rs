//! Everything that touches files: configurations, weights, samples, results, and the `upg` command line.
//!
//! | module | what it reads or writes |
//! |---|---|
//! | [`config`] | a flow and a target in RON; the registry of flows and targets |
//! | [`weights`] | parameters and results, safetensors |
//! | [`samples`] | batches of samples, `.npy` |
//! | [`output`] | files that are either complete or not there, and what made them |
//! | [`gradient`] | `upg gradient`: one gradient of one batch |
//! | [`table2`] | the cost of the estimators, measured |
//!
//! What is wrong with an input is said in one line that names the file, the field, its value and what is accepted;
//! [`Error::exit_status`] tells wrong input (2) from a run that failed (1).

pub mod checkpoint;
pub mod config;
pub mod data;
pub mod error;
pub mod evaluate;
pub mod gradient;
pub mod method;
pub mod optimiser;
pub mod output;
pub mod randomness;
pub mod run_dir;
pub mod run_weights;
pub mod sample;
pub mod samples;
pub mod schedule;
pub mod stats;
pub mod table2;
pub mod tensorboard;
pub mod train;
pub mod variance;
pub mod weights;

pub use error::Error;

/// The README's example is a doctest.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
