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
use crate::io::read::read_file;
use crate::io::run_dir::{RunDir, RunError};
use crate::io::weights::{self, OutTensor, STATE, WeightsError, WeightsProblem};
use crate::text::{Shown, one_line};
use safetensors::SafeTensors;
use std::path::Path;
use upg_core::{ParamLayout, Real};
use upg_train::State;
use upg_train::state::Progress;

const PROGRESS: &str = "state.progress";
const EMA: &str = "ema";

/// A checkpoint can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file is damaged, or not a checkpoint of this flow.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// There is no progress in the file, or it can't be read.
    #[error("checkpoint {file}: {problem}: accepted is a checkpoint of `upg train`")]
    Progress {
        /// The file.
        file: String,
        /// The problem.
        problem: String,
    },
    /// There are checkpoints, and none can be used.
    #[error("{latest}{}; accepted is a checkpoint as it was written, or --force, which begins anew", and_before(.previous))]
    NoneGood {
        /// The problem with the latest.
        latest: Box<CheckpointError>,
        /// The problem with the one before, if there is one.
        previous: Option<Box<CheckpointError>>,
    },
}

impl CheckpointError {
    /// 2 if the input is wrong, 1 if the machine refuses to read it.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Weights(error) => error.exit_status(),
            Self::NoneGood { latest, .. } => latest.exit_status(),
            Self::Progress { .. } => 2,
        }
    }
}

fn and_before(previous: &Option<Box<CheckpointError>>) -> String {
    previous.as_ref().map_or(String::new(), |previous| format!("; and the one before: {previous}"))
}

/// A search for the state of a run.
#[derive(Debug)]
pub enum Found<T> {
    /// The latest checkpoint.
    Latest(State<T>),
    /// The latest can't be used, for this reason; the one before can.
    Previous(State<T>, CheckpointError),
    /// There is no checkpoint yet.
    Nothing,
}

/// What becomes of the latest checkpoint when a new one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latest {
    /// It is the previous one then.
    BecomesPrevious,
    /// It goes: that of a pause, which a run without pauses wouldn't have.
    Goes,
}

/// The layout of a checkpoint's tensors: that of the weights, and the names of the moments.
#[derive(Clone, Debug)]
pub struct Format<'a> {
    layout: &'a ParamLayout,
    moments: &'static [&'static str],
    averages: bool,
}

impl<'a> Format<'a> {
    /// The checkpoints of runs of `config`, whose weights have this layout.
    pub fn new(config: &Config, layout: &'a ParamLayout) -> Self {
        let training = &config.training;
        Self { layout, moments: training.optimiser.moment_names(), averages: training.ema.is_some() }
    }

    /// Writes the state as the latest checkpoint of a run; what was the latest is then the previous one, or gone.
    ///
    /// # Errors
    /// If the system refuses; the last two checkpoints are then what they were.
    pub fn save<T: Real>(
        &self,
        state: &State<T>,
        dir: &RunDir,
        latest: Latest,
        provenance: &Provenance,
    ) -> Result<(), RunError> {
        let mut writer = OutputFile::create(&dir.latest())?.writer()?;
        writer.write(&self.encode(state, provenance))?;
        writer.sync()?;
        if latest == Latest::BecomesPrevious {
            dir.keep_latest_as_previous()?;
        }
        Ok(writer.finish()?)
    }

    /// The bytes of a checkpoint.
    pub fn encode<T: Real>(&self, state: &State<T>, provenance: &Provenance) -> Vec<u8> {
        weights::encode_with_checksum(self.tensors(state), provenance)
    }

    fn tensors<T: Real>(&self, state: &State<T>) -> Vec<OutTensor> {
        let mut tensors = OutTensor::of_layout("", self.layout, &state.theta);
        for (name, moment) in self.moments.iter().zip(&state.moments) {
            tensors.extend(OutTensor::of_layout(&format!("{STATE}{name}."), self.layout, moment));
        }
        if let Some(ema) = &state.ema {
            tensors.extend(OutTensor::of_layout(&format!("{STATE}{EMA}."), self.layout, ema));
        }
        let progress = ron::to_string(&state.progress).expect("numbers have a text");
        tensors.push(OutTensor::of_bytes(PROGRESS, progress.into_bytes()));
        tensors
    }

