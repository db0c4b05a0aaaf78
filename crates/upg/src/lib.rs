//! The `upg` command line as a function of its arguments, for the program and for packages of other languages that bring it along.
//! Exit status: 0 done, 1 the run failed or was stopped, 2 the input is wrong.

use clap::{Parser, Subcommand, error::ErrorKind};
use std::ffi::OsString;
use upg_experiments::Error;
use upg_experiments::commands::arguments::refusal;
use upg_experiments::commands::{
    calibrate, config, evaluate, flows, gradient, hmc, log_prob, report, sample, sweep, train, variance,
};
use upg_experiments::io::console::{print, say};
use upg_experiments::io::output::{clean_up_on_signals, tell_commit};
use upg_experiments::io::signals::survive_limits_of_files;

/// Path gradients for normalizing flows.
#[derive(Parser)]
#[command(
    name = "upg",
    version,
    after_help = "Exit status: 0 done; 1 failed, or stopped by a signal with all saved; 2 wrong input."
)]
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
    /// Trains the runs of a grid side by side, and compares them.
    Sweep(sweep::SweepArgs),
    /// The worth of a trained flow: effective sample sizes, log Z, a Markov chain, observables.
    Evaluate(evaluate::EvaluateArgs),
    /// Whether the errors of an evaluation mean what they say, by many of them on a target with known answers.
    Calibrate(calibrate::CalibrateArgs),
    /// Samples of a trained flow, independent with weights or as a Markov chain.
    Sample(sample::SampleArgs),
    /// log q of a trained flow at given points.
    LogProb(log_prob::LogProbArgs),
    /// Samples and observables of the target by HMC, or by its exact sampler, without a flow.
    Hmc(hmc::HmcArgs),
    /// Variance and signal-to-noise ratio of every estimator of the gradient.
    Variance(variance::VarianceArgs),
    /// One HTML page of one or several runs side by side.
    Report(report::ReportArgs),
    /// The flows there are: how large, how dear, where good, how written.
    Flows(flows::FlowsArgs),
    /// Configurations.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Outputs name the commit that this crate was built from, where it is known.
pub fn name_commit() {
    if let Some(commit) = option_env!("UPG_COMMIT") {
        tell_commit(commit);
    }
}

/// Does what the arguments say, the first of which is the name of the program; returns the exit status. The process is taken to be that of the
/// command: signals are answered for it.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    name_commit();
    if let Err(error) = survive_limits_of_files() {
        return finish(Err(Error::Signals(error)));
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    if !matches!(cli.command, Command::Train(_) | Command::Sweep(_)) // which have their own answers to signals
        && let Err(error) = clean_up_on_signals()
    {
        return finish(Err(Error::Signals(error)));
    }
    let outcome = match cli.command {
        Command::Gradient(args) => gradient::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::LogProb(args) => log_prob::run(&args),
        Command::Hmc(args) => hmc::run(&args),
        Command::Variance(args) => variance::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Flows(args) => flows::run(&args),
        Command::Config(command) => config::run(&command),
    };
    finish(outcome)
}

/// Help and version as they are; what is wrong with the arguments in one line.
fn refuse(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        return finish(Ok(error.to_string().trim_end().to_owned()));
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        say(error.to_string().trim_end());
        return 2;
    }
    say(refusal(error));
    2
}

fn finish(outcome: Result<String, Error>) -> u8 {
    match outcome.and_then(|summary| Ok(print(format_args!("{summary}\n"))?)) {
        Ok(()) => 0,
        Err(error) => {
            say(error.told());
            error.exit_status()
        }
    }
}
