//! One gradient of a batch: micro-batches, random streams, results.

use crate::{
    density::{Base, Boltzmann, Density, Target},
    device::Device,
    estimator::{self, BothWays, ForwardKl, Place, ReverseKl, Tape, Transport, Work},
    layer::{Accum, GradSink, Invertible, Layer},
    params::ParamLayout,
    streams::{Rng, Streams},
};
use ndarray::{Array2, ArrayView2, s};
use std::ops::Range;

/// Where the base samples of a reverse-KL gradient come from.
pub enum Start<'a, T> {
    /// Draw `samples` of them, every micro-batch from the next stream.
    Draw {
        /// How many, at least 1.
        samples: usize,
        /// Where the randomness comes from; advanced by one stream per micro-batch.
        streams: &'a mut Streams,
    },
    /// These, shape `[batch, dof]`.
    Given(ArrayView2<'a, T>),
}

/// Whether the engine hands out the samples at the end of the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndSamples {
    /// No: memory then doesn't grow with the batch.
    #[default]
    Discard,
    /// Yes, in [`Gradient::end`].
    Keep,
}

/// The result for one batch.
pub struct Gradient<'a, D: Device> {
    /// Reverse KL: mean(log q + S), a bound on −log Z. Forward KL: mean(−log q).
    pub loss: f64,
    /// log p̃(x) − log q(x) = −S(x) − log q(x), per sample.
    pub log_weights: &'a [f64],
    /// log|det| of the map applied, per sample: of T for the reverse KL, of T⁻¹ for the forward KL.
    pub log_det: &'a [f64],
    /// The gradient of the divergence, in the layout of the parameters.
    pub grad: &'a D::Buffer,
    /// Samples at the end of the map, shape `[batch, dof]`: x for the reverse KL, z for the forward KL. Empty unless kept.
    pub end: ArrayView2<'a, D::Real>,
}

/// Samples with their log-weights, without a gradient.
pub struct Weighted<'a, D: Device> {
    /// From base samples: mean(log q + S), a bound on −log Z. From data: mean(−log q), the negative log-likelihood.
    pub loss: f64,
    /// log p̃(x) − log q(x) = −S(x) − log q(x), per sample.
    pub log_weights: &'a [f64],
    /// log|det| of the map applied, per sample: of T for base samples, of T⁻¹ for data.
    pub log_det: &'a [f64],
    /// Samples at the end of the map, shape `[batch, dof]`: x for base samples, z for data. Empty unless kept.
    pub end: ArrayView2<'a, D::Real>,
}

/// How a batch is cut. It decides speed and memory, and results only up to round-off; threads don't enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Samples processed at a time. Wide nets: enough to feed the matrix products; small nets: few enough to stay in cache.
    pub micro_batch: usize,
    /// Number of parts of the batch that may run at the same time, each with buffers and a gradient of its own.
    /// 1 for wide nets, whose layers split their matrix products over the threads; about 8 for small ones.
    pub lanes: usize,
}

/// A flow between a base and a target, ready to give gradients.
///
/// A batch is cut into micro-batches of a fixed size; each has its own random stream. The micro-batches of a lane are
/// processed one after the other with one set of buffers, and the gradients of the lanes are added in their order: the
/// result is bitwise the same for any number of threads, memory doesn't grow with the batch, and nothing allocates
/// after the first step of a given batch size.
///
/// The example in the [crate documentation](crate) shows it at work.
pub struct Engine<D: Device, F> {
    parts: Parts<D, F>,
    cut: Cut,
    end_samples: EndSamples,
    streams: Vec<Rng>,
    lanes: Vec<Lane<D>>,
    log_weights: Vec<f64>,
    log_det: Vec<f64>,
    end: Array2<D::Real>,
}

/// Buffers and results of one part of the batch.
struct Lane<D: Device> {
    range: Range<usize>,
    work: Work<D>,
    host: [Vec<f64>; 3],
    loss: f64,
    log_weights: Vec<f64>,
    log_det: Vec<f64>,
    end: Array2<D::Real>,
    grad: D::Buffer,
}

/// What a gradient is made of, fixed for the life of an engine.
struct Parts<D: Device, F> {
    device: D,
    flow: F,
    inverse: Box<dyn Layer<D>>,
    /// Number of parameters of the flow.
    parameters: usize,
    base: Box<dyn Base<D>>,
    target: Boltzmann<Box<dyn Target<D>>>,
}

