//! A layer, base or target of another device, seen from the host: uploads, runs, downloads. The batteries take it as they take any layer.

use crate::draw;
use ndarray::Array2;
use upg_core::{
    Accum, Base, BasePass, Batch, Cpu, Device, GradSink, Invertible, Layer, ParamLayout, Pass, Prepared, Real,
    SampleStream, Target, Workspace,
};

/// A layer, base or target `L` of device `D` as one of the host.
///
/// Parameters are uploaded by `prepare`; every verb uploads its batch and downloads the results. A failure of the device panics.
pub struct OnHost<D, L> {
    device: D,
    inner: L,
}

impl<D: Device + Clone, L> OnHost<D, L> {
    /// `inner` on `device`.
    pub fn new(device: D, inner: L) -> Self {
        Self { device, inner }
    }
}

/// θ on the device, and what the layer prepared of it.
struct Uploaded<D: Device> {
    theta: Option<D::Buffer>,
    prepared: Prepared,
}

impl<D: Device> Default for Uploaded<D> {
    fn default() -> Self {
        Self { theta: None, prepared: Prepared::default() }
    }
}

/// The tape of the layer, and of which host tape it is part.
#[derive(Default)]
struct Tape(Workspace);

/// Memory on the device.
struct Scratch<D: Device> {
    batch: D::Batch,
    sums: D::PerSample,
    inner: Workspace,
}

impl<D: Device> Default for Scratch<D> {
    fn default() -> Self {
        Self { batch: D::Batch::default(), sums: D::PerSample::default(), inner: Workspace::default() }
    }
}

fn upload<D: Device>(device: &D, from: &Batch<D::Real>, to: &mut D::Batch) {
    device.upload(from.as_array().t(), to);
}

fn download<D: Device>(device: &D, from: &D::Batch, to: &mut Batch<D::Real>) {
    device.download(from, to.as_array_mut().reversed_axes());
    device.status().expect("the device works");
}

type OnCpu<D> = Cpu<<D as upg_core::Memory>::Real>;

impl<D: Device, L: Layer<D>> OnHost<D, L> {
    /// Runs a verb that takes a batch and log-dets.
    fn map(
        &self,
        pass: &mut Pass<'_, OnCpu<D>>,
        x: &mut Batch<D::Real>,
        log_det: &mut [f64],
        verb: impl FnOnce(&L, &mut Pass<'_, D>, &mut D::Batch, &mut D::PerSample) + Send,
    ) {
        let (device, Uploaded { theta, prepared }) = (&self.device, pass.prepared.get::<Uploaded<D>>());
        let Scratch { batch, sums, inner } = pass.scratch.get::<Scratch<D>>();
        upload(device, x, batch);
        device.clear(sums, x.samples());
        let theta = device.params(theta.as_ref().expect("uploaded by `prepare`"));
        let tape = &mut pass.tape.get::<Tape>().0;
        let mut pass = Pass { device, theta, prepared, tape, scratch: inner };
        device.install(|| verb(&self.inner, &mut pass, batch, sums));
        download(device, batch, x);
        let mut added = vec![0.0; x.samples()];
        device.read(sums, &mut added);
        log_det.iter_mut().zip(added).for_each(|(log_det, added)| *log_det += added);
    }

    /// Runs a verb that takes a cotangent and a sink.
    fn carry(
        &self,
        pass: &mut Pass<'_, OnCpu<D>>,
        cotangent: &mut Batch<D::Real>,
        grad: Option<GradSink<'_, OnCpu<D>>>,
        verb: impl FnOnce(&L, &mut Pass<'_, D>, &mut D::Batch, Option<GradSink<'_, D>>) + Send,
    ) {
        let (device, Uploaded { theta, prepared }) = (&self.device, pass.prepared.get::<Uploaded<D>>());
        let Scratch { batch, inner, .. } = pass.scratch.get::<Scratch<D>>();
        upload(device, cotangent, batch);
        let mut of_grad = grad.as_ref().map(|sink| device.buffer(sink.into));
        let sink = |buffer| GradSink {
            into: device.params_mut(buffer),
            accum: grad.as_ref().map_or(Accum::Replace, |sink| sink.accum),
        };
        let theta = device.params(theta.as_ref().expect("uploaded by `prepare`"));
        let tape = &mut pass.tape.get::<Tape>().0;
        let mut pass = Pass { device, theta, prepared, tape, scratch: inner };
        let on_device = of_grad.as_mut().map(sink);
        device.install(|| verb(&self.inner, &mut pass, batch, on_device));
        download(device, batch, cotangent);
        if let (Some(sink), Some(buffer)) = (grad, of_grad) {
            device.read_buffer(&buffer, sink.into);
        }
    }
}

impl<D: Device + Clone, L: Layer<D>> Layer<OnCpu<D>> for OnHost<D, L> {
    fn dof(&self) -> usize {
        self.inner.dof()
    }

