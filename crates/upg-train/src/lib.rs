//! Training of normalizing flows, and what they are worth: all that is between the gradients of [`upg_core`] and files.
//!
//! A [`Problem`] is a flow between a base and a target; a [`Trainer`] makes the steps of a [`TrainingPlan`]; the [`Trained`] flow is
//! evaluated and sampled. Everything works on any [`Device`](upg_core::Device), for any layer and any target.
//!
//! | module | what is there |
//! |---|---|
//! | [`problem`] | flow, base, target; observables, exact values and a sampler of data where there are some |
//! | [`plan`], [`objective`], [`method`] | the plan of a training, its divergences with their weights, the estimators by name |
//! | [`optimiser`], [`schedule`] | rules of a step; learning rates and ramps as functions of the step |
//! | [`trainer`], [`validation`], [`fault`] | the steps, the tests between them, and where a step went wrong that was skipped |
//! | [`peers`] | several processes that share the work of one run |
//! | [`state`], [`data`], [`purpose`] | a run at one moment; samples of the target; the random numbers of a run |
//! | [`trained`], [`evaluate`], [`sample`], [`log_prob`], [`maps`], [`variance`] | a trained flow: its worth, samples, density, maps and gradients; the noise of the estimators |
//! | [`calibration`] | whether errors mean what they say, where exact values are known |
//! | [`chains`] | the target by its own sampler: what a flow is to be compared with |
//! | [`stats`] | weights, errors, autocorrelation, a Markov chain from independent proposals |
//!
//! There are no files here, no configurations and no command line. With the feature `serde` the types that stand in such files can be
//! written and read.

mod base;
pub mod calibration;
pub mod chains;
pub mod data;
pub mod evaluate;
pub mod fault;
pub mod log_prob;
pub mod maps;
pub mod method;
#[cfg(feature = "serde")]
pub mod numbers;
pub mod objective;
pub mod optimiser;
pub mod peers;
pub mod plan;
pub mod problem;
pub mod purpose;
mod refused;
mod round_trip;
pub mod sample;
pub mod schedule;
pub mod state;
pub mod stats;
pub mod trained;
pub mod trainer;
pub mod validation;
pub mod variance;

pub use chains::ChainSummary;
pub use data::DataSets;
pub use evaluate::{Evaluation, EvaluationPlan};
pub use fault::Fault;
pub use method::{Divergence, Estimator, Method};
pub use objective::Objective;
pub use peers::Peers;
pub use plan::{Keep, TrainingPlan, Validation};
pub use problem::Problem;
pub use purpose::Purpose;
pub use refused::Refused;
pub use sample::{Draw, SamplePlan};
pub use state::State;
pub use trained::Trained;
pub use trainer::{Annealing, Step, Trainer, TrainingError};
pub use validation::Tested;

pub use upg_targets::{ChainPlan, ChainReport, DataSampler, Exact, Observable, Observables};
