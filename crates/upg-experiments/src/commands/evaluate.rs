//! `upg evaluate`: what a trained flow is worth, in numbers with errors.
//!
//! N independent samples x of q with weights w = p̃(x)/q(x) give, all in double precision, MATH (12) to (14):
//!
//! | number | how |
//! |---|---|
//! | reverse ESS | mean(w)²/mean(w²) |
//! | log Z | log mean w, standard error √((1/ESS − 1)/N) |
//! | loss | mean(log q + S), a bound on −log Z |
//! | observables, reweighted | f(Σ w a/Σ w), jackknife over blocks |
//! | observables along the chain | independence Metropolis with proposals from q; jackknife over blocks longer than its autocorrelation, τ_int by the Γ method |
//! | forward ESS, log Z, −log q on the test data | 1/(mean(w) mean(1/w)), −log mean(1/w), mean(−log q) over samples of p |
//!
//! log Z isn't to be trusted where it rests on few samples, or where witnesses disagree; [`trust`] says which.

mod chain;
pub mod collect;
mod summary;
mod table;
pub mod trust;

pub use summary::{Number, Observed, Summary};

use crate::Error;
use crate::commands::run_weights::{Loaded, RunArgs};
use crate::config::Precision;
use crate::io::output::OutputFile;
use crate::io::run_dir::{RunDir, RunError};
use clap::Args;
use collect::{Collected, Weighed};
use ndarray::Array2;
use upg_core::{EndSamples, Real};
use upg_train::Purpose;

/// What `upg evaluate` is asked for.
#[derive(Clone, Debug, Args)]
pub struct EvaluateArgs {
    /// The run and its weights.
    #[command(flatten)]
    pub run: RunArgs,
    /// Samples of the flow, instead of `evaluation.samples`.
    #[arg(long)]
    pub samples: Option<usize>,
}

/// Evaluates, writes `summary.json`, and returns the table to be shown.
///
/// # Errors
/// If the run or an argument is wrong, or a file can't be written.
pub fn run(args: &EvaluateArgs) -> Result<String, Error> {
    let (dir, precision) = args.run.open()?;
    match precision {
        Precision::F32 => run_in::<f32>(args, &dir),
        Precision::F64 => run_in::<f64>(args, &dir),
    }
}

fn run_in<T: Real>(args: &EvaluateArgs, dir: &RunDir) -> Result<String, Error> {
    let mut loaded = Loaded::<T>::new(dir, &args.run, EndSamples::Keep)?;
    let evaluation = &loaded.config.evaluation;
    let samples = args.samples.unwrap_or(evaluation.samples);
    if samples < evaluation.blocks {
        let blocks = evaluation.blocks;
        let problem = format!("--samples = {samples}: accepted are at least evaluation.blocks = {blocks}");
        return Err(Error::Usage(problem));
    }
    let out = OutputFile::create(&dir.summary())?;
    let data = loaded.data(dir, Purpose::TestData)?;
    let (summary, details) = evaluate(&mut loaded, samples, data.as_ref())?;
    details.write(dir)?;
    out.commit(summary.to_json(&loaded.provenance()).as_bytes())?;
    Ok(table::text(&summary, data.is_some(), &dir.summary()))
}

/// All numbers of weights on `samples` fresh samples and on `data`, shape `[samples, dof]`.
///
/// # Errors
/// If a value of the configuration isn't accepted.
pub fn evaluate<T: Real>(
    loaded: &mut Loaded<T>,
    samples: usize,
    data: Option<&Array2<T>>,
) -> Result<(Summary, Details), Error> {
    let theory = loaded.config.target.theory::<T>()?;
    let collected = Collected::draw(loaded, &theory, samples);
    let weighed = data.map(|data| Weighed::of(loaded, data));
    let mut rng = Purpose::Metropolis.streams(loaded.config.training.seed).next_stream();
    let chain = chain::Chain::run(&collected, &mut rng);
    let summary = summary::summarise(loaded, &theory, &collected, weighed.as_ref(), &chain);
    Ok((summary, Details { log_weights: collected.log_weights, rho: chain.rho(), shown: collected.shown }))
}

/// What the report shows beside the summary.
pub struct Details {
    /// Per sample.
    pub log_weights: Vec<f64>,
    /// ρ(t) of the primaries along the chain, by name.
    pub rho: Vec<(String, Vec<f64>)>,
    /// Some samples: many of few degrees of freedom, one of many.
    pub shown: Array2<f64>,
}

impl Details {
    /// Writes `evaluation/log_weights.npy`, `evaluation/autocorrelation.json` and `evaluation/samples.npy`.
    ///
    /// # Errors
    /// If a file can't be written.
    fn write(&self, dir: &RunDir) -> Result<(), Error> {
        let folder = dir.file("evaluation");
        std::fs::create_dir_all(&folder).map_err(|source| RunError::System { path: folder.clone(), source })?;
        crate::io::samples::write_numbers(&folder.join("log_weights.npy"), &self.log_weights)?;
        let rho: serde_json::Map<_, _> =
            self.rho.iter().map(|(name, rho)| (name.clone(), serde_json::json!(rho))).collect();
        let text = serde_json::to_string(&rho).expect("names and numbers");
        OutputFile::create(&folder.join("autocorrelation.json"))?.commit(text.as_bytes())?;
        let shape = self.shown.shape().to_vec();
        let shown = crate::io::samples::Samples { values: self.shown.clone(), shape };
        Ok(crate::io::samples::write_samples(&folder.join("samples.npy"), &shown)?)
    }
}
