//! `upg config`: whether a configuration is accepted, and which fields there are.

use crate::Error;
use crate::config::{Config, ConfigFile, Model, Override, schema};
use crate::io::checkpoint::read_start;
use crate::io::data::DataRequest;
use crate::io::signals::nobody;
use crate::text::Shown;
use clap::Subcommand;
use std::path::PathBuf;
use upg_core::Cpu;
use upg_train::Purpose;

/// The commands of `upg config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Whether a configuration is accepted, and the data files it names.
    Check {
        /// The file, RON.
        file: PathBuf,
        /// Another value for a field: training.batch=500.
        #[arg(long, value_name = "FIELD=VALUE")]
        set: Vec<Override>,
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
        ConfigCommand::Check { file, set } => {
            let config = ConfigFile::read_with(file, set)?;
            let Accepted { dof, parameters } = check(&config)?;
            let products = config.config.precision.products;
            let products =
                if products.are_full() { String::new() } else { format!(", products in {products}, on cuda alone") };
            Ok(format!("{}: accepted: {dof} degrees of freedom, {parameters} parameters{products}", file.shown()))
        }
        ConfigCommand::Schema => Ok(schema::EXAMPLE.trim_end().to_owned()),
    }
}

/// What a configuration that is accepted has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Degrees of freedom.
    pub dof: usize,
    /// Parameters of the flow and its base.
    pub parameters: usize,
}

/// Checks a configuration, and the files that it names.
///
/// # Errors
/// If it isn't accepted, or a file isn't.
pub fn check(config: &ConfigFile) -> Result<Accepted, Error> {
    let model = config.build::<f64>()?;
    if let Some(path) = &config.config.training.start_from {
        read_start::<f64>(path, &model.layout()).map_err(Error::StartFrom)?;
    }
    check_data(&config.config, &model)?;
    Ok(Accepted { dof: model.sample_shape.iter().product(), parameters: model.layout().size() })
}

/// Reads the data files, to see whether they are there and fit.
fn check_data(config: &Config, model: &Model<Cpu<f64>>) -> Result<(), Error> {
    let Some(data) = config.data() else { return Ok(()) };
    let Model { theory: target, sample_shape, .. } = model;
    let request =
        DataRequest { data: &data, target, sample_shape, seed: config.training.seed, keep: None, caller: &nobody };
    for purpose in [Purpose::TrainData, Purpose::TestData] {
        request.given(purpose)?;
    }
    Ok(())
}
