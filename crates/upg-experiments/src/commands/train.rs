//! `upg train`: a run in a folder, saved as it goes, continued bit for bit.
//!
//! | what | where |
//! |---|---|
//! | the steps, without files | [`trainer`](upg_train::trainer) |
//! | `metrics.jsonl` | [`metrics`](crate::io::metrics) |
//! | folder and lock | [`run_dir`](crate::io::run_dir) |
//! | checkpoints | [`checkpoint`](crate::io::checkpoint) |
//! | the other processes, where there are several | `follower` |
//!
//! Order of writing, so that whatever ends the program loses nothing: the lines of `metrics.jsonl` go to the disk, then the best weights,
//! then the checkpoint, under a temporary name first. After a crash the run resumes from the checkpoint and takes the lines beyond it out.

mod events;
mod follower;
mod progress;
mod session;
pub(super) mod signals;
mod steps;

#[cfg(test)]
mod tests;

pub use crate::io::signals::Caller;
pub use session::TrainArgs;
pub use steps::Steps;

use super::place::{self, Work};
use super::together::agree;
use crate::Error;
use crate::config::{ConfigFile, Place};
use follower::Follower;
use session::{Plan, config_of};
use upg_train::Peers;

/// Trains; returns one line that says what was done.
///
/// # Errors
/// If an input is wrong, the gradient isn't finite too often, a file can't be written, or the run is interrupted. What was saved stays.
pub fn run(args: &TrainArgs) -> Result<String, Error> {
    run_with(&Peers::alone(), args)
}

/// The same as one of several processes, of which the first alone writes and speaks.
///
/// # Errors
/// As [`run`]; and if the processes part.
pub fn run_with(peers: &Peers, args: &TrainArgs) -> Result<String, Error> {
    let file = config_of(args)?;
    agree(peers, "configuration", file.text().as_bytes())?;
    run_plan(Plan::new(file, args, None).with_peers(peers))
}

/// The same for a caller who has the configuration, by default that of the run in the folder, and who answers signals itself.
///
/// # Errors
/// As [`run`].
pub fn run_for(caller: Caller<'_>, config: Option<ConfigFile>, args: &TrainArgs) -> Result<String, Error> {
    let config = config.map_or_else(|| config_of(args), Ok)?;
    run_plan(Plan::new(config, args, Some(caller)))
}

/// The same for a caller, or else answering signals itself, with a configuration from elsewhere.
pub(super) fn run_of(caller: Option<Caller<'_>>, config: ConfigFile, args: &TrainArgs) -> Result<String, Error> {
    run_plan(Plan::new(config, args, caller))
}

fn run_plan(plan: Plan<'_>) -> Result<String, Error> {
    plan.check()?;
    let (config, place) = (plan.config(), plan.place().clone());
    place::on(&place, config.precision.products, config.training.precision, Job(plan))?
}

struct Job<'a>(Plan<'a>);

impl Work for Job<'_> {
    type Outcome = Result<String, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let Self(plan) = self;
        if plan.peers().is_first() { session::run_on(plan, device) } else { Follower::begin(&plan, &device)?.run() }
    }
}