/// What is asked for; without an estimator, no gradient.
enum Job<'a, T> {
    Reverse(Option<ReverseKl>, From<'a, T>),
    Forward(Option<ForwardKl>, ArrayView2<'a, T>),
}

/// Where base samples come from, once the streams are dealt out.
enum From<'a, T> {
    Streams,
    Given(ArrayView2<'a, T>),
}

impl<D: Device, F: Invertible<D>> Engine<D, F> {
    /// Joins a flow, a base and a target on `device`; batches are cut as `cut` says.
    ///
    /// # Panics
    /// If the numbers of degrees of freedom differ, or `cut` holds a 0.
    #[track_caller]
    pub fn new(device: D, flow: F, base: impl Base<D> + 'static, target: impl Target<D> + 'static, cut: Cut) -> Self {
        assert_eq!(base.dof(), flow.dof(), "degrees of freedom of the base, and of the flow");
        assert_eq!(target.dof(), flow.dof(), "degrees of freedom of the target, and of the flow");
        assert!(cut.micro_batch > 0 && cut.lanes > 0, "{cut:?}: at least 1 each");
        let (base, target) = (Box::new(base), Boltzmann(Box::new(target) as Box<dyn Target<D>>));
        Self {
            parts: Parts { inverse: flow.inverse(), parameters: flow.params().size(), device, flow, base, target },
            cut,
            end_samples: EndSamples::Discard,
            streams: vec![],
            lanes: vec![],
            log_weights: vec![],
            log_det: vec![],
            end: Array2::default((0, 0)),
        }
    }

    /// Chooses whether [`Gradient::end`] is filled.
    pub fn with_end_samples(mut self, end_samples: EndSamples) -> Self {
        self.end_samples = end_samples;
        self
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.parts.device
    }

    /// The flow.
    pub fn flow(&self) -> &F {
        &self.parts.flow
    }

    /// Layout of the parameters and of the gradient.
    pub fn layout(&self) -> ParamLayout {
        self.parts.flow.params()
    }

    /// Puts another target in the place of the present one, e.g. at the next coupling of an annealing schedule.
    ///
    /// # Panics
    /// If it has another number of degrees of freedom.
    #[track_caller]
    pub fn set_target(&mut self, target: impl Target<D> + 'static) {
        assert_eq!(target.dof(), self.parts.flow.dof(), "degrees of freedom of the target, and of the flow");
        self.parts.target = Boltzmann(Box::new(target));
    }

    /// The gradient of the reverse KL(q_θ‖p) at `theta`, over the base samples of `start`.
    ///
    /// # Panics
    /// If there are no samples, or they have the wrong width.
    #[track_caller]
    pub fn reverse_kl(&mut self, how: ReverseKl, theta: &D::Buffer, start: Start<'_, D::Real>) -> Gradient<'_, D> {
        let (from, batch) = self.begin(start);
        let used = self.run(&Job::Reverse(Some(how), from), theta, batch);
        self.gradient(used, batch)
    }

    /// The gradient of the forward KL(p‖q_θ) at `theta`, over `data` ~ p, shape `[batch, dof]`.
    ///
    /// # Panics
    /// If there are no samples, or they have the wrong width.
    #[track_caller]
    pub fn forward_kl(&mut self, how: ForwardKl, theta: &D::Buffer, data: ArrayView2<'_, D::Real>) -> Gradient<'_, D> {
        let batch = self.batch_of(&data);
        let used = self.run(&Job::Forward(Some(how), data), theta, batch);
        self.gradient(used, batch)
    }

    /// Samples x = T(z) of q_θ with their log-weights, at the cost of one forward pass (F).
    ///
    /// Drawn in pieces of whole micro-batches they are the same samples as when drawn at once.
    ///
    /// # Panics
    /// If there are no samples, or they have the wrong width.
    #[track_caller]
    pub fn sample(&mut self, theta: &D::Buffer, start: Start<'_, D::Real>) -> Weighted<'_, D> {
        let (from, batch) = self.begin(start);
        let used = self.run(&Job::Reverse(None, from), theta, batch);
        self.join(used, batch)
    }

    /// Log-weights and −log q_θ of `data`, shape `[batch, dof]`, at the cost of one pass through T⁻¹ (F).
    ///
    /// # Panics
    /// If there are no samples, or they have the wrong width.
    #[track_caller]
    pub fn weigh(&mut self, theta: &D::Buffer, data: ArrayView2<'_, D::Real>) -> Weighted<'_, D> {
        let batch = self.batch_of(&data);
        let used = self.run(&Job::Forward(None, data), theta, batch);
        self.join(used, batch)
    }

    /// Deals out the random streams; returns where base samples come from, and their number.
    #[track_caller]
    fn begin<'a>(&mut self, start: Start<'a, D::Real>) -> (From<'a, D::Real>, usize) {
        self.streams.clear();
        match start {
            Start::Draw { samples, streams } => {
                let micro_batches = samples.div_ceil(self.cut.micro_batch);
                self.streams.extend((0..micro_batches).map(|_| streams.next_stream()));
                (From::Streams, samples)
            }
            Start::Given(z) => {
                let batch = self.batch_of(&z);
                (From::Given(z), batch)
            }
        }
    }

    #[track_caller]
    fn batch_of(&self, samples: &ArrayView2<'_, D::Real>) -> usize {
        assert_eq!(samples.ncols(), self.parts.flow.dof(), "width of the samples, and degrees of freedom of the flow");
        samples.nrows()
    }

    #[track_caller]
    fn run(&mut self, job: &Job<'_, D::Real>, theta: &D::Buffer, batch: usize) -> usize {
        assert!(batch > 0, "a batch of 0 samples: at least 1");
        let given = self.parts.device.buffer_len(theta);
        assert_eq!(given, self.parts.parameters, "elements of theta, and parameters of the flow");
        let used = self.deal(batch);
        let Self { parts, cut, streams, lanes, end_samples, .. } = self;
        let lanes = &mut lanes[..used];
        let device = &parts.device;
        device.install(|| {
            device.for_each(lanes, |lane| lane.run(parts, job, streams, theta, (*cut, batch), *end_samples));
        });
        used
    }

    /// Gives every lane a contiguous range of whole micro-batches; returns the number of lanes that got one.
    fn deal(&mut self, batch: usize) -> usize {
        let micro_batches = batch.div_ceil(self.cut.micro_batch);
        let per_lane = micro_batches.div_ceil(self.cut.lanes) * self.cut.micro_batch;
        let used = batch.div_ceil(per_lane);
        let parts = &self.parts;
        let zeros = || parts.device.buffer(&vec![D::Real::default(); parts.parameters]);
        if self.lanes.len() < used {
            self.lanes.resize_with(used, || Lane::new(zeros()));
        }
        for (i, lane) in self.lanes[..used].iter_mut().enumerate() {
            lane.range = i * per_lane..((i + 1) * per_lane).min(batch);
        }
        used
    }

    /// Adds the gradients of the lanes, in their order, to that of lane 0, and joins the other results.
    fn gradient(&mut self, used: usize, batch: usize) -> Gradient<'_, D> {
        let (first, others) = self.lanes[..used].split_first_mut().expect("at least one lane");
        for lane in others.iter() {
            self.parts.device.add_buffer(&lane.grad, &mut first.grad);
        }
        self.gather(used, batch);
        let grad = &self.lanes[0].grad;
        let Weighted { loss, log_weights, log_det, end } = self.gathered(used, batch);
        Gradient { loss, log_weights, log_det, grad, end }
    }

    /// Joins the results of the lanes, in their order.
    fn join(&mut self, used: usize, batch: usize) -> Weighted<'_, D> {
        self.gather(used, batch);
        self.gathered(used, batch)
    }

    fn gather(&mut self, used: usize, batch: usize) {
        self.log_weights.clear();
        self.log_det.clear();
        for lane in &self.lanes[..used] {
            self.log_weights.extend_from_slice(&lane.log_weights);
            self.log_det.extend_from_slice(&lane.log_det);
        }
        if self.end_samples == EndSamples::Keep {
            let shape = (batch, self.parts.flow.dof());
            if self.end.dim() != shape {
                self.end = Array2::default(shape);
            }
            for lane in &self.lanes[..used] {
                self.end.slice_mut(s![lane.range.clone(), ..]).assign(&lane.end);
            }
        }
    }

    fn gathered(&self, used: usize, batch: usize) -> Weighted<'_, D> {
        let loss: f64 = self.lanes[..used].iter().map(|lane| lane.loss).sum();
        let (log_weights, log_det) = (&self.log_weights, &self.log_det);
        Weighted { loss: loss / batch as f64, log_weights, log_det, end: self.end.view() }
    }
}

impl<D: Device> Lane<D> {
    fn new(grad: D::Buffer) -> Self {
        Self {
            range: 0..0,
            work: Work::default(),
            host: Default::default(),
            loss: 0.0,
            log_weights: vec![],
            log_det: vec![],
            end: Array2::default((0, 0)),
            grad,
        }
    }

    /// Processes the micro-batches of this lane, one after the other.
    fn run<F: Layer<D>>(
        &mut self,
        parts: &Parts<D, F>,
        job: &Job<'_, D::Real>,
        streams: &[Rng],
        theta: &D::Buffer,
        (cut, batch): (Cut, usize),
        end_samples: EndSamples,
    ) {
        self.loss = 0.0;
        self.log_weights.clear();
        self.log_det.clear();
        let shape = (self.range.len(), parts.flow.dof());
        if end_samples == EndSamples::Keep && self.end.dim() != shape {
            self.end = Array2::default(shape);
        }
        for first in self.range.clone().step_by(cut.micro_batch) {
            let samples = cut.micro_batch.min(self.range.end - first);
            let at = Place { device: &parts.device, theta, samples, batch };
            let accum = if first == self.range.start { Accum::Replace } else { Accum::Add };
            parts.take_start(job, first, streams.get(first / cut.micro_batch), samples, &mut self.work.x);
            let grad = GradSink { into: parts.device.params_mut(&mut self.grad), accum };
            parts.estimate(job, &at, &mut self.work, grad);
            self.collect(parts, job, samples);
            if end_samples == EndSamples::Keep {
                let at = first - self.range.start;
                parts.device.download(&self.work.x, self.end.slice_mut(s![at..at + samples, ..]));
            }
        }
    }

    /// Appends the losses, log-weights and log-dets of a micro-batch.
    ///
    /// log q(x) is log q₀(z) − log|det J_T| from the base, and log q₀(z) + log|det J_{T⁻¹}| from the data.
    fn collect<F>(&mut self, parts: &Parts<D, F>, job: &Job<'_, D::Real>, samples: usize) {
        let Self { host, work, .. } = self;
        for (host, sums) in host.iter_mut().zip([&work.start, &work.log_det, &work.end]) {
            host.resize(samples, 0.0);
            parts.device.read(sums, host);
        }
        let [start, log_det, end] = &*host;
        self.log_det.extend_from_slice(log_det);
        for ((&start, &log_det), &end) in start.iter().zip(log_det).zip(end) {
            let (log_weight, loss) = match job {
                Job::Reverse(..) => (end - (start - log_det), (start - log_det) - end),
                Job::Forward(..) => (start - (end + log_det), -(end + log_det)),
            };
            self.log_weights.push(log_weight);
            self.loss += loss;
        }
    }
}

impl<D: Device, F: Layer<D>> Parts<D, F> {
    /// Fills `x` with the `samples` start samples that begin at number `first` of the batch.
    fn take_start(&self, job: &Job<'_, D::Real>, first: usize, stream: Option<&Rng>, samples: usize, x: &mut D::Batch) {
        match job {
            Job::Reverse(_, From::Streams) => {
                let mut stream = stream.expect("a stream for every micro-batch").clone();
                self.device.reshape(x, self.flow.dof(), samples);
                self.base.sample(&self.device, &mut stream, x);
            }
            Job::Reverse(_, From::Given(start)) | Job::Forward(_, start) => {
                self.device.upload(start.slice(s![first..first + samples, ..]), x);
            }
        }
    }

    /// Runs the estimator, if one is asked for, on the micro-batch in `work.x`.
    fn estimate(&self, job: &Job<'_, D::Real>, at: &Place<'_, D>, work: &mut Work<D>, grad: GradSink<'_, D>) {
        let (flow, inverse) = (&self.flow as &dyn Layer<D>, &*self.inverse);
        let (base, target) = (&*self.base as &dyn Density<D>, &self.target);
        let to_target = Transport { map: flow, start: base, end: target };
        let to_base = Transport { map: inverse, start: target, end: base };
        let both = BothWays { map: flow, inverse, base, target };
        match job {
            Job::Reverse(None, _) => estimator::transport(&to_target, at, work),
            Job::Forward(None, _) => estimator::transport(&to_base, at, work),
            Job::Reverse(Some(ReverseKl::Reparam), _) => estimator::total_gradient(&to_target, at, work, grad),
            Job::Reverse(Some(ReverseKl::PathFast), _) => estimator::path_gradient(&to_target, at, work, grad),
            Job::Reverse(Some(ReverseKl::PathTwoPass), _) => {
                estimator::path_two_pass(Tape::Again, &both, at, work, grad)
            }
            Job::Reverse(Some(ReverseKl::PathTwoPassLean), _) => {
                estimator::path_two_pass(Tape::Kept, &both, at, work, grad)
            }
            Job::Forward(Some(ForwardKl::MaxLikelihood), _) => estimator::total_gradient(&to_base, at, work, grad),
            Job::Forward(Some(ForwardKl::PathFast), _) => estimator::path_gradient(&to_base, at, work, grad),
            Job::Forward(Some(ForwardKl::Gdreg), _) => estimator::gdreg(&both, at, work, grad),
        }
    }
}
