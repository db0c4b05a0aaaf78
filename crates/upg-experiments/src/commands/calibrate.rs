//! `upg calibrate`: whether the errors that `upg evaluate` prints mean what they say, [`upg_train::calibration`].
//!
//! A trained flow is evaluated many times, each time with another seed, as if nobody knew the answers; then its numbers are compared with them. Every
//! evaluation is a line of `evaluations.jsonl`, so that a calibration that was stopped goes on where it was, and one that was made goes on to more.

mod page;
mod record;
mod table;

use super::caller::{Caller, go_on, nobody};
use super::place::Work;
use super::run_weights::{Loaded, RunArgs};
use crate::Error;
use crate::config::{MOST_SAMPLES, Place};
use crate::io::console::say;
use crate::io::output::{OutputFile, finish_together};
use crate::io::results::seal;
use crate::io::run_dir::{RunDir, RunError};
use crate::text::Shown;
use clap::Args;
use record::{Evaluated, Heading, Records};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use table::Table;
use upg_train::EvaluationPlan;

/// Options of `upg calibrate`.
#[derive(Clone, Debug, Args)]
pub struct CalibrateArgs {
    /// The run and its weights; its target must have exact values.
    #[command(flatten)]
    pub run: RunArgs,
    /// Samples of the flow in an evaluation; for several numbers of them each has a table of its own.
    #[arg(long, value_delimiter = ',', default_value = "200,2000,20000")]
    pub samples: Vec<usize>,
    /// Evaluations of each.
    #[arg(long, default_value_t = 1000)]
    pub runs: u32,
    /// Seed of the first evaluation, by default `training.seed`; the following have the following ones.
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
    run_for(&nobody, args)
}

/// The same for a caller, who is asked meanwhile whether to end.
///
/// # Errors
/// As [`run`]; if the caller asks for an end.
pub fn run_for(caller: Caller<'_>, args: &CalibrateArgs) -> Result<String, Error> {
    if !(2..=1_000_000).contains(&args.runs) {
        return Err(Error::Usage(format!("--runs = {}: accepted is a whole number from 2 to 1000000", args.runs)));
    }
    args.run.have_done(None, |dir| Job { caller, args, dir })
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
    dir: RunDir,
}

impl Work for Job<'_> {
    type Outcome = Result<String, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let Self { caller, args, dir } = self;
        let mut loaded = Loaded::new(device, &dir, &args.run, None)?;
        let blocks = loaded.config.evaluation.blocks;
        check_samples(&args.samples, blocks)?;
        let exact = loaded.trained.forget_exact();
        if exact.is_empty() {
            let accepted = "accepted are runs of targets with exact values";
            return Err(Error::Usage(format!("--run = {}: {accepted}", dir.path().shown())));
        }
        let folder = match &args.out {
            Some(out) => dir.results(Some(out))?.path().to_owned(),
            None => dir.file(FOLDER),
        };
        std::fs::create_dir_all(&folder).map_err(|source| RunError::Place { path: folder.clone(), source })?;
        let heading = Heading::new(&loaded, args.run.ode_steps, &exact);
        let mut records = Records::open(&folder.join(LINES), &heading, args.force)?;
        let (numbers, page) = (OutputFile::create(&folder.join(NUMBERS))?, OutputFile::create(&folder.join(PAGE))?);
        let first = args.seed.unwrap_or(loaded.config.training.seed);
        let seeds = (0..u64::from(args.runs)).map(|run| first.wrapping_add(run));
        for &samples in &args.samples {
            for seed in seeds.clone().filter(|&seed| !records.holds(samples, seed)).collect::<Vec<_>>() {
                let plan = EvaluationPlan { samples, blocks, seed };
                let evaluation = loaded.trained.evaluate_while(plan, None, &mut || go_on(caller))?;
                records.append(Evaluated::new(seed, &evaluation.summary, &exact))?;
            }
            if std::io::stderr().is_terminal() {
                say(format_args!("{samples} samples: {} evaluations", args.runs));
            }
        }
        let evaluated = |samples| seeds.clone().map(move |seed| (samples, seed));
        let tables: BTreeMap<usize, Table> = (args.samples.iter())
            .map(|&samples| (samples, Table::of(evaluated(samples).map(|key| records.get(key)))))
            .collect();
        let provenance = loaded.provenance();
        let object = serde_json::json!({
            "weights": loaded.weights,
            "weights_of": loaded.origin,
            "runs": args.runs,
            "first_seed": first,
            "exact": { "log_z": exact.log_z, "observables": exact.observables },
            "samples": tables,
            "provenance": provenance,
        });
        let html = page::html(&dir.path().shown().to_string(), &tables);
        finish_together(vec![page.with(html.as_bytes())?, numbers.with(seal(object).as_bytes())?])?;
        let tables: String = tables.iter().map(|(samples, table)| table.text(*samples)).collect();
        Ok(format!("{tables}written to {}", folder.shown()))
    }
}

fn check_samples(all: &[usize], blocks: usize) -> Result<(), Error> {
    for samples in all {
        if !(blocks..=MOST_SAMPLES).contains(samples) {
            let accepted = format!("whole numbers, at least evaluation.blocks = {blocks}, at most {MOST_SAMPLES}");
            return Err(Error::Usage(format!("--samples = {samples}: accepted are {accepted}")));
        }
    }
    Ok(())
}
