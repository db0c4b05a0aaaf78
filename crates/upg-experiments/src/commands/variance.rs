//! `upg variance`: how noisy each estimator of the gradient is at the present weights, [`upg_train::variance`].

use super::caller::{Caller, go_on, nobody};
use super::held::check_memory;
use super::place::Work;
use super::run_weights::{Loaded, RunArgs};
use crate::Error;
use crate::config::{DeviceName, Place};
use crate::io::output::OutputFile;
use crate::io::results::seal;
use crate::io::run_dir::RunDir;
use crate::text::Shown;
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;
use upg_train::stats::Estimate;
use upg_train::variance::{Noise, Repetitions};
use upg_train::{Peers, Purpose};

/// Options of `upg variance`.
#[derive(Clone, Debug, Args)]
pub struct VarianceArgs {
    /// The run and its weights.
    #[command(flatten)]
    pub run: RunArgs,
    /// Instead of `training.seed`.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Number of gradients of each estimator.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(20..))]
    pub repetitions: u32,
    /// Samples of each gradient.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub batch: u32,
    /// Folder for the results, by default that of the run; for runs one may only read.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Estimates, writes `variance.json`, and returns the table to be shown.
///
/// # Errors
/// If the run or an argument is wrong, or the file can't be written.
pub fn run(args: &VarianceArgs) -> Result<String, Error> {
    run_with(&Peers::alone(), args)
}

/// The same as one of several processes, of which the first alone writes and speaks.
///
/// # Errors
/// As [`run`]; and if the processes part.
pub fn run_with(peers: &Peers, args: &VarianceArgs) -> Result<String, Error> {
    args.run.have_done(peers, None, |dir| Job { caller: &nobody, args, dir, peers: peers.clone() })
}

/// The same for a caller, who is asked meanwhile whether to end.
///
/// # Errors
/// As [`run`]; if the caller asks for an end.
pub fn run_for(caller: Caller<'_>, args: &VarianceArgs) -> Result<String, Error> {
    let peers = Peers::alone();
    args.run.have_done(&peers.clone(), None, |dir| Job { caller, args, dir, peers })
}

struct Job<'a> {
    caller: Caller<'a>,
    args: &'a VarianceArgs,
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
    let mut loaded = Loaded::as_trained(device, dir, &args.run, args.seed)?.with_peers(peers);
    if args.run.place.device == DeviceName::Cpu {
        check_memory("--batch", args.batch as usize, loaded.trained.dof() * size_of::<D::Real>())?;
    }
    let plan = Repetitions { number: args.repetitions as usize, batch: args.batch as usize };
    let seed = loaded.config.training.seed;
    let trains_on_data = loaded.config.training.objective.needs_data();
    let purpose = if trains_on_data { Purpose::TrainData } else { Purpose::TestData };
    if !peers.is_first() {
        let data = loaded.data(*caller, dir, None, purpose)?;
        loaded.trained.variance(plan, seed, data.as_ref())?;
        return Ok(String::new());
    }
    let results = dir.results(args.out.as_deref())?;
    let path = results.file("variance.json");
    let out = OutputFile::create(&path)?;
    let data = loaded.data(*caller, dir, Some(&results), purpose)?;
    let noise = loaded.trained.variance_while(plan, seed, data.as_ref(), &mut || go_on(*caller))?;
    let object = serde_json::json!({
        "weights": loaded.weights,
        "repetitions": plan.number,
        "batch": plan.batch,
        "estimators": noise,
        "provenance": loaded.provenance(),
    });
    out.commit(seal(object).as_bytes())?;
    Ok(format!("{}computed on {}, written to {}", table(&noise), loaded.trained.device().words(), path.shown()))
}

fn table(noise: &[Noise]) -> String {
    let mut out = String::new();
    let mut line = |cells: [String; 7]| {
        let [divergence, estimator, variance, ratio, norm, snr, distance] = cells;
        writeln!(out, "{divergence:<8} {estimator:<18} {variance:>23} {ratio:>23} {norm:>23} {snr:>23} {distance:>23}")
            .expect("memory takes all");
    };
    let numbers = ["variance per sample", "over the ordinary one", "|gradient|^2", "signal to noise"];
    let [variance, ratio, norm, snr] = numbers;
    let head = ["KL", "estimator", variance, ratio, norm, snr, "|mean - ordinary one|^2"];
    line(head.map(str::to_owned));
    let shown = |e: Estimate| format!("{:.4e} ± {:.1e}", e.value, e.error);
    for of in noise {
        line([
            of.divergence.to_string(),
            of.estimator.to_string(),
            shown(of.variance),
            shown(of.variance_ratio),
            shown(of.squared_norm),
            shown(of.signal_to_noise),
            of.distance.map_or(String::new(), shown),
        ]);
    }
    out
}