    /// Reads the latest checkpoint of a run, or the previous one if that is damaged.
    ///
    /// # Errors
    /// If there are checkpoints, and none can be used.
    pub fn load<T: Real>(&self, dir: &RunDir) -> Result<Found<T>, CheckpointError> {
        let (latest, previous) = (dir.latest(), dir.previous());
        if !latest.exists() && !previous.exists() {
            return Ok(Found::Nothing);
        }
        self.read(&latest).map(Found::Latest).or_else(|reason| {
            let before = previous.exists().then(|| self.read(&previous)).transpose();
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
    pub fn read<T: Real>(&self, path: &Path) -> Result<State<T>, CheckpointError> {
        self.decode(&read(path)?, path)
    }

    /// Reads a checkpoint from the bytes of a file called `path`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn decode<T: Real>(&self, bytes: &[u8], path: &Path) -> Result<State<T>, CheckpointError> {
        let wrong = |problem| WeightsError { file: path.to_owned(), problem };
        let file = weights::open_sealed(bytes).map_err(wrong)?;
        let progress =
            progress_of(&file).map_err(|problem| CheckpointError::Progress { file: shown(path), problem })?;
        let theta = weights::params_of(&file, self.layout).map_err(wrong)?;
        let state = |name: &str| weights::state_of::<T>(&file, name, self.layout).map_err(wrong);
        let moments = self.moments.iter().map(|name| state(name)).collect::<Result<_, _>>()?;
        let ema = self.averages.then(|| state(EMA)).transpose()?;
        Ok(State { theta, moments, ema, progress })
    }
}

fn shown(path: &Path) -> String {
    path.shown().to_string()
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

/// Reads weights to begin with from a file, or those of the best validation, else the latest, from the folder of a run.
///
/// # Errors
/// If the file can't be read, is damaged or holds others.
pub fn read_start<T: Real>(path: &Path, layout: &ParamLayout) -> Result<Vec<T>, WeightsError> {
    if !path.is_dir() {
        return weights::read_params(path, layout);
    }
    let run = RunDir::at(path);
    let best = Some(run.best()).filter(|best| best.is_file());
    weights::read_params(&best.unwrap_or_else(|| run.latest()), layout)
}

/// Which weights a file holds: those of a checkpoint after so many steps, or those of the best validation and why.
///
/// # Errors
/// If the file is damaged.
pub fn read_origin(path: &Path) -> Result<Option<String>, WeightsError> {
    let bytes = read(path)?;
    match progress_in(&bytes, path)? {
        Some(progress) => Ok(Some(format!("step {}", progress.step))),
        None => Ok(weights::provenance_of(&bytes).and_then(|record| Some(record.get("weights")?.as_str()?.to_owned()))),
    }
}

/// The configuration that weights were trained with, if the file says so.
///
/// # Errors
/// If the file can't be read.
pub fn read_config(path: &Path) -> Result<Option<Config>, WeightsError> {
    let record = weights::provenance_of(&read(path)?);
    Ok(record.and_then(|record| Config::parse(record.get("config")?.as_str()?).ok()))
}

/// Holds the configuration of a run against that in its weights, where there are some.
///
/// # Errors
/// [`RunError::Changed`].
pub fn compare_with_weights(dir: &RunDir, config: &Config) -> Result<(), RunError> {
    let of_weights = [dir.latest(), dir.best()].iter().find_map(|path| read_config(path).ok().flatten());
    dir.compare_with(of_weights.as_ref(), config)
}

/// How far the run of a checkpoint is.
///
/// # Errors
/// If the file is damaged; `None` if it holds weights alone.
pub fn read_progress(path: &Path) -> Result<Option<Progress>, WeightsError> {
    progress_in(&read(path)?, path)
}

fn progress_in(bytes: &[u8], path: &Path) -> Result<Option<Progress>, WeightsError> {
    let wrong = |problem| WeightsError { file: path.to_owned(), problem };
    Ok(progress_of(&weights::open_sealed(bytes).map_err(wrong)?).ok())
}

fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
    read_file(path).map_err(|e| WeightsError { file: path.to_owned(), problem: WeightsProblem::Unreadable(e) })
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
    weights::open_sealed(&read(path)?).and_then(|file| take(&file)).map_err(wrong)
}
