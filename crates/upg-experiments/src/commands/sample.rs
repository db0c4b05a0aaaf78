//! `upg sample`: samples of a trained flow in a `.npy` file, independent with weights, or as an unbiased Markov chain.
//!
//! With `--metropolis` the file holds the states of the independence Metropolis chain that takes the flow's samples as proposals: state n
//! is sample n, or state n−1 again where it was rejected. Files are written piece by piece; memory doesn't grow with them.

use super::arguments::precision_parser;
use super::place::Work;
use super::run_weights::{Loaded, RunArgs};
use crate::Error;
use crate::config::{MOST_SAMPLES, Place, Precision};
use crate::io::output::{OutputFile, finish_together};
use crate::io::run_dir::{RunDir, named_files};
use crate::io::samples::RowWriter;
use crate::text::Shown;
use clap::Args;
use std::path::PathBuf;
use upg_core::Real;
use upg_train::sample::Drawn;
use upg_train::{Draw, Peers, SamplePlan};

/// Options of `upg sample`.
#[derive(Clone, Debug, Args)]
pub struct SampleArgs {
    /// The run and its weights.
    #[command(flatten)]
    pub run: RunArgs,
    /// Instead of `training.seed`.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Number of samples.
    #[arg(short = 'n', long = "samples")]
    pub samples: usize,
    /// Number of the first: sample n of a seed is the same whatever it is drawn together with, so samples may be drawn in pieces.
    #[arg(long, default_value_t = 0, conflicts_with = "metropolis")]
    pub first: u64,
    /// Where the samples go, shape [samples, lattice…].
    #[arg(long, value_name = "NPY")]
    pub out: PathBuf,
    /// Where their log-weights −S − log q go, f64.
    #[arg(long, value_name = "NPY")]
    pub log_weights: Option<PathBuf>,
    /// Where the samples z of the base go that they are made of, shape [samples, lattice…].
    #[arg(long, value_name = "NPY")]
    pub latent: Option<PathBuf>,
    /// Precision of computation and samples; by default that of the training.
    #[arg(long, value_parser = precision_parser())]
    pub dtype: Option<Precision>,
    /// Write the states of an independence Metropolis chain: unbiased samples of the target, correlated; log-weights and samples of
    /// the base are those of its states.
    #[arg(long)]
    pub metropolis: bool,
}

/// Draws and writes; returns one line that says what was done.
///
/// # Errors
/// If the run or an argument is wrong, or a file can't be written. There is no output file then.
pub fn run(args: &SampleArgs) -> Result<String, Error> {
    run_with(&Peers::alone(), args)
}

/// The same as one of several processes, of which the first alone writes and speaks.
///
/// # Errors
/// As [`run`]; and if the processes part.
pub fn run_with(peers: &Peers, args: &SampleArgs) -> Result<String, Error> {
    if !(1..=MOST_SAMPLES).contains(&args.samples) {
        let problem = format!("-n = {}: accepted is at least 1 sample, at most {MOST_SAMPLES}", args.samples);
        return Err(Error::Usage(problem));
    }
    let last = u64::MAX - args.samples as u64;
    if args.first > last {
        return Err(Error::Usage(format!(
            "--first = {}: accepted is at most {last} with -n {}",
            args.first, args.samples
        )));
    }
    args.run.have_done(peers, args.dtype, |dir| Job { args, dir, peers: peers.clone() })
}

struct Job<'a> {
    args: &'a SampleArgs,
    dir: RunDir,
    peers: Peers,
}

impl Work for Job<'_> {
    type Outcome = Result<String, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        run_on(&self, device)
    }
}

fn run_on<D: Place>(job: &Job<'_>, device: D) -> Result<String, Error> {
    let Job { args, dir, peers } = job;
    let mut loaded = Loaded::new(device, dir, &args.run, args.seed)?.with_peers(peers);
    let plan = SamplePlan {
        seed: loaded.config.training.seed,
        first: args.first,
        samples: args.samples,
        draw: if args.metropolis { Draw::Metropolis } else { Draw::Independent },
        latent: args.latent.is_some(),
    };
    if !peers.is_first() {
        loaded.trained.sample(plan, |_| Ok::<_, Error>(()))?;
        return Ok(String::new());
    }
    let shape = loaded.sample_shape.clone();
    let named = [
        ("--out", Some(&*args.out)),
        ("--log-weights", args.log_weights.as_deref()),
        ("--latent", args.latent.as_deref()),
    ];
    let [out, log_weights, latent] = OutputFile::create_all(&named_files(&dir.own_files()), named)?;
    let mut out = RowWriter::<D::Real>::begin(out.expect("an argument that must be there"), args.samples, &shape)?;
    let mut log_weights = log_weights.map(|file| RowWriter::<f64>::begin(file, args.samples, &[])).transpose()?;
    let mut latent = latent.map(|file| RowWriter::<D::Real>::begin(file, args.samples, &shape)).transpose()?;
    let aside = loaded.trained.device().aside();
    let mut start = None;
    let drawn = loaded.trained.sample(plan, |piece| {
        start = start.or_else(|| piece.log_weights.first().copied());
        out.append(piece.x)?;
        log_weights.as_mut().map_or(Ok(()), |file| file.append(piece.log_weights))?;
        latent.as_mut().map_or(Ok(()), |file| file.append(piece.latent)).map_err(Error::from)
    })?;
    check_chain(&plan, &drawn, start, D::Real::NAME)?;
    let beside = [log_weights.map(RowWriter::settle).transpose()?, latent.map(RowWriter::settle).transpose()?];
    finish_together(beside.into_iter().flatten().chain([out.settle()?]).collect())?;
    let acceptance = drawn.acceptance.map_or(String::new(), |rate| format!(", acceptance {rate:.4}"));
    let not_finite = match drawn.not_finite {
        0 => String::new(),
        some => format!(", {some} log-weights not finite"),
    };
    Ok(format!("{} samples{aside}{acceptance}{not_finite}; written to {}", args.samples, args.out.shown()))
}

/// Refuses the samples of a chain that never began, as none of its proposals had a weight; `start` is the log-weight of the first.
///
/// # Errors
/// [`Error::NotFinite`].
pub(super) fn check_chain(
    plan: &SamplePlan,
    drawn: &Drawn,
    start: Option<f64>,
    precision: &'static str,
) -> Result<(), Error> {
    match start {
        Some(value) if plan.draw == Draw::Metropolis && drawn.not_finite == plan.samples => {
            Err(Error::NotFinite { name: "log_weight".into(), value, index: vec![0], precision })
        }
        _ => Ok(()),
    }
}