    fn params(&self) -> ParamLayout {
        self.inner.params()
    }

    fn prepare(&self, _: &OnCpu<D>, theta: &[D::Real], prepared: &mut Prepared) {
        let Uploaded { theta: buffer, prepared } = prepared.get_mut::<Uploaded<D>>();
        let buffer = buffer.insert(self.device.buffer(theta));
        self.device.install(|| self.inner.prepare(&self.device, self.device.params(buffer), prepared));
    }

    fn forward(&self, pass: &mut Pass<'_, OnCpu<D>>, x: &mut Batch<D::Real>, log_det: &mut Vec<f64>) {
        self.map(pass, x, log_det, |layer, pass, x, log_det| layer.forward(pass, x, log_det));
    }

    fn push(
        &self,
        pass: &mut Pass<'_, OnCpu<D>>,
        cotangent: &mut Batch<D::Real>,
        weight: f64,
        grad: Option<GradSink<'_, OnCpu<D>>>,
    ) {
        self.carry(pass, cotangent, grad, |layer, pass, a, grad| layer.push(pass, a, weight, grad));
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, OnCpu<D>>,
        cotangent: &mut Batch<D::Real>,
        weight: f64,
        grad: Option<GradSink<'_, OnCpu<D>>>,
    ) {
        self.carry(pass, cotangent, grad, |layer, pass, a, grad| layer.pull_back(pass, a, weight, grad));
    }

    fn push_score(&self, pass: &mut Pass<'_, OnCpu<D>>, score: &mut Batch<D::Real>) {
        self.carry(pass, score, None, |layer, pass, s, _| layer.push_score(pass, s));
    }

    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, OnCpu<D>>,
        x: &mut Batch<D::Real>,
        log_det: &mut Vec<f64>,
        score: &mut Batch<D::Real>,
    ) {
        let mut of_score = D::Batch::default();
        upload(&self.device, score, &mut of_score);
        self.map(pass, x, log_det, |layer, pass, x, log_det| layer.forward_with_score(pass, x, log_det, &mut of_score));
        download(&self.device, &of_score, score);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, OnCpu<D>>, x: &mut Batch<D::Real>, log_det: &mut Vec<f64>) {
        self.map(pass, x, log_det, |layer, pass, x, log_det| layer.forward_without_tape(pass, x, log_det));
    }
}

impl<D: Device + Clone, L: Invertible<D>> Invertible<OnCpu<D>> for OnHost<D, L> {
    fn inverse(&self) -> Box<dyn Invertible<OnCpu<D>>> {
        Box::new(OnHost { device: self.device.clone(), inner: self.inner.inverse() })
    }
}

impl<D: Device, L: Base<D>> OnHost<D, L> {
    /// Runs a verb of a base.
    fn with_base<R: Send>(
        &self,
        pass: &mut BasePass<'_, OnCpu<D>>,
        verb: impl FnOnce(&L, &mut BasePass<'_, D>) -> R + Send,
    ) -> R {
        let (device, Uploaded { theta, prepared }) = (&self.device, pass.prepared.get::<Uploaded<D>>());
        let theta = device.params(theta.as_ref().expect("uploaded by `prepare`"));
        let scratch = &mut pass.scratch.get::<Scratch<D>>().inner;
        device.install(|| verb(&self.inner, &mut BasePass { device, theta, prepared, scratch }))
    }

    /// A batch on the device.
    fn uploaded(&self, batch: &Batch<D::Real>) -> D::Batch {
        let mut on_device = D::Batch::default();
        upload(&self.device, batch, &mut on_device);
        on_device
    }
}

impl<D: Device, L: Base<D>> Base<OnCpu<D>> for OnHost<D, L> {
    fn dof(&self) -> usize {
        self.inner.dof()
    }

