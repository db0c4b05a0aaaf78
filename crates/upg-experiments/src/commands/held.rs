//! Flows held in memory with their weights, for many calls: what `sample`, `log-prob` and `gradient` do, from memory to memory.
//!
//! A flow comes from a run, from a file of weights, or from its description with initial weights. Without a target it has samples and densities;
//! log-weights and gradients take one, its own or another. Results are those of the commands, to the bit.

mod on_device;
#[cfg(test)]
mod tests;

use super::arrays::{Numbers, Points};
use super::caller::Caller;
use super::place::{self, PlaceArgs, Work};
use super::run_weights::{Loaded, RunArgs};
use crate::Error;
use crate::config::{Config, MOST_SAMPLES, Place, Precision, Products, SoleFlow};
use crate::io::memory::{Bytes, of_machine};
use crate::io::run_dir::RunDir;
use crate::io::weights::{read_params, read_provenance};
use crate::text::Shown;
use on_device::OnDevice;
use std::path::{Path, PathBuf};
use upg_core::Real;
use upg_flows::FlowSpec;
use upg_train::method::Method;
use upg_train::{Draw, Peers, Purpose};

/// Which samples.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    /// Decides all of them; by default the seed of the flow.
    pub seed: Option<u64>,
    /// The number of the first.
    pub first: u64,
    /// How many.
    pub samples: usize,
    /// Of which kind.
    pub draw: Draw,
    /// What is told of each.
    pub told: Told,
}

/// What is told of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// log q.
    LogProb,
    /// −S − log q, by the target of the flow.
    LogWeight,
}

/// Samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The samples, shape `[samples, lattice…]`.
    pub x: Numbers,
    /// What was to be told of each.
    pub told: Vec<f64>,
    /// Fraction of the proposals that were accepted; `None` without a chain.
    pub acceptance: Option<f64>,
}

/// log q at some points.
#[derive(Clone, Debug, PartialEq)]
pub struct Densities {
    /// log q(x), per point.
    pub log_prob: Vec<f64>,
    /// How many of them the inverse misses, as a slope of the flow there is below the precision.
    pub missed: u64,
}

/// From where to where points are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// x = T(z).
    Forward,
    /// z = T⁻¹(x).
    Inverse,
}

/// Points where a map has carried them.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    /// Their images, shape `[points, lattice…]`.
    pub end: Numbers,
    /// log|det| of the map, per point.
    pub log_det: Vec<f64>,
}

/// Which gradient.
#[derive(Clone, Copy, Debug)]
pub struct GradientRequest<'v, 'a> {
    /// The text of the target, unless it is that of the flow.
    pub target: Option<&'v str>,
    /// Divergence and estimator.
    pub method: Method,
    /// The samples of the gradient.
    pub of: GradientOf<'v, 'a>,
}

/// The samples of a gradient.
#[derive(Clone, Copy, Debug)]
pub enum GradientOf<'v, 'a> {
    /// Those that are drawn with a seed, by default that of the flow, from number `first` on.
    Draw {
        /// The seed.
        seed: Option<u64>,
        /// The number of the first.
        first: u64,
        /// How many.
        samples: usize,
    },
    /// These: z for the reverse KL, x for the forward KL.
    Given(Points<'v, 'a>),
}

/// A gradient, as `upg gradient` gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Reverse KL: mean(log q + S); forward KL: mean(−log q).
    pub loss: f64,
    /// The gradient by parameter.
    pub grad: Vec<(String, Numbers)>,
    /// x = T(z) for the reverse KL, z = T⁻¹(x) for the forward KL, shape `[batch, lattice…]`.
    pub end: Numbers,
    /// log|det| of the map applied, per sample.
    pub log_det: Vec<f64>,
    /// −S − log q, per sample.
    pub log_weights: Vec<f64>,
}

