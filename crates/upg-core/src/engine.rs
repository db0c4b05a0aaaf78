//! One gradient of a batch: micro-batches, samples, results.

mod cut;
mod lane;

pub use cut::Cut;

use crate::{
    density::{Base, Target},
    device::{Device, DeviceError},
    estimator::{BaseAt, LayerAt},
    layer::{Invertible, Layer, Whole},
    params::ParamLayout,
    random::SampleStream,
    ways::{BothWays, Generates, Generating, Normalizes, Normalizing, Ways},
    workspace::Prepared,
};
use lane::{Job, Lane, Source};
use ndarray::{Array2, ArrayView2, s};
use std::array;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Gradients of lanes that are added up in one visit.
const AT_ONCE: usize = 7;

/// Where the base samples of a reverse-KL gradient come from.
#[derive(Clone, Copy)]
pub enum Start<'a, T> {
    /// Samples `first`, `first` + 1, … of `stream`: the same whatever they are drawn together with.
    Draw {
        /// The stream.
        stream: SampleStream,
        /// The number of the first sample.
        first: u64,
        /// How many, at least 1.
        samples: usize,
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
    /// In their place the scores there, MATH (1): ∇log q(x) at x = T(z), or the score of the density that T⁻¹ carries p to. Without a
    /// gradient only, at the cost of one more vector-Jacobian product.
    Scores,
}

/// The result for one batch.
pub struct Gradient<'a, D: Device> {
    /// Reverse KL: mean(log q + S), a bound on −log Z. Forward KL: mean(−log q).
    pub loss: f64,
    /// log p̃(x) − log q(x) = −S(x) − log q(x), per sample.
    pub log_weights: &'a [f64],
    /// log|det| of the map applied, per sample: of T for the reverse KL, of T⁻¹ for the forward KL.
    pub log_det: &'a [f64],
    /// The gradient of the divergence, in the layout of the parameters, on the device.
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

/// A flow between a base and a target, ready to give gradients.
///
/// A batch is cut into micro-batches whose size depends on shapes alone. Those of a lane are processed one after the other with one set
/// of buffers, and the gradients of the lanes are added in their order: the result is bitwise the same for any number of threads, memory
/// doesn't grow with the batch, and nothing allocates after the first step of a given batch size.
///
/// `W` says in which directions the engine goes through the flow: both, unless it was made by [`generating`](Engine::generating) or
/// [`normalizing`](Engine::normalizing). Parameters are those of the base, if it has any, then those of the flow, in one flat buffer.
///
/// The example in the [crate documentation](crate) shows it at work.
pub struct Engine<D: Device, W = BothWays<D>> {
    device: D,
    ways: W,
    base: Box<dyn Base<D>>,
    target: Box<dyn Target<D>>,
    layout: ParamLayout,
    dof: usize,
    /// Number of parameters of the base.
    of_base: usize,
    cut: Cut,
    end_samples: EndSamples,
    prepared: PreparedParts,
    lanes: Vec<Lane<D>>,
    log_weights: Vec<f64>,
    log_det: Vec<f64>,
    end: Array2<D::Real>,
}

/// The preparations of base and maps for one θ.
#[derive(Default)]
struct PreparedParts {
    base: Prepared,
    map: Prepared,
    inverse: Prepared,
}

/// Base, flow and target at θ.
struct Parts<'a, D: Device> {
    base: BaseAt<'a, D>,
    map: Option<LayerAt<'a, D>>,
    inverse: Option<LayerAt<'a, D>>,
    target: &'a dyn Target<D>,
}

impl<D: Device> Engine<D> {
    /// Joins an invertible flow, a base and a target on `device`; batches are cut as `cut` says.
    ///
    /// # Panics
    /// If the numbers of degrees of freedom differ, or `cut` holds a 0.
    #[track_caller]
    pub fn new(
        device: D,
        flow: impl Invertible<D> + 'static,
        base: impl Base<D> + 'static,
        target: impl Target<D> + 'static,
        cut: Cut,
    ) -> Self {
        Self::join(device, BothWays::of(Box::new(flow)), Box::new(base), Box::new(target), cut)
    }
}

impl<D: Device> Engine<D, Generating<D>> {
    /// Joins a base, a map T from it to the target's space, and a target: for samples, and for the estimators of the reverse KL that
    /// need no inverse.
    ///
    /// # Panics
    /// As [`Engine::new`].
    #[track_caller]
    pub fn generating(
        device: D,
        map: impl Layer<D> + 'static,
        base: impl Base<D> + 'static,
        target: impl Target<D> + 'static,
        cut: Cut,
    ) -> Self {
        Self::join(device, Generating(Box::new(map)), Box::new(base), Box::new(target), cut)
    }
}

