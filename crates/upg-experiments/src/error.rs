//! All that can end a command early, and the exit status it ends with.

use crate::io::signals::known;
use crate::text::Shown;
use crate::{
    config::{AllInvalid, ConfigError, Invalid},
    io::{
        checkpoint::CheckpointError, data::DataError, output::OutputError, run_dir::RunError, samples::SamplesError,
        weights::WeightsError,
    },
};
use std::io;
use std::path::PathBuf;
use upg_core::DeviceError;
use upg_targets::TargetError;
use upg_train::method::MethodError;
use upg_train::peers::{Farewell, Parting};
use upg_train::state::StateError;
use upg_train::{Fault, Peers};

/// Why a command ended without a result. Every message is one line; a configuration with several mistakes has one for each.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights file is wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The samples file is wrong.
    #[error(transparent)]
    Samples(#[from] SamplesError),
    /// The estimator doesn't fit the divergence.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The output can't be put where it was asked for, or couldn't be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A value of a configuration that was not read from a file isn't accepted.
    #[error(transparent)]
    Invalid(#[from] AllInvalid),
    /// The folder of a run is not what it should be.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The arguments don't go together.
    #[error("{0}")]
    Usage(String),
    /// The weights to begin with are wrong.
    #[error("training.start_from: {0}")]
    StartFrom(WeightsError),
    /// Samples of the target can't be had.
    #[error(transparent)]
    Data(#[from] DataError),
    /// No checkpoint of the run can be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is that of another run.
    #[error(transparent)]
    State(#[from] StateError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The weights overflowed; they aren't saved.
    #[error(
        "step {step}: weights in {tensor} are not finite: the learning rate is too large; the latest checkpoint is that of step {saved}"
    )]
    Overflown {
        /// The step after which it was noticed.
        step: u64,
        /// The first tensor with such a weight.
        tensor: String,
        /// The step of the latest checkpoint.
        saved: u64,
    },
    /// Something that went wrong once the run had begun. What was saved stays.
    #[error(transparent)]
    Failed(Box<Error>),
    /// The system doesn't hand out signals.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// The run was asked to stop. All is saved.
    #[error("stopped by {signal} after step {step}: all is saved, --resume --out {} goes on", dir.shown())]
    Interrupted {
        /// Name of the signal.
        signal: &'static str,
        /// Steps made.
        step: u64,
        /// Folder of the run.
        dir: PathBuf,
    },
    /// A sweep was asked to stop. All is saved.
    #[error(
        "stopped by {signal}: {done} of {runs} runs are done, the others saved; upg sweep --out {} goes on", dir.shown()
    )]
    SweepInterrupted {
        /// Name of the signal.
        signal: &'static str,
        /// Runs that are done.
        done: usize,
        /// All runs.
        runs: usize,
        /// Folder of the sweep.
        dir: PathBuf,
    },
    /// Runs of a sweep failed; the others are done.
    #[error("{failed} of {runs} runs failed, told above: upg sweep --out {} tries them again", dir.shown())]
    RunsFailed {
        /// How many.
        failed: usize,
        /// All runs.
        runs: usize,
        /// Folder of the sweep.
        dir: PathBuf,
    },
    /// The processes of the run don't go on together. All is saved.
    #[error("{parting}; all is saved after step {step}, --resume --out {} goes on", dir.shown())]
    Parted {
        /// Which process was the first to end, and why.
        parting: Parting,
        /// Steps made.
        step: u64,
        /// Folder of the run.
        dir: PathBuf,
    },
    /// The first process of the run is lost, which alone saves.
    #[error("{parting}; its latest checkpoint stays, --resume --out {} goes on", dir.shown())]
    FirstLost {
        /// How.
        parting: Parting,
        /// Folder of the run.
        dir: PathBuf,
    },
    /// Another process of the run failed before there was something to save.
    #[error("process {process}: {why}")]
    Elsewhere {
        /// Its number.
        process: usize,
        /// The exit status it would have alone.
        status: u8,
        /// Why.
        why: String,
    },
    /// Another process of the run is lost, while there is nothing to save.
    #[error("{0}")]
    Lost(Parting),
    /// The caller asked for an end; nothing is written.
    #[error("stopped by {0}")]
    Cancelled(&'static str),
    /// Step after step had to be skipped. All is saved.
    #[error("step {step}: {fault}; {in_a_row} steps in a row had to be skipped (training.abort_after)")]
    Diverged {
        /// The last one.
        step: u64,
        /// How many.
        in_a_row: u64,
        /// Why the last one.
        fault: Fault,
        /// What is to be said of each of them.
        warnings: Vec<String>,
    },
    /// The computation over- or underflowed; nothing is written.
    #[error("{name} has the value {value} at {index:?} ({precision}): the result is not finite, nothing was written")]
    NotFinite {
        /// The result, e.g. `log_weight` or `grad.layers.0.net.0.weight`.
        name: String,
        /// The first number that isn't finite.
        value: f64,
        /// Where it stands.
        index: Vec<usize>,
        /// `f32` or `f64`.
        precision: &'static str,
    },
}