/// All that a flow does, whatever it is held by.
trait Verbs: Send {
    fn sample(&mut self, seed: u64, draws: &Draws, caller: Caller<'_>) -> Result<Drawn, Error>;
    fn log_prob(&mut self, x: Points<'_, '_>, caller: Caller<'_>) -> Result<Densities, Error>;
    fn map(&mut self, way: Way, points: Points<'_, '_>, caller: Caller<'_>) -> Result<Mapped, Error>;
    fn scores(&mut self, x: Points<'_, '_>, caller: Caller<'_>) -> Result<Numbers, Error>;
    fn gradient(&mut self, seed: u64, request: &GradientRequest<'_, '_>) -> Result<Gradient, Error>;
    fn parameters(&self) -> Result<Vec<(String, Numbers)>, Error>;
    fn set_parameters(&mut self, given: &[(String, Points<'_, '_>)]) -> Result<(), Error>;
    fn save(&self, path: &Path) -> Result<(), Error>;
}

/// What a flow is.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its description, and its target if it has one.
    pub sole: SoleFlow,
    /// The same as a list of layers.
    pub spec: FlowSpec,
    /// The configuration that stands in files of its weights.
    config: String,
    /// The precision of its numbers.
    pub precision: Precision,
    /// The seed of what is drawn without one.
    pub seed: u64,
    /// Steps of its integrator, if not those of the description.
    pub ode_steps: Option<usize>,
    /// Which weights it began with, in words.
    origin: Option<String>,
}

impl Facts {
    /// Bytes of a sample with a number beside it.
    fn bytes(&self) -> usize {
        let number = if self.precision == Precision::F32 { size_of::<f32>() } else { size_of::<f64>() };
        self.spec.dof() * number + size_of::<f64>()
    }
}

/// A flow with its weights, in memory.
pub struct Held {
    facts: Facts,
    verbs: Box<dyn Verbs>,
}

/// A flow to be made of its description.
#[derive(Clone, Debug)]
pub struct Description {
    /// Sections `flow` and, if there is one, `target`.
    pub sole: SoleFlow,
    /// Of numbers and parameters.
    pub precision: Precision,
    /// Decides the initial weights, and what is drawn without a seed.
    pub seed: u64,
    /// A file with weights, in the place of the initial ones.
    pub weights: Option<PathBuf>,
    /// Where to compute.
    pub place: PlaceArgs,
    /// Steps of continuous flows.
    pub ode_steps: Option<usize>,
}

impl Description {
    /// What a file of weights says of its flow; what isn't given is as the file has it.
    ///
    /// # Errors
    /// If the file can't be read, or doesn't say which flow it is of.
    pub fn of_file(
        path: &Path,
        sole: Option<SoleFlow>,
        precision: Option<Precision>,
        place: PlaceArgs,
        ode_steps: Option<usize>,
    ) -> Result<Self, Error> {
        let record = read_provenance(path)?;
        let text = |name: &str| Some(record.as_ref()?.get(name)?.as_str()?.to_owned());
        let of_layers = |layers: String| format!("(flow: Layers{layers})");
        let told = text("config").into_iter().chain(text("flow").map(of_layers));
        let mut told = told.filter_map(|text| SoleFlow::parse(&text, Path::new("")).ok());
        let nothing = || {
            let problem = format!("weights {}: which flow they are of isn't said in the file", path.shown());
            Error::Usage(format!("{problem}: accepted are such files with the description of the flow"))
        };
        let sole = sole.or_else(|| told.next()).ok_or_else(nothing)?;
        let of_file = if text("precision").as_deref() == Some("f64") { Precision::F64 } else { Precision::F32 };
        let seed = record.as_ref().and_then(|record| record.get("seed")?.as_u64()).unwrap_or(0);
        let (precision, weights) = (precision.unwrap_or(of_file), Some(path.to_owned()));
        Ok(Self { sole, precision, seed, weights, place, ode_steps })
    }
}

impl Held {
    /// The flow of a description.
    ///
    /// # Errors
    /// If a field isn't accepted, the weights can't be read, or the device can't be had.
    pub fn new(description: &Description) -> Result<Self, Error> {
        let Description { place, precision, .. } = description;
        place::on(place, Products::Full, *precision, Make(description))?
    }

    /// The flow of a run, as it is evaluated.
    ///
    /// # Errors
    /// If the run or an argument is wrong, or the device can't be had.
    pub fn of_run(run: &RunArgs, precision: Option<Precision>) -> Result<Self, Error> {
        run.have_done(&Peers::alone(), precision, |dir| Load { run, dir })
    }

    fn on<D: Place>(facts: Facts, make: impl FnOnce(Facts) -> Result<OnDevice<D>, Error>) -> Result<Self, Error> {
        let verbs = make(facts.clone())?;
        Ok(Self { facts, verbs: Box::new(verbs) })
    }

    /// What it is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Draws samples; the same as `upg sample` writes. The caller is asked after every piece whether to end.
    ///
    /// # Errors
    /// If an argument is wrong, a target is needed and there is none, the device fails, or the caller asks for an end.
    pub fn sample(&mut self, draws: &Draws, caller: Caller<'_>) -> Result<Drawn, Error> {
        check_number("n", draws.samples, draws.first)?;
        check_memory("n", draws.samples, self.facts.bytes())?;
        self.verbs.sample(draws.seed.unwrap_or(self.facts.seed), draws, caller)
    }

    /// log q at the points, shape `[points, dof]` or `[points, lattice…]`, angles modulo 2π.
    ///
    /// # Errors
    /// If they have another shape, the device fails, or the caller asks for an end; so below.
    pub fn log_prob(&mut self, x: Points<'_, '_>, caller: Caller<'_>) -> Result<Densities, Error> {
        self.verbs.log_prob(x, caller)
    }

    /// The images of points under T, or under T⁻¹.
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    pub fn map(&mut self, way: Way, points: Points<'_, '_>, caller: Caller<'_>) -> Result<Mapped, Error> {
        let name = if way == Way::Forward { "z" } else { "x" };
        check_memory(name, points.shape().first().copied().unwrap_or(0), self.facts.bytes())?;
        self.verbs.map(way, points, caller)
    }

    /// ∇log q at the points.
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    pub fn scores(&mut self, x: Points<'_, '_>, caller: Caller<'_>) -> Result<Numbers, Error> {
        check_memory("x", x.shape().first().copied().unwrap_or(0), self.facts.bytes())?;
        self.verbs.scores(x, caller)
    }

    /// A gradient; the same as that of `upg gradient`, but for numbers that aren't finite, which are what they are.
    ///
    /// # Errors
    /// If an argument is wrong, there is no target, or the device fails.
    pub fn gradient(&mut self, request: &GradientRequest<'_, '_>) -> Result<Gradient, Error> {
        let seed = match request.of {
            GradientOf::Draw { seed, first, samples } => {
                check_number("batch", samples, first)?;
                check_memory("batch", samples, self.facts.bytes())?;
                seed
            }
            GradientOf::Given(_) => None,
        };
        self.verbs.gradient(seed.unwrap_or(self.facts.seed), request)
    }

    /// The parameters by name, in the order of the layers.
    ///
    /// # Errors
    /// If the device fails.
    pub fn parameters(&self) -> Result<Vec<(String, Numbers)>, Error> {
        self.verbs.parameters()
    }

    /// Puts other numbers in the place of these parameters; others stay.
    ///
    /// # Errors
    /// If there is no such parameter, it has another shape, or a number isn't finite; nothing is changed then.
    pub fn set_parameters(&mut self, given: &[(String, Points<'_, '_>)]) -> Result<(), Error> {
        self.verbs.set_parameters(given)
    }

    /// Writes the parameters into a safetensors file, with what tells which flow they are of.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        self.verbs.save(path)
    }
}

/// Refuses no samples, too many, and numbers that would not be there.
fn check_number(name: &str, samples: usize, first: u64) -> Result<(), Error> {
    if !(1..=MOST_SAMPLES).contains(&samples) {
        return Err(Error::Usage(format!("{name} = {samples}: accepted is at least 1 sample, at most {MOST_SAMPLES}")));
    }
    let last = u64::MAX - samples as u64;
    if first > last {
        return Err(Error::Usage(format!("first = {first}: accepted is at most {last} with {name} = {samples}")));
    }
    Ok(())
}

/// Refuses samples that take more than the memory of this machine, each so many bytes.
pub fn check_memory(name: &str, samples: usize, bytes: usize) -> Result<(), Error> {
    let needed = (samples as u64).saturating_mul(bytes as u64);
    match of_machine() {
        Some(memory) if needed > memory => {
            let (needed, memory) = (Bytes(needed), Bytes(memory));
            let accepted =
                format!("accepted is what fits into the {memory} of memory there are; this takes at least {needed}");
            Err(Error::Usage(format!("{name} = {samples}: {accepted}")))
        }
        _ => Ok(()),
    }
}

struct Make<'a>(&'a Description);

impl Work for Make<'_> {
    type Outcome = Result<Held, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let Description { sole, precision, seed, weights, ode_steps, .. } = self.0;
        let (precision, seed, ode_steps, spec) = (*precision, *seed, *ode_steps, sole.spec(*ode_steps)?);
        let (config, sole) = (sole.to_ron(), sole.clone());
        let origin = weights.as_ref().map(|path| path.shown().to_string());
        Held::on(Facts { sole, spec, config, precision, seed, ode_steps, origin }, |facts| {
            let made = OnDevice::untrained(device, facts, |layout| match weights {
                Some(path) => Ok(read_params::<D::Real>(path, layout)?),
                None => Ok(layout.initialise(&mut Purpose::Weights.streams(seed).next_stream())),
            });
            let mut made = made?;
            made.check_target()?;
            Ok(made)
        })
    }
}

struct Load<'a> {
    run: &'a RunArgs,
    dir: RunDir,
}

impl Work for Load<'_> {
    type Outcome = Result<Held, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let precision = if D::Real::NAME == "f64" { Precision::F64 } else { Precision::F32 };
        let Loaded { config, trained, origin, .. } = Loaded::new(device, &self.dir, self.run, None)?;
        let Config { flow, target, .. } = config.clone();
        let sole = SoleFlow { flow, target: Some(target) };
        let ode_steps = self.run.ode_steps.map(|steps| steps as usize).or(config.evaluation.ode_steps);
        let (spec, seed, config) = (sole.spec(ode_steps)?, config.training.seed, config.to_ron());
        let facts = Facts { sole, spec, config, precision, seed, ode_steps, origin };
        Held::on(facts, |facts| Ok(OnDevice::trained(trained, facts)))
    }
}
