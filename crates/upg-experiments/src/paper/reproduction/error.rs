//! Why a reproduction ends early.

use crate::Error;
use crate::io::output::OutputError;
use crate::paper::figures::FiguresError;
use crate::paper::table2::TableError;
use std::io;
use std::path::PathBuf;

/// Why a reproduction ends early; the stages that are done are kept.
#[derive(Debug, thiserror::Error)]
pub enum ReproductionError {
    /// Of the costs.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Of a comparison.
    #[error(transparent)]
    Figures(#[from] FiguresError),
    /// Of a training or an evaluation.
    #[error(transparent)]
    Command(#[from] Error),
    /// A file can't be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// There is no stage of a name.
    #[error("--only = {name}: accepted are {accepted}")]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        accepted: String,
    },
    /// The folder can't be used.
    #[error("--out = {}: {source}: accepted is a folder, or a place for one", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file in the folder isn't what this program wrote.
    #[error("{}: {problem}: accepted is the file as it was written, or another --out", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl ReproductionError {
    /// 2 if the input is wrong, 1 if the run failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Table(error) => error.exit_status(),
            Self::Figures(error) => error.exit_status(),
            Self::Command(error) => error.exit_status(),
            Self::Output(error) => error.exit_status(),
            Self::Unknown { .. } | Self::Folder { .. } | Self::Altered { .. } => 2,
        }
    }
}
