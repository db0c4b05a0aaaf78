//! Everything that touches files: configurations, weights, samples, results, and the `upg` command line.
//!
//! | module | what it reads or writes |
//! |---|---|
//! | [`config`] | experiments in RON; the registry of flows and targets |
//! | [`weights`] | parameters and results, safetensors |
//! | [`samples`], [`data`] | batches of samples, `.npy`; samples of the target |
//! | [`output`] | files that are either complete or not there, and what made them |
//! | [`run_dir`], [`checkpoint`] | the folder of a run, and all a run needs to go on |
//! | [`gradient`] | `upg gradient`: one gradient of one batch |
//! | [`train`] | `upg train`: the training loop |
//! | [`evaluate`], [`sample`], [`variance`] | `upg evaluate`, `upg sample`, `upg variance`: from the weights of a run |
//! | [`report_files`] | `upg report`: a page of one or several runs |
//! | [`table2`], [`figures`] | the cost of the estimators, and what they are worth, measured |
//!
//! Without files: [`optimiser`], [`schedule`], [`stats`], [`randomness`]; text from data: [`report`], [`plot`], [`tensorboard`].
//!
//! What is wrong with an input is said in one line that names the file, the field, its value and what is accepted;
//! [`Error::exit_status`] tells wrong input (2) from a run that failed (1).

pub mod checkpoint;
pub mod config;
pub mod data;
pub mod error;
pub mod evaluate;
pub mod figures;
pub mod gradient;
pub mod method;
pub mod optimiser;
pub mod output;
pub mod plot;
pub mod randomness;
pub mod report;
pub mod report_files;
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
