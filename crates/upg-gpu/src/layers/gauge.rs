//! The U(1) gauge coupling, MATH (10) and (11): see [`upg_flows::gauge`]. Kernels: `gauge.cu`, one a verb, and the files in `gauge`.
//!
//! A tile of samples goes through the whole layer in the shared memory of a block. On the tape, `[tile][row][position]`: the features, the hidden values, φ, and
//! what the transform keeps. Weight gradients: [`MOST_BLOCKS`] blocks at most, each sums up over its tiles and leaves its part; the number follows from
//! the shape alone, so gradients repeat to the bit.

mod plan;

use super::transform::{Transform, Way};
use super::{AnyLayer, add};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Argument, Gpu, Source};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params, Sums};
use plan::{Kernel, Plan};
use std::sync::{Arc, OnceLock};
use upg_core::{GradSink, Invertible, Layer, Memory, ParamLayout, Pass, Prepared, Real};
use upg_flows::spec::{AngleTransformSpec, CnnSpec, GaugeCouplingSpec};
use upg_flows::{FlowError, StartAt};

/// Blocks that sum up weight gradients, at most: whole rounds on cards of 108 and of 132 multiprocessors, nearly.
const MOST_BLOCKS: usize = 528;
/// Parameters whose sums a block of the kernel `gauge_gradient` adds up.
const PARAMETERS_OF_A_BLOCK: usize = 4;
/// Tiles that are enough for a card; where there would be fewer, they are cut finer.
const ENOUGH_TILES: usize = 128;

/// A gauge coupling, or its inverse.
pub(crate) struct GaugeCoupling<G: Gpu> {
    layout: ParamLayout,
    /// Which links move, and the first active stripe.
    direction: usize,
    offset: usize,
    way: Way,
    ways: Arc<[OfWay<G>; 2]>,
    /// Kernels that pack weights, compiled when they are first needed.
    packing: Arc<Compiled<G>>,
}

/// What depends on the way of the transform.
struct OfWay<G: Gpu> {
    transform: Transform,
    coarse: Cut<G>,
    fine: Cut<G>,
}

/// How samples are cut into tiles, and the kernels for it.
struct Cut<G: Gpu> {
    plan: Plan,
    kernels: Compiled<G>,
}

/// Kernels that are compiled when they are first needed; none if the device refuses.
type Compiled<G> = OnceLock<Option<Arc<Kernels<G>>>>;

impl<G: Gpu> Cut<G> {
    fn new(plan: Plan) -> Self {
        Self { plan, kernels: OnceLock::new() }
    }

    fn tiles(&self, samples: usize) -> usize {
        samples.div_ceil(self.plan.samples)
    }

    /// So many blocks of a kernel that works on tiles.
    fn spread<T: Real>(&self, blocks: usize, kernel: Kernel) -> Spread {
        let shared = (self.plan.shared(kernel) * size_of::<T>()) as u32;
        Spread { grid: [blocks as u32, 1, 1], block: [self.plan.threads() as u32, 1], shared }
    }
}

/// Packed weights.
struct Packed<T, G: Gpu>(Batch<T, G>);

/// What `forward` leaves, and for how many samples.
struct Tape<T, G: Gpu> {
    numbers: Batch<T, G>,
    samples: usize,
}

/// The parts of all blocks in the weight gradient.
struct Parts<T, G: Gpu>(Batch<T, G>);

impl<T: Real, G: Gpu> Default for Packed<T, G> {
    fn default() -> Self {
        Self(Batch::default())
    }
}

impl<T: Real, G: Gpu> Default for Tape<T, G> {
    fn default() -> Self {
        Self { numbers: Batch::default(), samples: 0 }
    }
}

impl<T: Real, G: Gpu> Default for Parts<T, G> {
    fn default() -> Self {
        Self(Batch::default())
    }
}

