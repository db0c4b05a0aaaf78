//! Products of our own, on tensor cores as the emulator has them, within flows: as accurate as f32, with their ends, in any order of threads.

use crate::support::{device, device_with_own_products, on};
use ndarray::Array2;
use upg_core::{Accum, Cpu, Cut, Engine, Layer, Memory, ParamLayout, Real, ReverseKl, SampleStream, Start};
use upg_flows::spec::{CouplingSpec, MlpSpec, NetSpec, TransformSpec};
use upg_flows::{Activation, Bias, FlowSpec, LayerSpec, MaskSpec, Parity, RealNvp, StartAt, Z2Nice};
use upg_gpu::emulator::{Emulator, Order};
use upg_gpu::{Cuda, Precision};
use upg_targets::Phi4;
use upg_testkit::draw;
use upg_testkit::on_host::OnHost;
use upg_testkit::runner::{Pulled, Runner};
use upg_testkit::tolerance::{Tolerance, assert_close_on_scale, largest};

/// What a flow gives: x, the score, and the gradient of the path gradient's last pull-back, beside the layout of θ.
struct Results {
    layout: ParamLayout,
    x: Vec<f64>,
    score: Vec<f64>,
    grad: Vec<f64>,
}

impl Results {
    /// Of samples z of the standard normal, and a target that is one too.
    fn of<T: Real>(layer: &dyn Layer<Cpu<T>>, theta: &[f64], z: &Array2<f64>) -> Self {
        let (here, z) = (Cpu::here(), z.mapv(T::of));
        let mut runner = Runner::new(&here, layer, &draw::cast(theta));
        let x = runner.forward(&z).y;
        let score = runner.push_score(&z.mapv(|z| -z));
        let Pulled { grad, .. } = runner.pull_back(&(&score + &x), 0.0);
        let wide = |array: Array2<T>| array.iter().map(|x| x.wide()).collect();
        let grad = grad.iter().map(|x| x.wide()).collect();
        Self { layout: layer.params(), x: wide(x), score: wide(score), grad }
    }

