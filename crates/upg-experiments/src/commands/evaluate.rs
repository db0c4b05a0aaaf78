//! `upg evaluate`: the worth of a trained flow, in numbers with errors, [`upg_train::evaluate`].

mod table;

pub(super) use table::with_error;

use super::caller::{Caller, go_on, nobody};
use super::place::Work;
use super::run_weights::{Loaded, RunArgs};
use crate::Error;
use crate::config::{FEWEST_SAMPLES, MOST_SAMPLES, Place};
use crate::io::output::{OutputFile, Provenance, finish_together};
use crate::io::results::{checksum, seal};
use crate::io::run_dir::{DETAILS, RunDir, RunError};
use crate::io::samples::encode;
use clap::Args;
use serde_json::{Map, Value};
use std::path::PathBuf;
use upg_train::evaluate::Summary;
use upg_train::{Evaluation, EvaluationPlan, Peers, Purpose};

/// Options of `upg evaluate`.
#[derive(Clone, Debug, Args)]
pub struct EvaluateArgs {
    /// The run and its weights.
    #[command(flatten)]
    pub run: RunArgs,
    /// Instead of `training.seed`.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Samples of the flow, instead of `evaluation.samples`.
    #[arg(long)]
    pub samples: Option<usize>,
    /// Folder for the results, by default that of the run; for runs one may only read.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Evaluates, writes `summary.json`, and returns the table to be shown.
///
/// # Errors
/// If the run or an argument is wrong, or a file can't be written.
pub fn run(args: &EvaluateArgs) -> Result<String, Error> {
    run_with(&Peers::alone(), args)
}

/// The same as one of several processes, of which the first alone writes and speaks.
///
/// # Errors
/// As [`run`]; and if the processes part.
pub fn run_with(peers: &Peers, args: &EvaluateArgs) -> Result<String, Error> {
    args.run.have_done(peers, None, |dir| Job { caller: &nobody, args, dir, peers: peers.clone() })
}

/// The same for a caller, who is asked meanwhile whether to end.
///
/// # Errors
/// As [`run`]; if the caller asks for an end.
pub fn run_for(caller: Caller<'_>, args: &EvaluateArgs) -> Result<String, Error> {
    let peers = Peers::alone();
    args.run.have_done(&peers.clone(), None, |dir| Job { caller, args, dir, peers })
}

struct Job<'a> {
    caller: Caller<'a>,
    args: &'a EvaluateArgs,
    dir: RunDir,
    peers: Peers,
}

impl Work for Job<'_> {
    type Outcome = Result<String, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        run_on(self, device)
    }
}

fn run_on<D: Place>(job: Job<'_>, device: D) -> Result<String, Error> {
    let Job { caller, args, dir, peers } = &job;
    let mut loaded = Loaded::new(device, dir, &args.run, args.seed)?.with_peers(peers);
    let blocks = loaded.config.evaluation.blocks;
    let samples = args.samples.unwrap_or(loaded.config.evaluation.samples);
    if !(FEWEST_SAMPLES..=MOST_SAMPLES).contains(&samples) {
        let accepted = format!("a whole number, at least {FEWEST_SAMPLES}, at most {MOST_SAMPLES}");
        return Err(Error::Usage(format!("--samples = {samples}: accepted is {accepted}")));
    }
    let plan = EvaluationPlan { samples, blocks, seed: loaded.config.training.seed };
    if !peers.is_first() {
        let data = loaded.data(*caller, dir, None, Purpose::TestData)?;
        loaded.trained.help_to_evaluate(plan, data.as_ref())?;
        return Ok(String::new());
    }
    let results = dir.results(args.out.as_deref())?;
    let out = OutputFile::create(&results.summary())?;
    let data = loaded.data(*caller, dir, Some(&results), Purpose::TestData)?;
    let evaluation = loaded.trained.evaluate_while(plan, data.as_ref(), &mut || go_on(*caller))?;
    let (words, provenance) = (loaded.trained.device().words(), loaded.provenance());
    let (name, origin, trained_on) = (loaded.weights, loaded.origin.as_deref(), &provenance.trained_on[..]);
    let weights = table::Weights { name, origin, device: &words, trained_on };
    write(&evaluation, &weights, &provenance, &results, out)?;
    Ok(table::text(&evaluation.summary, &weights, data.is_some(), &results.summary()))
}

/// The summary with which weights it is of, what made it, and the checksums of the files beside it, one JSON object.
fn json(
    summary: &Summary,
    weights: &table::Weights<'_>,
    provenance: &Provenance,
    details: Map<String, Value>,
) -> String {
    let mut object = serde_json::to_value(summary).expect("names and numbers");
    object["weights"] = serde_json::to_value(weights.name).expect("a name");
    object["weights_of"] = serde_json::to_value(weights.origin).expect("a text");
    object["files"] = Value::Object(details);
    object["provenance"] = serde_json::to_value(provenance).expect("names and numbers");
    seal(object)
}

/// Writes the summary and what the report shows beside it, in the folder `evaluation`. All are on the disk before the first gets its name, and
/// the summary comes last with the checksums of the others: whatever ends the program before, it is not of these.
fn write(
    evaluation: &Evaluation,
    weights: &table::Weights<'_>,
    provenance: &Provenance,
    results: &RunDir,
    summary: OutputFile,
) -> Result<(), Error> {
    let folder = results.file("evaluation");
    std::fs::create_dir_all(&folder).map_err(|source| RunError::System { path: folder.clone(), source })?;
    let (mut writers, mut sums) = (vec![], Map::new());
    for (name, content) in DETAILS.into_iter().zip(details(evaluation)) {
        sums.insert(name.to_owned(), Value::String(checksum(&content)));
        writers.push(OutputFile::create(&folder.join(name))?.with(&content)?);
    }
    writers.push(summary.with(json(&evaluation.summary, weights, provenance, sums).as_bytes())?);
    Ok(finish_together(writers)?)
}

/// The contents of [`DETAILS`].
fn details(evaluation: &Evaluation) -> [Vec<u8>; 3] {
    let named = evaluation.rho.iter().map(|(name, rho)| (name.clone(), serde_json::json!(rho)));
    let rho = serde_json::to_vec(&named.collect::<Map<_, _>>()).expect("names and numbers");
    let shown = &evaluation.shown;
    [encode(&[evaluation.log_weights.len()], &evaluation.log_weights), rho, encode(shown.shape(), shown)]
}
