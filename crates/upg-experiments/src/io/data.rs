//! Samples of the target: to train the forward KL on, and to test on.
//!
//! Those that are drawn are kept in the folder of the run, so that everybody sees what they were.

use crate::config::{AnyTarget, Data, Source};
use crate::io::output::OutputError;
use crate::io::run_dir::RunDir;
use crate::io::samples::{Samples, SamplesError, read_samples, write_samples};
use ndarray::Array2;
use std::path::{Path, PathBuf};
use upg_core::Real;
use upg_targets::{TargetError, space::wrap};
use upg_train::Purpose;

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
    Hmc(TargetError),
    /// The samples drawn can't be kept.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl DataError {
    /// 2 if the input is wrong, 1 if the run failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Given { .. } | Self::Kept(_) | Self::Hmc(_) => 2,
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
        match (source, self.keep.map(|_| self.path(purpose))) {
            (Source::File(_), _) => Ok(self.given(purpose)?.expect("it is a file")),
            (Source::Draw(_), Some(path)) if path.exists() => Ok(self.read(&path)?),
            (&Source::Draw(samples), path) => {
                let drawn = self.draw(samples, purpose)?;
                if let Some(path) = path {
                    let shape = [&[drawn.nrows()], self.sample_shape].concat();
                    write_samples(&path, &Samples { values: drawn.clone(), shape })?;
                }
                Ok(drawn)
            }
        }
    }

    /// Whether samples that were drawn for one purpose are kept already.
    pub fn is_kept(&self, purpose: Purpose) -> bool {
        matches!(self.source(purpose).0, Source::Draw(_)) && self.path(purpose).exists()
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

    fn draw(&self, samples: usize, purpose: Purpose) -> Result<Array2<T>, DataError> {
        let rng = purpose.streams(self.seed).next_stream();
        let drawn = self.target.draw_data(&self.data.hmc.plan(samples), rng);
        let (values, _) = drawn.map_err(DataError::Hmc)?;
        Ok(values)
    }
}
