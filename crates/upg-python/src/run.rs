//! Runs in their folders: trained, evaluated, reported, by the code of the commands of the same names.

use crate::errors::{interruptible, raise};
use crate::place::{place, run_args};
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use upg_experiments::Error;
use upg_experiments::commands::{evaluate as evaluation, report as reports, train as training};
use upg_experiments::config::{ConfigError, ConfigFile};
use upg_experiments::io::run_dir::{RunDir, RunError};

/// A configuration in a text; files that it names are relative to the current folder.
pub fn read_text(text: String) -> Result<ConfigFile, ConfigError> {
    ConfigFile::of_text(text, &std::env::current_dir().unwrap_or_default())
}

/// The arguments of a training.
pub fn train_args(
    set: Vec<String>,
    steps: Option<u64>,
    out: PathBuf,
    resume: bool,
    force: bool,
    device: &str,
    threads: Option<usize>,
) -> Result<training::TrainArgs, Error> {
    let place = place(device, threads)?;
    let set = set.iter().map(|set| set.parse().map_err(|problem| Error::Usage(format!("{set}: {problem}"))));
    let set = set.collect::<Result<_, _>>()?;
    Ok(training::TrainArgs { config: None, set, steps, out: Some(out), resume, force, place, seed: None })
}

/// Trains; returns what was done, in a line. `config` None: that of the run in the folder, which goes on.
#[pyfunction]
#[pyo3(signature = (config, set, steps, out, resume, force, device, threads))]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
pub fn train(
    py: Python<'_>,
    config: Option<String>,
    set: Vec<String>,
    steps: Option<u64>,
    out: PathBuf,
    resume: bool,
    force: bool,
    device: &str,
    threads: Option<usize>,
) -> PyResult<String> {
    let args = train_args(set, steps, out, resume, force, device, threads).map_err(|error| raise(py, &error))?;
    interruptible(py, |caller| {
        let config = config.map(read_text).transpose()?;
        training::run_for(caller, config, &args)
    })
}

/// The configuration of a run, RON, with every default spelled out.
#[pyfunction]
pub fn config(py: Python<'_>, run: PathBuf) -> PyResult<String> {
    config_of(&run).map_err(|error| raise(py, &error))
}

fn config_of(run: &Path) -> Result<String, Error> {
    let config = RunDir::open(run)?.config().map_err(RunError::from)?;
    Ok(config.config.to_pretty_ron())
}

/// Evaluates and writes `summary.json`; returns the table.
#[pyfunction]
#[pyo3(signature = (run, samples, seed, out, weights, device, threads, ode_steps))]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
pub fn evaluate(
    py: Python<'_>,
    run: PathBuf,
    samples: Option<usize>,
    seed: Option<u64>,
    out: Option<PathBuf>,
    weights: &str,
    device: &str,
    threads: Option<usize>,
    ode_steps: Option<u64>,
) -> PyResult<String> {
    interruptible(py, |caller| {
        let run = run_args(run, weights, device, threads, ode_steps)?;
        evaluation::run_for(caller, &evaluation::EvaluateArgs { run, seed, samples, out })
    })
}

/// Writes a page of runs; returns what was done, in a line.
#[pyfunction]
#[pyo3(signature = (runs, results, out))]
pub fn report(py: Python<'_>, runs: Vec<PathBuf>, results: Option<PathBuf>, out: Option<PathBuf>) -> PyResult<String> {
    interruptible(py, |_| reports::run(&reports::ReportArgs { run: runs, results, out }))
}
