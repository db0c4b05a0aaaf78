//! Flows on the card against the same on the host, and against the golden cases: all estimators, both precisions, and steps of a training.

use super::card::Card;
use super::cases;
use super::distance::{DOUBLE, SINGLE, distance};
use super::finding::Findings;
#[cfg(feature = "emulator")]
use super::finding::{self, Finding};
use crate::config::{Config, ConfigError, Model, Place};
use ndarray::Array2;
use std::error::Error;
use upg_core::{Cpu, DeviceError, Engine, Real, SampleStream, Start, Streams};
use upg_gpu::gpu::Gpu;
use upg_gpu::{Cuda, Poisoned, Precision};
use upg_train::data::DataSets;
use upg_train::method::{Divergence, Method};
use upg_train::{Trainer, TrainingPlan};

/// Small flows of every family that has kernels. Their weights are random, so that no layer is the identity.
pub(super) const FLOWS: &[(&str, &str)] = &[
    (
        "z2nice",
        "(flow: Z2Nice(lattice: [6, 4], couplings: 3, hidden: [40, 33]), target: Phi4(lattice: [6, 4], kappa: 0.2, lambda: 0.02))",
    ),
    (
        "realnvp",
        "(flow: RealNvp(lattice: [5, 4], couplings: 3, hidden: [40, 33], mask: Checkerboard), target: Phi4(lattice: [5, 4], kappa: 0.2, lambda: 0.02))",
    ),
    ("mixture", "(flow: RealNvp(lattice: [6], couplings: 4, hidden: [30], activation: Silu), target: Gmm(dim: 6))"),
    (
        "spline",
        "(flow: SplineNvp(lattice: [4, 4], couplings: 2, hidden: [30], bins: 5, interval: 4.0), target: Phi4(lattice: [4, 4], kappa: 0.2, lambda: 0.02))",
    ),
    (
        "u1",
        "(flow: U1(lattice: [4, 8], layers: 8, mixtures: 3, hidden: [4, 4]), target: U1(lattice: [4, 8], beta: 2.0))",
    ),
    (
        "u1, splines",
        "(flow: U1(lattice: [4, 8], layers: 8, transform: CircularSpline(bins: 4), hidden: [4, 4]), target: U1(lattice: [4, 8], beta: 2.0))",
    ),
    (
        "conv",
        "(flow: ConvNvp(lattice: [4, 4], couplings: 2, hidden: [4, 4]), target: Phi4(lattice: [4, 4], kappa: 0.2, lambda: 0.02))",
    ),
    (
        "continuous",
        "(flow: Continuous(lattice: [4, 6], field: Lattice(frequencies: 3, times: 2), steps: 3), target: Phi4(lattice: [4, 6], kappa: 0.2, lambda: 0.02))",
    ),
    (
        "u1-continuous",
        "(flow: U1Continuous(lattice: [4, 6], sines: 3, products: 2, times: 2, steps: 3), target: U1(lattice: [4, 6], beta: 2.0))",
    ),
    ("glow", "(flow: Glow(lattice: [6], steps: 2, hidden: [20]), target: Gmm(dim: 6))"),
];

/// The same, read.
pub(super) fn configs() -> Result<Vec<Config>, ConfigError> {
    FLOWS.iter().map(|(_, text)| Config::parse(text)).collect()
}

/// That of one of them.
pub(super) fn config(flow: &str) -> Result<Config, ConfigError> {
    Config::parse(FLOWS.iter().find(|(name, _)| *name == flow).expect("a flow of that name").1)
}

/// The samples of a gradient, in two micro-batches, the second shorter; and the number of the first sample.
pub(super) const SAMPLES: usize = 150;
const FIRST: u64 = 7;

/// Everything.
///
/// # Errors
/// If a case can't be read.
pub(super) fn compare<G: Gpu>(card: &Card<G>, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let devices = Devices::open(card)?;
    for folder in &card.golden {
        for case in cases::all(folder)? {
            cases::compare(&devices.double, &case, findings)?;
        }
    }
    FLOWS.iter().try_for_each(|&(name, text)| devices.compare(name, &Config::parse(text)?, findings))?;
    for (name, remarks) in [("f64", devices.double.gpu().remarks()), ("f32", devices.single.gpu().remarks())] {
        findings.say(format!("graphs, {name}"), remarks);
    }
    Ok(())
}

