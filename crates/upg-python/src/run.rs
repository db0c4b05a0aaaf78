//! Runs in their folders: trained, evaluated, sampled, by the code of the commands of the same names.

use crate::errors::{interruptible, raise};
use crate::place::{place, precision, run_args};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use std::path::{Path, PathBuf};
use upg_experiments::Error;
use upg_experiments::commands::arrays::{self, Drawn, Numbers, Points, SampleRequest};
use upg_experiments::commands::{evaluate as evaluation, report as reports, train as training};
use upg_experiments::config::{ConfigError, ConfigFile};
use upg_experiments::io::run_dir::{RunDir, RunError};
use upg_train::Draw;

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
    interruptible(py, |_| {
        let run = run_args(run, weights, device, threads, ode_steps)?;
        evaluation::run(&evaluation::EvaluateArgs { run, seed, samples, out })
    })
}

/// Samples, their log-weights, and the acceptance of the chain, if it is one.
type Sampled<'py> = (Bound<'py, PyAny>, Bound<'py, PyArray1<f64>>, Option<f64>);

/// Draws samples; returns them with their log-weights and the acceptance of the chain, if it is one.
#[pyfunction]
#[pyo3(signature = (run, n, seed, first, metropolis, dtype, weights, device, threads, ode_steps))]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
pub fn sample<'py>(
    py: Python<'py>,
    run: PathBuf,
    n: usize,
    seed: Option<u64>,
    first: u64,
    metropolis: bool,
    dtype: Option<&str>,
    weights: &str,
    device: &str,
    threads: Option<usize>,
    ode_steps: Option<u64>,
) -> PyResult<Sampled<'py>> {
    let Drawn { x, log_weights, acceptance } = interruptible(py, |caller| {
        let run = run_args(run, weights, device, threads, ode_steps)?;
        let draw = if metropolis { Draw::Metropolis } else { Draw::Independent };
        let request = SampleRequest { run, seed, samples: n, first, draw, precision: precision(dtype)? };
        arrays::sample(&request, caller)
    })?;
    let x = match x {
        Numbers::F32(x) => x.into_pyarray(py).into_any(),
        Numbers::F64(x) => x.into_pyarray(py).into_any(),
    };
    Ok((x, log_weights.into_pyarray(py), acceptance))
}

/// An array of numbers of one of the two precisions.
#[derive(FromPyObject)]
pub enum Array<'py> {
    Single(PyReadonlyArrayDyn<'py, f32>),
    Double(PyReadonlyArrayDyn<'py, f64>),
}

impl Array<'_> {
    /// A copy.
    pub fn into_numbers(self) -> Numbers {
        match self {
            Self::Single(array) => Numbers::F32(array.as_array().to_owned()),
            Self::Double(array) => Numbers::F64(array.as_array().to_owned()),
        }
    }
}

/// log q of a run at some points.
#[pyfunction]
#[pyo3(signature = (run, x, dtype, weights, device, threads, ode_steps))]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
pub fn log_prob<'py>(
    py: Python<'py>,
    run: PathBuf,
    x: Array<'py>,
    dtype: Option<&str>,
    weights: &str,
    device: &str,
    threads: Option<usize>,
    ode_steps: Option<u64>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (single, double);
    let points = match &x {
        Array::Single(x) => {
            single = x.as_array();
            Points::F32(&single)
        }
        Array::Double(x) => {
            double = x.as_array();
            Points::F64(&double)
        }
    };
    let log_prob = interruptible(py, |caller| {
        let run = run_args(run, weights, device, threads, ode_steps)?;
        arrays::log_prob(&run, precision(dtype)?, points, caller)
    })?;
    Ok(log_prob.into_pyarray(py))
}

/// Writes a page of runs; returns what was done, in a line.
#[pyfunction]
#[pyo3(signature = (runs, results, out))]
pub fn report(py: Python<'_>, runs: Vec<PathBuf>, results: Option<PathBuf>, out: Option<PathBuf>) -> PyResult<String> {
    interruptible(py, |_| reports::run(&reports::ReportArgs { run: runs, results, out }))
}
