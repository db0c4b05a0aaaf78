//! For tests, a second device: the processor by another name, on which one kind of layer can't be had. What runs here assumes no `Cpu`.

use super::{AnyTarget, DeviceName, Place, Products, TargetConfig};
use crate::config::Invalid;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use upg_core::device::{Average, Execution, Memory, Rule, Update, Vectors};
use upg_core::{
    Base, BasePass, Batch, Cpu, DeviceError, GradSink, Invertible, Layer, ParamLayout, Pass, Prepared, Real,
    SampleStream, Target,
};
use upg_flows::{FlowError, FlowSpec, LayerSpec};

/// The device.
#[derive(Clone)]
pub(crate) struct Mirror<T: Real> {
    host: Cpu<T>,
    products: Products,
    /// Buffers that can be read before it is lost.
    reads: Arc<AtomicU64>,
}

impl<T: Real> Mirror<T> {
    pub fn new(products: Products) -> Self {
        Self { host: Cpu::new(2), products, reads: Arc::new(u64::MAX.into()) }
    }

    /// One that is lost after so many reads of buffers.
    pub fn lost_after(reads: u64) -> Self {
        Self { reads: Arc::new(reads.into()), ..Self::new(Products::Full) }
    }
}

impl<T: Real> Place for Mirror<T> {
    fn name(&self) -> DeviceName {
        DeviceName::Cuda(7)
    }

    fn card(&self) -> Option<String> {
        Some("a mirror".into())
    }

    fn products(&self) -> Products {
        self.products
    }

    fn host(&self) -> &Cpu<T> {
        &self.host
    }

    fn flow(&self, spec: &FlowSpec) -> Result<Box<dyn Invertible<Self>>, FlowError> {
        let is_refused = |layer: &LayerSpec| matches!(layer, LayerSpec::ActNorm(_));
        match spec.layers.iter().position(is_refused) {
            Some(layer) => {
                Err(FlowError::without_kernels(Some(layer), "", "ActNorm", &self.name().to_string(), "anything else"))
            }
            None => Ok(Box::new(Mirrored(Box::new(spec.build::<T>()?)))),
        }
    }

    fn base(&self, spec: &FlowSpec) -> Result<Box<dyn Base<Self>>, FlowError> {
        Ok(Box::new(MirroredBase(spec.build_base())))
    }

    fn target(&self, _: &TargetConfig, theory: &AnyTarget<T>) -> Result<Arc<dyn Target<Self>>, Invalid> {
        Ok(Arc::new(MirroredTarget(theory.clone())))
    }

    fn samples_of(batch: &Batch<T>) -> usize {
        batch.samples()
    }
}

/// A layer of the host.
struct Mirrored<T: Real>(Box<dyn Invertible<Cpu<T>>>);

/// The same surroundings on the host.
fn on_host<'a, T: Real>(pass: &'a mut Pass<'_, Mirror<T>>) -> Pass<'a, Cpu<T>> {
    let Pass { device, theta, prepared, tape, scratch } = pass;
    Pass { device: &device.host, theta, prepared, tape, scratch }
}

fn sink<T: Real>(sink: GradSink<'_, Mirror<T>>) -> GradSink<'_, Cpu<T>> {
    GradSink { into: sink.into, accum: sink.accum }
}

type Grad<'a, T> = Option<GradSink<'a, Mirror<T>>>;

impl<T: Real> Layer<Mirror<T>> for Mirrored<T> {
    fn dof(&self) -> usize {
        self.0.dof()
    }

    fn params(&self) -> ParamLayout {
        self.0.params()
    }

    fn prepare(&self, device: &Mirror<T>, theta: &[T], prepared: &mut Prepared) {
        self.0.prepare(&device.host, theta, prepared);
    }

    fn forward(&self, pass: &mut Pass<'_, Mirror<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        self.0.forward(&mut on_host(pass), x, log_det);
    }

    fn push(&self, pass: &mut Pass<'_, Mirror<T>>, a: &mut Batch<T>, weight: f64, grad: Grad<'_, T>) {
        self.0.push(&mut on_host(pass), a, weight, grad.map(sink));
    }

    fn pull_back(&self, pass: &mut Pass<'_, Mirror<T>>, a: &mut Batch<T>, weight: f64, grad: Grad<'_, T>) {
        self.0.pull_back(&mut on_host(pass), a, weight, grad.map(sink));
    }

    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, Mirror<T>>,
        x: &mut Batch<T>,
        log_det: &mut Vec<f64>,
        score: &mut Batch<T>,
    ) {
        self.0.forward_with_score(&mut on_host(pass), x, log_det, score);
    }
}

impl<T: Real> Invertible<Mirror<T>> for Mirrored<T> {
    fn inverse(&self) -> Box<dyn Invertible<Mirror<T>>> {
        Box::new(Self(self.0.inverse()))
    }
}

/// A base of the host.
struct MirroredBase<T: Real>(Box<dyn Base<Cpu<T>>>);

fn base_on_host<'a, T: Real>(pass: &'a mut BasePass<'_, Mirror<T>>) -> BasePass<'a, Cpu<T>> {
    let BasePass { device, theta, prepared, scratch } = pass;
    BasePass { device: &device.host, theta, prepared, scratch }
}

