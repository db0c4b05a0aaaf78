//! `cargo xtask soak`: ordeals for `upg`, one after the other, for as long as it is given; docs/ENDURANCE.md.
//!
//! A round is an ordeal drawn from the seed and its number, so that what it finds can be repeated. Each is a line of the ledger once it is over, by
//! which a soak goes on where it was.

mod commands;
mod configs;
mod damage;
mod disks;
mod ends;
mod experiment;
mod files;
pub(crate) mod fuzz;
mod leaks;
mod ledger;
mod libfuzzer;
mod ordeal;
mod outcome;
mod program;
mod report;
mod round;
mod stop;

use clap::Args;
use clap::builder::TypedValueParser;
use ledger::{Entry, Ledger};
use ordeal::Ordeal;
use outcome::Interrupted;
use program::Program;
use round::Round;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stop::Stop;
use upg_experiments::io::console::{print, say};

#[derive(Args)]
pub(crate) struct Arguments {
    /// How long this session takes, about; one in a folder with a ledger goes on there.
    #[arg(long, default_value = "1", value_parser = hours_parser())]
    hours: f64,
    /// Folder for the ledger, the report and what is found; made if it is missing.
    #[arg(long, default_value = "soak-out", value_name = "DIR")]
    out: PathBuf,
    /// Decides what is drawn; by default that of the ledger, or 1.
    #[arg(long)]
    seed: Option<u64>,
    /// These ordeals only.
    #[arg(long, value_delimiter = ',', value_name = "ORDEALS")]
    only: Vec<Ordeal>,
    /// This round of the one ordeal named by --only, and no other: to repeat what it found.
    #[arg(long, value_name = "K", requires = "only")]
    round: Option<u64>,
    /// So many rounds at most.
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// The program that suffers, by default the `upg` that this was built with.
    #[arg(long, value_name = "UPG")]
    program: Option<PathBuf>,
}

/// Accepts how long it takes.
fn hours_parser() -> impl TypedValueParser<Value = f64> {
    |text: &str| {
        let hours = text.parse().ok().filter(|hours| *hours > 0.0 && *hours <= 10_000.0);
        hours.ok_or("accepted is a number of hours above 0, up to 10000")
    }
}

/// Why there is no soak, or no more of it.
enum Refused {
    /// What was asked for isn't accepted.
    Usage(String),
    /// The machine doesn't do its part.
    Failed(String),
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let (told, status) = match soak(arguments) {
        Ok(0) => return ExitCode::SUCCESS,
        Ok(_) => return ExitCode::FAILURE,
        Err(Refused::Usage(told)) => (told, 2),
        Err(Refused::Failed(told)) => (told, 1),
    };
    say(format_args!("error: {told}"));
    ExitCode::from(status)
}

/// Makes rounds until the time is over, all are made, or somebody asks for an end; returns how many findings there were.
fn soak(arguments: &Arguments) -> Result<usize, Refused> {
    let failed = |error: std::io::Error| Refused::Failed(format!("--out = {}: {error}", arguments.out.display()));
    let ordeals = if arguments.only.is_empty() { Ordeal::ALL.to_vec() } else { arguments.only.clone() };
    if arguments.round.is_some() && ordeals.len() != 1 {
        return Err(Refused::Usage("--round: accepted with one ordeal, e.g. --only kills".into()));
    }
    let stop = Stop::at(Instant::now() + Duration::from_secs_f64(3600.0 * arguments.hours)).map_err(failed)?;
    std::fs::create_dir_all(&arguments.out).map_err(failed)?;
    let out = arguments.out.canonicalize().map_err(failed)?;
    let mut ledger = Ledger::open(&out, arguments.seed).map_err(Refused::Usage)?;
    let program = Program::new(arguments.program.as_deref(), &out).map_err(Refused::Usage)?;
    let first = arguments.round.unwrap_or(ledger.next_round());
    let end =
        arguments.round.map_or(arguments.rounds.map(|rounds| first.saturating_add(rounds)), |round| Some(round + 1));
    let mut found = 0;
    for number in (first..).take_while(|&number| end.is_none_or(|end| number < end)) {
        let ordeal = ordeals[(number % ordeals.len() as u64) as usize];
        let entry = match make(ordeal, number, ledger.seed(), &program, &stop, &out) {
            Ok(entry) => entry,
            Err(Interrupted::Stopped) => break,
            Err(Interrupted::Failed(problem)) => {
                return Err(Refused::Failed(format!("round {number}, {}: {problem}", ordeal.name())));
            }
        };
        say(&entry);
        found += entry.findings.len();
        ledger.append(entry).map_err(failed)?;
        report::write(&out, &ledger).map_err(Refused::Failed)?;
        if stop.is_asked_for() {
            break;
        }
    }
    report::write(&out, &ledger).map_err(Refused::Failed)?;
    let _ = print(format_args!("{}", report::text(&ledger)));
    Ok(found)
}

/// Makes a round in a folder of its own, which stays if something was found.
fn make(
    ordeal: Ordeal,
    number: u64,
    seed: u64,
    program: &Program,
    stop: &Stop,
    out: &std::path::Path,
) -> Result<Entry, Interrupted> {
    let begun = Instant::now();
    let folder = out.join("work");
    files::clear(&folder)?;
    let mut round = Round::new(ordeal.stream(seed, number), folder, program, stop);
    ordeal.make(&mut round)?;
    let mut entry = Entry::new(ordeal, number, seed, begun.elapsed().as_secs_f64());
    (entry.counts, entry.findings, entry.not_run) = (round.counts, round.findings, round.not_run);
    match entry.findings.is_empty() {
        true => files::remove(&round.folder)?,
        false => files::keep(&round.folder, &out.join("findings").join(format!("{}-{number}", ordeal.name())))?,
    }
    Ok(entry)
}
