//! Gauge couplings: what the battery doesn't say of them.

use crate::agreement::check_agreement;
use crate::support::{Device, device, on_device};
use ndarray::{Array2, s};
use rand::RngExt;
use upg_core::{Accum, Cpu, GradSink, Layer, Memory, Pass, Prepared, Real, Rng, Workspace};
use upg_flows::spec::{AngleTransformSpec, CnnSpec, GaugeCouplingSpec};
use upg_flows::{LayerSpec, StartAt};
use upg_gpu::emulator::{Counts, Emulator};
use upg_gpu::{AnyLayer, Batch, Buffer, Cuda, Sums};
use upg_testkit::layer_battery;
use upg_testkit::on_host::OnHost;
use upg_testkit::runner::{Mapped, Pulled, Runner};
use upg_testkit::tolerance::{Tolerance, assert_close_on_scale, largest};
use upg_testkit::{domain::Domain, draw};

layer_battery! {
    gauge_coupling(rng) on Domain::Circle threads 1 => any_of::<T>(Kind::Tall, rng);
    gauge_coupling_of_one_layer(rng) on Domain::Circle threads 1 => any_of::<T>(Kind::OneLayer, rng);
    gauge_coupling_wide_kernel(rng) on Domain::Circle threads 1 => any_of::<T>(Kind::WideKernel, rng);
    gauge_coupling_with_splines(rng) on Domain::Circle threads 1 => any_of::<T>(Kind::Splines, rng);
}

/// Kinds of couplings; the kernels of each are compiled once.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Tall,
    OneLayer,
    WideKernel,
    Splines,
}

/// A coupling of this kind of any links, and the shape of its samples.
fn any_coupling(kind: Kind, rng: &mut Rng) -> (LayerSpec, Vec<usize>) {
    let (shape, hidden, kernel) = match kind {
        Kind::Tall => (vec![2, 4, 8], vec![2, 3], 3),
        Kind::OneLayer => (vec![2, 8, 4], vec![], 3),
        Kind::WideKernel => (vec![2, 4, 4], vec![2], 5),
        Kind::Splines => (vec![2, 4, 4], vec![9, 2], 3),
    };
    let transform = match kind {
        Kind::Splines => AngleTransformSpec::CircularSpline { bins: 2 },
        _ => AngleTransformSpec::TanMixture { mixtures: 2 },
    };
    let net = CnnSpec { hidden, kernel, slope: 0.2, start: StartAt::Random };
    let (direction, offset) = (rng.random_range(0..2), rng.random_range(0..4));
    (LayerSpec::GaugeCoupling(GaugeCouplingSpec { direction, offset, net, transform }), shape)
}

fn any_of<T: Real>(kind: Kind, rng: &mut Rng) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    let (spec, shape) = any_coupling(kind, rng);
    on_device::<T>(&spec, &shape)
}

#[test]
fn gauge_couplings_are_those_of_the_host() {
    for kind in [Kind::Tall, Kind::OneLayer, Kind::WideKernel, Kind::Splines] {
        for seed in 0..4 {
            let rng = &mut draw::rng(seed);
            let (spec, shape) = any_coupling(kind, rng);
            check_agreement(&spec, &shape, Domain::Circle, rng);
        }
    }
}

/// A coupling of links on a lattice with a net of two hidden layers.
fn coupling(hidden: [usize; 2], mixtures: usize, direction: usize, offset: usize) -> LayerSpec {
    let net = CnnSpec { hidden: hidden.into(), kernel: 3, slope: 0.01, start: StartAt::Random };
    let transform = AngleTransformSpec::TanMixture { mixtures };
    LayerSpec::GaugeCoupling(GaugeCouplingSpec { direction, offset, net, transform })
}

/// A layer on a device, with parameters, and its memory.
struct OnDevice<T: Real> {
    device: Device<T>,
    layer: AnyLayer<T, Emulator>,
    theta: Buffer<T, Emulator>,
    prepared: Prepared,
    tape: Workspace,
    scratch: Workspace,
}

