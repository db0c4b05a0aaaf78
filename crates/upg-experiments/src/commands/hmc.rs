//! `upg hmc`: the target by its own sampler, HMC chains or an exact one, [`upg_train::chains`]: samples, and numbers with errors to compare
//! those of a flow with.
//!
//! The samples come in the order of time: sample i is the state of chain i mod C, of C chains. They are written piece by piece, and
//! `hmc.json` comes last. For a run both are in its folder `hmc`, where `upg report` finds them.

mod table;

use super::arguments::{processor, threads_parser};
use super::arrays::Numbers;

use super::caller::{Caller, nobody, watched};
use super::held::check_memory;
use super::together::agree;
use crate::Error;
use crate::config::{ConfigFile, Data, MOST_SAMPLES, Override, Precision, SoleTarget, Source};
use crate::io::checkpoint::compare_with_weights;
use crate::io::output::{OutputFile, OutputWriter, Provenance, finish_together};
use crate::io::results::seal;
use crate::io::run_dir::{RunDir, RunError};
use crate::io::samples::RowWriter;
use crate::text::{Shown, unravel};
use clap::Args;
use ndarray::{Array2, ArrayView2, s};
use std::path::{Path, PathBuf};
use upg_core::{Execution, Real};
use upg_train::chains::measure_chains;
use upg_train::{ChainSummary, Peers, Purpose};

/// Options of `upg hmc`.
#[derive(Clone, Debug, Args)]
pub struct HmcArgs {
    /// The experiment, RON, whose `target` and `data.hmc` are meant.
    #[arg(long, value_name = "RON", requires = "out", required_unless_present = "run")]
    pub config: Option<PathBuf>,
    /// Another value for a field of the configuration: target.kappa=0.2.
    #[arg(long, value_name = "FIELD=VALUE", requires = "config")]
    pub set: Vec<Override>,
    /// Folder for `hmc.json` and `samples.npy`; with --run for the folder `hmc` with both, which `upg report --results` shows.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder of a run, instead: the results go to its folder `hmc`, in the place of earlier ones, and `upg report` shows them.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub run: Option<PathBuf>,
    /// Number of samples; by default that of `data.test`, 10000 if that is a file.
    #[arg(long)]
    pub samples: Option<usize>,
    /// Threads; by default one per core. The result does not depend on it.
    #[arg(long, value_parser = threads_parser())]
    pub threads: Option<usize>,
    /// Instead of `training.seed`.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Replace the results in the folder `--out`.
    #[arg(long, conflicts_with = "run")]
    pub force: bool,
}

/// Runs the sampler, writes `samples.npy` and `hmc.json`, and returns the table to be shown.
///
/// # Errors
/// If the configuration or an argument is wrong, a sample isn't finite, or a file can't be written.
pub fn run(args: &HmcArgs) -> Result<String, Error> {
    run_with(&Peers::alone(), args)
}

/// The same as one of several processes, each of which runs some of the chains, and of which the first alone writes and speaks.
///
/// # Errors
/// As [`run`]; and if the processes part.
pub fn run_with(peers: &Peers, args: &HmcArgs) -> Result<String, Error> {
    run_among(peers, &nobody, args)
}

/// The same for a caller, who is asked meanwhile whether to end.
///
/// # Errors
/// As [`run`]; if the caller asks for an end.
pub fn run_for(caller: Caller<'_>, args: &HmcArgs) -> Result<String, Error> {
    run_among(&Peers::alone(), caller, args)
}

fn run_among(peers: &Peers, caller: Caller<'_>, args: &HmcArgs) -> Result<String, Error> {
    let (file, folder) = match (&args.run, &args.config, &args.out) {
        (Some(run), ..) => {
            let run = RunDir::open(run)?;
            let folder = run.results(args.out.as_deref())?.file(FOLDER);
            let file = run.config().map_err(RunError::from)?;
            compare_with_weights(&run, &file.config)?;
            (file, folder)
        }
        (None, Some(config), Some(out)) => {
            RunDir::refuse_run(out)?;
            (ConfigFile::read_with(config, &args.set)?, out.clone())
        }
        _ => return Err(Error::Usage("--config: missing: accepted is --config with --out, or --run".into())),
    };
    agree(peers, "configuration", file.text().as_bytes())?;
    let plan = Plan::new(args, file, folder)?;
    match plan.file.config.training.precision {
        Precision::F32 => plan.run_in::<f32>(peers, caller),
        Precision::F64 => plan.run_in::<f64>(peers, caller),
    }
}

