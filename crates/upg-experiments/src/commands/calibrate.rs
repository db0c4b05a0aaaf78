//! `upg calibrate`: whether the errors that `upg evaluate` prints mean what they say, [`upg_train::calibration`].
//!
//! A trained flow is evaluated many times, each time with another seed, as if nobody knew the answers; then its numbers are compared with them. Every
//! evaluation is a line of `evaluations.jsonl`, so that a calibration that was stopped goes on where it was, and one that was made goes on to more. The flow may be trained before, and
//! several times, by seeds that follow each other.

mod page;
mod problem;
mod record;
mod table;

use super::caller::{Caller, go_on, nobody};
use super::place::Work;
use super::run_weights::{Loaded, RunArgs, Weights};
use super::train::signals::Signals;
use super::train::{self, TrainArgs};
use crate::Error;
use crate::config::{ConfigFile, FEWEST_SAMPLES, MOST_SAMPLES, Place};
use crate::io::console::say;
use crate::io::output::{OutputFile, Provenance, finish_together};
use crate::io::results::seal;
use crate::io::run_dir::{RunDir, RunError};
use crate::text::Shown;
use clap::Args;
use record::{Evaluated, Heading, Records, taken_apart};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use table::Table;
use upg_train::calibration::ExactValues;
use upg_train::{EvaluationPlan, Peers};

pub use problem::Problem;

/// Options of `upg calibrate`.
#[derive(Clone, Debug, Args)]
pub struct CalibrateArgs {
    /// The run and its weights; its target must have exact values.
    #[command(flatten)]
    pub run: RunArgs,
    /// Train this experiment in the folder before, RON, unless that is done.
    #[arg(long, value_name = "RON", conflicts_with = "problem")]
    pub config: Option<PathBuf>,
    /// The same with a problem that comes with the program.
    #[arg(long)]
    pub problem: Option<Problem>,
    /// Trainings of it, by seeds that follow each other, in folders `training-SEED` of that of the run.
    #[arg(long, default_value_t = 1)]
    pub trainings: u32,
    /// Samples of the flow in an evaluation; for several numbers of them each has a table of its own.
    #[arg(long, value_delimiter = ',', default_value = "200,2000,20000")]
    pub samples: Vec<usize>,
    /// Evaluations of each.
    #[arg(long, default_value_t = 1000)]
    pub runs: u32,
    /// Seed of the first evaluation of a flow, by default `training.seed`; the following have the following ones.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Folder for the results, by default `calibration` in that of the run. One with the evaluations of the same flow goes on.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Delete the evaluations in the folder, and begin anew.
    #[arg(long)]
    pub force: bool,
}

/// Evaluates, writes `calibration.json` and `calibration.html`, and returns the tables to be shown.
///
/// # Errors
/// If the run or an argument is wrong, its target has no exact values, or a file can't be written.
pub fn run(args: &CalibrateArgs) -> Result<String, Error> {
    calibrate(None, args)
}

/// The same for a caller, who is asked meanwhile whether to end.
///
/// # Errors
/// As [`run`]; if the caller asks for an end.
pub fn run_for(caller: Caller<'_>, args: &CalibrateArgs) -> Result<String, Error> {
    calibrate(Some(caller), args)
}

fn calibrate(caller: Option<Caller<'_>>, args: &CalibrateArgs) -> Result<String, Error> {
    if !(2..=1_000_000).contains(&args.runs) {
        return Err(Error::Usage(format!("--runs = {}: accepted is a whole number from 2 to 1000000", args.runs)));
    }
    check_samples(&args.samples)?;
    let (mut all, runs) = (vec![], trained(caller, args)?);
    if caller.is_none() {
        let _ = Signals::listen_among(&Peers::alone(), "").map_err(Error::Signals)?; // trainings had their own answer
    }
    for run in runs {
        let of_run = RunArgs { run, ..args.run.clone() };
        let caller = caller.unwrap_or(&nobody);
        let alone = args.trainings == 1;
        all.push(of_run.have_done(&Peers::alone(), None, |dir| Job { caller, args, of_run: &of_run, dir, alone })?);
    }
    finish(args, &all)
}

