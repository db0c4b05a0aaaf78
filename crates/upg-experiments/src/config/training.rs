//! The section `training`: what is minimised, how, for how long, and what is written meanwhile.

use super::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use upg_core::ReverseKl;
use upg_train::numbers::{count, seed, size};
use upg_train::optimiser::Rule;
use upg_train::schedule::{Ramp, Schedule};
use upg_train::{Objective, TrainingPlan, Validation};

/// The section `training`; every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "training")]
pub struct Training {
    /// Number of steps; also the length of a cosine schedule that names none.
    #[serde(deserialize_with = "count")]
    pub steps: u64,
    /// Samples per step, of base samples and of data each.
    #[serde(deserialize_with = "size")]
    pub batch: usize,
    /// Decides everything that is random: initial weights, base samples, the order of the data.
    #[serde(deserialize_with = "seed")]
    pub seed: u64,
    /// The weights to begin with: of a run, by its folder, or in a file; relative to the folder of the configuration. `None`: random ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_from: Option<PathBuf>,
    /// Precision of weights, fields and gradients.
    pub precision: Precision,
    /// The divergences to be minimised, and the estimators of their gradients.
    pub objective: Objective,
    /// The optimiser with its learning rate.
    pub optimiser: Rule,
    /// The learning rate as a function of the step.
    pub schedule: Schedule,
    /// Steps in which the learning rate rises linearly to its full value.
    #[serde(deserialize_with = "count")]
    pub warm_up: u64,
    /// Largest norm of the gradient; longer ones are scaled down to it. `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Decay per step of the exponential moving average of the weights. `None`: no average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// A coupling of the target that starts elsewhere and moves to its value. `None`: it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anneal: Option<Anneal>,
    /// How often the flow is tested on fresh samples, and on the test data.
    pub validation: Validation,
    /// How often all is saved.
    pub checkpoint: Checkpoint,
    /// Steps between two lines of `metrics.jsonl`.
    #[serde(deserialize_with = "count")]
    pub log_every: u64,
    /// The run is given up after so many steps in a row whose gradient isn't finite.
    #[serde(deserialize_with = "count")]
    pub abort_after: u64,
    /// Whether event files for TensorBoard are written beside `metrics.jsonl`.
    pub tensorboard: Tensorboard,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            steps: 10_000,
            batch: 1000,
            seed: 1,
            start_from: None,
            precision: Precision::F32,
            objective: Objective::Reverse(ReverseKl::PathFast),
            optimiser: Rule::Adam { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
            schedule: Schedule::Constant,
            warm_up: 0,
            clip: None,
            ema: None,
            anneal: None,
            validation: Validation::default(),
            checkpoint: Checkpoint::default(),
            log_every: 10,
            abort_after: 20,
            tensorboard: Tensorboard::Off,
        }
    }
}

/// A precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "precision")]
pub enum Precision {
    /// Single.
    F32,
    /// Double.
    F64,
}

/// Whether event files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "tensorboard")]
pub enum Tensorboard {
    /// No.
    Off,
    /// Yes.
    On,
}

/// Which coupling of the target moves, from where, and for how many steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "anneal")]
pub enum Anneal {
    /// β of U(1) gauge theory.
    Beta(Ramp),
    /// κ of φ⁴ theory.
    Kappa(Ramp),
    /// m² of φ⁴ theory.
    MassSquared(Ramp),
    /// λ of φ⁴ theory.
    Lambda(Ramp),
}

impl Anneal {
    /// The course of the coupling.
    pub fn ramp(&self) -> &Ramp {
        match self {
            Self::Beta(ramp) | Self::Kappa(ramp) | Self::MassSquared(ramp) | Self::Lambda(ramp) => ramp,
        }
    }
}

/// How often all is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "checkpoint")]
pub struct Checkpoint {
    /// Steps between two checkpoints.
    #[serde(deserialize_with = "count")]
    pub every: u64,
    /// Minutes after which one is due in any case.
    pub minutes: f64,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { every: 1000, minutes: 5.0 }
    }
}

impl Training {
    /// The plan of the training itself: all but files and words.
    pub fn plan(&self) -> TrainingPlan {
        TrainingPlan {
            steps: self.steps,
            batch: self.batch,
            seed: self.seed,
            objective: self.objective,
            optimiser: self.optimiser,
            schedule: self.schedule,
            warm_up: self.warm_up,
            clip: self.clip,
            ema: self.ema,
            validation: self.validation.clone(),
        }
    }

    /// Makes the file of the weights to begin with absolute, a relative one from `folder` on.
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(path) = &mut self.start_from {
            *path = folder.join(&path);
        }
    }

    /// Every field whose value is out of range.
    pub(super) fn invalid(&self) -> Vec<Invalid> {
        let counts = [
            ("log_every", self.log_every),
            ("abort_after", self.abort_after),
            ("checkpoint.every", self.checkpoint.every),
        ];
        let counts = counts.map(|(field, value)| require(value > 0, field, value, "a whole number of at least 1"));
        let minutes = self.checkpoint.minutes;
        let minutes = require(minutes > 0.0, "checkpoint.minutes", minutes, "a number above 0");
        let here = counts.into_iter().chain([minutes]).filter_map(Result::err);
        let anneal = self.anneal.iter().flat_map(|anneal| anneal.ramp().refusals());
        let elsewhere = self.plan().refusals().into_iter().chain(anneal.map(|refused| refused.inside("anneal")));
        here.chain(elsewhere.map(Invalid::from)).collect()
    }
}

fn require(accept: bool, field: &str, value: impl ToString, accepted: &str) -> Result<(), Invalid> {
    if accept {
        return Ok(());
    }
    Err(Invalid { field: format!("training.{field}"), value: value.to_string(), accepted: accepted.into() })
}
