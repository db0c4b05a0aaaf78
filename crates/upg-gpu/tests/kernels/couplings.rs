//! Couplings with fully connected nets: what the battery doesn't say of them.

use crate::agreement::check_agreement;
use crate::layers::{any_activation, any_coupling};
use crate::support::{Device, device, device_with_own_products};
use upg_core::{Accum, GradSink, Layer, Memory, Pass, Prepared, Rng, Workspace};
use upg_flows::spec::{CouplingSpec, MlpSpec, NetSpec, TransformSpec};
use upg_flows::{Activation, Bias, LayerSpec, MaskSpec, Parity, StartAt};
use upg_gpu::Batch;
use upg_gpu::emulator::{Counts, Emulator};
use upg_testkit::{domain::Domain, draw};

fn agree(seeds: std::ops::Range<u64>, transform: TransformSpec, activation: impl Fn(&mut Rng) -> Activation) {
    for seed in seeds {
        let rng = &mut draw::rng(seed);
        let (spec, shape) = any_coupling(transform, activation(rng), rng);
        check_agreement(&spec, &shape, Domain::Line, rng);
    }
}

#[test]
fn additive_couplings_are_those_of_the_host() {
    agree(0..12, TransformSpec::Additive, any_activation);
}

#[test]
fn affine_couplings_are_those_of_the_host() {
    agree(20..26, TransformSpec::Affine { clamp: None }, any_activation);
    agree(30..36, TransformSpec::Affine { clamp: Some(1.3) }, any_activation);
}

#[test]
fn every_activation_is_that_of_the_host() {
    use Activation::*;
    for (seed, activation) in [Tanh, Relu, LeakyRelu(0.3), Silu, Softplus, Elu, Gelu, Identity].into_iter().enumerate()
    {
        agree(40 + seed as u64..41 + seed as u64, TransformSpec::Affine { clamp: Some(1.3) }, |_| activation);
    }
}

/// Launches, products and multiply-adds of the products: of `forward`, of `push_score`, and of `pull_back` with a gradient.
pub fn counts(spec: &LayerSpec, shape: &[usize], samples: usize) -> [[u64; 3]; 3] {
    counts_on(&device(), spec, shape, samples)
}

/// The same on a device; if it counts, with the multiply-adds of kernels.
pub fn counts_on(device: &Device<f32>, spec: &LayerSpec, shape: &[usize], samples: usize) -> [[u64; 3]; 3] {
    let layer = device.layer(spec, shape).expect("it has kernels");
    let theta = draw::cast(&draw::parameters(&mut draw::rng(1), &layer.params()));
    let (theta, mut grad) = (device.buffer(&theta), device.zeros(theta.len()));
    let draw = |seed| draw::normal(&mut draw::rng(seed), samples, layer.dof(), 1.0).mapv(|x| x as f32);
    let (mut x, mut a) = (Batch::<f32, Emulator>::default(), Batch::<f32, Emulator>::default());
    device.upload(draw(2).view(), &mut x);
    device.upload(draw(3).view(), &mut a);
    let mut log_det = Default::default();
    device.clear(&mut log_det, samples);
    let mut prepared = Prepared::default();
    layer.prepare(device, device.params(&theta), &mut prepared);
    let (mut tape, mut scratch) = (Workspace::default(), Workspace::default());
    let mut pass =
        Pass { device, theta: device.params(&theta), prepared: &prepared, tape: &mut tape, scratch: &mut scratch };
    let gpu = device.gpu();
    let counted = || {
        let Counts { launches, products, product_multiply_adds, kernel_multiply_adds, .. } = gpu.counts();
        gpu.reset_counts();
        [launches, products, product_multiply_adds + kernel_multiply_adds]
    };
    counted();
    layer.forward(&mut pass, &mut x, &mut log_det);
    let forward = counted();
    layer.push_score(&mut pass, &mut a);
    let push = counted();
    let sink = GradSink { into: device.params_mut(&mut grad), accum: Accum::Replace };
    layer.pull_back(&mut pass, &mut a, 1.0, Some(sink));
    let pull = counted();
    device.status().expect("the device works");
    [forward, push, pull]
}

fn coupling(bias: Bias, transform: TransformSpec) -> LayerSpec {
    let net = MlpSpec { hidden: vec![5, 7, 6, 3], activation: Activation::Tanh, bias, start: StartAt::Random };
    LayerSpec::Coupling(CouplingSpec { mask: MaskSpec::Alternating(Parity::Odd), net: NetSpec::Mlp(net), transform })
}

#[test]
fn couplings_of_alternating_masks_launch_little_and_multiply_no_more_than_they_must() {
    let samples = 9;
    let hidden = 4 * 5 + 5 * 7 + 7 * 6 + 6 * 3;
    let additive = samples * (hidden + 3 * 4);
    let expected = [[5, 5, additive], [4, 5, additive], [4, 10, 2 * additive]];
    assert_eq!(counts(&coupling(Bias::No, TransformSpec::Additive), &[8], 9), expected);
    let affine = samples * (hidden + 3 * 8);
    let expected = [[5, 5, affine], [5, 5, affine], [5, 10, 2 * affine]];
    assert_eq!(counts(&coupling(Bias::Yes, TransformSpec::default()), &[8], 9), expected);
}

#[test]
fn own_products_need_no_kernels_beside_them_but_one_for_the_gradients_of_biases() {
    let counts = |spec: &LayerSpec| {
        let counts = counts_on(&device_with_own_products(), spec, &[8], 9);
        counts.map(|[launches, products, _]| [launches, products])
    };
    // A copy of c and 5 products; 5 products; 5 more for the gradients of weights.
    assert_eq!(counts(&coupling(Bias::No, TransformSpec::Additive)), [[6, 0], [5, 0], [10, 0]]);
    // Each time the transform's kernel, and at last that of the biases.
    assert_eq!(counts(&coupling(Bias::Yes, TransformSpec::default())), [[6, 0], [6, 0], [12, 0]]);
}