/// A target refuses the chains of its sampler, and nothing else, once a configuration is accepted.
impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::Data(DataError::Hmc(error))
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid.into())
    }
}

impl Error {
    /// This error as one of several processes tells of it: where it only couldn't go on without another, that other's.
    pub fn among(self, peers: &Peers) -> Self {
        let is_parting = matches!(self, Self::Device(_) | Self::Data(DataError::Target(_)));
        match (self, peers.parted()) {
            (_, Some(Parting::Left { process, farewell: Farewell::Failed { status, why } }))
                if is_parting && process != peers.rank() =>
            {
                Self::Elsewhere { process, status, why }
            }
            (_, Some(Parting::Stopped(signal) | Parting::Left { farewell: Farewell::Stopped(signal), .. }))
                if is_parting =>
            {
                Self::Cancelled(known(&signal))
            }
            (_, Some(parting @ Parting::Lost { .. })) if is_parting => Self::Lost(parting),
            (error, _) => error,
        }
    }

    /// Whether all processes of a run end by it at the same step.
    pub fn is_agreed(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::Diverged { .. })
    }

    /// That of a process that couldn't be connected with the others of its run.
    pub fn before_the_run(parting: &Parting) -> Self {
        match parting {
            Parting::Left { process, farewell: Farewell::Failed { status, why } } => {
                Self::Elsewhere { process: *process, status: *status, why: why.clone() }
            }
            Parting::Left { process, farewell: Farewell::Stopped(signal) } => {
                Self::Elsewhere { process: *process, status: 1, why: format!("stopped by {signal}") }
            }
            Parting::Lost { .. } => Self::Lost(parting.clone()),
            Parting::Asked | Parting::Ended => Self::Cancelled("a signal"),
            Parting::Stopped(signal) => Self::Cancelled(known(signal)),
        }
    }

    /// The lines for standard error, that of the error first. A stop that was asked for is no error.
    pub fn told(&self) -> String {
        match self {
            Self::Failed(inner) => inner.told(),
            Self::Interrupted { .. } | Self::SweepInterrupted { .. } | Self::Cancelled(_) => self.to_string(),
            Self::Diverged { warnings, .. } => format!("error: {self}\n{}", warnings.join("\n")),
            _ => format!("error: {self}").replace('\n', "\nerror: "),
        }
    }

    /// 2 if the input is wrong, 1 if the run failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit_status(),
            Self::Weights(error) | Self::StartFrom(error) => error.exit_status(),
            Self::Samples(error) => error.exit_status(),
            Self::Checkpoint(error) => error.exit_status(),
            Self::Method(_) | Self::Invalid(_) | Self::Usage(_) | Self::State(_) => 2,
            Self::Run(error) => error.exit_status(),
            Self::Output(error) => error.exit_status(),
            Self::Data(error) => error.exit_status(),
            Self::Parted { parting: Parting::Left { farewell: Farewell::Failed { status, .. }, .. }, .. } => *status,
            Self::Elsewhere { status, .. } => *status,
            Self::NotFinite { .. }
            | Self::Parted { .. }
            | Self::FirstLost { .. }
            | Self::Lost(_)
            | Self::Device(_)
            | Self::Signals(_)
            | Self::Interrupted { .. }
            | Self::SweepInterrupted { .. }
            | Self::RunsFailed { .. }
            | Self::Cancelled(_)
            | Self::Diverged { .. } => 1,
            Self::Failed(_) | Self::Overflown { .. } => 1,
        }
    }
}