    fn params(&self) -> ParamLayout {
        self.inner.params()
    }

    fn prepare(&self, _: &OnCpu<D>, theta: &[D::Real], prepared: &mut Prepared) {
        let Uploaded { theta: buffer, prepared } = prepared.get_mut::<Uploaded<D>>();
        let buffer = buffer.insert(self.device.buffer(theta));
        self.device.install(|| self.inner.prepare(&self.device, self.device.params(buffer), prepared));
    }

    fn sample(&self, pass: &mut BasePass<'_, OnCpu<D>>, stream: SampleStream, first: u64, z: &mut Batch<D::Real>) {
        let mut on_device = self.uploaded(z);
        self.with_base(pass, |base, pass| base.sample(pass, stream, first, &mut on_device));
        download(&self.device, &on_device, z);
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, OnCpu<D>>,
        z: &Batch<D::Real>,
        log_density: &mut Vec<f64>,
        score: Option<&mut Batch<D::Real>>,
    ) {
        let (on_device, mut sums, mut of_score) = (self.uploaded(z), D::PerSample::default(), D::Batch::default());
        let wanted = score.is_some().then_some(&mut of_score);
        self.with_base(pass, |base, pass| base.log_density_and_score(pass, &on_device, &mut sums, wanted));
        log_density.clear();
        log_density.resize(z.samples(), 0.0);
        self.device.read(&sums, log_density);
        if let Some(score) = score {
            score.reshape(z.rows(), z.samples());
            download(&self.device, &of_score, score);
        }
    }

    fn pull_back(
        &self,
        pass: &mut BasePass<'_, OnCpu<D>>,
        z: &Batch<D::Real>,
        cotangent: Option<&Batch<D::Real>>,
        weight: f64,
        GradSink { into, accum }: GradSink<'_, OnCpu<D>>,
    ) {
        let (z, cotangent) = (self.uploaded(z), cotangent.map(|a| self.uploaded(a)));
        let mut buffer = self.device.buffer(into);
        let sink = GradSink { into: self.device.params_mut(&mut buffer), accum };
        self.with_base(pass, |base, pass| base.pull_back(pass, &z, cotangent.as_ref(), weight, sink));
        self.device.read_buffer(&buffer, into);
    }
}

impl<D: Device, L: Target<D>> Target<OnCpu<D>> for OnHost<D, L> {
    fn dof(&self) -> usize {
        self.inner.dof()
    }

