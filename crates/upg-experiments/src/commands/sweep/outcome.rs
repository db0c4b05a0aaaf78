//! What came of a run, in the numbers that runs are compared by.

use super::children::steps_left;
use crate::Error;
use crate::config::Config;
use crate::io::checkpoint::read_progress;
use crate::io::metrics::{Line, lines_up_to};
use crate::io::run_dir::{RunDir, RunError};
use serde::Serialize;
use serde_json::Value;
use upg_train::Tested;

/// A number by which runs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Measure {
    /// The loss of the weights that were kept, on fresh samples and test data.
    Loss,
    /// That of the last test.
    LastLoss,
    /// The effective sample sizes of the weights that were kept.
    EssReverse,
    EssForward,
    /// The standard error of log Z by as many samples as the test had.
    LogZError,
    /// Of training.
    Seconds,
}

impl Measure {
    pub const ALL: [Self; 6] =
        [Self::Loss, Self::LastLoss, Self::EssReverse, Self::EssForward, Self::LogZError, Self::Seconds];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::LastLoss => "last loss",
            Self::EssReverse => "reverse ESS",
            Self::EssForward => "forward ESS",
            Self::LogZError => "log Z error",
            Self::Seconds => "seconds",
        }
    }

    /// Whether the larger is the better one.
    pub fn rises(self) -> bool {
        matches!(self, Self::EssReverse | Self::EssForward)
    }
}

/// A run, as far as it is.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub config: Config,
    /// Steps made.
    pub step: u64,
    /// Whether all are made.
    pub is_done: bool,
    /// Its tests, with the seconds they came after.
    pub tests: Vec<(u64, f64, Tested)>,
    /// The test of the weights that were kept.
    kept: Option<Tested>,
    seconds: Option<f64>,
    /// What made it; none if it hasn't begun.
    pub provenance: Option<Value>,
}

impl Outcome {
    /// # Errors
    /// If a file can't be read.
    pub fn read(dir: &RunDir, steps: Option<u64>) -> Result<Self, Error> {
        let config = dir.config().map_err(RunError::from)?.config;
        let progress = read_progress(&dir.latest()).ok().flatten();
        let step = progress.as_ref().map_or(0, |progress| progress.step);
        let path = dir.metrics();
        let text = if path.is_file() {
            std::fs::read(&path).map_err(|source| RunError::System { path: path.clone(), source })?
        } else {
            vec![]
        };
        // What a process wrote beyond its checkpoint before it was killed isn't of the run.
        let kept = lines_up_to(&text, step).kept;
        let lines = kept.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        let tests: Vec<_> = lines.filter_map(|line| Some((line.step, line.seconds, line.validation?))).collect();
        let best = progress.as_ref().and_then(|progress| progress.best).map(|best| best.step);
        let of_best = tests.iter().find(|(step, ..)| Some(*step) == best);
        let kept = of_best.or(tests.last()).map(|&(_, _, tested)| tested);
        let is_done = steps_left(dir, steps)? == 0;
        let provenance = std::fs::read(dir.provenance()).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let seconds = progress.map(|progress| progress.seconds);
        Ok(Self { config, step, is_done, tests, kept, seconds, provenance })
    }

    /// A number; none where it isn't known.
    pub fn measure(&self, measure: Measure) -> Option<f64> {
        let objective = self.config.training.objective;
        match measure {
            Measure::Loss => self.kept?.objective(objective),
            Measure::LastLoss => self.tests.last()?.2.objective(objective),
            Measure::EssReverse => self.kept?.ess_reverse,
            Measure::EssForward => self.kept?.ess_forward,
            Measure::LogZError => {
                let (ess, samples) = (self.kept?.ess_reverse?, self.config.training.validation.samples);
                Some(((1.0 / ess - 1.0) / samples as f64).max(0.0).sqrt())
            }
            Measure::Seconds => self.seconds,
        }
    }
}
