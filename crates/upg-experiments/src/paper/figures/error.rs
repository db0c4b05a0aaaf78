//! Why there may be no figures.

use crate::config::AllInvalid;
use crate::io::output::OutputError;
use std::io;
use std::path::PathBuf;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// A problem describes no model.
    #[error(transparent)]
    Config(#[from] AllInvalid),
    /// There is no problem of this name.
    #[error("--only = {name}: accepted are {accepted}")]
    Unknown {
        /// The name.
        name: String,
        /// All names, with commas.
        accepted: String,
    },
    /// The target can't be sampled.
    #[error("{0}")]
    Data(String),
    /// The folder can't be made.
    #[error("output folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file can't be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl FiguresError {
    /// 2 if the input is wrong, 1 if the run failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Unknown { .. } | Self::Data(_) | Self::Folder { .. } => 2,
            Self::Output(error) => error.exit_status(),
        }
    }
}