/// What is found about one of the flows, by its name.
///
/// # Errors
/// As of the step itself.
///
/// # Panics
/// If there is no flow of that name.
#[cfg(feature = "emulator")]
pub fn of_flow<G: Gpu>(card: &Card<G>, flow: &str) -> Result<Vec<Finding>, Box<dyn Error>> {
    let file = card.out.join("findings.jsonl");
    Devices::open(card)?.compare(flow, &config(flow)?, &mut Findings::append_to(&file, "agreement")?)?;
    Ok(finding::read(&file))
}

/// A card several times.
struct Devices<G: Gpu> {
    double: Cuda<f64, G>,
    no_graphs: Cuda<f64, G>,
    single: Cuda<f32, G>,
    poisoned: Cuda<f64, Poisoned<G>>,
}

impl<G: Gpu> Devices<G> {
    fn open(card: &Card<G>) -> Result<Self, DeviceError> {
        let (double, single) = (Cuda::new(card.open()?)?, Cuda::new(card.open()?)?);
        let (no_graphs, poisoned) = (Cuda::new(card.open_without_graphs()?)?, Cuda::new(Poisoned::new(card.open()?))?);
        Ok(Self { double, no_graphs, single, poisoned })
    }

    /// All gradients of a flow, and steps of a training, against the host's and against themselves.
    fn compare(&self, name: &str, config: &Config, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
        let host = Gradients::on(&Cpu::<f64>::all_cores(), config)?;
        let Some(there) = on_card(&self.double, name, config, findings)? else { return Ok(()) };
        host.compare(&there, &format!("{name}, f64"), DOUBLE, findings);
        let again = Gradients::on(&self.double, config)?;
        findings.holds(format!("{name}, f64, twice"), again == there, "the same bits");
        let again = Gradients::repeated_on(&self.double, config)?;
        findings.holds(format!("{name}, f64, repeated until it is a graph"), again == there, "the same bits");
        let again = Gradients::on(&self.poisoned, config)?;
        findings.holds(format!("{name}, f64, on poisoned memory"), again == there, "the same bits");
        for precision in [Precision::Full, Precision::Split] {
            // However small, the products are to be those of our own.
            let single = self.single.clone().with_precision(precision)?.with_fewest_tiles(1);
            let there = Gradients::on(&single, config)?;
            let name = format!("{name}, f32, products {precision}");
            host.compare(&there, &name, SINGLE, findings);
            let again = Gradients::repeated_on(&single, config)?;
            findings.holds(format!("{name}, repeated until it is a graph"), again == there, "the same bits");
        }
        train([&self.double, &self.no_graphs], name, config, findings)
    }
}

