//! Common parts of the benchmarks: the shapes, read from `shapes.ron`, and engines for them.

use serde::Deserialize;
use std::path::{Path, PathBuf};
use upg_core::{Base, Cpu, Cut, Engine, Layer, SampleStream, StandardNormal, Streams, Target, UniformTorus};
use upg_experiments::commands::place::PlaceArgs;
use upg_experiments::commands::train::{self, TrainArgs};
use upg_experiments::io::metrics::Line;
use upg_flows::{ConvNvp, Flow, RealNvp, Symmetry, U1Flow, Z2Nice};
use upg_targets::{Phi4, U1};

/// The content of `shapes.ron`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shapes {
    /// Threads of the device.
    pub threads: usize,
    /// Flows to be measured.
    pub flows: Vec<Shape>,
    /// Autoregressive layers of affine transforms.
    pub autoregressive: Vec<Masked>,
    /// Batches of base samples to be drawn.
    pub draws: Vec<Draw>,
}

/// An autoregressive layer and its batch sizes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masked {
    /// Name in the output.
    pub name: String,
    /// Degrees of freedom.
    pub dof: usize,
    /// Hidden widths of its net.
    pub hidden: Vec<usize>,
    /// Batch sizes.
    pub batches: Vec<usize>,
}

/// A batch of base samples.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// Number of samples.
    pub samples: usize,
    /// Degrees of freedom.
    pub dof: usize,
}

/// One flow and its batch sizes, on the paper's φ⁴ or U(1) target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Name in the output.
    pub name: String,
    /// Which ready-made flow.
    pub kind: Kind,
    /// Extents.
    pub lattice: Vec<usize>,
    /// Number of couplings.
    pub couplings: usize,
    /// Hidden widths.
    pub hidden: Vec<usize>,
    /// Batch sizes.
    pub batches: Vec<usize>,
}

/// A ready-made flow.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Kind {
    /// Affine couplings.
    RealNvp,
    /// Additive couplings, equivariant.
    Z2Nice,
    /// Affine couplings with convolutional nets, windows of 3, equivariant.
    ConvNvp,
    /// Gauge couplings.
    U1 {
        /// Tan transforms in each mixture.
        mixtures: usize,
    },
}

impl Shapes {
    /// Reads `shapes.ron`.
    ///
    /// # Panics
    /// If the file is missing or malformed.
    pub fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/shapes.ron");
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        ron::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}

/// An engine with the parameters and the base samples to feed it.
pub struct Case {
    /// The engine, in f32.
    pub engine: Engine<Cpu<f32>>,
    /// Random parameters.
    pub theta: Vec<f32>,
    /// The base samples.
    pub stream: SampleStream,
}

impl Shape {
    fn flow(&self) -> (Flow<f32>, Cut) {
        let Self { lattice, couplings, hidden, .. } = self.clone();
        match self.kind {
            Kind::RealNvp => {
                let flow = RealNvp { lattice, couplings, hidden, ..Default::default() };
                (flow.build().expect("a valid shape"), flow.cut())
            }
            Kind::Z2Nice => {
                let flow = Z2Nice { lattice, couplings, hidden, ..Default::default() };
                (flow.build().expect("a valid shape"), flow.cut())
            }
            Kind::ConvNvp => {
                let flow = ConvNvp { lattice, couplings, hidden, symmetry: Symmetry::Z2, ..Default::default() };
                (flow.build().expect("a valid shape"), flow.cut())
            }
            Kind::U1 { mixtures } => {
                let flow = U1Flow { lattice, layers: couplings, mixtures, hidden, ..Default::default() };
                (flow.build().expect("a valid shape"), flow.cut())
            }
        }
    }

    /// Whether the degrees of freedom are numbers, so that bare matrix products are the yardstick.
    pub fn is_of_numbers(&self) -> bool {
        !matches!(self.kind, Kind::U1 { .. })
    }

    /// The flow on φ⁴ at κ = 0.3, λ = 0.022, or on U(1) at β = 3, with random parameters.
    pub fn case(&self, threads: usize) -> Case {
        let (flow, cut) = self.flow();
        let dof = Layer::dof(&flow);
        let theta = Layer::params(&flow).initialise(&mut Streams::new(1).next_stream());
        let base: Box<dyn Base<Cpu<f32>>> = match self.is_of_numbers() {
            true => Box::new(StandardNormal::new(dof)),
            false => Box::new(UniformTorus::new(dof)),
        };
        let target: Box<dyn Target<Cpu<f32>>> = match self.is_of_numbers() {
            true => Box::new(Phi4::new(&self.lattice, 0.3, 0.022).expect("a valid lattice")),
            false => Box::new(U1::new(&self.lattice, 3.0).expect("a valid lattice")),
        };
        let engine = Engine::new(Cpu::new(threads), flow, base, target, cut);
        Case { engine, theta, stream: SampleStream::new(2, 0, 0) }
    }

    /// The matrix products of a pass of a conditioner over one sample: outputs, inputs, columns. A convolution is a product of its
    /// weights, `[channels, channels · taps]`, with a column for each site where it has values.
    pub fn products(&self) -> Vec<[usize; 3]> {
        let sites = self.lattice.iter().product::<usize>();
        let (inputs, window, outputs) = match self.kind {
            Kind::RealNvp => (sites / 2, 1, sites),
            Kind::ConvNvp => (1, 3_usize.pow(self.lattice.len() as u32), 2),
            Kind::Z2Nice | Kind::U1 { .. } => (sites / 2, 1, sites / 2),
        };
        let widths: Vec<usize> = [inputs].iter().chain(&self.hidden).chain(&[outputs]).copied().collect();
        let columns = |k: usize| match self.kind {
            Kind::ConvNvp => {
                if k == self.hidden.len() {
                    sites / 2
                } else {
                    sites
                }
            }
            _ => 1,
        };
        widths.windows(2).enumerate().map(|(k, w)| [w[1], w[0] * window, columns(k)]).collect()
    }

    /// F of the cost model: multiply-adds of one pass of all conditioners over one sample.
    pub fn multiply_adds(&self) -> usize {
        self.couplings
            * self.products().iter().map(|[outputs, inputs, columns]| outputs * inputs * columns).sum::<usize>()
    }
}

/// Seconds that `upg train` itself says it took for `steps` steps of the experiment in `config`, in a folder of its own.
///
/// # Panics
/// If the training fails.
pub fn training_seconds(config: &Path, steps: u64, threads: Option<usize>) -> f64 {
    let folder = Folder::new();
    let args = TrainArgs {
        set: vec![],
        config: Some(config.to_owned()),
        steps: Some(steps),
        out: Some(folder.0.clone()),
        resume: false,
        force: false,
        place: PlaceArgs { threads, ..PlaceArgs::default() },
        seed: None,
    };
    train::run(&args).unwrap_or_else(|e| panic!("{e}"));
    let lines = std::fs::read_to_string(folder.0.join("metrics.jsonl")).expect("a run has metrics");
    let last: Line = serde_json::from_str(lines.lines().last().expect("of its last step")).expect("one of ours");
    last.seconds
}

/// A folder for one run, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("upg-bench-training-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The median of `values`, the upper one of an even number.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