impl<T: Real> Base<Mirror<T>> for MirroredBase<T> {
    fn dof(&self) -> usize {
        self.0.dof()
    }

    fn sample(&self, pass: &mut BasePass<'_, Mirror<T>>, stream: SampleStream, first: u64, z: &mut Batch<T>) {
        self.0.sample(&mut base_on_host(pass), stream, first, z);
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Mirror<T>>,
        z: &Batch<T>,
        log_density: &mut Vec<f64>,
        score: Option<&mut Batch<T>>,
    ) {
        self.0.log_density_and_score(&mut base_on_host(pass), z, log_density, score);
    }
}

/// A target of the host.
struct MirroredTarget<T: Real>(AnyTarget<T>);

impl<T: Real> Target<Mirror<T>> for MirroredTarget<T> {
    fn dof(&self) -> usize {
        self.0.dof()
    }

    fn action_and_force(&self, device: &Mirror<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        self.0.action_and_force(&device.host, x, action, force);
    }

    fn status(&self) -> Result<(), DeviceError> {
        self.0.status()
    }
}

impl<T: Real> Memory for Mirror<T> {
    type Real = T;
    type Batch = Batch<T>;
    type PerSample = Vec<f64>;
    type Buffer = Vec<T>;
    type Params<'a> = &'a [T];
    type ParamsMut<'a> = &'a mut [T];

    fn zeros(&self, len: usize) -> Vec<T> {
        self.host.zeros(len)
    }

    fn write_buffer(&self, values: &[T], buffer: &mut Vec<T>) {
        self.host.write_buffer(values, buffer);
    }

    fn read_buffer(&self, buffer: &Vec<T>, out: &mut [T]) {
        let left = self.reads.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        if left.is_ok_and(|left| left > 0) {
            self.host.read_buffer(buffer, out);
        }
    }

    fn copy_buffer(&self, from: &Vec<T>, to: &mut Vec<T>) {
        self.host.copy_buffer(from, to);
    }

    fn buffer_len(&self, buffer: &Vec<T>) -> usize {
        buffer.len()
    }

    fn params<'a>(&self, buffer: &'a Vec<T>) -> &'a [T] {
        buffer
    }

    fn params_mut<'a>(&self, buffer: &'a mut Vec<T>) -> &'a mut [T] {
        buffer
    }

    fn slice<'short, 'long: 'short>(params: &'long [T], range: Range<usize>) -> &'short [T] {
        &params[range]
    }

    fn slice_mut<'a>(params: &'a mut &mut [T], range: Range<usize>) -> &'a mut [T] {
        &mut params[range]
    }

    fn upload(&self, samples: ArrayView2<'_, T>, batch: &mut Batch<T>) {
        self.host.upload(samples, batch);
    }

    fn download(&self, batch: &Batch<T>, samples: ArrayViewMut2<'_, T>) {
        self.host.download(batch, samples);
    }

    fn reshape(&self, batch: &mut Batch<T>, rows: usize, samples: usize) {
        self.host.reshape(batch, rows, samples);
    }

    fn copy(&self, from: &Batch<T>, to: &mut Batch<T>) {
        self.host.copy(from, to);
    }

    fn clear(&self, sums: &mut Vec<f64>, samples: usize) {
        self.host.clear(sums, samples);
    }

    fn append(&self, from: &Vec<f64>, to: &mut Vec<f64>) {
        self.host.append(from, to);
    }

    fn read(&self, sums: &Vec<f64>, out: &mut [f64]) {
        self.host.read(sums, out);
    }

    fn status(&self) -> Result<(), DeviceError> {
        match self.reads.load(SeqCst) {
            0 => Err(DeviceError::Lost { device: self.name().to_string(), reason: "told to be".into() }),
            _ => Ok(()),
        }
    }
}

impl<T: Real> Vectors for Mirror<T> {
    fn axpby(&self, alpha: f64, x: &Batch<T>, beta: f64, y: &mut Batch<T>) {
        self.host.axpby(alpha, x, beta, y);
    }

    fn scale(&self, alpha: f64, y: &mut Batch<T>) {
        self.host.scale(alpha, y);
    }

    fn negate(&self, sums: &mut Vec<f64>) {
        self.host.negate(sums);
    }

    fn combine(&self, alpha: f64, x: &Vec<T>, beta: f64, y: &mut Vec<T>) {
        self.host.combine(alpha, x, beta, y);
    }

    fn dot(&self, x: &[T], y: &[T]) -> f64 {
        self.host.dot(x, y)
    }

    fn optimise(&self, rule: Rule, Update { theta, grad, clip, moments, average }: Update<'_, Self>) -> f64 {
        let average = average.map(|Average { theta, decay }| Average { theta, decay });
        self.host.optimise(rule, Update { theta, grad, clip, moments, average })
    }
}

impl<T: Real> Execution for Mirror<T> {
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.host.install(work)
    }

    fn for_each<I: Send>(&self, items: &mut [I], work: impl Fn(&mut I) + Sync + Send) {
        self.host.for_each(items, work);
    }
}
