//! Arguments that several functions have, under the names and with the values of the command line.

use clap::ValueEnum;
use std::path::PathBuf;
use upg_experiments::Error;
use upg_experiments::commands::place::PlaceArgs;
use upg_experiments::commands::run_weights::{RunArgs, Weights};
use upg_experiments::config::Precision;

/// Where to compute.
pub fn place(device: &str, threads: Option<usize>) -> Result<PlaceArgs, Error> {
    let device = device.parse().map_err(|accepted| refused("device", device, accepted))?;
    Ok(PlaceArgs { device, threads: checked_threads(threads)? })
}

/// A number of threads.
pub fn checked_threads(threads: Option<usize>) -> Result<Option<usize>, Error> {
    match threads {
        Some(threads) if !(1..=1024).contains(&threads) => {
            Err(refused("threads", threads, "accepted is a whole number from 1 to 1024"))
        }
        threads => Ok(threads),
    }
}

/// Steps of continuous flows.
pub fn ode_steps(steps: Option<u64>) -> Result<Option<usize>, Error> {
    match steps {
        Some(steps) if !(1..=10_000).contains(&steps) => {
            Err(refused("ode_steps", steps, "accepted is a whole number from 1 to 10000"))
        }
        steps => Ok(steps.map(|steps| steps as usize)),
    }
}

/// A run, its weights, and where to compute.
pub fn run_args(
    run: PathBuf,
    weights: &str,
    device: &str,
    threads: Option<usize>,
    steps: Option<u64>,
) -> Result<RunArgs, Error> {
    let (weights, ode_steps) = chosen(weights, steps)?;
    Ok(RunArgs { run, weights, place: place(device, threads)?, ode_steps })
}

/// Which weights of a run, and steps of continuous flows.
pub fn chosen(weights: &str, steps: Option<u64>) -> Result<(Weights, Option<u64>), Error> {
    let known = Weights::from_str(weights, false);
    let weights = known.map_err(|_| refused("weights", weights, "accepted are best, latest and ema"))?;
    Ok((weights, self::ode_steps(steps)?.map(|steps| steps as u64)))
}

/// A precision by the name of its NumPy type.
pub fn precision(dtype: Option<&str>) -> Result<Option<Precision>, Error> {
    Ok(match dtype {
        None => None,
        Some("float32") => Some(Precision::F32),
        Some("float64") => Some(Precision::F64),
        Some(other) => return Err(refused("dtype", other, "accepted are float32 and float64")),
    })
}

/// The name of the NumPy type of a precision.
pub fn dtype_of(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "float32",
        Precision::F64 => "float64",
    }
}

/// An argument that isn't accepted.
pub fn refused(name: &str, value: impl ToString, accepted: &str) -> Error {
    Error::Usage(format!("{name} = {}: {accepted}", value.to_string()))
}
