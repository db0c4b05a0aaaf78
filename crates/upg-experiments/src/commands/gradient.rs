//! `upg gradient`: one gradient of one batch, from files to a file.
//!
//! | tensor written | shape | precision | meaning |
//! |---|---|---|---|
//! | `end` | that of the samples | `--dtype` | x = T(z) for the reverse KL, z = T⁻¹(x) for the forward KL |
//! | `log_det` | `[batch]` | F64 | log\|det\| of the map applied: of T, or of T⁻¹ |
//! | `log_weight` | `[batch]` | F64 | log p̃(x) − log q(x) = −S(x) − log q(x) |
//! | `loss` | `[]` | F64 | reverse KL: mean(log q + S); forward KL: mean(−log q) |
//! | `grad.NAME` | that of the parameter | `--dtype` | gradient of the divergence, mean over the batch |
//!
//! The metadata entry `provenance` says, as JSON, what made them.

use super::arguments::{divergence_parser, estimator_parser, precision_parser};
use super::place::{self, PlaceArgs, Work};
use crate::text::Shown;
use crate::{
    Error,
    config::{ConfigFile, Model, Override, Place, Precision},
    io::{
        output::{OutputFile, Provenance},
        samples::{Samples, read_samples},
        weights::{OutTensor, read_params, write_tensors},
    },
};
use clap::Args;
use std::path::PathBuf;
use upg_core::{EndSamples, Engine, Gradient, ParamLayout, Real, Start};
use upg_targets::space::wrap;
use upg_train::method::{Divergence, Estimator, Method};

/// Options of `upg gradient`.
#[derive(Clone, Debug, Args)]
pub struct GradientArgs {
    /// The flow and the target, RON.
    #[arg(long, value_name = "RON")]
    pub config: PathBuf,
    /// Another value for a field of the configuration: target.kappa=0.2.
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<Override>,
    /// The parameters of the flow; tensors under `state.` are ignored.
    #[arg(long, value_name = "SAFETENSORS")]
    pub params: PathBuf,
    /// Base samples z for the reverse KL, data x for the forward KL: [batch, dof] or [batch, lattice…].
    #[arg(long, value_name = "NPY")]
    pub samples: PathBuf,
    /// How the gradient is estimated.
    #[arg(long, value_parser = estimator_parser())]
    pub estimator: Estimator,
    /// Of which divergence.
    #[arg(long, value_parser = divergence_parser())]
    pub divergence: Divergence,
    /// Precision of the computation; log-weights are sums in f64 either way.
    #[arg(long, default_value = "f32", value_parser = precision_parser())]
    pub dtype: Precision,
    /// Where the results go.
    #[arg(long, value_name = "SAFETENSORS")]
    pub out: PathBuf,
    /// Where to compute.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The seed the samples were made with, for the record: nothing is drawn here.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Computes the gradient and writes it; returns one line that says what was done.
///
/// # Errors
/// If an input is wrong, a result isn't finite, or the output can't be written. There is no output file then.
pub fn run(args: &GradientArgs) -> Result<String, Error> {
    let method = Method::new(args.estimator, args.divergence)?;
    let config = ConfigFile::read_with(&args.config, &args.set)?;
    config.check_products(args.place.device)?;
    place::on(&args.place, config.config.precision.products, args.dtype, Job { args, method, config: &config })?
}

struct Job<'a> {
    args: &'a GradientArgs,
    method: Method,
    config: &'a ConfigFile,
}

impl Work for Job<'_> {
    type Outcome = Result<String, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        run_on(&self, device)
    }
}

fn run_on<D: Place>(&Job { args, method, config }: &Job<'_>, device: D) -> Result<String, Error> {
    let model = place::made(&device, config.build_on(&device))?;
    let inputs = [("--config", &args.config), ("--params", &args.params), ("--samples", &args.samples)];
    let out = OutputFile::create_beside(&args.out, &inputs.map(|(name, path)| (name, path.as_path())))?;
    let theta = read_params::<D::Real>(&args.params, &model.layout())?;
    let mut samples = read_samples::<D::Real>(&args.samples, &model.sample_shape)?;
    wrap(&*model.theory, &mut samples.values);

    let provenance =
        Provenance { overrides: config.overrides(), ..place::provenance(&device, args.seed, config.config.to_ron()) };
    let (words, theta) = (device.words(), device.buffer(&theta));
    let Model { flow, cut, base, target, .. } = model;
    let mut engine = Engine::new(device.clone(), flow, base, target, cut).with_end_samples(EndSamples::Keep);
    let layout = engine.layout();
    let gradient = match method {
        Method::Reverse(how) => engine.reverse_kl(how, &theta, Start::Given(samples.values.view())),
        Method::Forward(how) => engine.forward_kl(how, &theta, samples.values.view()),
    }?;
    let tensors = tensors(&device, &gradient, &layout, &samples);
    device.status()?;
    all_finite(&tensors, D::Real::NAME)?;
    write_tensors(out, &tensors, &provenance)?;
    Ok(summary(args, gradient.loss, &samples, &words))
}

/// The results by name, in the order of the table above.
fn tensors<D: Place>(
    device: &D,
    gradient: &Gradient<'_, D>,
    layout: &ParamLayout,
    samples: &Samples<D::Real>,
) -> Vec<OutTensor> {
    let batch = [samples.values.nrows()];
    let mut tensors = vec![
        OutTensor::new("end", &samples.shape[..], gradient.end.iter()),
        OutTensor::new("log_det", batch, gradient.log_det),
        OutTensor::new("log_weight", batch, gradient.log_weights),
        OutTensor::new("loss", [], [&gradient.loss]),
    ];
    tensors.extend(OutTensor::of_layout("grad.", layout, &device.to_host(gradient.grad)));
    tensors
}

fn all_finite(tensors: &[OutTensor], precision: &'static str) -> Result<(), Error> {
    match tensors.iter().find_map(OutTensor::first_not_finite) {
        None => Ok(()),
        Some((name, index, value)) => Err(Error::NotFinite { name: name.to_owned(), value, index, precision }),
    }
}

fn summary<T: Real>(args: &GradientArgs, loss: f64, samples: &Samples<T>, words: &str) -> String {
    let GradientArgs { estimator, divergence, out, .. } = args;
    let (batch, precision, out) = (samples.values.nrows(), T::NAME, out.shown());
    format!(
        "{estimator} gradient of the {divergence} KL, batch {batch}, {precision} on {words}: loss {loss}; written to {out}"
    )
}
