//! `upg sweep`: the runs of a grid, side by side, and one report that compares them.
//!
//! | what | where |
//! |---|---|
//! | the runs that the arguments describe, each accepted before any begins | `plan` |
//! | the folder: `sweep.ron`, the runs, and who makes which | `folder` |
//! | `upg train --resume`, as a process of its own for each run | `children` |
//! | what came of the runs, and the averages over their seeds | `outcome`, `compare` |
//! | the comparison as text, as `sweep.json` and as a page | `table`, `page` |
//!
//! A run is made by `upg train` alone, so it has the bits that it would have without a sweep, and whatever ends it leaves the others be. Several
//! processes may work in one folder, on one machine or on many: a run is claimed by a lock before it is begun.

mod children;
mod compare;
mod folder;
mod outcome;
mod page;
mod plan;
mod table;

use super::arguments::from_one_on;
use super::place::PlaceArgs;
use super::train::signals::Signals;
use crate::Error;
use crate::config::{Axis, DeviceName, Override};
use crate::io::console::print;
use crate::io::output::{OutputFile, clean_up_on_signals, finish_together};
use crate::io::results::seal;
use crate::text::Shown;
use children::{Ended, Sweeper};
use clap::Args;
use compare::Comparison;
use folder::{Folder, Record};
use plan::{Plan, Seeds};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Options of `upg sweep`.
#[derive(Clone, Debug, Args)]
pub struct SweepArgs {
    /// The experiment, RON. Not needed to go on with the sweep in a folder; to give that more runs it is.
    #[arg(long, value_name = "RON", required_unless_present = "out")]
    pub config: Option<PathBuf>,
    /// A field and its values: 'training.optimiser.rate=[1e-3, 1e-4]'. Given several times, every value is combined with every other.
    #[arg(long, value_name = "FIELD=[VALUE,…]", requires = "config")]
    pub grid: Vec<Axis>,
    /// Another value for a field in all runs, as in `upg train`.
    #[arg(long, value_name = "FIELD=VALUE", requires = "config")]
    pub set: Vec<Override>,
    /// So many seeds from that of the configuration on, or these: 1,5,7. By default that of the configuration.
    #[arg(long, requires = "config")]
    pub seeds: Option<Seeds>,
    /// Stop each run after so many steps in all, as in `upg train`.
    #[arg(long)]
    pub steps: Option<u64>,
    /// Folder of the sweep; by default `sweeps/` and the name of the configuration. A sweep that is there goes on, and may get more runs.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Runs at a time; by default as many as there are cores for, on a card one.
    #[arg(long, value_parser = from_one_on())]
    pub jobs: Option<NonZeroUsize>,
    /// Where each run computes; the threads are those of one run, by default the cores over the runs at a time.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Make the run of this number alone, from 1 on: for arrays of jobs.
    #[arg(long, value_name = "NUMBER", value_parser = from_one_on(), conflicts_with_all = ["tasks", "report"])]
    pub task: Option<NonZeroUsize>,
    /// Print the number of runs, and make none.
    #[arg(long, conflicts_with = "report")]
    pub tasks: bool,
    /// Compare what is there, and make no run.
    #[arg(long)]
    pub report: bool,
}

/// Makes the runs, compares them, and returns the table.
///
/// # Errors
/// If an argument is wrong, before any run begins; if a run fails, after all others; if a signal asks for an end.
pub fn run(args: &SweepArgs) -> Result<String, Error> {
    if args.tasks || args.report {
        clean_up_on_signals().map_err(Error::Signals)?;
    }
    let out = args.out.clone().unwrap_or_else(|| default_folder(args.config.as_deref()));
    let plan = args.config.as_deref().map(|config| Plan::new(config, args)).transpose()?;
    if let (Some(plan), true) = (&plan, args.tasks) {
        return Ok(plan.runs.len().to_string());
    }
    let (folder, record) = match (&plan, args.report || args.tasks) {
        (Some(plan), false) => Folder::begin(&out, plan, args.steps)?,
        _ => Folder::open(&out, args.steps)?,
    };
    if args.tasks {
        return Ok(record.runs.len().to_string());
    }
    if args.report {
        return report(&folder, &record);
    }
    make(args, &folder, &record)
}

fn default_folder(config: Option<&Path>) -> PathBuf {
    Path::new("sweeps").join(config.and_then(Path::file_stem).unwrap_or("sweep".as_ref()))
}

/// Makes the runs that aren't done, or the one that is asked for.
fn make(args: &SweepArgs, folder: &Folder, record: &Record) -> Result<String, Error> {
    let signals = Signals::listen().map_err(Error::Signals)?;
    let wanted: Vec<usize> = match args.task {
        None => (0..record.runs.len()).collect(),
        Some(task) if task.get() <= record.runs.len() => vec![task.get() - 1],
        Some(task) => {
            let accepted = format!("accepted is the number of a run, 1 to {}", record.runs.len());
            return Err(Error::Usage(format!("--task = {task}: {accepted}")));
        }
    };
    let (jobs, threads) = shares(args, wanted.len());
    let ended = Sweeper::new(folder, record, &args.place, threads, &signals).make(&wanted, jobs)?;
    let (runs, dir) = (wanted.len(), folder.path().to_owned());
    let Ended { failed, stopped_by, done } = ended;
    if let Some(signal) = stopped_by {
        return Err(Error::SweepInterrupted { signal, done, runs, dir });
    }
    let told = match args.task {
        Some(task) => format!("run {task} of {}, {}, is done", record.runs.len(), record.runs[wanted[0]].name),
        None => report(folder, record)?,
    };
    if failed == 0 {
        return Ok(told);
    }
    if args.task.is_none() {
        print(format_args!("{told}\n"))?;
    }
    Err(Error::RunsFailed { failed, runs, dir })
}

/// Runs at a time, and the threads of each.
fn shares(args: &SweepArgs, runs: usize) -> (usize, usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = match (args.jobs, args.place.threads) {
        (Some(jobs), _) => jobs.get(),
        (None, _) if args.place.device != DeviceName::Cpu => 1,
        (None, threads) => cores / threads.unwrap_or(1),
    };
    let jobs = jobs.clamp(1, runs.max(1));
    (jobs, args.place.threads.unwrap_or((cores / jobs).max(1)))
}

/// Compares the runs, writes the comparison, and returns it as text.
fn report(folder: &Folder, record: &Record) -> Result<String, Error> {
    let comparison = Comparison::of(folder, record)?;
    let (numbers, page) = (OutputFile::create(&folder.numbers())?, OutputFile::create(&folder.page())?);
    let html = page::html(&folder.path().shown(), &comparison);
    finish_together(vec![page.with(html.as_bytes())?, numbers.with(seal(comparison.to_json()).as_bytes())?])?;
    Ok(format!("{}written to {}", table::text(&comparison), folder.page().shown()))
}