impl<G: Gpu> GaugeCoupling<G> {
    /// The coupling of the links of a lattice of these extents.
    ///
    /// # Errors
    /// If the shared memory of a block has no room for a sample.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        spec: &GaugeCouplingSpec,
        lattice: [usize; 2],
        layout: ParamLayout,
    ) -> Result<Self, FlowError> {
        let bytes = device.gpu().facts().shared_memory;
        let extents = [lattice[spec.direction], lattice[1 - spec.direction]];
        let of_way = |way| {
            let transform = Transform::of_angles(&spec.transform, way);
            let sizes = [transform.width, transform.kept];
            let plan = Plan::new(extents, &spec.net, sizes, size_of::<T>(), bytes);
            let plan = plan.ok_or_else(|| FlowError::new("shape", [2, lattice[0], lattice[1]], ACCEPTED))?;
            Ok(OfWay { transform, fine: Cut::new(plan.finer()), coarse: Cut::new(plan) })
        };
        let ways = Arc::new([of_way(Way::There)?, of_way(Way::Back)?]);
        Ok(Self {
            layout,
            direction: spec.direction,
            offset: spec.offset,
            way: Way::There,
            ways,
            packing: Arc::default(),
        })
    }

    fn of_way(&self) -> &OfWay<G> {
        &self.ways[self.way as usize]
    }

    /// How so many samples are cut: by their number alone.
    fn cut(&self, samples: usize) -> &Cut<G> {
        let OfWay { coarse, fine, .. } = self.of_way();
        if coarse.tiles(samples) < ENOUGH_TILES { fine } else { coarse }
    }

    /// Runs a kernel, compiled when it is first needed, unless the device refuses.
    fn launch<T: Real>(
        &self,
        device: &Cuda<T, G>,
        cut: &Cut<G>,
        name: &'static str,
        spread: Spread,
        arguments: &[Argument],
    ) {
        let transform = &self.of_way().transform;
        let compile = || device.ask(|_| transform.kernels(device, kernels::GAUGE, cut.plan.defines()).map(Some));
        if let Some(kernels) = cut.kernels.get_or_init(compile) {
            device.launch(kernels, name, spread, arguments);
        }
    }

    /// Runs a kernel on all tiles of so many samples.
    fn launch_tiles<T: Real>(
        &self,
        device: &Cuda<T, G>,
        samples: usize,
        (name, kernel): (&'static str, Kernel),
        arguments: &[Argument],
    ) {
        let cut = self.cut(samples);
        self.launch(device, cut, name, cut.spread::<T>(cut.tiles(samples), kernel), arguments);
    }

    fn dof(&self) -> usize {
        2 * self.of_way().coarse.plan.extents.iter().product::<usize>()
    }

    fn check_rows<T: Real>(&self, x: &Batch<T, G>) {
        assert_eq!(x.rows(), self.dof(), "rows of a batch, and links of the lattice");
    }

    /// Room on the tape for these samples.
    fn reshape<T: Real>(&self, device: &Cuda<T, G>, tape: &mut Tape<T, G>, samples: usize) {
        let cut = self.cut(samples);
        device.reshape(&mut tape.numbers, cut.tiles(samples), cut.plan.tape());
        tape.samples = samples;
    }

    /// MATH (4) or (5), then (11), with the gradient if there is a sink.
    fn carry<T: Real>(
        &self,
        verb: &Verb,
        pass: &mut Pass<'_, Cuda<T, G>>,
        a: &Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.check_rows(a);
        let (device, samples) = (pass.device, a.samples());
        let tape = pass.tape.get::<Tape<T, G>>();
        assert_eq!(tape.samples, samples, "samples of `forward`, and of the covector");
        let (packed, tape) = (pass.prepared.get::<Packed<T, G>>().0.at(), tape.numbers.at());
        let (weight, direction, offset) = (device.real(weight), self.direction, self.offset);
        let Some(GradSink { into, accum }) = grad else {
            let arguments = arguments![a.at(), packed, tape, weight, direction, offset, samples];
            return self.launch_tiles(device, samples, (verb.alone, Kernel::Down), arguments);
        };
        let parts = &mut pass.scratch.get::<Parts<T, G>>().0;
        let cut = self.cut(samples);
        let blocks = cut.tiles(samples).min(MOST_BLOCKS);
        device.reshape(parts, blocks, cut.plan.part());
        let arguments = arguments![a.at(), packed, tape, parts.at(), weight, direction, offset, samples];
        self.launch(device, cut, verb.with_gradient, cut.spread::<T>(blocks, Kernel::Gradient), arguments);
        let of_parameters = Spread::blocks(self.layout.size().div_ceil(PARAMETERS_OF_A_BLOCK));
        let arguments = arguments![parts.at(), into.at(), direction, blocks, add(accum)];
        self.launch(device, cut, "gauge_gradient", of_parameters, arguments);
    }
}

/// The kernels of a verb.
struct Verb {
    alone: &'static str,
    with_gradient: &'static str,
}

const PUSH: Verb = Verb { alone: "gauge_push", with_gradient: "gauge_push_gradient" };
const PULL: Verb = Verb { alone: "gauge_pull", with_gradient: "gauge_pull_gradient" };

/// What is accepted of a lattice.
const ACCEPTED: &str =
    "on a CUDA device a lattice whose hidden values, and the weights, fit into the shared memory of a block";

