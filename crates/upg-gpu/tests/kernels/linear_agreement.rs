//! Layers and bases agree with the host's of the same description, at the same parameters and samples.

use crate::bases::{any_free_field, any_lattice, any_two_signs};
use crate::linear::{any_householder, any_linear, any_linear_spec, any_order};
use crate::support::{base_on_device, device, on_device};
use ndarray::Array2;
use rand::RngExt;
use upg_core::{Base, Batch, Cpu, Layer, Memory, Real, Rng, SampleStream};
use upg_flows::spec::{ActNormSpec, HouseholderSpec, PermutationSpec};
use upg_flows::{BaseSpec, Bias, FirstValues, LayerSpec};
use upg_gpu::Cuda;
use upg_gpu::emulator::{Emulator, Order};
use upg_testkit::draw;
use upg_testkit::on_host::OnHost;
use upg_testkit::runner::{BaseRunner, Runner};
use upg_testkit::tolerance::{Tolerance, assert_close, assert_close_on_scale, largest};

/// The layer on the host.
fn on_host<T: Real>(spec: &LayerSpec, shape: &[usize]) -> upg_flows::spec::AnyLayer<T> {
    spec.build(shape).unwrap_or_else(|error| panic!("{error}"))
}

fn flat<T: Real>(array: &Array2<T>) -> Vec<T> {
    array.iter().copied().collect()
}

/// Close where there is anything to be close to.
fn close<T: Real>(what: &str, got: &[T], expected: &[T], tolerance: Tolerance) {
    let scale = largest(expected).max(1.0);
    assert_close_on_scale(what, got, expected, scale, tolerance);
}

/// All verbs of a layer and of its inverse.
pub fn check_layer_agrees<T: Real>(spec: &LayerSpec, shape: &[usize], samples: usize, rng: &mut Rng) {
    let (here, dof) = (Cpu::<T>::here(), shape.iter().product());
    for inverse in [false, true] {
        let spec = if inverse { LayerSpec::Inverse(Box::new(spec.clone())) } else { spec.clone() };
        let (there, host) = (on_device::<T>(&spec, shape), on_host::<T>(&spec, shape));
        assert_eq!(there.params(), host.params(), "parameters of {spec:?}");
        let theta: Vec<T> = draw::cast(&draw::parameters(rng, &host.params()));
        let [x, a] = [(); 2].map(|()| draw::normal(rng, samples, dof, 1.0).mapv(T::of));
        let weight = rng.random_range(-2.0..2.0);
        let [got, expected] = [&there as &dyn Layer<Cpu<T>>, &*host].map(|layer| {
            let mut runner = Runner::new(&here, layer, &theta);
            let mapped = runner.forward(&x);
            let (pushed, pulled) = (runner.push(&a, weight), runner.pull_back(&a, weight));
            let log_det = mapped.log_det.iter().map(|&l| T::of(l)).collect();
            let [y, push, pull] = [&mapped.y, &pushed.cotangent, &pulled.cotangent].map(flat);
            [
                ("x", y),
                ("log-det", log_det),
                ("push", push),
                ("pull-back", pull),
                ("∂θ", pushed.grad),
                ("∂θ'", pulled.grad),
            ]
        });
        for ((name, got), (_, expected)) in got.iter().zip(&expected) {
            close(&format!("{name} of {spec:?} on {shape:?}"), got, expected, Tolerance::theorem::<T>());
        }
    }
}

#[test]
fn layers_agree_with_those_of_the_host() {
    for round in 0..6 {
        let rng = &mut draw::rng(round);
        let samples = [1, 5, 40][rng.random_range(0..3)];
        let act_norm = LayerSpec::ActNorm(ActNormSpec { start: FirstValues::Data });
        let n = rng.random_range(1..30);
        let order = any_order(rng, &[2, 3]);
        let (shape, linear) = any_linear(rng);
        let (dof, householder) = any_householder(rng);
        for (spec, shape) in [
            (act_norm, vec![n]),
            (LayerSpec::Permutation(PermutationSpec { order }), vec![2, 3]),
            (linear, shape),
            (householder, vec![dof]),
        ] {
            check_layer_agrees::<f64>(&spec, &shape, samples, rng);
            check_layer_agrees::<f32>(&spec, &shape, samples, rng);
        }
    }
}

/// Linear layers whose triangles are products of several panels.
#[test]
fn linear_layers_of_many_channels_agree_with_those_of_the_host() {
    let rng = &mut draw::rng(3);
    let spec = LayerSpec::Linear(any_linear_spec(rng, &[300], None));
    check_layer_agrees::<f64>(&spec, &[300], 9, rng);
}