    /// ‖this − exact‖/‖exact‖ of x, of the score, and of the gradient's worst tensor.
    fn errors(&self, exact: &Self) -> [f64; 3] {
        let of_tensor = |range: std::ops::Range<usize>| distance(&self.grad[range.clone()], &exact.grad[range]);
        let worst = self.layout.ranges().map(|(_, range)| of_tensor(range)).fold(0.0, f64::max);
        [distance(&self.x, &exact.x), distance(&self.score, &exact.score), worst]
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let norm = |terms: Vec<f64>| terms.iter().map(|x| x * x).sum::<f64>().sqrt();
    norm(a.iter().zip(b).map(|(a, b)| a - b).collect()) / norm(b.to_vec())
}

/// The errors of all three kinds of products in a flow, as means over some parameters and samples.
fn errors(flow: &FlowSpec, samples: usize, seeds: std::ops::Range<u64>) -> [[f64; 3]; 3] {
    let mut errors = [[0.0; 3]; 3];
    let share = 1.0 / (seeds.end - seeds.start) as f64;
    for seed in seeds {
        let rng = &mut draw::rng(seed);
        let exact = flow.build::<f64>().unwrap();
        let theta = draw::parameters(rng, &exact.params());
        let z = draw::normal(rng, samples, exact.dof(), 1.0);
        let exact = Results::of(&exact, &theta, &z);
        for (errors, precision) in errors.iter_mut().zip([Precision::Full, Precision::Split, Precision::Tf32]) {
            let device = device::<f32>().with_precision(precision).unwrap().with_fewest_tiles(1);
            let layer = OnHost::new(device.clone(), device.flow(flow).unwrap());
            let of_seed = Results::of(&layer, &theta, &z).errors(&exact);
            assert_eq!(device.gpu().counts().products == 0, precision == Precision::Split, "who multiplies");
            errors.iter_mut().zip(of_seed).for_each(|(mean, error)| *mean += share * error);
        }
    }
    errors
}

/// Split products are as accurate as f32, so that this is no accident of a test that can't tell: TF32 is far off.
#[track_caller]
fn check_accuracy(flow: &FlowSpec, samples: usize, seeds: std::ops::Range<u64>) {
    let [full, split, tf32] = errors(flow, samples, seeds);
    for (k, what) in ["x", "score", "gradient"].into_iter().enumerate() {
        let [full, split, tf32] = [full[k], split[k], tf32[k]];
        println!("{what}: {full:.1e} in f32, {split:.1e} split, {tf32:.1e} in TF32");
        assert!(split < 1.5 * full, "{what}: off by {split:e} split, by {full:e} in f32");
        assert!(tf32 > 50.0 * full, "{what}: off by {tf32:e} in TF32, by {full:e} in f32");
    }
}

fn real_nvp(couplings: usize, hidden: &[usize]) -> FlowSpec {
    RealNvp { lattice: vec![4, 4], couplings, hidden: hidden.to_vec(), ..RealNvp::default() }.spec().unwrap()
}

fn z2_nice(couplings: usize, hidden: &[usize]) -> FlowSpec {
    Z2Nice { lattice: vec![4, 4], couplings, hidden: hidden.to_vec(), ..Z2Nice::default() }.spec().unwrap()
}

#[test]
fn split_products_are_as_accurate_as_f32_in_the_flows_of_golden_cases() {
    check_accuracy(&real_nvp(4, &[32, 32, 32]), 40, 0..3);
    check_accuracy(&z2_nice(4, &[20, 20]), 40, 0..3);
}

#[test]
fn split_products_are_as_accurate_as_f32_in_wide_nets() {
    check_accuracy(&real_nvp(2, &[256, 260]), 140, 5..6);
    check_accuracy(&z2_nice(2, &[256, 260]), 140, 5..6);
}

/// An affine coupling whose net has hidden layers of these widths.
fn coupling(hidden: &[usize], activation: Activation, bias: Bias, transform: TransformSpec) -> LayerSpec {
    let net = MlpSpec { hidden: hidden.to_vec(), activation, bias, start: StartAt::Random };
    LayerSpec::Coupling(CouplingSpec { mask: MaskSpec::Alternating(Parity::Odd), net: NetSpec::Mlp(net), transform })
}

const ACTIVATIONS: [Activation; 8] = [
    Activation::Tanh,
    Activation::Relu,
    Activation::LeakyRelu(0.3),
    Activation::Silu,
    Activation::Softplus,
    Activation::Elu,
    Activation::Gelu,
    Activation::Identity,
];

/// More than a tile each way, the last ones not full; lines that begin at multiples of 16 bytes, and others.
#[test]
fn ends_of_products_are_those_of_every_activation() {
    for (i, activation) in ACTIVATIONS.into_iter().enumerate() {
        let (samples, rng) = ([260, 131][i % 2], &mut draw::rng(i as u64));
        let spec = coupling(&[132, 140], activation, Bias::Yes, TransformSpec::Affine { clamp: Some(1.3) });
        let exact = spec.build::<f64>(&[8]).unwrap();
        let theta = draw::parameters(rng, &exact.params());
        let z = draw::normal(rng, samples, 8, 1.0);
        let exact = Results::of(&*exact, &theta, &z);
        let split = Results::of(&on(device_with_own_products::<f32>(), &spec, &[8]), &theta, &z);
        let compare = |what: &str, got: &[f64], expected: &[f64]| {
            let (what, scale) = (format!("{what}, {activation:?}"), largest(expected));
            assert_close_on_scale(&what, got, expected, scale, Tolerance::round_off::<f32>());
        };
        compare("x", &split.x, &exact.x);
        compare("score", &split.score, &exact.score);
        for (tensor, range) in exact.layout.ranges() {
            compare(&tensor.name, &split.grad[range.clone()], &exact.grad[range]);
        }
    }
}

#[test]
fn ends_of_products_do_not_depend_on_the_order_of_threads_and_have_no_races() {
    let spec = coupling(&[130, 20], Activation::Silu, Bias::Yes, TransformSpec::default());
    let rng = &mut draw::rng(3);
    let theta = draw::parameters(rng, &spec.params(&[4]));
    let z = draw::normal(rng, 130, 4, 1.0);
    let run = |gpu: Emulator| {
        let device = Cuda::<f32, _>::new(gpu).and_then(|device| device.with_precision(Precision::Split)).unwrap();
        let results = Results::of(&on(device.with_fewest_tiles(1), &spec, &[4]), &theta, &z);
        [results.x, results.score, results.grad]
    };
    let expected = run(Emulator::new().unwrap());
    assert_eq!(run(Emulator::new().unwrap().order(Order::Reverse)), expected, "in reverse");
    assert_eq!(run(Emulator::counting().unwrap()), expected, "carefully");
}

/// Bytes that kernels write for samples of a coupling with hidden layers of 8 and 12 rows, beside those of products of the library.
fn stored(device: &Cuda<f32, Emulator>, spec: &LayerSpec, samples: usize) -> [u64; 2] {
    let rng = &mut draw::rng(8);
    let theta: Vec<f32> = draw::cast(&draw::parameters(rng, &spec.params(&[4])));
    let here = Cpu::here();
    let layer = on(device.clone(), spec, &[4]);
    let mut runner = Runner::new(&here, &layer, &theta);
    let z = draw::normal(rng, samples, 4, 1.0).mapv(|z| z as f32);
    let mut counted = |work: &mut dyn FnMut(&mut Runner<'_, f32>)| {
        device.gpu().reset_counts();
        work(&mut runner);
        device.gpu().counts().stored
    };
    [counted(&mut |runner| drop(runner.forward(&z))), counted(&mut |runner| drop(runner.push_score(&z)))]
}

#[test]
fn hidden_values_are_written_once() {
    let device = Cuda::new(Emulator::counting().unwrap()).unwrap();
    let device = device.with_precision(Precision::Split).unwrap().with_fewest_tiles(1);
    let spec = coupling(&[8, 12], Activation::Tanh, Bias::No, TransformSpec::Additive);
    let samples = 70;
    let theta = 2 * 8 + 8 * 12 + 12 * 2;
    // θ and the log-dets that are cleared, a copy of c, h_1, h_2, φ; then v_2, v_1 and the cotangent of c.
    let of = |rows: u64| 4 * rows * samples;
    let expected = [4 * theta + 8 * samples + of(2 + 8 + 12 + 2), of(12 + 8 + 2)];
    assert_eq!(stored(&device, &spec, samples as usize), expected);
}

/// Launches of kernels and products of a gradient of φ⁴ theory on 16×8, after a first: of `reparam` and of `path-fast`.
fn launches(flow: &FlowSpec, precision: Precision) -> [u64; 2] {
    let device = device::<f32>().with_precision(precision).unwrap().with_fewest_tiles(1);
    let target = device.phi4(&Phi4::new(&flow.shape, 0.3, 0.022).unwrap()).unwrap();
    let base = device.base(&flow.base, &flow.shape).unwrap();
    let cut = Cut { micro_batch: 8, lanes: 1 };
    let mut engine = Engine::new(device.clone(), device.flow(flow).unwrap(), base, target, cut);
    let theta = device.buffer(&draw::cast(&draw::parameters(&mut draw::rng(1), &engine.layout())));
    let start = Start::Draw { stream: SampleStream::new(1, 2, 3), first: 0, samples: 8 };
    [ReverseKl::Reparam, ReverseKl::PathFast].map(|how| {
        engine.reverse_kl(how, &theta, start).unwrap();
        device.gpu().reset_counts();
        engine.reverse_kl(how, &theta, start).unwrap();
        let counts = device.gpu().counts();
        counts.launches + counts.products
    })
}

/// The flows of Table 2 but for their widths, which launches don't depend on.
#[test]
fn gradients_launch_what_the_documentation_says() {
    let (lattice, hidden) = (vec![16, 8], vec![9; 4]);
    let real_nvp = RealNvp { lattice: lattice.clone(), couplings: 8, hidden: hidden.clone(), ..RealNvp::default() };
    let z2_nice = Z2Nice { lattice, couplings: 8, hidden, ..Z2Nice::default() };
    for (flow, full, split) in [(real_nvp.spec(), [206, 286], [150, 198]), (z2_nice.spec(), [206, 279], [142, 183])] {
        let flow = flow.unwrap();
        assert_eq!(launches(&flow, Precision::Full), full);
        assert_eq!(launches(&flow, Precision::Split), split);
    }
}

#[test]
fn gradients_of_own_products_are_added_where_they_are_to_be() {
    let spec = coupling(&[6, 130], Activation::Gelu, Bias::Yes, TransformSpec::default());
    let rng = &mut draw::rng(9);
    let (theta, here) = (draw::cast::<f32>(&draw::parameters(rng, &spec.params(&[4]))), Cpu::here());
    let (layer, z) = (on(device_with_own_products(), &spec, &[4]), draw::normal(rng, 70, 4, 1.0).mapv(|z| z as f32));
    let mut runner = Runner::new(&here, &layer, &theta);
    let x = runner.forward(&z).y;
    for weight in [0.0, 1.5] {
        let replaced = runner.pull_back(&x, weight).grad;
        let mut added: Vec<f32> = (0..theta.len()).map(|i| (i % 5) as f32 - 1.5).collect();
        let expected: Vec<f32> = replaced.iter().zip(&added).map(|(grad, before)| grad + before).collect();
        runner.pull_back_into(&x, weight, Some((&mut added, Accum::Add)));
        assert_close_on_scale("∂θ", &added, &expected, largest(&expected), Tolerance::round_off::<f32>());
        let without = runner.pull_back_into(&x, weight, None);
        assert_eq!(without, runner.pull_back(&x, weight).cotangent, "with and without a gradient");
    }
}