impl<T: Real, G: Gpu> Layer<Cuda<T, G>> for GaugeCoupling<G> {
    fn dof(&self) -> usize {
        self.dof()
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Prepared) {
        assert_eq!(theta.len(), self.layout.size(), "parameters given, and parameters of the net");
        let Packed(packed) = prepared.get_mut::<Packed<T, G>>();
        let OfWay { transform, coarse, .. } = self.of_way();
        device.reshape(packed, 1, coarse.plan.packed());
        let arguments = arguments![theta.at(), packed.at(), self.direction];
        let compile = || device.ask(|_| device.compiled(packing::<T>(transform, &coarse.plan)).map(Some));
        if let Some(kernels) = self.packing.get_or_init(compile) {
            device.launch(kernels, "gauge_prepare", Spread::elements(packed.len()), arguments);
        }
    }

    fn forward(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        self.check_rows(x);
        let (device, tape, packed) = (pass.device, pass.tape.get::<Tape<T, G>>(), pass.prepared.get::<Packed<T, G>>());
        self.reshape(device, tape, x.samples());
        let (tape, packed, samples) = (tape.numbers.at(), packed.0.at(), x.samples());
        let arguments = arguments![x.at(), log_det.at(), packed, tape, self.direction, self.offset, samples];
        self.launch_tiles(device, samples, ("gauge_forward", Kernel::Up), arguments);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.carry(&PUSH, pass, cotangent, weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.carry(&PULL, pass, cotangent, weight, grad);
    }

    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        x: &mut Batch<T, G>,
        log_det: &mut Sums<G>,
        score: &mut Batch<T, G>,
    ) {
        self.check_rows(x);
        assert_eq!((score.rows(), score.samples()), (x.rows(), x.samples()), "shapes of the score, and of x");
        let (device, tape, packed) = (pass.device, pass.tape.get::<Tape<T, G>>(), pass.prepared.get::<Packed<T, G>>());
        self.reshape(device, tape, x.samples());
        let (tape, packed, samples, direction) = (tape.numbers.at(), packed.0.at(), x.samples(), self.direction);
        let arguments = arguments![x.at(), log_det.at(), score.at(), packed, tape, direction, self.offset, samples];
        self.launch_tiles(device, samples, ("gauge_forward_with_score", Kernel::Both), arguments);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        self.check_rows(x);
        let (packed, samples) = (pass.prepared.get::<Packed<T, G>>().0.at(), x.samples());
        let arguments = arguments![x.at(), log_det.at(), packed, self.direction, self.offset, samples];
        self.launch_tiles(pass.device, samples, ("gauge_value", Kernel::Up), arguments);
    }
}

impl<T: Real, G: Gpu> Invertible<Cuda<T, G>> for GaugeCoupling<G> {
    fn inverse(&self) -> AnyLayer<T, G> {
        let way = match self.way {
            Way::There => Way::Back,
            Way::Back => Way::There,
        };
        Box::new(Self {
            layout: self.layout.clone(),
            ways: self.ways.clone(),
            packing: self.packing.clone(),
            way,
            ..*self
        })
    }
}

/// The text that packs weights, for either way of the transform.
fn packing<T: Real>(transform: &Transform, plan: &Plan) -> Source {
    let of_transform =
        [("WIDTH", transform.width), ("KEPT", transform.kept)].map(|(name, size)| (name, size.to_string()));
    kernels::GAUGE_WEIGHTS.source::<T>([plan.defines(), of_transform.into()].concat())
}

/// Some of the texts for 16×16 and the usual net, for tests of what compilers say.
pub(crate) fn examples<T: Real>() -> Vec<Source> {
    let net = CnnSpec { hidden: vec![8, 8], kernel: 3, slope: 0.01, start: StartAt::Random };
    let [tan, spline] =
        [AngleTransformSpec::TanMixture { mixtures: 6 }, AngleTransformSpec::CircularSpline { bins: 8 }];
    let planned = |spec, way| {
        let transform = Transform::of_angles(spec, way);
        let plan = Plan::new([16, 16], &net, [transform.width, transform.kept], size_of::<T>(), 227 << 10);
        (transform, plan.expect("a block has room"))
    };
    let text = |(transform, plan): &(Transform, Plan)| transform.source::<T>(kernels::GAUGE, plan.defines());
    let (transform, plan) = planned(&tan, Way::There);
    let finer = (transform.clone(), plan.finer());
    let mut all = vec![packing::<T>(&transform, &plan), text(&(transform, plan))];
    if size_of::<T>() == size_of::<f32>() {
        all.extend([finer, planned(&tan, Way::Back), planned(&spline, Way::There)].iter().map(text));
    }
    all
}
