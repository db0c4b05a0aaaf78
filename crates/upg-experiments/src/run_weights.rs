//! The model and the weights of a run that is there: what `evaluate`, `sample`, `variance` and `report` start from.

use crate::Error;
use crate::checkpoint::read_ema;
use crate::config::{Config, Model};
use crate::run_dir::{RunDir, RunError};
use crate::weights::read_params;
use clap::ValueEnum;
use serde::Serialize;
use std::fmt;
use upg_core::{Cpu, EndSamples, Engine, Layer, ParamLayout, Real};
use upg_flows::Flow;

/// Which weights of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Those of the best validation.
    Best,
    /// Those of the latest checkpoint.
    Latest,
    /// The moving average in the latest checkpoint.
    Ema,
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().expect("no value is skipped").get_name())
    }
}

/// A run's model with weights in an engine.
pub struct Loaded<T: Real> {
    /// Configuration of the run.
    pub config: Config,
    /// The engine; it keeps end samples if that was asked for.
    pub engine: Engine<Cpu<T>, Flow<T>>,
    /// The weights.
    pub theta: Vec<T>,
    /// Layout of the weights.
    pub layout: ParamLayout,
    /// Shape of one sample.
    pub sample_shape: Vec<usize>,
    /// Samples the engine draws at a time: whole micro-batches, all lanes busy.
    pub piece: usize,
    /// Which weights they are.
    pub weights: Weights,
}

/// Samples handled at a time when their number isn't bounded; memory stays that of so many.
const PIECE: usize = 8192;

impl<T: Real> Loaded<T> {
    /// Loads a run.
    ///
    /// # Errors
    /// If the folder holds no run, or the weights asked for are missing or damaged.
    pub fn new(
        dir: &RunDir,
        weights: Weights,
        device: Cpu<T>,
        seed: Option<u64>,
        end_samples: EndSamples,
    ) -> Result<Self, Error> {
        let file = dir.config().map_err(RunError::from)?;
        let Model { flow, cut, base, target, sample_shape, .. } = file.build::<T>()?;
        let layout = Layer::<Cpu<T>>::params(&flow);
        let theta = weights_of(dir, weights, &layout)?;
        let engine = Engine::new(device, flow, base, target, cut).with_end_samples(end_samples);
        let mut config = file.config;
        config.training.seed = seed.unwrap_or(config.training.seed);
        let piece = PIECE.next_multiple_of(cut.micro_batch);
        Ok(Self { config, engine, theta, layout, sample_shape, piece, weights })
    }
}

fn weights_of<T: Real>(dir: &RunDir, weights: Weights, layout: &ParamLayout) -> Result<Vec<T>, Error> {
    let (path, missing) = match weights {
        Weights::Best => (dir.best(), "checkpoint.best.safetensors (--weights latest does without)"),
        Weights::Latest | Weights::Ema => (dir.latest(), "checkpoint.safetensors"),
    };
    if !path.is_file() {
        return Err(RunError::NoRun { path: dir.path().to_owned(), missing }.into());
    }
    match weights {
        Weights::Best | Weights::Latest => Ok(read_params(&path, layout)?),
        Weights::Ema => Ok(read_ema(&path, layout)?),
    }
}
