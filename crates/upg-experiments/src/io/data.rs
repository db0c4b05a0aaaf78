//! Samples of the target: to train the forward KL on, and to test on.
//!
//! Those that are drawn are kept in the folder of the run, so that everybody sees what they were.

use crate::config::{AnyTarget, Data, Source};
use crate::io::console::say;
use crate::io::output::OutputError;
use crate::io::run_dir::RunDir;
use crate::io::samples::{Samples, SamplesError, read_samples, write_samples};
use crate::io::signals::Caller;
use crate::text::unravel;
use ndarray::Array2;
use std::path::{Path, PathBuf};
use upg_core::{DeviceError, Real};
use upg_targets::{ChainReport, TargetError, space::wrap};
use upg_train::chains::{draw_together, warnings_of};
use upg_train::{Peers, Purpose};

/// The share of the chains that may never have moved: a few don't matter much.
const FEW: f64 = 0.01;
/// The share that chance may leave where it was in one trajectory.
const BY_CHANCE: f64 = 0.5;

/// The surroundings of samples that are drawn or read.
pub struct DataRequest<'a, T: Real> {
    /// Where they come from.
    pub data: &'a Data,
    /// The target.
    pub target: &'a AnyTarget<T>,
    /// Shape of one sample.
    pub sample_shape: &'a [usize],
    /// The seed of the run.
    pub seed: u64,
    /// The folder in which what is drawn is kept, if any.
    pub keep: Option<&'a RunDir>,
    /// Who may ask for an end while samples are drawn.
    pub caller: Caller<'a>,
}

/// Samples of the target can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The samples file that a field of the configuration names is wrong.
    #[error("{field}: {error}")]
    Given {
        /// The field, e.g. `data.train`.
        field: String,
        /// The problem.
        error: SamplesError,
    },
    /// The samples in the folder of the run are wrong.
    #[error(transparent)]
    Kept(#[from] SamplesError),
    /// The chains can't be run as asked.
    #[error("data.hmc: {0}")]
    Hmc(#[from] TargetError),
    /// Numbers were drawn that the precision doesn't hold.
    #[error(
        "data.{name} = Draw({samples}): the number at {index:?} is {value}: accepted are finite numbers of {precision}"
    )]
    NotFinite {
        /// `train` or `test`.
        name: &'static str,
        /// How many samples were drawn.
        samples: usize,
        /// Index of the first one.
        index: Vec<usize>,
        /// What it is.
        value: f64,
        /// `f32` or `f64`.
        precision: &'static str,
    },
    /// The chains stayed where they started: what they gave are no samples of the target.
    #[error(
        "{field}: {} of {} chains never moved in {} trajectories, so there are no samples of the target; what can be changed: \
         data.hmc.warm_up, data.hmc.length",
        report.never_moved, report.chains, report.trajectories
    )]
    Frozen {
        /// The field they were drawn for, e.g. `data.train`.
        field: String,
        /// How the chains went.
        report: ChainReport,
    },
    /// The target can't be computed where chains went.
    #[error(transparent)]
    Target(#[from] DeviceError),
    /// The samples drawn can't be kept.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The caller has asked for an end while they were drawn.
    #[error("stopped by {0}")]
    Cancelled(&'static str),
}

impl DataError {
    /// Whether another try would end the same way, or none is wanted.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Given { .. }
                | Self::Hmc(_)
                | Self::NotFinite { .. }
                | Self::Frozen { .. }
                | Self::Target(_)
                | Self::Cancelled(_)
        )
    }

    /// 2 if the input is wrong, 1 if the run failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Given { error, .. } | Self::Kept(error) => error.exit_status(),
            Self::Hmc(_) | Self::NotFinite { .. } => 2,
            Self::Frozen { .. } | Self::Target(_) | Self::Cancelled(_) => 1, // what was asked for is accepted, and led nowhere
            Self::Output(error) => error.exit_status(),
        }
    }
}

