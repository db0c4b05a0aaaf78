//! Problems of a samples file.

use crate::io::refusal::status_of_unreadable;
use crate::text::{Shown, shape_text};
use std::io;
use std::path::PathBuf;

/// A samples file is wrong.
#[derive(Debug, thiserror::Error)]
#[error("samples {}: {problem}", file.shown())]
pub struct SamplesError {
    /// The file.
    pub file: PathBuf,
    /// The problem.
    pub problem: SamplesProblem,
}

impl SamplesError {
    /// 2 if the input is wrong, 1 if the machine refuses to read it.
    pub fn exit_status(&self) -> u8 {
        match &self.problem {
            SamplesProblem::Unreadable(error) => status_of_unreadable(error),
            _ => 2,
        }
    }
}

/// Problems of a samples file.
#[derive(Debug, thiserror::Error)]
pub enum SamplesProblem {
    /// The file can't be opened or read.
    #[error("cannot read the file: {0}")]
    Unreadable(io::Error),
    /// The content isn't what a `.npy` file holds.
    #[error("not a complete .npy file: {0}")]
    NotNpy(String),
    /// The elements have another type.
    #[error("dtype = {found}: accepted is {accepted}")]
    Dtype {
        /// The type in the file.
        found: String,
        /// The accepted types.
        accepted: &'static str,
    },
    /// Wrong width or number of dimensions.
    #[error("shape = {}: accepted are {accepted}", shape_text(found))]
    Shape {
        /// Shape of the file.
        found: Vec<usize>,
        /// The accepted shapes.
        accepted: String,
    },
    /// No samples.
    #[error("shape = {}: an empty batch, accepted is at least 1 sample", shape_text(.0))]
    Empty(Vec<usize>),
    /// A NaN or an infinity, or a number too large for the precision asked for.
    #[error("value = {value} at {index:?}: accepted are finite numbers of {precision}")]
    NotFinite {
        /// Index of the first one, C order.
        index: Vec<usize>,
        /// Its value in the file.
        value: f64,
        /// `f32` or `f64`.
        precision: &'static str,
    },
}
