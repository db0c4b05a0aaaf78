//! A step after the first allocates nothing of its own.
//!
//! The layers' buffers are grown once. The `gemm` crates, which compute the matrix products of fully connected nets, take
//! their packing buffers from the allocator in every product: an estimator allocates as often as its bare products do, to the last one.

use upg_core::{Accum, Batch, Cpu, Engine, ForwardKl, Layer, ReverseKl, StandardNormal, Streams, UniformTorus};
use upg_flows::{
    BaseSpec, ConvNvp, FlowSpec, LayerSpec, RealNvp, Scales, Symmetry, U1Continuous, U1Flow, linear,
    matmul::Mat,
    spec::{ContinuousSpec, FieldSpec, ScalingSpec},
};
use upg_targets::{Phi4, U1};
use upg_testkit::{
    alloc, draw,
    flow::{AnyEngine, Estimator, all_estimators},
};

#[global_allocator]
static COUNTER: alloc::Counter = alloc::Counter;

/// Samples of the fully connected flow.
const SAMPLES: usize = 64;
/// Its couplings.
const COUPLINGS: usize = 3;

#[test]
fn steps_after_the_first_allocate_nothing() {
    gauge_flows_allocate_nothing();
    trained_bases_allocate_nothing();
    lattice_flow_allocates_nothing();
    for hidden in [vec![20, 20], vec![150, 150]] {
        only_matrix_products_allocate(hidden);
    }
}

fn gauge_flows_allocate_nothing() {
    let couplings = U1Flow { lattice: vec![4, 4], layers: 4, ..U1Flow::default() };
    let continuous = U1Continuous { lattice: vec![4, 4], steps: 2, ..U1Continuous::default() };
    for spec in [couplings.spec().unwrap(), continuous.spec().unwrap()] {
        let flow = spec.build::<f32>().unwrap();
        let theta: Vec<f32> = Layer::params(&flow).initialise(&mut Streams::new(1).next_stream());
        let target = U1::new(&[4, 4], 1.0).unwrap();
        let mut engine: AnyEngine<f32> =
            Engine::new(Cpu::here(), Box::new(flow), UniformTorus::new(32), target, spec.cut());
        let links = draw::points(&mut draw::rng(3), upg_testkit::domain::Domain::Circle, 40, 32).mapv(|u| u as f32);
        alloc::assert_no_allocation_after_first(&mut engine, &theta, links.view(), 0);
    }
}

fn trained_bases_allocate_nothing() {
    let continuous = ContinuousSpec { field: FieldSpec::lattice(2, 2), steps: 2 };
    for base in [BaseSpec::DiagonalNormal, BaseSpec::free_field(0.5, 0.3), BaseSpec::two_signs(0.5, 0.3, 1.0)] {
        let scaling = ScalingSpec { scales: Scales::PerDof };
        let layers = vec![LayerSpec::Scaling(scaling), LayerSpec::Continuous(continuous.clone())];
        let spec = FlowSpec { shape: vec![4, 4], base, layers };
        let theta: Vec<f32> = spec.params().unwrap().initialise(&mut Streams::new(1).next_stream());
        let target = Phi4::new(&[4, 4], 0.2, 0.1).unwrap();
        let mut engine: AnyEngine<f32> =
            Engine::new(Cpu::here(), spec.build::<f32>().unwrap(), spec.build_base(), target, spec.cut());
        let z = draw::normal(&mut draw::rng(3), 40, 16, 1.0).mapv(|z| z as f32);
        alloc::assert_no_allocation_after_first(&mut engine, &theta, z.view(), 0);
    }
}

fn lattice_flow_allocates_nothing() {
    let spec = ConvNvp { lattice: vec![4, 4], couplings: 4, symmetry: Symmetry::Z2, ..ConvNvp::default() };
    let flow = spec.build::<f32>().unwrap();
    let theta: Vec<f32> = Layer::params(&flow).initialise(&mut Streams::new(1).next_stream());
    let target = Phi4::new(&[4, 4], 0.2, 0.1).unwrap();
    let mut engine: AnyEngine<f32> =
        Engine::new(Cpu::here(), Box::new(flow), StandardNormal::new(16), target, spec.cut());
    let z = draw::normal(&mut draw::rng(3), 40, 16, 1.0).mapv(|z| z as f32);
    alloc::assert_no_allocation_after_first(&mut engine, &theta, z.view(), 0);
}

fn only_matrix_products_allocate(hidden: Vec<usize>) {
    let widths: Vec<usize> = [8].into_iter().chain(hidden.clone()).chain([16]).collect();
    let spec = RealNvp { lattice: vec![4, 4], couplings: COUPLINGS, hidden, ..Default::default() };
    let flow = spec.build::<f32>().unwrap();
    let theta: Vec<f32> = Layer::params(&flow).initialise(&mut Streams::new(1).next_stream());
    let target = Phi4::new(&[4, 4], 0.2, 0.1).unwrap();
    let cut = upg_core::Cut { micro_batch: SAMPLES, lanes: 1 };
    let mut engine: AnyEngine<f32> = Engine::new(Cpu::here(), Box::new(flow), StandardNormal::new(16), target, cut);
    let z = draw::normal(&mut draw::rng(3), SAMPLES, 16, 1.0).mapv(|z| z as f32);
    let in_a_pass = of_products(&widths);
    for estimator in all_estimators() {
        let counted = least(|| _ = estimator.run(&mut engine, &theta, z.view()));
        let passes = passes(estimator);
        let expected: usize = passes.iter().zip(in_a_pass).map(|(passes, calls)| passes * COUPLINGS * calls).sum();
        assert_eq!(counted, expected, "allocations of {estimator:?}, and of its products, {passes:?} × {in_a_pass:?}");
    }
}

/// Passes through all nets: forward, vector-Jacobian products, weight gradients.
fn passes(estimator: Estimator) -> [usize; 3] {
    match estimator {
        Estimator::Reverse(ReverseKl::Reparam) | Estimator::Forward(ForwardKl::MaxLikelihood) => [1, 1, 1],
        Estimator::Reverse(ReverseKl::PathFast) | Estimator::Forward(ForwardKl::PathFast) => [1, 2, 1],
        Estimator::Reverse(ReverseKl::PathTwoPassLean) | Estimator::Forward(ForwardKl::Gdreg) => [2, 2, 1],
        Estimator::Reverse(ReverseKl::PathTwoPass) => [3, 2, 1],
    }
}

/// Allocations of the bare matrix products of a net, pass by pass.
fn of_products(widths: &[usize]) -> [usize; 3] {
    let mut calls = [0; 3];
    for pair in widths.windows(2) {
        let (weight, mut gradient) = (vec![0.1_f32; pair[0] * pair[1]], vec![0.0; pair[0] * pair[1]]);
        let (mut h, mut v) = (Batch::<f32>::zeros(pair[0], SAMPLES), Batch::zeros(pair[1], SAMPLES));
        let mut transposed = Batch::default();
        let matrix = Mat::new(&weight, pair[1], pair[0]);
        calls[0] += least(|| linear::apply(&mut v, matrix, &h, |_, _, _| ()));
        calls[1] += least(|| linear::apply_transposed(&mut h, matrix, &v, &mut transposed, |_, _, _| ()));
        calls[2] += least(|| linear::gradient(&mut gradient, &v, &h, Accum::Replace));
    }
    calls
}

/// The fewest allocations of several runs after the first: others may allocate meanwhile, but not always.
fn least(mut work: impl FnMut()) -> usize {
    work();
    (0..5).map(|_| alloc::during(&mut work).calls).min().expect("five of them")
}