fn check_base_agrees<T: Real>(spec: &BaseSpec, shape: &[usize], samples: usize, rng: &mut Rng) {
    let (here, there, host) = (Cpu::<T>::here(), base_on_device::<T>(spec, shape), spec.build::<T>(shape));
    let dof = shape.iter().product();
    assert_eq!(there.params(), host.params(), "parameters of {spec:?}");
    let theta: Vec<T> = draw::cast(&draw::parameters(rng, &host.params()));
    let [z, a] = [(); 2].map(|()| draw::normal(rng, samples, dof, 1.0).mapv(T::of));
    let weight = rng.random_range(-2.0..2.0);
    let [got, expected] = [&there as &dyn Base<Cpu<T>>, &*host].map(|base| {
        let mut runner = BaseRunner::new(&here, base, &theta);
        let drawn = flat(&runner.sample(SampleStream::new(1, 2, 3), 77, samples));
        let (log_density, score) = runner.log_density_and_score(&z);
        let log_density = log_density.iter().map(|&l| T::of(l)).collect();
        let grad = if theta.is_empty() { vec![] } else { runner.pull_back(&z, Some(&a), weight) };
        [("samples", drawn), ("log-densities", log_density), ("score", flat(&score)), ("∂θ", grad)]
    });
    for ((name, got), (_, expected)) in got.iter().zip(&expected) {
        close(&format!("{name} of {spec:?} on {shape:?}"), got, expected, Tolerance::theorem::<T>());
    }
}

#[test]
fn bases_agree_with_those_of_the_host() {
    for round in 0..6 {
        let rng = &mut draw::rng(round);
        let samples = [1, 7, 50][rng.random_range(0..3)];
        for spec in [any_free_field(rng), any_two_signs(rng), BaseSpec::DiagonalNormal, BaseSpec::StandardNormal] {
            for shape in [any_lattice(rng), vec![6, 10], vec![67]] {
                check_base_agrees::<f64>(&spec, &shape, samples, rng);
                check_base_agrees::<f32>(&spec, &shape, samples, rng);
            }
        }
    }
}

#[test]
fn act_norm_starts_by_a_batch_as_on_the_host() {
    let spec = LayerSpec::ActNorm(ActNormSpec { start: FirstValues::Data });
    for spec in [spec.clone(), LayerSpec::Inverse(Box::new(spec))] {
        let mut x = 3.0 * draw::normal(&mut draw::rng(1), 500, 3, 1.0) + 5.0;
        x.column_mut(1).fill(2.0);
        x[(3, 2)] = f64::NAN;
        let (device, here) = (device::<f64>(), Cpu::here());
        let (layer, host) = (device.layer(&spec, &[3]).expect("a layer"), on_host::<f64>(&spec, &[3]));
        let (mut on_device, mut got, mut expected) = (Default::default(), vec![0.0; 6], vec![0.0; 6]);
        device.upload(x.view(), &mut on_device);
        layer.batch_start().expect("it asks").start(&device, &on_device, 500, &mut got);
        host.batch_start().expect("it asks").start(&here, &Batch::from_samples(x.view()), 500, &mut expected);
        assert_close("first values", &got, &expected, Tolerance::round_off::<f64>());
    }
    let silent = LayerSpec::ActNorm(ActNormSpec { start: FirstValues::Identity });
    assert!(device::<f64>().layer(&silent, &[3]).expect("a layer").batch_start().is_none());
}

/// Draws, densities and gradients of a base, or all verbs of a layer, on this device.
fn on_any_device(device: Cuda<f32, Emulator>, spec: &BaseSpec, layer: &LayerSpec, shape: &[usize]) -> Vec<Vec<f32>> {
    let (rng, here, dof) = (&mut draw::rng(5), Cpu::<f32>::here(), shape.iter().product());
    let [x, a] = [(); 2].map(|()| draw::normal(rng, 40, dof, 1.0).mapv(f32::of));
    let base = OnHost::new(device.clone(), device.base(spec, shape).expect("a base"));
    let theta: Vec<f32> = draw::cast(&draw::parameters(rng, &Base::params(&base)));
    let mut runner = BaseRunner::new(&here, &base, &theta);
    let drawn = flat(&runner.sample(SampleStream::new(1, 2, 3), 5, 40));
    let score = flat(&runner.log_density_and_score(&x).1);
    let of_base = runner.pull_back(&x, Some(&a), 0.5);
    let layer = OnHost::new(device.clone(), device.layer(layer, shape).expect("a layer"));
    let theta: Vec<f32> = draw::cast(&draw::parameters(rng, &Layer::params(&layer)));
    let mut runner = Runner::new(&here, &layer, &theta);
    let y = flat(&runner.forward(&x).y);
    let (pushed, pulled) = (runner.push(&a, 0.5), runner.pull_back(&a, 0.5));
    vec![drawn, score, of_base, y, flat(&pushed.cotangent), pushed.grad, flat(&pulled.cotangent), pulled.grad]
}

/// The careful emulator finds threads that meet at one place of shared memory; another order of threads finds missing barriers.
#[test]
fn threads_do_not_meet_and_may_come_in_any_order() {
    let rng = &mut draw::rng(8);
    let layers = [
        LayerSpec::ActNorm(ActNormSpec { start: FirstValues::Data }),
        LayerSpec::Linear(any_linear_spec(rng, &[3, 11], None)),
        LayerSpec::Householder(HouseholderSpec { reflections: 4, bias: Bias::Yes }),
    ];
    for layer in layers {
        let spec = any_two_signs(rng);
        let [usual, careful, reverse] =
            [Emulator::new(), Emulator::counting(), Emulator::new().map(|emulator| emulator.order(Order::Reverse))]
                .map(|gpu| on_any_device(gpu.and_then(Cuda::new).expect("g++"), &spec, &layer, &[3, 11]));
        assert_eq!(careful, usual, "{layer:?}, carefully");
        assert_eq!(reverse, usual, "{layer:?}, in reverse order");
    }
}
