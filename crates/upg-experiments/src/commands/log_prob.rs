//! `upg log-prob`: log q(x) of a trained flow at given points, from a `.npy` file to another.

use super::arguments::precision_parser;
use super::place::Work;
use super::run_weights::{Loaded, RunArgs};
use crate::Error;
use crate::config::{Place, Precision};
use crate::io::output::{OutputFile, finish_together};
use crate::io::run_dir::{RunDir, named_files};
use crate::io::samples::{RowWriter, read_samples};
use crate::text::Shown;
use clap::Args;
use std::path::PathBuf;
use upg_targets::space::wrap;
use upg_train::Peers;

/// Options of `upg log-prob`.
#[derive(Clone, Debug, Args)]
pub struct LogProbArgs {
    /// The run and its weights.
    #[command(flatten)]
    pub run: RunArgs,
    /// The points x: [points, dof] or [points, lattice…]; angles modulo 2π.
    #[arg(long, value_name = "NPY")]
    pub samples: PathBuf,
    /// Where log q(x) goes, f64, one number per point.
    #[arg(long, value_name = "NPY")]
    pub out: PathBuf,
    /// Where the images z = T⁻¹(x) go, shape [points, lattice…].
    #[arg(long, value_name = "NPY")]
    pub latent: Option<PathBuf>,
    /// Precision of the computation; by default that of the training.
    #[arg(long, value_parser = precision_parser())]
    pub dtype: Option<Precision>,
}

/// Computes and writes; returns one line that says what was done.
///
/// # Errors
/// If the run or an argument is wrong, or a file can't be written. There is no output file then.
pub fn run(args: &LogProbArgs) -> Result<String, Error> {
    args.run.have_done(&Peers::alone(), args.dtype, |dir| Job { args, dir })
}

struct Job<'a> {
    args: &'a LogProbArgs,
    dir: RunDir,
}

impl Work for Job<'_> {
    type Outcome = Result<String, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        run_on(self.args, &self.dir, device)
    }
}

fn run_on<D: Place>(args: &LogProbArgs, dir: &RunDir, device: D) -> Result<String, Error> {
    let mut loaded = Loaded::new(device, dir, &args.run, None)?;
    let own = dir.own_files();
    let taken = [&named_files(&own)[..], &[("--samples", &args.samples)]].concat();
    let named = [("--out", Some(&*args.out)), ("--latent", args.latent.as_deref())];
    let [out, latent] = OutputFile::create_all(&taken, named)?;
    let out = out.expect("an argument that must be there");
    let mut x = read_samples::<D::Real>(&args.samples, &loaded.sample_shape)?.values;
    wrap(loaded.space(), &mut x);
    let points = x.nrows();
    let mut out = RowWriter::<f64>::begin(out, points, &[])?;
    let shape = loaded.sample_shape.clone();
    let mut latent = latent.map(|file| RowWriter::<D::Real>::begin(file, points, &shape)).transpose()?;
    let (aside, mut not_finite, mut missed) = (loaded.trained.device().aside(), 0, 0);
    loaded.trained.log_prob(x.view(), |of| {
        not_finite += of.log_prob.iter().filter(|log_prob| !log_prob.is_finite()).count();
        missed += of.missed;
        out.append(of.log_prob)?;
        latent.as_mut().map_or(Ok(()), |file| file.append(of.latent)).map_err(Error::from)
    })?;
    finish_together(latent.map(RowWriter::settle).transpose()?.into_iter().chain([out.settle()?]).collect())?;
    let not_finite = if not_finite == 0 { String::new() } else { format!(", {not_finite} of them not finite") };
    let missed = match missed {
        0 => String::new(),
        some => format!(", {some} of them missed by the inverse, where a slope of the flow is below the precision"),
    };
    Ok(format!("log q of {points} points{aside}{not_finite}{missed}; written to {}", args.out.shown()))
}