/// The folders of the trained flows; what isn't trained is.
fn trained(caller: Option<Caller<'_>>, args: &CalibrateArgs) -> Result<Vec<PathBuf>, Error> {
    let (folder, trainings) = (&args.run.run, args.trainings);
    if !(1..=1000).contains(&trainings) {
        return Err(Error::Usage(format!("--trainings = {trainings}: accepted is a whole number from 1 to 1000")));
    }
    let file = match (&args.config, args.problem) {
        (Some(path), _) => ConfigFile::read_with(path, &[])?,
        (None, Some(problem)) => ConfigFile::of_text(problem.config().to_owned(), Path::new(""))?,
        (None, None) if trainings == 1 => return Ok(vec![folder.clone()]),
        (None, None) => {
            let accepted = "accepted is 1 for a run that is there, or --config or --problem with it";
            return Err(Error::Usage(format!("--trainings = {trainings}: {accepted}")));
        }
    };
    let first = file.config.training.seed;
    let mut folders = vec![];
    for seed in (0..u64::from(trainings)).map(|k| first.wrapping_add(k)) {
        let out = if trainings == 1 { folder.clone() } else { folder.join(format!("training-{seed}")) };
        let (place, mut file) = (args.run.place.clone(), file.clone());
        file.config.training.seed = seed;
        let options = TrainArgs { out: Some(out.clone()), resume: true, place, ..TrainArgs::default() };
        let told = train::run_of(caller, file, &options)?;
        if std::io::stderr().is_terminal() {
            say(told);
        }
        folders.push(out);
    }
    Ok(folders)
}

/// The tables and the page of the evaluations in the text of an `evaluations.jsonl`, whatever its heading.
///
/// # Errors
/// The first line that is none, in words.
pub fn tables_of(lines: &[u8]) -> Result<(String, String), String> {
    let mut by_samples = BTreeMap::<usize, Vec<Evaluated>>::new();
    for evaluated in taken_apart(lines).1 {
        let evaluated = evaluated.map_err(|line| format!("line {line} is damaged"))?;
        by_samples.entry(evaluated.samples).or_default().push(evaluated);
    }
    let tables: BTreeMap<_, _> = by_samples.iter().map(|(&samples, all)| (samples, Table::of(all.iter()))).collect();
    let text = tables.iter().map(|(samples, table)| table.text(*samples)).collect();
    Ok((text, page::html("evaluations", &tables)))
}

/// The folder of the results in that of a run.
const FOLDER: &str = "calibration";
/// The results.
const NUMBERS: &str = "calibration.json";
const PAGE: &str = "calibration.html";
const LINES: &str = "evaluations.jsonl";

struct Job<'a> {
    caller: Caller<'a>,
    args: &'a CalibrateArgs,
    of_run: &'a RunArgs,
    dir: RunDir,
    /// Whether it is the only flow.
    alone: bool,
}

/// The evaluations of a flow.
struct Evaluations {
    /// By the number of samples.
    all: BTreeMap<usize, Vec<Evaluated>>,
    exact: ExactValues,
    weights: Weights,
    origin: Option<String>,
    first_seed: u64,
    provenance: Provenance,
}