    fn action_and_force(
        &self,
        _: &OnCpu<D>,
        x: &Batch<D::Real>,
        action: &mut Vec<f64>,
        force: Option<&mut Batch<D::Real>>,
    ) {
        let device = &self.device;
        let (mut on_device, mut sums, mut of_force) =
            (D::Batch::default(), D::PerSample::default(), D::Batch::default());
        upload(device, x, &mut on_device);
        let wanted = force.is_some().then_some(&mut of_force);
        device.install(|| self.inner.action_and_force(device, &on_device, &mut sums, wanted));
        action.clear();
        action.resize(x.samples(), 0.0);
        device.read(&sums, action);
        if let Some(force) = force {
            force.reshape(x.rows(), x.samples());
            download(device, &of_force, force);
        }
    }
}

/// Asserts that the arithmetic and the copies of `device` are those of the host, bit for bit in what only moves numbers, to round-off in
/// sums.
///
/// # Panics
/// If one isn't; the message names it.
pub fn check_device<D: Device>(device: &D) {
    let rng = &mut draw::rng(1);
    let array = |rng: &mut _, samples: usize, dof: usize| -> Array2<D::Real> {
        draw::normal(rng, samples, dof, 1.0).mapv(D::Real::of)
    };
    for (samples, dof) in [(1, 1), (3, 5), (70, 7)] {
        check_batches(device, &array(rng, samples, dof), &array(rng, samples, dof));
    }
    for len in [0, 1, 5, 40_000] {
        check_buffers(device, &draw::cast(&numbers(rng, len)), &draw::cast(&numbers(rng, len)));
    }
    check_sums(device);
}

fn numbers(rng: &mut upg_core::Rng, len: usize) -> Vec<f64> {
    draw::normal(rng, len, 1, 1.0).into_iter().collect()
}

fn check_batches<D: Device>(device: &D, x: &Array2<D::Real>, y: &Array2<D::Real>) {
    let (mut on_device, mut other) = (D::Batch::default(), D::Batch::default());
    let host = |batch: &D::Batch| {
        let mut out = Array2::from_elem(x.dim(), D::Real::default());
        device.download(batch, out.view_mut());
        out
    };
    device.upload(x.view(), &mut on_device);
    assert_eq!(&host(&on_device), x, "uploaded and downloaded");
    device.copy(&on_device, &mut other);
    assert_eq!(&host(&other), x, "copied");
    device.upload(y.view(), &mut other);
    device.axpby(0.5, &on_device, -2.0, &mut other);
    let expected = Array2::from_shape_fn(x.dim(), |at| D::Real::of(0.5 * x[at].wide() - 2.0 * y[at].wide()));
    let error = host(&other).iter().zip(&expected).fold(0.0_f64, |e, (a, b)| e.max((a.wide() - b.wide()).abs()));
    assert!(error <= 8.0 * f64::from(f32::EPSILON), "axpby is off by {error}");
    device.scale(4.0, &mut on_device);
    assert_eq!(host(&on_device), x.mapv(|x| D::Real::of(4.0) * x), "scaled");
}

fn check_buffers<D: Device>(device: &D, x: &[D::Real], y: &[D::Real]) {
    let (on_device, mut other) = (device.buffer(x), device.buffer(y));
    assert_eq!(device.buffer_len(&on_device), x.len(), "elements of a buffer");
    assert_eq!(device.to_host(&device.zeros(x.len())), vec![D::Real::default(); x.len()], "zeros");
    let dot: f64 = x.iter().zip(y).map(|(x, y)| x.wide() * y.wide()).sum();
    let size: f64 = x.iter().zip(y).map(|(x, y)| (x.wide() * y.wide()).abs()).sum();
    assert!((device.dot(device.params(&on_device), device.params(&other)) - dot).abs() <= 1e-13 * size, "⟨x, y⟩");
    let norm = x.iter().map(|x| x.wide() * x.wide()).sum::<f64>().sqrt();
    assert!((device.norm(&on_device) - norm).abs() <= 1e-13 * norm, "‖x‖");
    device.combine(2.0, &on_device, -1.0, &mut other);
    let expected: Vec<D::Real> = x.iter().zip(y).map(|(&x, &y)| D::Real::of(2.0) * x - y).collect();
    assert_eq!(device.to_host(&other), expected, "combined");
    device.accumulate(&[&on_device, &on_device], &mut other);
    let expected: Vec<D::Real> = expected.iter().zip(x).map(|(&sum, &x)| sum + x + x).collect();
    assert_eq!(device.to_host(&other), expected, "accumulated");
    device.copy_buffer(&on_device, &mut other);
    assert_eq!(device.to_host(&other), x, "copied");
}

fn check_sums<D: Device>(device: &D) {
    let mut all = D::PerSample::default();
    device.clear(&mut all, 0);
    for samples in [2, 1] {
        let mut sums = D::PerSample::default();
        device.clear(&mut sums, samples);
        device.negate(&mut sums);
        device.append(&sums, &mut all);
    }
    let mut out = [f64::NAN; 3];
    device.read(&all, &mut out);
    assert_eq!(out, [0.0; 3], "sums appended");
    device.status().expect("the device works");
}
