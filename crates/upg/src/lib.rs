//! The `upg` command line as a function of its arguments, for the program and for packages of other languages that bring it along.
//! Exit status: 0 done, 1 the run failed or was stopped, 2 the input is wrong.

#[cfg(feature = "mpi")]
mod mpi;
#[cfg(not(feature = "mpi"))]
#[path = "alone.rs"]
mod mpi;

use clap::{Parser, Subcommand, error::ErrorKind};
use mpi::Launched;
use std::ffi::OsString;
use std::time::Duration;
use upg_experiments::Error;
use upg_experiments::commands::arguments::refusal;
use upg_experiments::commands::{agree, answer_signals};
use upg_experiments::commands::{
    calibrate, config, evaluate, flows, gradient, hmc, log_prob, report, sample, sweep, train, variance,
};
use upg_experiments::io::console::{be_silent, print, say};
use upg_experiments::io::output::{tell_commit, tell_processes};
use upg_experiments::io::signals::survive_limits_of_files;
use upg_train::Peers;
use upg_train::peers::Farewell;

/// How long another process may be silent before it is taken to be lost, unless `--patience` says otherwise.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Path gradients for normalizing flows.
#[derive(Parser)]
#[command(
    name = "upg",
    version,
    after_help = "Exit status: 0 done; 1 failed, or stopped by a signal with all saved; 2 wrong input."
)]
struct Cli {
    /// Seconds after which a process of the run that doesn't answer is taken to be lost.
    #[cfg(feature = "mpi")]
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = PATIENCE.as_secs() as u32, value_parser = clap::value_parser!(u32).range(1..))]
    patience: u32,
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
    /// What it costs that the processes of a run bring their numbers together here.
    #[cfg(feature = "mpi")]
    Peers,
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
    let mut launched = Launched::join();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let status = match Cli::try_parse_from(&arguments) {
        Ok(cli) => match launched.connect(cli.patience()) {
            Ok(peers) => {
                tell_processes(peers.size());
                if peers.is_alone() && cli.command.is_shared() {
                    warn_of_strangers();
                }
                carry_out(cli.command, &arguments, &peers, &launched)
            }
            Err(parting) => finish(Err(Error::before_the_run(&parting))),
        },
        Err(error) => {
            let status = refuse(&error);
            if let Ok(peers) = launched.connect(PATIENCE) {
                // To those whose arguments are understood.
                peers.part(&if error.use_stderr() {
                    Farewell::Failed { status, why: refusal(&error).trim_start_matches("error: ").to_owned() }
                } else {
                    Farewell::Failed { status: 2, why: "was asked for help, and the others weren't".into() }
                });
            }
            status
        }
    };
    launched.leave(status)
}

/// What launchers tell each process of how many they are: Open MPI; MPICH; Slurm.
const NUMBERS: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

/// Says so where this process was started as one of several that know nothing of each other: each would do all of the work.
fn warn_of_strangers() {
    let number = |name: &&str| std::env::var(name).ok()?.parse::<u32>().ok().filter(|&number| number > 1);
    let Some((name, number)) = NUMBERS.iter().find_map(|name| Some((name, number(name)?))) else { return };
    let why = if cfg!(feature = "mpi") {
        "MPI connects it with none: is the launcher one of the MPI that this program was built with? (srun --mpi=list)"
    } else {
        "this program was built without MPI: accepted is one, or a build with --features mpi"
    };
    say(format_args!("warning: started as one of {number} processes ({name}), but {why}"));
}

impl Command {
    /// Whether several processes share its work.
    fn is_shared(&self) -> bool {
        #[cfg(feature = "mpi")]
        if matches!(self, Self::Peers) {
            return true;
        }
        matches!(self, Self::Train(_) | Self::Evaluate(_) | Self::Sample(_) | Self::Variance(_) | Self::Hmc(_))
    }
}

impl Cli {
    fn patience(&self) -> Duration {
        #[cfg(feature = "mpi")]
        return Duration::from_secs(self.patience.into());
        #[cfg(not(feature = "mpi"))]
        Duration::MAX
    }
}

/// Does it as one of `peers`; returns the exit status.
fn carry_out(command: Command, arguments: &[OsString], peers: &Peers, launched: &Launched) -> u8 {
    let done = agree(peers, "command line", &common(arguments)).and_then(|()| work(command, peers));
    let mut outcome = done.map_err(|error| error.among(peers));
    match &outcome {
        Err(error) if !error.is_agreed() => {
            peers.part(&Farewell::Failed { status: error.exit_status(), why: error.to_string() });
        }
        _ if !peers.is_alone() && peers.parted().is_none() => {
            let seen_off = peers.see_the_first_off().map_err(|error| Error::from(error).among(peers));
            if let (Err(error), false) = (seen_off, peers.is_first()) {
                outcome = Err(error);
            }
        }
        _ => {}
    }
    if launched.speaks_for_the_first() {
        be_silent(false);
    }
    if launched.is_held_to_be_lost() {
        be_silent(true);
    }
    let status = finish(outcome);
    be_silent(!peers.is_alone()); // the launcher's signals to what is left have nothing to add
    status
}

/// The arguments that are the same for all processes of a run: all but where each computes.
fn common(arguments: &[OsString]) -> Vec<u8> {
    const OWN: [&str; 2] = ["--device", "--threads"];
    let mut common = vec![];
    let mut all = arguments.iter().skip(1).map(|argument| argument.as_encoded_bytes());
    while let Some(argument) = all.next() {
        match OWN.iter().find_map(|own| argument.strip_prefix(own.as_bytes())) {
            Some(b"") => drop(all.next()),
            Some([b'=', ..]) => {}
            _ => common.extend([argument, b"\0"].concat()),
        }
    }
    common
}

fn work(command: Command, peers: &Peers) -> Result<String, Error> {
    survive_limits_of_files().map_err(Error::Signals)?;
    if !matches!(command, Command::Train(_) | Command::Sweep(_) | Command::Calibrate(_)) {
        answer_signals(peers).map_err(Error::Signals)?; // those have their own answers
    }
    match command {
        Command::Train(args) => train::run_with(peers, &args),
        Command::Evaluate(args) => evaluate::run_with(peers, &args),
        Command::Sample(args) => sample::run_with(peers, &args),
        Command::Variance(args) => variance::run_with(peers, &args),
        Command::Hmc(args) => hmc::run_with(peers, &args),
        #[cfg(feature = "mpi")]
        Command::Peers => Ok(mpi::measure::run(peers)?),
        _ if !peers.is_alone() => Err(Error::Usage(format!(
            "{} processes: accepted is one, or train, evaluate, sample, variance, hmc",
            peers.size()
        ))),
        Command::Gradient(args) => gradient::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::LogProb(args) => log_prob::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Flows(args) => flows::run(&args),
        Command::Config(command) => config::run(&command),
    }
}

/// Whether the arguments, the first of which is the name of the program, are understood; nothing is done.
///
/// # Errors
/// What is wrong with them, in a line; help, where it is asked for.
pub fn understood(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    Cli::try_parse_from(arguments).map(drop).map_err(|error| refusal(&error))
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