impl Work for Job<'_> {
    type Outcome = Result<Evaluations, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let Self { caller, args, of_run, dir, alone } = self;
        let mut loaded = Loaded::new(device, &dir, of_run, None)?;
        let blocks = loaded.config.evaluation.blocks;
        let exact = loaded.trained.forget_exact();
        if exact.is_empty() {
            let accepted = "accepted are runs of targets with exact values";
            return Err(Error::Usage(format!("--run = {}: {accepted}", dir.path().shown())));
        }
        let folder = match &args.out {
            Some(out) if alone => dir.results(Some(out))?.path().to_owned(),
            _ => dir.file(FOLDER),
        };
        std::fs::create_dir_all(&folder).map_err(|source| RunError::Place { path: folder.clone(), source })?;
        let heading = Heading::new(&loaded, args.run.ode_steps, &exact);
        let mut records = Records::open(&folder.join(LINES), &heading, args.force)?;
        let first_seed = args.seed.unwrap_or(loaded.config.training.seed);
        let seeds = (0..u64::from(args.runs)).map(|run| first_seed.wrapping_add(run));
        let mut all = BTreeMap::new();
        for &samples in args.samples.iter().collect::<BTreeSet<_>>() {
            for seed in seeds.clone().filter(|&seed| !records.holds(samples, seed)).collect::<Vec<_>>() {
                let plan = EvaluationPlan { samples, blocks, seed };
                let evaluation = loaded.trained.evaluate_while(plan, None, &mut || go_on(caller))?;
                records.append(Evaluated::new(seed, &evaluation.summary, &exact))?;
            }
            if std::io::stderr().is_terminal() {
                say(format_args!("{samples} samples: {} evaluations", args.runs));
            }
            all.insert(samples, seeds.clone().map(|seed| records.take((samples, seed))).collect());
        }
        let provenance = loaded.provenance();
        Ok(Evaluations { all, exact, weights: loaded.weights, origin: loaded.origin, first_seed, provenance })
    }
}

/// Writes the tables of all flows together.
fn finish(args: &CalibrateArgs, flows: &[Evaluations]) -> Result<String, Error> {
    let folder = match &args.out {
        Some(out) => out.clone(),
        None => args.run.run.join(FOLDER),
    };
    std::fs::create_dir_all(&folder).map_err(|source| RunError::Place { path: folder.clone(), source })?;
    let (numbers, page) = (OutputFile::create(&folder.join(NUMBERS))?, OutputFile::create(&folder.join(PAGE))?);
    let of_samples = |samples| flows.iter().flat_map(move |flow| &flow.all[samples]);
    let tables: BTreeMap<usize, Table> =
        args.samples.iter().map(|samples| (*samples, Table::of(of_samples(samples)))).collect();
    let each = |of: &dyn Fn(&Evaluations) -> Value| match flows {
        [alone] => of(alone),
        flows => flows.iter().map(of).collect(),
    };
    let exact = &flows[0].exact;
    let object = json!({
        "weights": flows[0].weights,
        "weights_of": each(&|flow| json!(flow.origin)),
        "runs": args.runs,
        "trainings": args.trainings,
        "first_seed": each(&|flow| json!(flow.first_seed)),
        "exact": { "log_z": exact.log_z, "observables": exact.observables, "unknown": exact.unknown },
        "samples": tables,
        "provenance": each(&|flow| json!(flow.provenance)),
    });
    let html = page::html(&args.run.run.shown().to_string(), &tables);
    finish_together(vec![page.with(html.as_bytes())?, numbers.with(seal(object).as_bytes())?])?;
    let tables: String = tables.iter().map(|(samples, table)| table.text(*samples)).collect();
    let left_out = match &exact.unknown[..] {
        [] => String::new(),
        unknown => format!("left out, as no exact value is known: {}\n", unknown.join(", ")),
    };
    Ok(format!("{tables}{left_out}written to {}", folder.shown()))
}

fn check_samples(all: &[usize]) -> Result<(), Error> {
    for samples in all {
        if !(FEWEST_SAMPLES..=MOST_SAMPLES).contains(samples) {
            let accepted = format!("whole numbers, at least {FEWEST_SAMPLES}, at most {MOST_SAMPLES}");
            return Err(Error::Usage(format!("--samples = {samples}: accepted are {accepted}")));
        }
    }
    Ok(())
}
