//! Errors as exceptions of `upg.errors`, and signals, which Python answers.

use crate::desk::Desk;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use std::sync::Arc;
use upg_core::DeviceError;
use upg_experiments::Error;
use upg_experiments::commands::train::Caller;

/// Name of the class of an error, in `upg.errors`.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Config(_) | Error::Invalid(_) | Error::Method(_) => "ConfigError",
        Error::Usage(_) => "ArgumentError",
        Error::Run(_) | Error::Checkpoint(_) | Error::State(_) | Error::Weights(_) | Error::StartFrom(_) => "RunError",
        Error::Output(_) => "OutputError",
        Error::Samples(_) | Error::Data(_) => "DataError",
        Error::Device(DeviceError::Target { .. }) => "TargetError",
        Error::Device(_) => "DeviceError",
        Error::Overflown { .. } | Error::Diverged { .. } | Error::NotFinite { .. } => "DivergedError",
        Error::Failed(inner) => class(inner),
        Error::Signals(_)
        | Error::Interrupted { .. }
        | Error::Cancelled(_)
        | Error::SweepInterrupted { .. }
        | Error::RunsFailed { .. }
        | Error::Parted { .. }
        | Error::FirstLost { .. }
        | Error::Elsewhere { .. }
        | Error::Lost(_) => "UpgError",
    }
}

/// The line of the command line with what its options are called in Python.
fn in_python(line: &str) -> String {
    let options = [
        ("--resume, --force", "upg.load(out).resume(), force=True"),
        ("--force", "force=True"),
        ("--resume", "Run.resume"),
    ];
    let told = options.iter().fold(line.to_owned(), |line, (option, name)| line.replace(option, name));
    told.trim_start_matches("--").trim_start_matches("config: ").replace(" --", " ")
}

/// The exception of an error.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let message = in_python(&error.to_string());
    let message = match error {
        Error::Usage(_) => message.replace('\n', "\\n"), // those of a value; others have a line for each mistake
        _ => message,
    };
    let class = py.import("upg.errors").and_then(|errors| errors.getattr(class(error)));
    match class.and_then(|class| class.call1((&message,))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(_) => PyRuntimeError::new_err(message),
    }
}

/// Does `work` without the interpreter, at a desk of its own: what the handler of a signal or a function of Python raises ends the work, and is raised
/// when all is saved.
pub fn interruptible<O: Send>(py: Python<'_>, work: impl FnOnce(Caller<'_>) -> Result<O, Error> + Send) -> PyResult<O> {
    interruptible_at(py, &Desk::new(py), work)
}

/// The same at a desk that is there.
pub fn interruptible_at<O: Send>(
    py: Python<'_>,
    desk: &Arc<Desk>,
    work: impl FnOnce(Caller<'_>) -> Result<O, Error> + Send,
) -> PyResult<O> {
    let outcome = desk.serve(py, work)?;
    match (desk.take_raised(), outcome) {
        (None, outcome) => outcome.map_err(|error| raise(py, &error)),
        (Some(raised), Err(Error::Failed(inner))) => Err(interrupted(py, raised, &inner)),
        (Some(raised), Err(error)) => Err(interrupted(py, raised, &error)),
        (Some(raised), Ok(_)) => Err(raised),
    }
}

/// What a handler raised; a KeyboardInterrupt says what became of the run.
fn interrupted(py: Python<'_>, raised: PyErr, error: &Error) -> PyErr {
    match error {
        Error::Interrupted { step, dir, .. } if raised.is_instance_of::<PyKeyboardInterrupt>(py) => {
            PyKeyboardInterrupt::new_err(format!(
                "stopped after step {step}: all is saved, upg.load({:?}).resume() goes on",
                dir.display().to_string()
            ))
        }
        _ => raised,
    }
}
