//! Everything that touches files: configurations, weights, samples, results, and the `upg` command line.
//!
//! | module | what is there |
//! |---|---|
//! | [`config`] | experiments in RON; the registry of flows and targets |
//! | [`io`] | weights, samples, results, the folder of a run |
//! | [`commands`] | the commands of `upg` |
//! | [`report`] | text from data: pages, charts, event files |
//! | [`paper`] | the cost of the estimators, and what they are worth, measured |
//!
//! The training itself, the statistics and the evaluation are those of [`upg_train`]: here are the files.
//!
//! Wrong input is answered in one line that names the file, the field, its value and what is accepted;
//! [`Error::exit_status`] tells wrong input (2) from a run that failed (1).

pub mod commands;
pub mod config;
pub mod error;
pub mod gpu_check;
pub mod io;
pub mod paper;
pub mod report;
mod text;

pub use error::Error;

/// The README's example is a doctest.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
