//! Schedules: the learning rate, and ramps of other parameters, as functions of the step.
//!
//! With the learning rate η of the optimiser and step = 0, 1, … the number of steps made before:
//!
//! | schedule | rate |
//! |---|---|
//! | `Constant` | η |
//! | `Cosine` | floor + (η − floor)·½(1 + cos(π step/steps)) up to `steps`, then the floor (I. Loshchilov and F. Hutter, arXiv:1608.03983, without restarts) |
//! | `Plateau` | max(η·factorⁿ, floor), where n counts the times that a metric didn't improve for more than `patience` steps on end |
//!
//! all times (step + 1)/warm_up during the first `warm_up` steps.
//!
//! `Plateau` is `torch.optim.lr_scheduler.ReduceLROnPlateau`, mode `min`, relative threshold, no cooldown, with two differences.
//! *Improved* means value < best − threshold·|best|: PyTorch's best·(1 − threshold) lies above a negative best, so that
//! a metric that only drifts up by little counts as improved for ever. And every reduction is made, also one of less than 10⁻⁸.

mod ramp;
mod scheduler;

// They read plans as they stand in files.
#[cfg(all(test, feature = "serde"))]
mod tests;

pub use ramp::{Ramp, Shape};
pub use scheduler::{Scheduler, SchedulerState, Watched};

use crate::refused::{self, Refused, positive, require};

/// How the learning rate goes; in RON `Constant`, `Cosine(floor: 1e-6)`, `Plateau(patience: 3000, watch: LogWeightStd)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "schedule", deny_unknown_fields)
)]
pub enum Schedule {
    /// The rate of the optimiser.
    #[default]
    Constant,
    /// Half a period of a cosine.
    Cosine {
        /// The rate at its end and from there on.
        #[cfg_attr(feature = "serde", serde(default))]
        floor: f64,
        /// The step at which it ends; by default the end of the run.
        #[cfg_attr(
            feature = "serde",
            serde(
                default,
                skip_serializing_if = "Option::is_none",
                deserialize_with = "crate::numbers::optional_count"
            )
        )]
        steps: Option<u64>,
    },
    /// Lowered whenever a metric stops improving.
    Plateau {
        /// Number of steps on end without improvement that are tolerated.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::numbers::count"))]
        patience: u64,
        /// The share of |best| by which a metric must fall to have improved.
        #[cfg_attr(feature = "serde", serde(default = "threshold"))]
        threshold: f64,
        /// The factor of a reduction.
        #[cfg_attr(feature = "serde", serde(default = "factor"))]
        factor: f64,
        /// The rate doesn't fall below.
        #[cfg_attr(feature = "serde", serde(default))]
        floor: f64,
        /// The metric.
        #[cfg_attr(feature = "serde", serde(default))]
        watch: Watch,
    },
}

/// A metric of a training step, the smaller the better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "watch"))]
pub enum Watch {
    /// The loss.
    #[default]
    Loss,
    /// The standard deviation of the log-weights.
    LogWeightStd,
}

fn threshold() -> f64 {
    1e-4
}

fn factor() -> f64 {
    0.1
}

impl Schedule {
    /// A plateau of the loss with its usual numbers.
    pub fn plateau(patience: u64) -> Self {
        Self::Plateau { patience, threshold: threshold(), factor: factor(), floor: 0.0, watch: Watch::Loss }
    }

    /// Looks at every field, for an optimiser of learning rate `rate`.
    ///
    /// # Errors
    /// The first one that isn't accepted.
    pub fn check(&self, rate: f64) -> Result<(), Refused> {
        refused::first(self.refusals(rate))
    }

    /// Every field that isn't accepted; a floor is no mistake beside a rate that is one.
    pub fn refusals(&self, rate: f64) -> Vec<Refused> {
        match *self {
            Self::Constant => vec![],
            Self::Cosine { floor, steps } => refused::failed([
                check_floor(floor, rate),
                require(steps != Some(0), "steps", 0, "a whole number, at least 1"),
            ]),
            Self::Plateau { threshold, factor, floor, .. } => refused::failed([
                require((0.0..1.0).contains(&threshold), "threshold", threshold, "a number in [0, 1)"),
                require(factor > 0.0 && factor < 1.0, "factor", factor, "a number in (0, 1)"),
                check_floor(floor, rate),
            ]),
        }
    }
}

fn check_floor(floor: f64, rate: f64) -> Result<(), Refused> {
    let holds = (0.0..=rate).contains(&floor) || positive("rate", rate).is_err();
    require(holds, "floor", floor, format!("a number from 0 to the rate, {rate}"))
}