impl<D: Device> Engine<D, Normalizing<D>> {
    /// Joins a map T⁻¹ from the target's space to the base's, a base, and a target: for likelihoods, and for the estimators of the
    /// forward KL that need T⁻¹ alone.
    ///
    /// # Panics
    /// As [`Engine::new`].
    #[track_caller]
    pub fn normalizing(
        device: D,
        inverse: impl Layer<D> + 'static,
        base: impl Base<D> + 'static,
        target: impl Target<D> + 'static,
        cut: Cut,
    ) -> Self {
        Self::join(device, Normalizing(Box::new(inverse)), Box::new(base), Box::new(target), cut)
    }
}

impl<D: Device, W: Ways<D>> Engine<D, W> {
    #[track_caller]
    fn join(device: D, ways: W, base: Box<dyn Base<D>>, target: Box<dyn Target<D>>, cut: Cut) -> Self {
        assert!(cut.micro_batch > 0 && cut.lanes > 0, "{cut:?}: at least 1 each");
        let flow = ways.map().or(ways.inverse()).expect("at least one way");
        let (dof, of_flow) = (flow.dof(), flow.params());
        assert_eq!(base.dof(), dof, "degrees of freedom of the base, and of the flow");
        assert_eq!(target.dof(), dof, "degrees of freedom of the target, and of the flow");
        let mut layout = ParamLayout::default();
        layout.nest("base.", &base.params());
        let of_base = layout.size();
        layout.nest("", &of_flow);
        Self {
            device,
            ways,
            base,
            target,
            layout,
            dof,
            of_base,
            cut,
            end_samples: EndSamples::Discard,
            prepared: PreparedParts::default(),
            lanes: vec![],
            log_weights: vec![],
            log_det: vec![],
            end: Array2::default((0, 0)),
        }
    }

    /// Chooses whether [`Gradient::end`] is filled.
    pub fn with_end_samples(mut self, end_samples: EndSamples) -> Self {
        self.set_end_samples(end_samples);
        self
    }

