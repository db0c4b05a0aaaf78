//! Continuous flows, MATH (30)–(32): see [`upg_flows::continuous`], and MATH (38) for those of links: see [`upg_flows::plaquette_flow`]. Kernels: `continuous.cu`,
//! behind the text of the vector field and one that loads and stores samples.
//!
//! A verb is one launch: a block holds a few samples and goes through all steps with them. A gradient needs two more: the blocks, of which there are
//! [`MOST_PARTS`] at most, each leave a sum over their samples, and these are added up. The tape holds the inputs of all stages.

use super::AnyLayer;
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Argument, Gpu};
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params, Sums};
use crate::plans::Tiling;
use std::f64::consts::PI;
use std::sync::Arc;
use upg_core::{GradSink, Invertible, Layer, Memory, ParamLayout, Pass, Prepared, Real};

/// A vector field on a device: what continuous.cu needs of it.
pub(crate) trait Field<T: Real, G: Gpu>: Send + Sync + 'static {
    /// How its samples are spread.
    fn tiling(&self) -> Tiling;

    /// Rows of a batch of samples, its coordinates unless its kernels make these of them.
    fn rows(&self) -> usize {
        self.tiling().dof
    }

    /// The kernels of its text.
    fn kernels(&self) -> &Kernels<G>;

    /// Parameters: names, shapes, initial values.
    fn params(&self) -> &ParamLayout;

    /// Fills `prepared` with what its kernels need of θ.
    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Batch<T, G>);

    /// The arguments of its own that the kernels of continuous.cu get.
    fn arguments(&self, theta: Params<'_, T>, prepared: &Batch<T, G>) -> Vec<Argument>;

    /// How many numbers it adds up for ∂θ.
    fn sums(&self) -> usize;

    /// ∂θ (+)= what these sums amount to.
    fn reduce(&self, at: At<'_, T, G>, sums: Address, sink: GradSink<'_, Cuda<T, G>>);
}

/// The surroundings of a gradient.
pub(crate) struct At<'a, T: Real, G: Gpu> {
    pub device: &'a Cuda<T, G>,
    pub theta: Params<'a, T>,
    /// The result of [`Field::prepare`].
    pub prepared: &'a Batch<T, G>,
}

/// Blocks that leave sums, at most.
const MOST_PARTS: usize = 256;

/// cos πjt at all half steps, `[time][j]`.
pub(crate) fn time_basis(steps: usize, functions: usize) -> Vec<f64> {
    let times = (0..=2 * steps).map(|half| half as f64 / (2 * steps) as f64);
    times.flat_map(|t| (0..functions).map(move |j| (PI * j as f64 * t).cos())).collect()
}

/// The flow of a vector field over a unit of time.
pub(crate) struct Continuous<F> {
    field: Arc<F>,
    steps: usize,
    way: Way,
}

/// Forth or back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forth,
    Back,
}

/// The way of a covector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Push,
    PullBack,
}

/// What is prepared of θ.
struct Factors<T, G: Gpu>(Batch<T, G>);

impl<T: Real, G: Gpu> Default for Factors<T, G> {
    fn default() -> Self {
        Self(Batch::default())
    }
}

/// The inputs of all stages, and how many samples there are.
struct Tape<T, G: Gpu> {
    inputs: Batch<T, G>,
    samples: usize,
}

impl<T: Real, G: Gpu> Default for Tape<T, G> {
    fn default() -> Self {
        Self { inputs: Batch::default(), samples: 0 }
    }
}

/// The sums that blocks leave.
struct Parts<G: Gpu>(Sums<G>);

impl<G: Gpu> Default for Parts<G> {
    fn default() -> Self {
        Self(Sums::default())
    }
}

impl<F> Continuous<F> {
    /// The flow of `field` in so many steps, which it was made for.
    pub fn new(field: F, steps: usize) -> Self {
        Self { field: Arc::new(field), steps, way: Way::Forth }
    }

    /// h, the steps, which way they go, the samples; then what the field needs.
    fn arguments<T: Real, G: Gpu>(
        &self,
        first: &[Argument],
        theta: Params<'_, T>,
        prepared: &Prepared,
        samples: usize,
    ) -> Vec<Argument>
    where
        F: Field<T, G>,
    {
        let (h, back) = match self.way {
            Way::Forth => (1.0 / self.steps as f64, 0),
            Way::Back => (-1.0 / self.steps as f64, 1),
        };
        let mut all = first.to_vec();
        all.extend_from_slice(arguments![h, self.steps, back, samples]);
        all.extend(self.field.arguments(theta, &prepared.get::<Factors<T, G>>().0));
        all
    }

