//! Configurations in RON, and the registry of flows and targets.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = upg_experiments::config::Config::parse(
//!     "(
//!         flow: RealNvp(lattice: [6, 4], couplings: 4, hidden: [24, 24], activation: Tanh, mask: Alternating),
//!         target: Phi4(lattice: [6, 4], kappa: 0.25, lambda: 0.5),
//!     )",
//! )?;
//! let model = config.build::<f64>()?;
//! assert_eq!(model.sample_shape, [6, 4]);
//! # Ok(()) }
//! ```
//!
//! The sections `training`, `data` and `evaluation` may be left out, and every field in them: [`schema`] explains all.
//! [`choices`] knows all that may be written, for other languages.
//! A new recipe of a flow is a variant of [`FlowConfig`] with its line in `spec` and its entry in [`catalogue`], a new target one of [`TargetConfig`] with its lines below it.
//! Ranges of values are checked where the flow or target is made; this module adds where in the file the value stands.

pub mod catalogue;
pub mod choices;
mod data;
mod diff;
mod experiment;
mod file;
mod flow;
pub mod foreign;
mod from_target;
mod grid;
mod invalid;
pub mod library;
mod limits;
mod locate;
mod mistakes;
mod model;
pub(crate) mod notation;
mod overrides;
mod parse;
mod phi4;
mod place;
mod precision;
pub mod python;
pub mod schema;
mod sole;
mod target;
mod training;

pub use data::{Data, EvaluationConfig, FEWEST_SAMPLES, Hmc, Source};
pub use diff::Difference;
pub use experiment::Config;
pub use file::ConfigFile;
pub use flow::FlowConfig;
pub use grid::Axis;
pub use invalid::{AllInvalid, Invalid};
pub use limits::MOST_SAMPLES;
pub use locate::Position;
pub use mistakes::{ConfigError, Mistake, Origin};
pub use model::{AnyBase, Doubled, Model};
pub(crate) use notation::plain_text;
pub use overrides::Override;
pub use phi4::{Convention, Phi4Config};
#[cfg(test)]
pub(crate) use place::mirror::Mirror;
pub use place::{DeviceName, Flat, Place};
pub use precision::{PrecisionConfig, Products};
pub use sole::{SoleFlow, SoleTarget};
pub use target::{AnyTarget, TargetConfig, Theory};
pub use training::{Anneal, Checkpoint, Precision, Tensorboard, Training};

#[cfg(test)]
mod tests;
