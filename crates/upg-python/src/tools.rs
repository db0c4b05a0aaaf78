//! What the commands `hmc`, `variance`, `flows` and `config` do.

use crate::arrays::array;
use crate::errors::{interruptible, raise};
use crate::place::{checked_threads, precision, refused, run_args};
use pyo3::prelude::*;
use std::path::PathBuf;
use upg_experiments::Error;
use upg_experiments::commands::config::ConfigCommand;
use upg_experiments::commands::{calibrate, config, flows, hmc, variance};
use upg_experiments::config::{SoleTarget, catalogue};

/// Runs the sampler of the target of a run; writes `samples.npy` and `hmc.json` into its folder `hmc`.
#[pyfunction]
pub fn hmc_of_run(
    py: Python<'_>,
    run: PathBuf,
    samples: Option<usize>,
    seed: Option<u64>,
    out: Option<PathBuf>,
    threads: Option<usize>,
) -> PyResult<String> {
    interruptible(py, |caller| {
        let threads = checked_threads(threads)?;
        let (config, set, run) = (None, vec![], Some(run));
        hmc::run_for(caller, &hmc::HmcArgs { config, set, out, run, samples, threads, seed, force: false })
    })
}

/// Samples of a target by its own sampler, and their numbers as JSON.
#[pyfunction]
pub fn hmc_of_target<'py>(
    py: Python<'py>,
    target: &str,
    options: &str,
    samples: usize,
    seed: u64,
    dtype: &str,
    threads: Option<usize>,
) -> PyResult<(Bound<'py, PyAny>, String)> {
    let (x, summary) = interruptible(py, |caller| {
        let folder = std::env::current_dir().unwrap_or_default();
        let sole = SoleTarget::parse(&format!("(\n    target: {target},\n    hmc: {options},\n)\n"), &folder)?;
        let (precision, threads) = (precision(Some(dtype))?.expect("one is given"), checked_threads(threads)?);
        hmc::in_memory(caller, &hmc::ChainRequest { sole, samples, seed, precision, threads })
    })?;
    Ok((array(py, x), serde_json::to_string(&summary).expect("names and numbers")))
}

/// Tells how noisy the estimators are, and writes `variance.json`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
pub fn variance_of_run(
    py: Python<'_>,
    run: PathBuf,
    repetitions: u64,
    batch: u64,
    seed: Option<u64>,
    out: Option<PathBuf>,
    weights: &str,
    device: &str,
    threads: Option<usize>,
    steps: Option<u64>,
) -> PyResult<String> {
    interruptible(py, |caller| {
        let repetitions = within("repetitions", repetitions, 20, u32::MAX)?;
        let batch = within("batch", batch, 1, 10_000_000)?;
        let run = run_args(run, weights, device, threads, steps)?;
        variance::run_for(caller, &variance::VarianceArgs { run, seed, repetitions, batch, out })
    })
}

/// Compares errors with exact values over many evaluations, and writes `calibration.json`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
pub fn calibrate_run(
    py: Python<'_>,
    run: PathBuf,
    samples: Vec<usize>,
    runs: u64,
    seed: Option<u64>,
    out: Option<PathBuf>,
    force: bool,
    weights: &str,
    device: &str,
    threads: Option<usize>,
    steps: Option<u64>,
) -> PyResult<String> {
    interruptible(py, |caller| {
        let runs = within("runs", runs, 2, 1_000_000)?;
        let run = run_args(run, weights, device, threads, steps)?;
        calibrate::run_for(
            caller,
            &calibrate::CalibrateArgs {
                run,
                config: None,
                problem: None,
                trainings: 1,
                samples,
                runs,
                seed,
                out,
                force,
            },
        )
    })
}

fn within(name: &str, value: u64, least: u32, most: u32) -> Result<u32, Error> {
    let accepted = || refused(name, value, &format!("accepted is a whole number from {least} to {most}"));
    u32::try_from(value).ok().filter(|value| (least..=most).contains(value)).ok_or_else(accepted)
}

/// The flows there are on a lattice, or one of them, as JSON.
#[pyfunction]
pub fn flow_table(py: Python<'_>, name: Option<&str>, lattice: &str) -> PyResult<String> {
    let args = || {
        let lattice = lattice.parse().map_err(|accepted: String| refused("lattice", lattice, &accepted))?;
        let names = || catalogue::FLOWS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
        let named = |name| {
            catalogue::flow_named(name).ok_or_else(|| refused("flow", name, &format!("accepted are {}", names())))
        };
        Ok(flows::FlowsArgs { name: name.map(named).transpose()?, lattice, json: true })
    };
    args().and_then(|args| flows::run(&args)).map_err(|error: Error| raise(py, &error))
}

/// A documented example of every field.
#[pyfunction]
pub fn schema(py: Python<'_>) -> PyResult<String> {
    config::run(&ConfigCommand::Schema).map_err(|error| raise(py, &error))
}