    /// MATH (31) or (32).
    fn carry<T: Real, G: Gpu>(
        &self,
        verb: Verb,
        pass: &mut Pass<'_, Cuda<T, G>>,
        covector: &Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) where
        F: Field<T, G>,
    {
        let (device, tiling, samples) = (pass.device, self.field.tiling(), covector.samples());
        let Tape { inputs, samples: taped } = pass.tape.get::<Tape<T, G>>();
        assert_eq!(covector.rows(), self.field.rows(), "rows of the covector, and degrees of freedom of the layer");
        assert_eq!(samples, *taped, "samples of the covector, and of `forward`");
        let first = arguments![covector.at(), inputs.at(), weight, i32::from(verb == Verb::Push)];
        let Some(sink) = grad else {
            let arguments = self.arguments(first, pass.theta, pass.prepared, samples);
            let spread = tiling.spread(tiling.groups(samples));
            return device.launch(self.field.kernels(), "continuous_carry", spread, &arguments);
        };
        let (sums, blocks) = (self.field.sums(), tiling.groups(samples).clamp(1, MOST_PARTS));
        let parts = &mut pass.scratch.get::<Parts<G>>().0;
        device.grow(&mut parts.store, blocks * sums * size_of::<f64>());
        let mut first = first.to_vec();
        first.extend_from_slice(arguments![parts.at(), sums]);
        let arguments = self.arguments(&first, pass.theta, pass.prepared, samples);
        let kernels = self.field.kernels();
        device.launch(kernels, "continuous_carry_with_sums", tiling.spread(blocks), &arguments);
        let arguments = arguments![parts.at(), blocks, sums];
        device.launch(kernels, "continuous_add_parts", Spread::elements(sums), arguments);
        let prepared = &pass.prepared.get::<Factors<T, G>>().0;
        self.field.reduce(At { device, theta: pass.theta, prepared }, parts.at(), sink);
    }

    /// Memory for the inputs of all stages of so many samples.
    fn record<T: Real, G: Gpu>(&self, device: &Cuda<T, G>, tape: &mut Tape<T, G>, samples: usize)
    where
        F: Field<T, G>,
    {
        let Tiling { dof, samples: of_block, .. } = self.field.tiling();
        let stages = STAGES * self.steps;
        device.reshape(&mut tape.inputs, stages * dof, self.field.tiling().groups(samples) * of_block);
        tape.samples = samples;
    }

    /// x ← T(x), with what the kernel of this name does beside.
    fn integrate<T: Real, G: Gpu>(
        &self,
        kernel: &'static str,
        pass: &Pass<'_, Cuda<T, G>>,
        x: &Batch<T, G>,
        first: &[Argument],
    ) where
        F: Field<T, G>,
    {
        let tiling = self.field.tiling();
        assert_eq!(x.rows(), self.field.rows(), "rows of x, and degrees of freedom of the layer");
        let arguments = self.arguments(first, pass.theta, pass.prepared, x.samples());
        let spread = tiling.spread(tiling.groups(x.samples()));
        pass.device.launch(self.field.kernels(), kernel, spread, &arguments);
    }
}

/// Stages of a step.
const STAGES: usize = 4;

impl<T: Real, G: Gpu, F: Field<T, G>> Layer<Cuda<T, G>> for Continuous<F> {
    fn dof(&self) -> usize {
        self.field.rows()
    }

    fn params(&self) -> ParamLayout {
        self.field.params().clone()
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Prepared) {
        self.field.prepare(device, theta, &mut prepared.get_mut::<Factors<T, G>>().0);
    }

    fn forward(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        let tape = pass.tape.get::<Tape<T, G>>();
        self.record(pass.device, tape, x.samples());
        let first = arguments![x.at(), log_det.at(), tape.inputs.at()];
        self.integrate("continuous_forward", pass, x, first);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.carry(Verb::Push, pass, cotangent, weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.carry(Verb::PullBack, pass, cotangent, weight, grad);
    }

    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        x: &mut Batch<T, G>,
        log_det: &mut Sums<G>,
        score: &mut Batch<T, G>,
    ) {
        let tape = pass.tape.get::<Tape<T, G>>();
        assert_eq!((score.rows(), score.samples()), (x.rows(), x.samples()), "shapes of the score, and of x");
        self.record(pass.device, tape, x.samples());
        let first = arguments![x.at(), log_det.at(), tape.inputs.at(), score.at()];
        self.integrate("continuous_forward_with_score", pass, x, first);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        self.integrate("continuous_forward", pass, x, arguments![x.at(), log_det.at(), Address::default()]);
    }
}

impl<T: Real, G: Gpu, F: Field<T, G>> Invertible<Cuda<T, G>> for Continuous<F> {
    /// The same field, integrated backwards: T⁻¹ up to O(h⁴).
    fn inverse(&self) -> AnyLayer<T, G> {
        let way = match self.way {
            Way::Forth => Way::Back,
            Way::Back => Way::Forth,
        };
        Box::new(Self { field: self.field.clone(), steps: self.steps, way })
    }
}
