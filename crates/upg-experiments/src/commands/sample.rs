//! `upg sample`: samples of a trained flow in a `.npy` file, independent with weights, or as an unbiased Markov chain.
//!
//! With `--metropolis` the file holds the states of the independence Metropolis chain that takes the flow's samples as proposals: state n
//! is sample n, or state n−1 again where it was rejected. Files are written piece by piece; memory doesn't grow with them.

use crate::Error;
use crate::commands::run_weights::{Loaded, RunArgs};
use crate::config::Precision;
use crate::io::output::OutputFile;
use crate::io::run_dir::RunDir;
use crate::io::samples::RowWriter;
use clap::Args;
use std::path::PathBuf;
use upg_core::{EndSamples, Real, Rng, Start};
use upg_train::Purpose;
use upg_train::stats::{IndependenceChain, Move};

/// What `upg sample` is asked for.
#[derive(Clone, Debug, Args)]
pub struct SampleArgs {
    /// The run and its weights.
    #[command(flatten)]
    pub run: RunArgs,
    /// Number of samples.
    #[arg(short = 'n', long = "samples")]
    pub samples: usize,
    /// Where the samples go, shape [samples, lattice…].
    #[arg(long, value_name = "NPY")]
    pub out: PathBuf,
    /// Where their log-weights −S − log q go, f64.
    #[arg(long, value_name = "NPY")]
    pub log_weights: Option<PathBuf>,
    /// Write the states of an independence Metropolis chain: unbiased samples of the target, correlated.
    #[arg(long)]
    pub metropolis: bool,
}

/// Draws and writes; returns one line that says what was done.
///
/// # Errors
/// If the run or an argument is wrong, or a file can't be written. There is no output file then.
pub fn run(args: &SampleArgs) -> Result<String, Error> {
    if args.samples == 0 {
        return Err(Error::Usage("-n = 0: accepted is at least 1 sample".into()));
    }
    if args.log_weights.as_ref() == Some(&args.out) {
        let out = args.out.display();
        return Err(Error::Usage(format!("--log-weights = {out}: is --out too: accepted is another file")));
    }
    let (dir, precision) = args.run.open()?;
    match precision {
        Precision::F32 => run_in::<f32>(args, &dir),
        Precision::F64 => run_in::<f64>(args, &dir),
    }
}

fn run_in<T: Real>(args: &SampleArgs, dir: &RunDir) -> Result<String, Error> {
    let mut loaded = Loaded::<T>::new(dir, &args.run, EndSamples::Keep)?;
    let mut out = RowWriter::<T>::begin(OutputFile::create(&args.out)?, args.samples, &loaded.sample_shape)?;
    let log_weights = args.log_weights.as_deref().map(OutputFile::create).transpose()?;
    let mut log_weights = log_weights.map(|file| RowWriter::<f64>::begin(file, args.samples, &[])).transpose()?;
    let seed = loaded.config.training.seed;
    let stream = Purpose::Samples.samples(seed);
    let mut not_finite = 0;
    let mut walk = args.metropolis.then(|| Walk::new(Purpose::Metropolis.streams(seed).next_stream()));
    for first in (0..args.samples).step_by(loaded.piece) {
        let samples = loaded.piece.min(args.samples - first);
        let start = Start::Draw { stream, first: first as u64, samples };
        let drawn = loaded.engine.sample(&loaded.theta, start).expect("the processor doesn't fail");
        let mut weights = drawn.log_weights.to_vec();
        not_finite += weights.iter().filter(|weight| !weight.is_finite()).count();
        let mut rows = drawn.end.to_owned();
        if let Some(walk) = &mut walk {
            for (mut row, weight) in rows.rows_mut().into_iter().zip(&mut weights) {
                walk.offer(row.as_slice_mut().expect("rows are contiguous"), weight);
            }
        }
        out.append(&rows)?;
        if let Some(log_weights) = &mut log_weights {
            log_weights.append(&weights)?;
        }
    }
    if let Some(log_weights) = log_weights {
        log_weights.finish()?;
    }
    out.finish()?;
    let acceptance = walk.and_then(|walk| walk.chain.acceptance());
    let acceptance = acceptance.map_or(String::new(), |rate| format!(", acceptance {rate:.4}"));
    let not_finite = match not_finite {
        0 => String::new(),
        some => format!(", {some} log-weights not finite"),
    };
    Ok(format!("{} samples{acceptance}{not_finite}; written to {}", args.samples, args.out.display()))
}

/// The chain and the state it is at.
struct Walk<T> {
    chain: IndependenceChain,
    rng: Rng,
    state: Vec<T>,
    log_weight: f64,
}

impl<T: Real> Walk<T> {
    fn new(rng: Rng) -> Self {
        Self { chain: IndependenceChain::default(), rng, state: vec![], log_weight: f64::NEG_INFINITY }
    }

    /// Takes the proposal, or puts the present state in its place.
    fn offer(&mut self, proposal: &mut [T], log_weight: &mut f64) {
        // Before the first proposal with a weight there is no state to stay at.
        let move_made = self.chain.offer(*log_weight, &mut self.rng);
        if move_made == Move::Accepted || self.state.is_empty() {
            self.state.clear();
            self.state.extend_from_slice(proposal);
            self.log_weight = *log_weight;
        } else {
            proposal.copy_from_slice(&self.state);
            *log_weight = self.log_weight;
        }
    }
}