/// The folder of the results in that of a run.
pub(super) const FOLDER: &str = "hmc";
/// The results: numbers and samples.
const NUMBERS: &str = "hmc.json";
const SAMPLES: &str = "samples.npy";

/// What is to be run, and where the results go.
struct Plan {
    file: ConfigFile,
    data: Data,
    samples: usize,
    seed: u64,
    threads: Option<usize>,
    folder: PathBuf,
    /// Whether results that are there are to be replaced.
    replaces: bool,
}

impl Plan {
    fn new(args: &HmcArgs, file: ConfigFile, folder: PathBuf) -> Result<Self, Error> {
        let data = file.config.data.clone().unwrap_or_default();
        let of_config = match data.test {
            Source::Draw(samples) => samples,
            Source::File(_) => 10_000,
        };
        let samples = args.samples.unwrap_or(of_config);
        if !(1..=MOST_SAMPLES).contains(&samples) {
            let accepted = format!("a whole number, at least 1, at most {MOST_SAMPLES}");
            return Err(Error::Usage(format!("--samples = {samples}: accepted is {accepted}")));
        }
        let seed = args.seed.unwrap_or(file.config.training.seed);
        let replaces = args.run.is_some() || args.force;
        let plan = Self { file, data, samples, seed, threads: args.threads, folder, replaces };
        plan.check_free()?;
        Ok(plan)
    }

    /// Refuses a folder with results, or with a file of that name that is somebody else's, unless they are to be replaced.
    fn check_free(&self) -> Result<(), Error> {
        let there = [NUMBERS, SAMPLES].into_iter().find(|name| !self.replaces && self.folder.join(name).exists());
        let Some(name) = there else { return Ok(()) };
        let problem = format!("--out = {}: holds {name} already", self.folder.shown());
        Err(Error::Usage(format!("{problem}: accepted is --force, or another folder")))
    }

    fn run_in<T: Real>(&self, peers: &Peers, caller: Caller<'_>) -> Result<String, Error> {
        let model = self.file.build::<T>()?;
        let (shape, theory, problem) = (model.sample_shape.clone(), model.theory.clone(), model.problem());
        let device = processor::<T>(self.threads)?;
        let (rng, plan) = (Purpose::Hmc.streams(self.seed).next_stream(), self.data.hmc.plan(self.samples));
        if !peers.is_first() {
            let mut nothing = |_: ArrayView2<'_, T>| Ok::<(), Error>(());
            let outcome = device.install(|| problem.measure_chains(peers, &plan, rng, &mut nothing, &mut || Ok(())));
            theory.status()?;
            outcome.expect("every target of a configuration has a sampler")?;
            return Ok(String::new());
        }
        let place = |source| RunError::Place { path: self.folder.clone(), source };
        std::fs::create_dir_all(&self.folder).map_err(place)?;
        let (numbers, samples) = (self.folder.join(NUMBERS), self.folder.join(SAMPLES));
        let out = OutputFile::create(&numbers)?;
        let mut writer = RowWriter::<T>::begin(OutputFile::create(&samples)?, self.samples, &shape)?;
        let mut first = 0;
        let mut take = |rows: ArrayView2<'_, T>| {
            check_finite(rows, first, &shape)?;
            first += rows.nrows();
            Ok::<(), Error>(writer.append(rows)?)
        };
        let outcome = watched(caller, |ask| {
            device.install(|| problem.measure_chains(peers, &plan, rng, &mut take, &mut || ask()))
        });
        theory.status()?; // chains of a target that failed say less
        let summary = outcome.expect("every target of a configuration has a sampler")?;
        let provenance = Provenance {
            overrides: self.file.overrides(),
            ..Provenance::new(device.threads(), T::NAME, Some(self.seed), self.file.config.to_ron())
        };
        let mut written = vec![writer.settle()?, out.with(json(&summary, &provenance).as_bytes())?];
        written.iter_mut().try_for_each(OutputWriter::sync)?; // before anything goes: a disk may be full only then
        self.check_free()?; // another process may have been faster
        remove(&numbers)?; // which are of other samples
        finish_together(written)?;
        Ok(table::text(&summary, &self.folder))
    }
}

