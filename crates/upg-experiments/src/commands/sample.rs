//! `upg sample`: samples of a trained flow in a `.npy` file, independent with weights, or as an unbiased Markov chain.
//!
//! With `--metropolis` the file holds the states of the independence Metropolis chain that takes the flow's samples as proposals: state n
//! is sample n, or state n−1 again where it was rejected. Files are written piece by piece; memory doesn't grow with them.

use super::run_weights::{Loaded, RunArgs};
use crate::Error;
use crate::config::{MOST_SAMPLES, Precision};
use crate::io::output::OutputFile;
use crate::io::run_dir::RunDir;
use crate::io::samples::RowWriter;
use clap::Args;
use std::path::PathBuf;
use upg_core::Real;
use upg_train::Draw;

/// Options of `upg sample`.
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
    if !(1..=MOST_SAMPLES).contains(&args.samples) {
        let problem = format!("-n = {}: accepted is at least 1 sample, at most {MOST_SAMPLES}", args.samples);
        return Err(Error::Usage(problem));
    }
    let (dir, precision) = args.run.open()?;
    match precision {
        Precision::F32 => run_in::<f32>(args, &dir),
        Precision::F64 => run_in::<f64>(args, &dir),
    }
}

fn run_in<T: Real>(args: &SampleArgs, dir: &RunDir) -> Result<String, Error> {
    let mut loaded = Loaded::<T>::new(dir, &args.run)?;
    let own = dir.own_files();
    let of_the_run: Vec<_> = own.iter().map(|path| ("a file of the run", path.as_path())).collect();
    let out = OutputFile::create_beside(&args.out, &of_the_run)?;
    let others = [&of_the_run[..], &[("--out", args.out.as_path())]].concat();
    let log_weights = args.log_weights.as_deref().map(|path| OutputFile::create_beside(path, &others)).transpose()?;
    let mut out = RowWriter::<T>::begin(out, args.samples, &loaded.sample_shape)?;
    let mut log_weights = log_weights.map(|file| RowWriter::<f64>::begin(file, args.samples, &[])).transpose()?;
    let how = if args.metropolis { Draw::Metropolis } else { Draw::Independent };
    let seed = loaded.config.training.seed;
    let drawn = loaded.trained.sample(seed, args.samples, how, |rows, weights| {
        out.append(rows)?;
        log_weights.as_mut().map_or(Ok(()), |file| file.append(weights)).map_err(Error::from)
    })?;
    if let Some(log_weights) = log_weights {
        log_weights.finish()?;
    }
    out.finish()?;
    let acceptance = drawn.acceptance.map_or(String::new(), |rate| format!(", acceptance {rate:.4}"));
    let not_finite = match drawn.not_finite {
        0 => String::new(),
        some => format!(", {some} log-weights not finite"),
    };
    Ok(format!("{} samples{acceptance}{not_finite}; written to {}", args.samples, args.out.display()))
}
