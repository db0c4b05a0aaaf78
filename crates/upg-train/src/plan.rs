//! The plan of a training.

use crate::objective::Objective;
use crate::optimiser::Rule;
use crate::refused::{self, Refused, inside, require};
use crate::schedule::Schedule;
use upg_core::ReverseKl;

/// How a flow is trained.
///
/// ```
/// use upg_train::{TrainingPlan, optimiser::Rule};
/// let plan = TrainingPlan { steps: 500, batch: 256, optimiser: Rule::adam(1e-2), ..TrainingPlan::default() };
/// assert!(plan.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingPlan {
    /// Number of steps; also the length of a cosine schedule that names none.
    pub steps: u64,
    /// Samples per step, of base samples and of data each.
    pub batch: usize,
    /// Decides everything that is random: initial weights, base samples, the order of the data.
    pub seed: u64,
    /// The divergences to be minimised, and the estimators of their gradients.
    pub objective: Objective,
    /// The optimiser with its learning rate.
    pub optimiser: Rule,
    /// The learning rate as a function of the step.
    pub schedule: Schedule,
    /// Steps in which the learning rate rises linearly to its full value.
    pub warm_up: u64,
    /// Largest norm of the gradient; longer ones are scaled down to it. `None`: any.
    pub clip: Option<f64>,
    /// Decay per step of the exponential moving average of the weights. `None`: no average.
    pub ema: Option<f64>,
    /// How often the flow is tested on fresh samples, and on the test data.
    pub validation: Validation,
}

impl Default for TrainingPlan {
    fn default() -> Self {
        Self {
            steps: 10_000,
            batch: 1000,
            seed: 1,
            objective: Objective::Reverse(ReverseKl::PathFast),
            optimiser: Rule::adam(1e-3),
            schedule: Schedule::Constant,
            warm_up: 0,
            clip: None,
            ema: None,
            validation: Validation::default(),
        }
    }
}

/// How often the flow is tested.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields, default, rename = "validation")
)]
pub struct Validation {
    /// Steps between two tests.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::numbers::count"))]
    pub every: u64,
    /// Fresh samples in each; the same number of test data at most.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::numbers::size"))]
    pub samples: usize,
    /// Which weights are kept as the best.
    pub keep: Keep,
}

/// Which weights are kept as the best: those of the test with the lowest loss or the largest effective sample size, or those of the last test.
///
/// While a coupling is annealed none are: they belong to another target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "keep"))]
pub enum Keep {
    /// The lowest objective: mean(log q + S) on fresh samples, mean(−log q) on the test data, or their weighted sum. Both are means, so they are
    /// well estimated where effective sample sizes are decided by the heaviest of all samples. A forward KL without test data keeps the last.
    #[default]
    Loss,
    /// The largest reverse ESS.
    ReverseEss,
    /// The largest forward ESS; needs test data. Far from the target it is decided by a single datum, and noise.
    ForwardEss,
    /// The last test.
    Last,
}

impl Default for Validation {
    fn default() -> Self {
        Self { every: 500, samples: 4096, keep: Keep::Loss }
    }
}

impl TrainingPlan {
    /// Looks at every field.
    ///
    /// # Errors
    /// The first one that isn't accepted, e.g. `optimiser.rate`.
    pub fn check(&self) -> Result<(), Refused> {
        refused::first(self.refusals())
    }

    /// Every field that isn't accepted.
    pub fn refusals(&self) -> Vec<Refused> {
        let counts = [
            ("batch", self.batch as u64),
            ("validation.every", self.validation.every),
            ("validation.samples", self.validation.samples as u64),
        ];
        let counts = counts.map(|(field, value)| require(value > 0, field, value, "a whole number of at least 1"));
        let clip = self.clip.map(|clip| require(clip > 0.0, "clip", clip, "a number above 0, or None"));
        let ema = self.ema.map(|ema| require((0.0..1.0).contains(&ema), "ema", ema, "at least 0, below 1, or None"));
        let mut all = refused::failed(counts.into_iter().chain(clip).chain(ema));
        all.extend(inside("objective", self.objective.refusals()));
        all.extend(inside("optimiser", self.optimiser.refusals()));
        all.extend(inside("schedule", self.schedule.refusals(self.optimiser.rate())));
        all
    }
}