/// The summary with what made it, one JSON object.
fn json(summary: &ChainSummary, provenance: &Provenance) -> String {
    let mut object = serde_json::to_value(summary).expect("names and numbers");
    object["provenance"] = serde_json::to_value(provenance).expect("names and numbers");
    seal(object)
}

/// Samples of a target by its own sampler, wanted in memory.
#[derive(Clone, Debug)]
pub struct ChainRequest {
    /// The target, and how HMC draws where there is no exact sampler.
    pub sole: SoleTarget,
    /// How many samples.
    pub samples: usize,
    /// Decides them.
    pub seed: u64,
    /// Their precision.
    pub precision: Precision,
    /// Threads; by default one per core.
    pub threads: Option<usize>,
}

/// Samples of a target, shape `[samples, lattice…]` or `[samples, dof]`, in the order of time, and their numbers: those that [`run`] writes for a
/// configuration with this target. The caller is asked as by [`run_for`].
///
/// # Errors
/// If the target or an argument is wrong, a sample isn't finite, or the caller asks for an end.
pub fn in_memory(caller: Caller<'_>, request: &ChainRequest) -> Result<(Numbers, ChainSummary), Error> {
    if !(1..=MOST_SAMPLES).contains(&request.samples) {
        let accepted = format!("a whole number, at least 1, at most {MOST_SAMPLES}");
        return Err(Error::Usage(format!("samples = {}: accepted is {accepted}", request.samples)));
    }
    match request.precision {
        Precision::F32 => draw::<f32>(caller, request),
        Precision::F64 => draw::<f64>(caller, request),
    }
}

fn draw<T: Real>(caller: Caller<'_>, request: &ChainRequest) -> Result<(Numbers, ChainSummary), Error> {
    request.sole.check()?;
    let theory = request.sole.theory::<T>()?;
    let dof = theory.dof();
    check_memory("samples", request.samples, dof * size_of::<T>())?;
    let shape = theory.lattice_shape().unwrap_or_else(|| vec![dof]);
    let (plan, rng) = (request.sole.hmc.plan(request.samples), Purpose::Hmc.streams(request.seed).next_stream());
    let (mut x, mut first) = (Array2::<T>::zeros((request.samples, dof)), 0);
    let mut take = |rows: ArrayView2<'_, T>| {
        check_finite(rows, first, &shape)?;
        x.slice_mut(s![first..first + rows.nrows(), ..]).assign(&rows);
        first += rows.nrows();
        Ok::<(), Error>(())
    };
    let device = processor::<T>(request.threads)?;
    let outcome = watched(caller, |ask| {
        device.install(|| measure_chains(theory.clone(), theory.clone(), &plan, rng, &mut take, &mut || ask()))
    });
    theory.status()?;
    let summary = outcome?;
    Ok((Numbers::of_rows(x, &shape), summary))
}

/// Refuses samples with a number that isn't finite; `first` is the number of the first sample.
fn check_finite<T: Real>(rows: ArrayView2<'_, T>, first: usize, shape: &[usize]) -> Result<(), Error> {
    let Some(((row, i), value)) = rows.indexed_iter().find(|(_, x)| !x.is_finite()) else { return Ok(()) };
    let index = [vec![first + row], unravel(i, shape)].concat();
    Err(Error::NotFinite { name: "samples".into(), value: value.wide(), index, precision: T::NAME })
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), RunError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(RunError::System { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
