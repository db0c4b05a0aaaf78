//! Trainings that a program makes step by step.

use crate::desk::Desk;
use crate::errors::{interruptible_at, raise};
use crate::run::{read_text, train_args};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, TryLockError};
use upg_experiments::Error;
use upg_experiments::commands::train::{Caller, Steps as Training};

/// A training under way, with its folder locked until it is closed.
#[pyclass(frozen, module = "upg._upg")]
pub struct Steps {
    training: Mutex<Option<Training>>,
    /// Whether all steps were made when it was closed.
    was_done: AtomicBool,
    /// Whether a step has failed.
    is_broken: AtomicBool,
    desk: Arc<Desk>,
}

#[pymethods]
impl Steps {
    #[new]
    #[pyo3(signature = (config, set, steps, out, resume, force, device, threads))]
    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn new(
        py: Python<'_>,
        config: Option<String>,
        set: Vec<String>,
        steps: Option<u64>,
        out: PathBuf,
        resume: bool,
        force: bool,
        device: &str,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let args = train_args(set, steps, out, resume, force, device, threads).map_err(|error| raise(py, &error))?;
        let desk = Desk::new(py);
        let training = interruptible_at(py, &desk, |_| {
            let config = config.map(read_text).transpose()?;
            Training::begin(config, &args)
        })?;
        Ok(Self {
            training: Mutex::new(Some(training)),
            was_done: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            desk,
        })
    }

    /// Makes a step; returns its numbers, an object of JSON. It is made to its end even if Ctrl-C comes meanwhile.
    fn step(&self, py: Python<'_>) -> PyResult<String> {
        self.desk.finish_what_is_begun();
        let line = self.with(py, |training, _| training.step())?;
        Ok(serde_json::to_string(&line).expect("names and numbers"))
    }

    /// Writes a checkpoint.
    fn save(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |training, _| training.save())
    }

    /// Whether all steps are made; of one that is closed, whether they were.
    fn is_done(&self, py: Python<'_>) -> PyResult<bool> {
        if self.training.try_lock().is_ok_and(|training| training.is_none()) {
            return Ok(self.was_done.load(Relaxed));
        }
        self.with(py, |training, _| Ok(training.is_done()))
    }

    /// Unlocks the folder.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let mut training = match self.training.try_lock() {
            Ok(training) => training,
            Err(TryLockError::Poisoned(training)) => training.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(refused(py, "at work: accepted is to close it between steps")),
        };
        let is_done = training.take().is_some_and(|training| training.is_done());
        self.was_done.fetch_or(is_done, Relaxed);
        Ok(())
    }
}

impl Steps {
    /// Does `work` with the training, unless another thread is at it: waiting would keep the interpreter from that.
    fn with<O: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Training, Caller<'_>) -> Result<O, Error> + Send,
    ) -> PyResult<O> {
        let mut held = match self.training.try_lock() {
            Ok(held) => held,
            Err(TryLockError::WouldBlock) => return Err(refused(py, "at work: accepted is one call at a time")),
            Err(TryLockError::Poisoned(_)) => return Err(refused(py, "broken by a panic: accepted is another")),
        };
        match &mut *held {
            None => Err(refused(py, "closed: accepted is upg.Trainer.resume")),
            Some(_) if self.is_broken.load(Relaxed) => {
                Err(refused(py, "ended by an error: accepted is upg.Trainer.resume, from the last checkpoint"))
            }
            Some(training) => interruptible_at(py, &self.desk, |caller| {
                work(training, caller).inspect_err(|error| {
                    self.is_broken.fetch_or(!matches!(error, Error::Usage(_) | Error::Output(_)), Relaxed);
                })
            }),
        }
    }
}

fn refused(py: Python<'_>, problem: &str) -> PyErr {
    raise(py, &Error::Usage(format!("trainer: {problem}")))
}