/// The smallest work of every kernel, for tools that watch it: one gradient of each flow in f32.
///
/// # Errors
/// If a flow can't be made, or the device fails.
pub(super) fn smallest<G: Gpu>(card: &Card<G>) -> Result<(), Box<dyn Error>> {
    let device = Cuda::<f32, G>::new(card.open()?)?;
    for &(name, text) in FLOWS {
        let config = Config::parse(text)?;
        if config.build_on(&device).is_ok() {
            Gradients::on(&device, &config).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

/// Asserts that all gradients of all flows are the same to the bit whichever way round the threads of a block run, and has the emulator look for
/// races and for what is read or written beside an allocation.
///
/// # Errors
/// If a flow can't be made, or the device fails.
///
/// # Panics
/// If the results differ, or the emulator finds a fault.
#[cfg(feature = "emulator")]
pub fn in_any_order() -> Result<(), Box<dyn Error>> {
    use upg_gpu::emulator::{Emulator, Order};
    let [forward, careful] = [Emulator::new()?, Emulator::counting()?.order(Order::Reverse)].map(Cuda::<f32, _>::new);
    let [forward, careful] = [forward?, careful?];
    for &(name, text) in FLOWS {
        let config = Config::parse(text)?;
        let expected = Gradients::on(&forward, &config)?;
        assert!(Gradients::on(&careful, &config)? == expected, "{name}: other results in reverse");
    }
    Ok(())
}

/// All gradients of a flow on the card; none where it has no kernels for it, which is told.
fn on_card<D: Place>(
    device: &D,
    name: &str,
    config: &Config,
    findings: &mut Findings,
) -> Result<Option<Gradients>, Box<dyn Error>> {
    match config.build_on(device) {
        Ok(_) => Ok(Some(Gradients::on(device, config)?)),
        Err(error) => {
            findings.not_run(name, error.to_string());
            Ok(None)
        }
    }
}

/// Loss, log-weights and gradient of every estimator.
#[derive(PartialEq)]
struct Gradients(Vec<(String, [Vec<f64>; 3])>);

impl Gradients {
    /// Of the samples from FIRST on.
    fn on<D: Place>(device: &D, config: &Config) -> Result<Self, Box<dyn Error>> {
        Self::of(&[FIRST], device, config)
    }

    /// The same after gradients of other samples, so that a device that knows repeated work by now can tell what changed.
    fn repeated_on<D: Place>(device: &D, config: &Config) -> Result<Self, Box<dyn Error>> {
        Self::of(&[100, 200, 300, FIRST], device, config)
    }

    /// The last of gradients of the samples from `firsts` on.
    fn of<D: Place>(firsts: &[u64], device: &D, config: &Config) -> Result<Self, Box<dyn Error>> {
        let Model { flow, base, target, cut, .. } = config.build_on(device)?;
        let cut = upg_core::Cut { micro_batch: 100, ..cut };
        let mut engine = Engine::new(device.clone(), flow, base, target, cut);
        let theta: Vec<D::Real> = engine.layout().initialise(&mut Streams::new(5).next_stream());
        let theta = device.buffer(&theta);
        let start = |first| Start::Draw { stream: SampleStream::new(1, 2, 3), first, samples: SAMPLES };
        // Data that are neither of the flow nor of the target.
        let data = config.build_on(&Cpu::<f64>::here())?;
        let data = draw::<D::Real>(&*data.base, SAMPLES);
        let mut all = vec![];
        for method in Method::of(Divergence::Reverse).chain(Method::of(Divergence::Forward)) {
            let name = format!("{}, {}", method.estimator().name(), method.divergence().name());
            let mut last = Default::default();
            for &first in firsts {
                let gradient = match method {
                    Method::Reverse(how) => engine.reverse_kl(how, &theta, start(first))?,
                    Method::Forward(how) => engine.forward_kl(how, &theta, data.view())?,
                };
                let grad = device.to_host(gradient.grad).iter().map(|x| x.wide()).collect();
                last = [vec![gradient.loss], gradient.log_weights.to_vec(), grad];
            }
            all.push((name, last));
        }
        Ok(Self(all))
    }

    fn compare(&self, other: &Self, name: &str, limit: f64, findings: &mut Findings) {
        for ((method, here), (_, there)) in self.0.iter().zip(&other.0) {
            let off = here.iter().zip(there).map(|(here, there)| distance(there, here)).fold(0.0, f64::max);
            findings.deviation(format!("{name}, {method}"), off, limit);
        }
    }
}

fn draw<T: Real>(base: &dyn upg_core::Base<Cpu<f64>>, samples: usize) -> Array2<T> {
    use upg_core::{BasePass, Batch, Prepared, Workspace};
    let theta: Vec<f64> = base.params().initialise(&mut Streams::new(6).next_stream());
    let (device, mut prepared, mut z) = (Cpu::here(), Prepared::default(), Batch::zeros(base.dof(), samples));
    base.prepare(&device, &theta, &mut prepared);
    let scratch = &mut Workspace::default();
    let mut pass = BasePass { device: &device, theta: &theta, prepared: &prepared, scratch };
    base.sample(&mut pass, SampleStream::new(4, 4, 4), 0, &mut z);
    z.to_samples().mapv(T::of)
}

/// Twenty steps on the card, with CUDA graphs and without: twice the same bits, and the losses of the host.
fn train<D: Place>(
    [device, no_graphs]: [&D; 2],
    name: &str,
    config: &Config,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let [once, twice] = [losses(device, config)?, losses(no_graphs, config)?];
    findings.holds(format!("{name}, 20 training steps, with and without graphs"), once == twice, "the same bits");
    let here = losses(&Cpu::<f64>::all_cores(), config)?;
    findings.deviation(format!("{name}, losses of 20 training steps"), distance(&once, &here), 1e-7);
    Ok(())
}

fn losses<D: Place>(device: &D, config: &Config) -> Result<Vec<f64>, Box<dyn Error>> {
    let plan = TrainingPlan { steps: 20, batch: 40, clip: Some(10.0), ema: Some(0.9), ..TrainingPlan::default() };
    let data = DataSets { train: None, test: None };
    let mut trainer = Trainer::new(config.build_on(device)?.problem(), device.clone(), plan, data)?;
    let losses = (0..20).map(|_| trainer.step().map(|step| step.loss));
    Ok(losses.collect::<Result<Vec<_>, DeviceError>>()?)
}