impl<T: Real> OnDevice<T> {
    fn new(device: Device<T>, spec: &LayerSpec, shape: &[usize]) -> Self {
        let layer = device.layer(spec, shape).expect("it has kernels");
        let theta = device.buffer(&draw::cast::<T>(&draw::parameters(&mut draw::rng(1), &layer.params())));
        let mut prepared = Prepared::default();
        layer.prepare(&device, device.params(&theta), &mut prepared);
        Self { device, layer, theta, prepared, tape: Workspace::default(), scratch: Workspace::default() }
    }

    fn parameters(&self) -> usize {
        self.device.buffer_len(&self.theta)
    }

    fn upload(&self, samples: &Array2<f64>) -> Batch<T, Emulator> {
        let mut batch = Batch::default();
        self.device.upload(samples.mapv(T::of).view(), &mut batch);
        batch
    }

    fn download(&self, batch: &Batch<T, Emulator>) -> Array2<T> {
        let mut samples = Array2::from_elem((batch.samples(), batch.rows()), T::nan());
        self.device.download(batch, samples.view_mut());
        self.device.status().expect("the device works");
        samples
    }

    /// Runs a verb; returns what it cost.
    fn run(&mut self, verb: impl FnOnce(&dyn Layer<Device<T>>, &mut Pass<'_, Device<T>>)) -> Counts {
        let Self { device, layer, theta, prepared, tape, scratch } = self;
        device.gpu().reset_counts();
        verb(&*layer, &mut Pass { device, theta: device.params(theta), prepared, tape, scratch });
        device.gpu().counts()
    }

    /// x and the log-dets of a verb that maps.
    fn map(
        &mut self,
        x: &Array2<f64>,
        verb: impl FnOnce(&dyn Layer<Device<T>>, &mut Pass<'_, Device<T>>, &mut Batch<T, Emulator>, &mut Sums<Emulator>),
    ) -> (Array2<T>, Vec<f64>) {
        let (mut batch, mut sums) = (self.upload(x), Sums::default());
        self.device.clear(&mut sums, x.nrows());
        self.run(|layer, pass| verb(layer, pass, &mut batch, &mut sums));
        let mut log_det = vec![f64::NAN; x.nrows()];
        self.device.read(&sums, &mut log_det);
        (self.download(&batch), log_det)
    }

    /// The covector and the gradient of a pull-back.
    fn pull(&mut self, a: &Array2<f64>, weight: f64) -> (Array2<T>, Vec<T>) {
        let (mut batch, mut grad) = (self.upload(a), self.device.zeros(self.parameters()));
        let device = self.device.clone();
        self.run(|layer, pass| {
            let sink = GradSink { into: device.params_mut(&mut grad), accum: Accum::Replace };
            layer.pull_back(pass, &mut batch, weight, Some(sink));
        });
        let mut on_host = vec![T::nan(); self.parameters()];
        self.device.read_buffer(&grad, &mut on_host);
        (self.download(&batch), on_host)
    }
}

fn input(samples: usize, dof: usize) -> [Array2<f64>; 2] {
    let rng = &mut draw::rng(2);
    [draw::points(rng, Domain::Circle, samples, dof), draw::normal(rng, samples, dof, 1.0)]
}

#[test]
fn forward_with_score_is_forward_then_push_score_to_the_bit() {
    for (direction, samples) in [(0, 1), (1, 11)] {
        let mut layer = OnDevice::<f32>::new(device(), &coupling([4, 3], 2, direction, 1), &[2, 4, 8]);
        let [x, a] = input(samples, 64);
        let mut score = layer.upload(&a);
        let fused = layer.map(&x, |layer, pass, x, sums| layer.forward_with_score(pass, x, sums, &mut score));
        let (score, pulled) = (layer.download(&score), layer.pull(&a, 0.7));
        let apart = layer.map(&x, |layer, pass, x, sums| layer.forward(pass, x, sums));
        let mut pushed = layer.upload(&a);
        layer.run(|layer, pass| layer.push_score(pass, &mut pushed));
        assert_eq!(fused, apart);
        assert_eq!(score, layer.download(&pushed));
        assert_eq!(pulled, layer.pull(&a, 0.7), "the tape");
    }
}

/// Many samples are cut into other tiles than few.
#[test]
fn results_of_a_sample_dont_depend_on_how_many_others_there_are() {
    let (spec, shape) = (coupling([3, 5], 1, 1, 2), [2, 8, 8]);
    let mut layer = OnDevice::<f64>::new(device(), &spec, &shape);
    let [x, a] = input(2049, 128);
    let (y, log_det) = layer.map(&x, |layer, pass, x, sums| layer.forward(pass, x, sums));
    let (pulled, grad) = layer.pull(&a, 0.7);
    let theta = draw::parameters(&mut draw::rng(1), &spec.params(&shape));
    let (here, host) = (Cpu::here(), spec.build::<f64>(&shape).unwrap());
    let mut host = Runner::new(&here, &*host, &theta);
    let Mapped { y: expected, .. } = host.forward(&x);
    assert_close_on_scale("x", y.as_slice().unwrap(), expected.as_slice().unwrap(), 7.0, Tolerance::theorem::<f64>());
    let Pulled { cotangent, grad: of_host } = host.pull_back(&a, 0.7);
    let (cotangent, scale) = (cotangent.as_slice().unwrap(), largest(&of_host));
    assert_close_on_scale("a", pulled.as_slice().unwrap(), cotangent, largest(cotangent), Tolerance::theorem::<f64>());
    assert_close_on_scale("gradient", &grad, &of_host, scale, Tolerance::theorem::<f64>());
    let few = s![1000..1003, ..];
    let of_few = layer.map(&x.slice(few).to_owned(), |layer, pass, x, sums| layer.forward(pass, x, sums));
    assert_eq!(of_few, (y.slice(few).to_owned(), log_det[1000..1003].to_vec()));
    assert_eq!(layer.pull(&a.slice(few).to_owned(), 0.7).0, pulled.slice(few));
}

/// Only products that are needed, on the usual lattice with the usual net: per sample 64 cells of 18·2·8 + 27·8·8 + 9·8·7.
#[test]
fn multiply_adds_are_those_that_are_needed() {
    let device = Cuda::<f32, _>::new(Emulator::counting().expect("g++ is there")).expect("g++ compiles the kernels");
    let mut layer = OnDevice::new(device, &coupling([8, 8], 6, 0, 3), &[2, 16, 16]);
    let [x, a] = input(2, 512);
    let (mut batch, mut score, mut sums) = (layer.upload(&x), layer.upload(&a), Sums::default());
    let mut grad = layer.device.zeros(layer.parameters());
    layer.device.clear(&mut sums, 2);
    let device = layer.device.clone();
    let cost = |counts: Counts| (counts.launches, counts.kernel_multiply_adds as f64 / (2.0 * 161_280.0));
    let of_value = cost(layer.run(|layer, pass| layer.forward_without_tape(pass, &mut batch, &mut sums)));
    let of_forward = cost(layer.run(|layer, pass| layer.forward(pass, &mut batch, &mut sums)));
    let of_push = cost(layer.run(|layer, pass| layer.push_score(pass, &mut score)));
    let fused = layer.run(|layer, pass| layer.forward_with_score(pass, &mut batch, &mut sums, &mut score));
    let of_pull = cost(layer.run(|layer, pass| {
        let sink = GradSink { into: device.params_mut(&mut grad), accum: Accum::Replace };
        layer.pull_back(pass, &mut score, 1.0, Some(sink));
    }));
    device.status().expect("the device works");
    assert_eq!(
        [of_value, of_forward, of_push, cost(fused), of_pull],
        [(1, 1.0), (1, 1.0), (1, 1.0), (1, 2.0), (2, 2.0)]
    );
}

#[test]
fn a_lattice_that_is_too_large_is_refused_in_one_line() {
    let refuse = |shape: &[usize]| device::<f32>().layer(&coupling([8, 8], 6, 0, 3), shape).err().unwrap().to_string();
    let accepted =
        "on a CUDA device a lattice whose hidden values, and the weights, fit into the shared memory of a block";
    assert_eq!(refuse(&[2, 128, 128]), format!("shape = [2, 128, 128]: accepted is {accepted}"));
    let accepted = "[2, L_0, L_1], two extents that are positive multiples of 4";
    assert_eq!(refuse(&[2, 6, 8]), format!("shape = [2, 6, 8]: accepted is {accepted}"));
}
