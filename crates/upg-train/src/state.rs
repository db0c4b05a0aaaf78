//! A run at one moment, in main memory: all it needs to go on bit for bit as if it had never stopped.

use crate::data::Fingerprints;
use crate::plan::Keep;
use crate::refused::Refused;
use crate::schedule::SchedulerState;
use std::fmt;

/// A run at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct State<T> {
    /// The weights.
    pub theta: Vec<T>,
    /// The moments of the optimiser, in the order of [`Rule::moment_names`](crate::optimiser::Rule::moment_names).
    pub moments: Vec<Vec<T>>,
    /// The moving average of the weights.
    pub ema: Option<Vec<T>>,
    /// The numbers.
    pub progress: Progress,
}

/// How far a run is, in numbers.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Progress {
    /// Steps of the run, skipped ones included; the next one has this number.
    pub step: u64,
    /// Steps of the optimiser.
    pub updates: u64,
    /// The seed of the run.
    pub seed: u64,
    /// Steps skipped because the gradient wasn't finite.
    pub skipped: u64,
    /// How many of them came one after the other, up to the last step.
    pub skipped_in_a_row: u64,
    /// Where the learning rate stands.
    pub scheduler: SchedulerState,
    /// The best validation so far.
    pub best: Option<Best>,
    /// Seconds spent on training, over all sessions.
    pub seconds: f64,
    /// Fingerprints of the data.
    pub data: Fingerprints,
}

/// The best validation so far.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Best {
    /// After how many steps.
    pub step: u64,
    /// By which criterion it is the best.
    pub keep: Keep,
    /// The best value of the criterion so far; none for the last test.
    pub value: Option<f64>,
}

impl Best {
    /// Whether a later test with this value of the same criterion, and this standard error if it is a loss, is to be kept in its place. Of losses that
    /// can't be told apart the last is: the lowest of many is that of lucky samples.
    pub(crate) fn is_beaten_by(&self, value: Option<f64>, error: f64) -> bool {
        match (self.keep, value, self.value) {
            (Keep::Loss, Some(new), Some(lowest)) => new <= lowest + 2.0 * error,
            (Keep::ReverseEss | Keep::ForwardEss, Some(new), Some(old)) => new > old,
            (Keep::Last, ..) => true,
            (_, new, old) => new.is_some() && old.is_none(),
        }
    }

    /// The lower of two losses.
    pub(crate) fn lower(&self, value: Option<f64>) -> Option<f64> {
        let losses = self.value.zip(value).filter(|_| self.keep == Keep::Loss);
        losses.map(|(lowest, new)| new.min(lowest))
    }
}

/// Which weights they are and why, e.g. `step 500: the last with a validation loss within its error of the lowest, -1.2345`.
impl fmt::Display for Best {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.keep {
            Keep::Loss => "the last with a validation loss within its error of the lowest",
            Keep::ReverseEss => "the largest reverse ESS",
            Keep::ForwardEss => "the largest forward ESS",
            Keep::Last => "the last validation",
        };
        write!(f, "step {}: {why}", self.step)?;
        self.value.map_or(Ok(()), |value| write!(f, ", {value:.4}"))
    }
}

impl Progress {
    /// The progress of a run with `seed` and these data that has made no step.
    pub(crate) fn at_the_start(seed: u64, data: Fingerprints) -> Self {
        let scheduler = SchedulerState::default();
        Self { step: 0, updates: 0, seed, skipped: 0, skipped_in_a_row: 0, scheduler, best: None, seconds: 0.0, data }
    }

    /// Whether a run can have come that far.
    ///
    /// # Errors
    /// The numbers that can't stand beside each other.
    pub fn check(&self) -> Result<(), String> {
        let Self { step, updates, skipped, skipped_in_a_row, seconds, best, .. } = *self;
        if updates.checked_add(skipped) != Some(step) || skipped_in_a_row > skipped {
            return Err(format!("{step} steps, {updates} updates, {skipped} skipped, {skipped_in_a_row} in a row"));
        }
        if !(seconds.is_finite() && seconds >= 0.0) {
            return Err(format!("{seconds} seconds"));
        }
        match best {
            Some(best) if best.step > step || best.value.is_some_and(|value| !value.is_finite()) => {
                Err(format!("a best validation of {:?} at step {} of {step}", best.value, best.step))
            }
            _ => Ok(()),
        }
    }
}

/// A run can't go on from a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// It belongs to other data.
    OtherData,
    /// The schedule can't be in it.
    Scheduler(Refused),
    /// Something in it is missing, or has another length.
    Length {
        /// Weights, a moment or an average.
        name: &'static str,
        /// Its length, 0 if it is missing.
        found: usize,
        /// The length it should have.
        accepted: usize,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherData => write!(f, "data: not the samples the run began with, accepted are those"),
            Self::Scheduler(refused) => write!(f, "checkpoint: scheduler.{refused}"),
            Self::Length { name, found, accepted } => {
                write!(f, "checkpoint: {name} of {found} numbers: accepted are {accepted}")
            }
        }
    }
}

impl std::error::Error for StateError {}
