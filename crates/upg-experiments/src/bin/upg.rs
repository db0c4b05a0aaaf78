//! The `upg` command line. Exit status: 0 done, 1 the run failed, 2 the input is wrong.

use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use upg_experiments::config::{ConfigFile, schema};
use upg_experiments::{Error, evaluate, gradient, report_files, sample, train, variance};

/// Path gradients for normalizing flows.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One gradient of one batch, from files to a file.
    Gradient(gradient::GradientArgs),
    /// Trains a flow.
    Train(train::TrainArgs),
    /// What a trained flow is worth: effective sample sizes, log Z, a Markov chain, observables.
    Evaluate(evaluate::EvaluateArgs),
    /// Samples of a trained flow, independent with weights or as a Markov chain.
    Sample(sample::SampleArgs),
    /// Variance and signal-to-noise ratio of every estimator of the gradient.
    Variance(variance::VarianceArgs),
    /// One HTML page of one or several runs side by side.
    Report(report_files::ReportArgs),
    /// Configurations.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Whether a configuration is accepted.
    Check {
        /// The file, RON.
        file: PathBuf,
    },
    /// A documented example of every field.
    Schema,
}

fn config(command: &ConfigCommand) -> Result<String, Error> {
    match command {
        ConfigCommand::Check { file } => {
            let config = ConfigFile::read(file)?;
            let model = config.build::<f64>()?;
            let parameters = upg_core::Layer::<upg_core::Cpu<f64>>::params(&model.flow).size();
            let dof = model.sample_shape.iter().product::<usize>();
            Ok(format!("{}: accepted: {dof} degrees of freedom, {parameters} parameters", file.display()))
        }
        ConfigCommand::Schema => Ok(schema::EXAMPLE.trim_end().to_owned()),
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Gradient(args) => gradient::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Variance(args) => variance::run(&args),
        Command::Report(args) => report_files::run(&args),
        Command::Config(command) => config(&command),
    };
    finish(outcome)
}

fn finish(outcome: Result<String, Error>) -> ExitCode {
    match outcome {
        Ok(summary) => {
            let _ = writeln!(std::io::stdout(), "{summary}"); // the result is in its file, whoever listens
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
