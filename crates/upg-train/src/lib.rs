//! Training of normalizing flows, and what they are worth: all that is between the gradients of [`upg_core`] and files.
//!
//! | module | what is there |
//! |---|---|
//! | [`method`] | the estimators by name, and the divergence each belongs to |
//! | [`objective`] | the divergences that are minimised, with their weights |
//! | [`optimiser`], [`schedule`] | rules of a step; learning rates and ramps as functions of the step |
//! | [`purpose`] | the random numbers of a run |
//! | [`stats`] | weights, errors, autocorrelation, a Markov chain from independent proposals |
//!
//! There are no files here, no configurations and no command line. With the feature `serde` the types that stand in such files can be
//! written and read.

pub mod method;
#[cfg(feature = "serde")]
pub mod numbers;
pub mod objective;
pub mod optimiser;
pub mod purpose;
mod refused;
pub mod schedule;
pub mod stats;

pub use method::{Divergence, Estimator, Method};
pub use objective::Objective;
pub use purpose::Purpose;
pub use refused::Refused;
