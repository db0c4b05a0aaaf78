//! The model and the weights of a run that is there: what `evaluate`, `sample`, `variance` and `report` start from.

use super::caller::Caller;
use super::place::{self, PlaceArgs, Work};
use super::together::{self, agree};
use crate::Error;
use crate::config::{AnyTarget, Config, DeviceName, Place, Precision, Products};
use crate::io::checkpoint::{read_config, read_ema, read_origin, read_progress, read_weights};
use crate::io::data::DataRequest;
use crate::io::output::Provenance;
use crate::io::run_dir::{RunDir, RunError};
use crate::text::Shown;
use clap::{Args, ValueEnum};
use ndarray::Array2;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use upg_core::{Execution, ParamLayout, Real};
use upg_targets::SampleSpace;
use upg_train::data::{Fingerprints, fingerprint};
use upg_train::{Peers, Purpose, Trained};

/// The arguments of every command that starts from the weights of a run.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Folder of the run.
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// Which weights.
    #[arg(long, default_value = "best")]
    pub weights: Weights,
    /// Where to compute.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Steps of continuous flows, instead of `evaluation.ode_steps`, or of those of the training.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub ode_steps: Option<u64>,
}

impl RunArgs {
    /// Opens the folder of the run, and has `work` done on the device asked for (of several processes each has a card of its own), in `precision` or in that of the run. Products are those of the
    /// run where the device has them: a flow that was trained in TF32 is none the worse for full ones.
    ///
    /// # Errors
    /// If it holds no run, or a wrong configuration, or the device can't be had; else if the work fails.
    pub(super) fn have_done<O, W, F>(&self, peers: &Peers, precision: Option<Precision>, work: F) -> Result<O, Error>
    where
        W: Work<Outcome = Result<O, Error>>,
        F: FnOnce(RunDir) -> W,
    {
        let dir = RunDir::open(&self.run)?;
        let file = dir.config().map_err(RunError::from)?;
        agree(peers, "run", file.text().as_bytes())?;
        let config = file.config;
        let place = self.place.of_process(peers);
        let products = match place.device {
            DeviceName::Cpu => Products::Full,
            _ => config.precision.products,
        };
        place::on(&place, products, precision.unwrap_or(config.training.precision), work(dir))?
    }
}

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

/// A run's trained flow.
pub struct Loaded<D: Place> {
    /// Configuration of the run, but for the seed, which decides what is drawn now.
    pub config: Config,
    /// The seed of the run, which decided its data.
    run_seed: u64,
    /// The flow with its weights.
    pub trained: Trained<D>,
    theory: AnyTarget<D::Real>,
    /// Shape of one sample.
    pub sample_shape: Vec<usize>,
    /// Of the data that the run began with.
    fingerprints: Fingerprints,
    /// Which weights they are.
    pub weights: Weights,
    /// After which step of the run, and why these, if the file says so.
    pub origin: Option<String>,
    /// Where the run was trained.
    trained_on: Vec<String>,
    /// The processes that work on it.
    peers: Peers,
}

impl<D: Place> Loaded<D> {
    /// Loads a run on `device`; what is drawn is decided by `seed`, or by that of the run.
    ///
    /// # Errors
    /// If the folder holds no run, or the weights asked for are missing or damaged.
    pub fn new(device: D, dir: &RunDir, args: &RunArgs, seed: Option<u64>) -> Result<Self, Error> {
        Self::with_steps(device, dir, args, seed, |config| config.evaluation.ode_steps)
    }