impl<T: Real> DataRequest<'_, T> {
    /// The samples of one purpose, from a file of the user's, from the run's folder, or drawn.
    ///
    /// # Errors
    /// If a file is wrong, can't be written, or the target can't be sampled as asked.
    pub fn fetch(&self, purpose: Purpose) -> Result<Array2<T>, DataError> {
        let (source, _) = self.source(purpose);
        match source {
            Source::File(_) => Ok(self.given(purpose)?.expect("it is a file")),
            Source::Draw(_) if self.is_kept(purpose) => Ok(self.read(&self.path(purpose))?),
            &Source::Draw(samples) => self.draw(&Peers::alone(), samples, purpose),
        }
    }

    /// How many samples of one purpose are to be drawn; `None` if they are in a file.
    pub fn to_be_drawn(&self, purpose: Purpose) -> Option<usize> {
        match self.source(purpose).0 {
            &Source::Draw(samples) if !self.is_kept(purpose) => Some(samples),
            _ => None,
        }
    }

    /// Draws them together with the other processes, and keeps them if there is a folder for that.
    ///
    /// # Errors
    /// If the target can't be sampled as asked, they can't be written, or the processes part.
    pub fn draw(&self, peers: &Peers, samples: usize, purpose: Purpose) -> Result<Array2<T>, DataError> {
        let drawn = self.drawn(peers, samples, purpose)?;
        if self.keep.is_some() {
            let shape = [&[drawn.nrows()], self.sample_shape].concat();
            write_samples(&self.path(purpose), &Samples { values: drawn.clone(), shape })?;
        }
        Ok(drawn)
    }

    /// Whether samples that were drawn for one purpose are kept already.
    pub fn is_kept(&self, purpose: Purpose) -> bool {
        matches!(self.source(purpose).0, Source::Draw(_)) && self.keep.is_some() && self.path(purpose).exists()
    }

    /// The file that the samples of one purpose are in, or are to be kept in.
    pub fn path(&self, purpose: Purpose) -> PathBuf {
        match self.source(purpose) {
            (Source::File(path), _) => path.clone(),
            (Source::Draw(_), name) => {
                let name = format!("{name}.npy");
                self.keep.map_or_else(|| PathBuf::from(&name), |dir| dir.file(&name))
            }
        }
    }

    /// The samples of one purpose, if they are in a file of the user's.
    ///
    /// # Errors
    /// If the file is wrong; the error says which field of the configuration names it.
    pub fn given(&self, purpose: Purpose) -> Result<Option<Array2<T>>, DataError> {
        let (Source::File(path), name) = self.source(purpose) else { return Ok(None) };
        let field = format!("data.{name}");
        self.read(path).map(Some).map_err(|error| DataError::Given { field, error })
    }

    /// Where the samples come from, and the name of the field that says so.
    fn source(&self, purpose: Purpose) -> (&Source, &'static str) {
        match purpose {
            Purpose::TrainData => (&self.data.train, "train"),
            _ => (&self.data.test, "test"),
        }
    }

    fn read(&self, path: &Path) -> Result<Array2<T>, SamplesError> {
        let mut values = read_samples::<T>(path, self.sample_shape)?.values;
        wrap(&**self.target, &mut values);
        Ok(values)
    }

    fn drawn(&self, peers: &Peers, samples: usize, purpose: Purpose) -> Result<Array2<T>, DataError> {
        let rng = purpose.streams(self.seed).next_stream();
        let mut ended_by = None;
        let mut goes_on = || {
            ended_by = (self.caller)();
            ended_by.is_none()
        };
        let drawn =
            draw_together::<T, DataError>(&**self.target, peers, &self.data.hmc.plan(samples), rng, &mut goes_on);
        self.target.status()?; // chains of a target that failed say less
        let Some((values, report)) = drawn? else {
            return Err(DataError::Cancelled(ended_by.expect("it was the caller")));
        };
        let (_, name) = self.source(purpose);
        check_chains(&format!("data.{name}"), &report)?;
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            let index = unravel(at, &[&[samples], self.sample_shape].concat());
            let value = values[[at / values.ncols(), at % values.ncols()]].wide();
            return Err(DataError::NotFinite { name, samples, index, value, precision: T::NAME });
        }
        Ok(values)
    }
}

/// Refuses samples, drawn for `field`, of chains that stayed where they started, and warns if a few did, or hardly moved.
///
/// # Errors
/// [`DataError::Frozen`].
fn check_chains(field: &str, report: &ChainReport) -> Result<(), DataError> {
    let by_chance = BY_CHANCE.powf(report.trajectories as f64);
    if report.never_moved as f64 > report.chains as f64 * FEW.max(by_chance) {
        return Err(DataError::Frozen { field: field.into(), report: *report });
    }
    for warning in warnings_of(report) {
        say(format_args!("warning: {field}: {warning} (data.hmc.warm_up, data.hmc.length)"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_frozen_chains_are_borne_and_many_are_not() {
        let report = |chains, never_moved, trajectories| ChainReport {
            acceptance: 0.7,
            smallest_acceptance: 0.0,
            step_size: Some(0.1),
            chains,
            trajectories,
            never_moved,
        };
        for (report, accepted) in [
            (ChainReport::EXACT, true),
            (report(512, 0, 200), true),
            (report(512, 5, 200), true),
            (report(512, 6, 200), false),
            (report(10, 1, 200), false),
            (report(512, 512, 200), false),
            (report(512, 200, 1), true), // refused once, as every proposal may be
            (report(512, 300, 1), false),
        ] {
            assert_eq!(check_chains("data.train", &report).is_ok(), accepted, "{report:?}");
        }
        let told = check_chains("data.train", &report(50, 40, 100)).unwrap_err();
        assert_eq!(told.exit_status(), 1);
        assert!(told.to_string().starts_with("data.train: 40 of 50 chains never moved in 100 trajectories"), "{told}");
    }
}
