//! Checkpoints: all a run needs to go on bit for bit as if it had never stopped, in one safetensors file.
//!
//! | tensor | content |
//! |---|---|
//! | `layers.…` | the weights, under their names: the file is a weights file too |
//! | `state.first_moment.layers.…` and so on | the moments of the optimiser |
//! | `state.ema.layers.…` | the moving average of the weights |
//! | `state.progress` | [`Progress`] as RON text |
//! | `state.checksum` | XXH3-128 of all other bytes of the file |
//!
//! The state of the random numbers is the seed and the number of the step, see [`randomness`](upg_train::purpose).

use crate::config::Config;
use crate::io::output::{OutputError, OutputFile, Provenance};
use crate::io::run_dir::{RunDir, RunError};
use crate::io::weights::{self, OutTensor, STATE, WeightsError, WeightsProblem};
use crate::optimiser::{Optimiser, RestoreError};
use crate::text::one_line;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::path::Path;
use upg_core::{ParamLayout, Real};
use upg_train::schedule::SchedulerState;

const PROGRESS: &str = "state.progress";
const EMA: &str = "ema";

/// How far a run is, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Fingerprint of the data, if there are any.
    pub data: Option<u64>,
}

impl Progress {
    /// Whether a run can have come that far.
    fn check(&self) -> Result<(), String> {
        let Self { step, updates, skipped, skipped_in_a_row, seconds, best, .. } = *self;
        if updates.checked_add(skipped) != Some(step) || skipped_in_a_row > skipped {
            return Err(format!("{step} steps, {updates} updates, {skipped} skipped, {skipped_in_a_row} in a row"));
        }
        if !(seconds.is_finite() && seconds >= 0.0) {
            return Err(format!("{seconds} seconds"));
        }
        match best {
            Some(best) if best.step > step || !(0.0..=1.0).contains(&best.ess) => {
                Err(format!("an ESS of {} at step {} of {step}", best.ess, best.step))
            }
            _ => Ok(()),
        }
    }
}

/// The best validation so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// After how many steps.
    pub step: u64,
    /// Its effective sample size; the smaller of reverse and forward where there are data.
    pub ess: f64,
}

/// A run at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct State<T> {
    /// The weights.
    pub theta: Vec<T>,
    /// The optimiser.
    pub optimiser: Optimiser<T>,
    /// The moving average of the weights.
    pub ema: Option<Vec<T>>,
    /// The numbers.
    pub progress: Progress,
}

/// A checkpoint can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file is damaged, or not a checkpoint of this flow.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The optimiser's part doesn't fit.
    #[error("checkpoint {file}: {source}")]
    Optimiser {
        /// The file.
        file: String,
        /// What is wrong.
        source: RestoreError,
    },
    /// There is no progress in the file, or it can't be read.
    #[error("checkpoint {file}: {problem}: accepted is a checkpoint of `upg train`")]
    Progress {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// There are checkpoints, and none can be used.
    #[error("{latest}{}; accepted: a checkpoint as it was written, or --force, which begins anew", and_before(.previous))]
    NoneGood {
        /// What is wrong with the latest.
        latest: Box<CheckpointError>,
        /// What is wrong with the one before, if there is one.
        previous: Option<Box<CheckpointError>>,
    },
}

fn and_before(previous: &Option<Box<CheckpointError>>) -> String {
    previous.as_ref().map_or(String::new(), |previous| format!("; and the one before: {previous}"))
}

/// What was found on the way to the state of a run.
#[derive(Debug)]
pub enum Found<T> {
    /// The latest checkpoint.
    Latest(State<T>),
    /// The latest can't be used, for this reason; the one before can.
    Previous(State<T>, CheckpointError),
    /// There is no checkpoint yet.
    Nothing,
}

impl<T: Real> State<T> {
    /// Writes the state as the latest checkpoint of a run; what was the latest is then the previous one.
    ///
    /// # Errors
    /// If the system refuses; the last two checkpoints are then what they were.
    pub fn save(&self, dir: &RunDir, layout: &ParamLayout, provenance: &Provenance) -> Result<(), RunError> {
        let mut writer = OutputFile::create(&dir.latest())?.writer()?;
        writer.write(&self.encode(layout, provenance))?;
        writer.sync()?;
        dir.keep_latest_as_previous()?;
        Ok(writer.finish()?)
    }

    /// The bytes of a checkpoint.
    pub fn encode(&self, layout: &ParamLayout, provenance: &Provenance) -> Vec<u8> {
        weights::encode_with_checksum(self.tensors(layout), provenance)
    }

    fn tensors(&self, layout: &ParamLayout) -> Vec<OutTensor> {
        let mut tensors = OutTensor::of_layout("", layout, &self.theta);
        for (name, moment) in self.optimiser.moments() {
            tensors.extend(OutTensor::of_layout(&format!("{STATE}{name}."), layout, moment));
        }
        if let Some(ema) = &self.ema {
            tensors.extend(OutTensor::of_layout(&format!("{STATE}{EMA}."), layout, ema));
        }
        let progress = ron::to_string(&self.progress).expect("numbers have a text");
        tensors.push(OutTensor::of_bytes(PROGRESS, progress.into_bytes()));
        tensors
    }