    /// The same from now on.
    pub fn set_end_samples(&mut self, end_samples: EndSamples) {
        self.end_samples = end_samples;
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The directions it has, with their maps.
    pub fn ways(&self) -> &W {
        &self.ways
    }

    /// The base.
    pub fn base(&self) -> &dyn Base<D> {
        &*self.base
    }

    /// The target.
    pub fn target(&self) -> &dyn Target<D> {
        &*self.target
    }

    /// Number of degrees of freedom.
    pub fn dof(&self) -> usize {
        self.dof
    }

    /// Layout of the parameters and of the gradient: the base's, named `base.…`, then the flow's.
    pub fn layout(&self) -> ParamLayout {
        self.layout.clone()
    }

    /// Where the flow's own parameters lie in the flat buffer; those of the base lie before.
    pub fn flow_range(&self) -> Range<usize> {
        self.of_base..self.layout.size()
    }

    /// Puts another target in the place of the present one, e.g. at the next coupling of an annealing schedule.
    ///
    /// # Panics
    /// If it has another number of degrees of freedom.
    #[track_caller]
    pub fn set_target(&mut self, target: impl Target<D> + 'static) {
        assert_eq!(target.dof(), self.dof, "degrees of freedom of the target, and of the flow");
        self.target = Box::new(target);
    }

    #[track_caller]
    fn batch_of(&self, samples: &ArrayView2<'_, D::Real>) -> usize {
        assert_eq!(samples.ncols(), self.dof, "width of the samples, and degrees of freedom of the flow");
        samples.nrows()
    }

    /// Runs `job` over a batch, lane by lane, and adds the gradients of the lanes, in their order, to that of lane 0; returns the number
    /// of lanes used.
    #[track_caller]
    fn run(
        &mut self,
        job: &Job<'_, D::Real>,
        theta: &D::Buffer,
        batch: usize,
        whole: Option<&mut Whole<'_, D>>,
    ) -> Result<usize, DeviceError> {
        assert!(batch > 0, "a batch of 0 samples: at least 1");
        assert!(
            self.end_samples != EndSamples::Scores || !job.has_gradient(),
            "scores are handed out without a gradient"
        );
        let given = self.device.buffer_len(theta);
        assert_eq!(given, self.layout.size(), "elements of theta, and parameters of the flow");
        let cut = self.cut.of_batch(batch);
        let used = self.deal(cut, batch);
        let Self { device, ways, base, target, layout, of_base, end_samples, prepared, lanes, .. } = self;
        let lanes = &mut lanes[..used];
        let (of_base, theta) = (0..*of_base, device.params(theta));
        let of_flow = of_base.end..layout.size();
        let whole = whole.map(Mutex::new);
        // One visit to the threads for everything: small flows would feel a second one.
        device.install(|| {
            let (theta_of_base, theta_of_flow) = (D::slice(theta, of_base.clone()), D::slice(theta, of_flow.clone()));
            base.prepare(device, theta_of_base, &mut prepared.base);
            let (map, inverse) =
                (ways.map().filter(|_| job.needs_map()), ways.inverse().filter(|_| job.needs_inverse()));
            if let Some(map) = map {
                map.prepare(device, theta_of_flow, &mut prepared.map);
            }
            if let Some(inverse) = inverse {
                inverse.prepare(device, theta_of_flow, &mut prepared.inverse);
            }
            let at = |layer, prepared| LayerAt { layer, theta: theta_of_flow, prepared, range: of_flow.clone() };
            let parts = Parts {
                base: BaseAt { base: &**base, theta: theta_of_base, prepared: &prepared.base, range: of_base.clone() },
                map: map.map(|layer| at(layer, &prepared.map)),
                inverse: inverse.map(|layer| at(layer, &prepared.inverse)),
                target: &**target,
            };
            // The gradient of several lanes is whole when they are added up.
            let whole_of_lane = whole.as_ref().filter(|_| used == 1);
            device.for_each(lanes, |lane| lane.run(device, &parts, job, (cut, batch), *end_samples, whole_of_lane));
            if job.has_gradient() {
                let (first, others) = lanes.split_first_mut().expect("at least one lane");
                for some in others.chunks(AT_ONCE) {
                    let parts: [_; AT_ONCE] = array::from_fn(|i| &some[i.min(some.len() - 1)].grad);
                    device.accumulate(&parts[..some.len()], &mut first.grad);
                }
                if let Some(whole) = whole.filter(|_| used > 1) {
                    let whole = whole.into_inner().unwrap_or_else(PoisonError::into_inner);
                    whole(0..layout.size(), device.params_mut(&mut first.grad));
                }
            }
        });
        device.status()?;
        target.status()?;
        Ok(used)
    }

    /// Gives every lane a contiguous range of whole micro-batches; returns the number of lanes that got one.
    fn deal(&mut self, cut: Cut, batch: usize) -> usize {
        let micro_batches = batch.div_ceil(cut.micro_batch);
        let per_lane = micro_batches.div_ceil(cut.lanes) * cut.micro_batch;
        let used = batch.div_ceil(per_lane);
        let (device, size) = (&self.device, self.layout.size());
        if self.lanes.len() < used {
            self.lanes.resize_with(used, || Lane::new(device.zeros(size)));
        }
        for (i, lane) in self.lanes[..used].iter_mut().enumerate() {
            lane.range = i * per_lane..((i + 1) * per_lane).min(batch);
        }
        used
    }

    /// The gradient, and the other results joined.
    fn gradient(&mut self, used: usize, batch: usize) -> Gradient<'_, D> {
        self.gather(used, batch);
        let Weighted { loss, log_weights, log_det, end } = self.gathered(used, batch);
        Gradient { loss, log_weights, log_det, grad: &self.lanes[0].grad, end }
    }

    /// Joins the results of the lanes, in their order.
    fn join_lanes(&mut self, used: usize, batch: usize) -> Weighted<'_, D> {
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
        if self.end_samples != EndSamples::Discard {
            let shape = (batch, self.dof);
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

impl<D: Device, W: Generates<D>> Engine<D, W> {
    /// The gradient of the reverse KL(q_θ‖p) at `theta`, over the base samples of `start`.
    ///
    /// # Errors
    /// If the device failed.
    ///
    /// # Panics
    /// If there are no samples, or they have the wrong width.
    #[track_caller]
    pub fn reverse_kl(
        &mut self,
        how: W::Reverse,
        theta: &D::Buffer,
        start: Start<'_, D::Real>,
    ) -> Result<Gradient<'_, D>, DeviceError> {
        self.reverse_kl_by(how, theta, start, None)
    }

    /// [`reverse_kl`](Self::reverse_kl), watched: `whole` gets every part of the gradient once, as soon as nothing is added to it any more, and may change it,
    /// e.g. sum it with those of other processes: [`Gradient::grad`] is what it makes of it. Parts come in an order that depends on the flow and the
    /// estimator alone; with several lanes there is one part.
    ///
    /// # Errors
    /// As [`reverse_kl`](Self::reverse_kl).
    ///
    /// # Panics
    /// As [`reverse_kl`](Self::reverse_kl).
    #[track_caller]
    pub fn reverse_kl_each(
        &mut self,
        how: W::Reverse,
        theta: &D::Buffer,
        start: Start<'_, D::Real>,
        whole: &mut Whole<'_, D>,
    ) -> Result<Gradient<'_, D>, DeviceError> {
        self.reverse_kl_by(how, theta, start, Some(whole))
    }

