//! The `upg` command line. Exit status: 0 done, 1 the run failed, 2 the input is wrong.

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;
use upg_experiments::{Error, gradient};

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
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Gradient(args) => gradient::run(&args),
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