    /// The same with the flow as it is trained: continuous flows with their own steps, unless an argument gives others.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn as_trained(device: D, dir: &RunDir, args: &RunArgs, seed: Option<u64>) -> Result<Self, Error> {
        Self::with_steps(device, dir, args, seed, |_| None)
    }

    /// As one of several processes.
    pub fn with_peers(self, peers: &Peers) -> Self {
        Self { trained: self.trained.with_peers(peers.clone()), peers: peers.clone(), ..self }
    }

    fn with_steps(
        device: D,
        dir: &RunDir,
        args: &RunArgs,
        seed: Option<u64>,
        steps: impl Fn(&Config) -> Option<usize>,
    ) -> Result<Self, Error> {
        let mut file = dir.config().map_err(RunError::from)?;
        let saved = file.config.clone();
        file.config.evaluation.ode_steps = args.ode_steps.map(|steps| steps as usize).or(steps(&saved));
        let model = place::made(&device, file.build_for_evaluation(&device))?;
        let mut config = saved;
        let (theory, sample_shape) = (model.theory.clone(), model.sample_shape.clone());
        let problem = model.problem();
        let Chosen { weights, theta, origin } = Chosen::of(dir, &config, args.weights, &problem.layout())?;
        let progress = read_progress(&dir.latest()).ok().flatten(); // the weights alone may be good
        let fingerprints = progress.map_or_else(Fingerprints::default, |progress| progress.data);
        let trained = Trained::new(problem, device, &theta);
        let run_seed = config.training.seed;
        config.training.seed = seed.unwrap_or(run_seed);
        let trained_on = dir.trained_on();
        let peers = Peers::alone();
        Ok(Self { config, run_seed, trained, theory, sample_shape, fingerprints, weights, origin, trained_on, peers })
    }

    /// Where samples live.
    pub fn space(&self) -> &dyn SampleSpace {
        &*self.theory
    }

    /// The provenance of the results of this process.
    pub fn provenance(&self) -> Provenance {
        let here = place::provenance(self.trained.device(), Some(self.config.training.seed), self.config.to_ron());
        here.trained_on(self.trained_on.clone())
    }

    /// The samples of the target that the run has for `purpose`, shape `[samples, dof]`: those it kept, or those it would have drawn, which
    /// are then kept by the first process in the `results` it has.
    ///
    /// # Errors
    /// If they can't be read or drawn, or aren't those that the run began with.
    pub fn data(
        &self,
        caller: Caller<'_>,
        dir: &RunDir,
        results: Option<&RunDir>,
        purpose: Purpose,
    ) -> Result<Option<Array2<D::Real>>, Error> {
        let Some(data) = self.config.data() else { return Ok(None) };
        let Self { theory: target, sample_shape, run_seed, peers, .. } = self;
        let request = |keep| DataRequest { data: &data, target, sample_shape, seed: *run_seed, keep, caller };
        let of_run = request(results.map(|_| dir));
        let request = if of_run.is_kept(purpose) { of_run } else { request(results) };
        let samples = self.trained.device().host().install(|| together::samples(peers, &request, purpose, None))?;
        match self.fingerprint(purpose) {
            Some(expected) if fingerprint(&samples) != expected => {
                Err(RunError::OtherData(request.path(purpose)).into())
            }
            _ => Ok(Some(samples)),
        }
    }

    /// The fingerprint of the samples that the run began with, if its checkpoint knows it.
    fn fingerprint(&self, purpose: Purpose) -> Option<u64> {
        match purpose {
            Purpose::TrainData => self.fingerprints.train,
            _ => self.fingerprints.test,
        }
    }
}

/// The weights of a run that were asked for.
pub(super) struct Chosen<T> {
    /// Which they are.
    weights: Weights,
    /// In the order of the layout.
    pub(super) theta: Vec<T>,
    /// After which step of the run, and why these, if the file says so.
    origin: Option<String>,
}

impl<T: Real> Chosen<T> {
    /// Reads them; those of the latest checkpoint stand in for the best as long as no validation has chosen any.
    pub(super) fn of(dir: &RunDir, config: &Config, asked: Weights, layout: &ParamLayout) -> Result<Self, Error> {
        if asked == Weights::Ema && config.training.ema.is_none() {
            let run = dir.path().shown();
            let problem = format!("--weights = ema: training.ema is absent in {run}: accepted are best and latest");
            return Err(Error::Usage(problem));
        }
        let (weights, too_early) = match asked {
            Weights::Best if is_before_the_best(dir)? => match config.training.ema {
                Some(_) => (Weights::Ema, true),
                None => (Weights::Latest, true),
            },
            weights => (weights, false),
        };
        let (path, theta) = weights_of(dir, weights, layout)?;
        dir.compare_with(read_config(&path)?.as_ref(), config)?;
        let origin = read_origin(&path)?;
        let origin =
            if too_early { origin.map(|origin| origin + ": no validation has chosen any yet") } else { origin };
        Ok(Self { weights, theta, origin })
    }
}

/// Whether the run has made no validation yet whose weights it could keep.
fn is_before_the_best(dir: &RunDir) -> Result<bool, Error> {
    if dir.best().exists() || !dir.latest().exists() {
        return Ok(false);
    }
    Ok(read_progress(&dir.latest())?.is_some_and(|progress| progress.best.is_none()))
}

fn weights_of<T: Real>(dir: &RunDir, weights: Weights, layout: &ParamLayout) -> Result<(PathBuf, Vec<T>), Error> {
    let (path, missing) = match weights {
        Weights::Best => (dir.best(), "checkpoint.best.safetensors (--weights latest does without)"),
        Weights::Latest | Weights::Ema => (dir.latest(), "checkpoint.safetensors"),
    };
    if !path.is_file() {
        return Err(RunError::NoRun { path: dir.path().to_owned(), missing }.into());
    }
    let theta = match weights {
        Weights::Best | Weights::Latest => read_weights(&path, layout)?,
        Weights::Ema => read_ema(&path, layout)?,
    };
    Ok((path, theta))
}