    #[track_caller]
    fn reverse_kl_by(
        &mut self,
        how: W::Reverse,
        theta: &D::Buffer,
        start: Start<'_, D::Real>,
        whole: Option<&mut Whole<'_, D>>,
    ) -> Result<Gradient<'_, D>, DeviceError> {
        let (source, batch) = self.source(start);
        let used = self.run(&Job::Reverse(Some(how.into()), source), theta, batch, whole)?;
        Ok(self.gradient(used, batch))
    }

    /// Samples x = T(z) of q_θ with their log-weights, at the cost of one forward pass (F).
    ///
    /// # Errors
    /// If the device failed.
    ///
    /// # Panics
    /// If there are no samples, or they have the wrong width.
    #[track_caller]
    pub fn sample(&mut self, theta: &D::Buffer, start: Start<'_, D::Real>) -> Result<Weighted<'_, D>, DeviceError> {
        let (source, batch) = self.source(start);
        let used = self.run(&Job::Reverse(None, source), theta, batch, None)?;
        Ok(self.join_lanes(used, batch))
    }

    /// Where base samples come from, and their number.
    #[track_caller]
    fn source<'a>(&self, start: Start<'a, D::Real>) -> (Source<'a, D::Real>, usize) {
        match start {
            Start::Draw { stream, first, samples } => (Source::Stream(stream, first), samples),
            Start::Given(z) => (Source::Given(z), self.batch_of(&z)),
        }
    }
}

impl<D: Device, W: Normalizes<D>> Engine<D, W> {
    /// The gradient of the forward KL(p‖q_θ) at `theta`, over `data` ~ p, shape `[batch, dof]`.
    ///
    /// # Errors
    /// If the device failed.
    ///
    /// # Panics
    /// If there are no samples, or they have the wrong width.
    #[track_caller]
    pub fn forward_kl(
        &mut self,
        how: W::Forward,
        theta: &D::Buffer,
        data: ArrayView2<'_, D::Real>,
    ) -> Result<Gradient<'_, D>, DeviceError> {
        self.forward_kl_by(how, theta, data, None)
    }

    /// [`forward_kl`](Self::forward_kl), watched as [`reverse_kl_each`](Self::reverse_kl_each).
    ///
    /// # Errors
    /// As [`forward_kl`](Self::forward_kl).
    ///
    /// # Panics
    /// As [`forward_kl`](Self::forward_kl).
    #[track_caller]
    pub fn forward_kl_each(
        &mut self,
        how: W::Forward,
        theta: &D::Buffer,
        data: ArrayView2<'_, D::Real>,
        whole: &mut Whole<'_, D>,
    ) -> Result<Gradient<'_, D>, DeviceError> {
        self.forward_kl_by(how, theta, data, Some(whole))
    }

    #[track_caller]
    fn forward_kl_by(
        &mut self,
        how: W::Forward,
        theta: &D::Buffer,
        data: ArrayView2<'_, D::Real>,
        whole: Option<&mut Whole<'_, D>>,
    ) -> Result<Gradient<'_, D>, DeviceError> {
        let batch = self.batch_of(&data);
        let used = self.run(&Job::Forward(Some(how.into()), data), theta, batch, whole)?;
        Ok(self.gradient(used, batch))
    }

    /// Log-weights and −log q_θ of `data`, shape `[batch, dof]`, at the cost of one pass through T⁻¹ (F).
    ///
    /// # Errors
    /// If the device failed.
    ///
    /// # Panics
    /// If there are no samples, or they have the wrong width.
    #[track_caller]
    pub fn weigh(&mut self, theta: &D::Buffer, data: ArrayView2<'_, D::Real>) -> Result<Weighted<'_, D>, DeviceError> {
        let batch = self.batch_of(&data);
        let used = self.run(&Job::Forward(None, data), theta, batch, None)?;
        Ok(self.join_lanes(used, batch))
    }
}