    /// Reads the latest checkpoint of a run, or the previous one if that is damaged.
    ///
    /// # Errors
    /// If there are checkpoints, and none can be used.
    pub fn load(dir: &RunDir, config: &Config, layout: &ParamLayout) -> Result<Found<T>, CheckpointError> {
        let (latest, previous) = (dir.latest(), dir.previous());
        if !latest.exists() && !previous.exists() {
            return Ok(Found::Nothing);
        }
        Self::read(&latest, config, layout).map(Found::Latest).or_else(|reason| {
            let before = previous.exists().then(|| Self::read(&previous, config, layout)).transpose();
            match before {
                Ok(Some(state)) => Ok(Found::Previous(state, reason)),
                Ok(None) => Err(CheckpointError::NoneGood { latest: Box::new(reason), previous: None }),
                Err(other) => {
                    Err(CheckpointError::NoneGood { latest: Box::new(reason), previous: Some(Box::new(other)) })
                }
            }
        })
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// If the file is damaged, lacks something, or belongs to another flow or optimiser.
    pub fn read(path: &Path, config: &Config, layout: &ParamLayout) -> Result<Self, CheckpointError> {
        let wrong = |problem| WeightsError { file: path.to_owned(), problem };
        let bytes = std::fs::read(path).map_err(|e| wrong(WeightsProblem::Unreadable(e)))?;
        Self::decode(&bytes, path, config, layout)
    }

    /// Reads a checkpoint from the bytes of a file called `path`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn decode(bytes: &[u8], path: &Path, config: &Config, layout: &ParamLayout) -> Result<Self, CheckpointError> {
        let wrong = |problem| WeightsError { file: path.to_owned(), problem };
        let file = weights::open_sealed(bytes).map_err(wrong)?;
        let progress =
            progress_of(&file).map_err(|problem| CheckpointError::Progress { file: shown(path), problem })?;
        let theta = weights::params_of(&file, layout).map_err(wrong)?;
        let rule = config.training.optimiser;
        let state = |name: &str| weights::state_of::<T>(&file, name, layout).map_err(wrong);
        let moments: Result<Vec<_>, WeightsError> =
            rule.moment_names().iter().map(|&name| Ok((name.to_owned(), state(name)?))).collect();
        let optimiser = Optimiser::restore(rule, layout.size(), progress.updates, moments?)
            .map_err(|source| CheckpointError::Optimiser { file: shown(path), source })?;
        let ema = config.training.ema.map(|_| state(EMA)).transpose()?;
        Ok(Self { theta, optimiser, ema, progress })
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn progress_of(file: &SafeTensors<'_>) -> Result<Progress, String> {
    let view = file.tensor(PROGRESS).map_err(|_| format!("tensor {PROGRESS} is missing"))?;
    let text = std::str::from_utf8(view.data()).map_err(|e| format!("tensor {PROGRESS}: {e}"))?;
    let progress: Progress =
        ron::from_str(text).map_err(|e| format!("tensor {PROGRESS}: {}", one_line(&e.to_string(), 300)))?;
    progress.check().map_err(|problem| format!("tensor {PROGRESS}: {problem}"))?;
    Ok(progress)
}

/// Writes weights alone, with a checksum: the file of the best validation.
///
/// # Errors
/// If the system refuses; what stood there is then still there.
pub fn save_weights<T: Real>(
    path: &Path,
    theta: &[T],
    layout: &ParamLayout,
    provenance: &Provenance,
) -> Result<(), OutputError> {
    let file = OutputFile::create(path)?;
    file.commit(&weights::encode_with_checksum(OutTensor::of_layout("", layout, theta), provenance))
}

/// Reads the weights from a checkpoint, or from the file of the best validation.
///
/// # Errors
/// If the file is damaged or holds others.
pub fn read_weights<T: Real>(path: &Path, layout: &ParamLayout) -> Result<Vec<T>, WeightsError> {
    read_sealed(path, |file| weights::params_of(file, layout))
}

/// Reads the moving average of the weights from a checkpoint.
///
/// # Errors
/// If the file is damaged or holds none.
pub fn read_ema<T: Real>(path: &Path, layout: &ParamLayout) -> Result<Vec<T>, WeightsError> {
    read_sealed(path, |file| weights::state_of(file, EMA, layout))
}

fn read_sealed<V>(
    path: &Path,
    take: impl FnOnce(&SafeTensors<'_>) -> Result<V, WeightsProblem>,
) -> Result<V, WeightsError> {
    let wrong = |problem| WeightsError { file: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|e| wrong(WeightsProblem::Unreadable(e)))?;
    weights::open_sealed(&bytes).and_then(|file| take(&file)).map_err(wrong)
}
