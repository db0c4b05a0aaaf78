//! Why there may be no table.

use crate::config::AllInvalid;
use crate::io::output::OutputError;
use std::io;
use std::path::PathBuf;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A case describes no model.
    #[error(transparent)]
    Config(#[from] AllInvalid),
    /// The device can't be had.
    #[error(transparent)]
    Device(#[from] Box<crate::Error>),
    /// There is no row of this name.
    #[error("--only = {name}: accepted are {accepted}")]
    Unknown {
        /// The name.
        name: String,
        /// All names, with commas.
        accepted: String,
    },
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

impl TableError {
    /// 2 if the input is wrong, 1 if the run failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Unknown { .. } | Self::Folder { .. } => 2,
            Self::Device(error) => error.exit_status(),
            Self::Output(error) => error.exit_status(),
        }
    }
}
