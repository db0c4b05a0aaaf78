//! `upg config`: whether a configuration is accepted, and which fields there are.

use crate::Error;
use crate::config::{ConfigFile, schema};
use clap::Subcommand;
use std::path::PathBuf;
use upg_core::{Cpu, Layer};

/// The commands of `upg config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Whether a configuration is accepted.
    Check {
        /// The file, RON.
        file: PathBuf,
    },
    /// A documented example of every field.
    Schema,
}

/// Returns the text that is asked for.
///
/// # Errors
/// If the configuration isn't accepted.
pub fn run(command: &ConfigCommand) -> Result<String, Error> {
    match command {
        ConfigCommand::Check { file } => {
            let config = ConfigFile::read(file)?;
            let model = config.build::<f64>()?;
            let parameters = Layer::<Cpu<f64>>::params(&model.flow).size();
            let dof = model.sample_shape.iter().product::<usize>();
            Ok(format!("{}: accepted: {dof} degrees of freedom, {parameters} parameters", file.display()))
        }
        ConfigCommand::Schema => Ok(schema::EXAMPLE.trim_end().to_owned()),
    }
}
