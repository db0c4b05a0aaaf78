//! A step after the first allocates nothing of its own.
//!
//! The layers' buffers are grown once. The `gemm` crates, which compute the matrix products of fully connected nets, take
//! their packing buffers from the allocator in every product: that, and nothing else, is allowed for.

use upg_core::{Cpu, Engine, Layer, StandardNormal, Streams, UniformTorus};
use upg_flows::{RealNvp, U1Flow};
use upg_targets::{Phi4, U1};
use upg_testkit::{
    alloc, draw,
    flow::{AnyEngine, all_estimators},
};

#[global_allocator]
static COUNTER: alloc::Counter = alloc::Counter;

/// Couplings and linear maps of the fully connected flow.
const MAPS: usize = 3 * 3;
/// Products a linear map takes part in: at most two forward passes, three vector-Jacobian products and one weight gradient.
const PRODUCTS: usize = 6;
/// Allocations inside one product.
const IN_A_PRODUCT: usize = 2;

#[test]
fn steps_after_the_first_allocate_nothing() {
    gauge_flow_allocates_nothing();
    for hidden in [vec![20, 20], vec![150, 150]] {
        only_matrix_products_allocate(hidden);
    }
}

fn gauge_flow_allocates_nothing() {
    let spec = U1Flow { lattice: vec![4, 4], layers: 4, ..U1Flow::default() };
    let flow = spec.build::<f32>().unwrap();
    let theta: Vec<f32> = Layer::params(&flow).initialise(&mut Streams::new(1).next_stream());
    let target = U1::new(&[4, 4], 1.0).unwrap();
    let mut engine: AnyEngine<f32> =
        Engine::new(Cpu::here(), Box::new(flow), UniformTorus::new(32), target, spec.cut());
    let links = draw::points(&mut draw::rng(3), upg_testkit::domain::Domain::Circle, 40, 32).mapv(|u| u as f32);
    alloc::assert_no_allocation_after_first(&mut engine, &theta, links.view(), 0);
}

fn only_matrix_products_allocate(hidden: Vec<usize>) {
    let spec = RealNvp { lattice: vec![4, 4], couplings: 3, hidden, ..Default::default() };
    let flow = spec.build::<f32>().unwrap();
    let theta: Vec<f32> = Layer::params(&flow).initialise(&mut Streams::new(1).next_stream());
    let target = Phi4::new(&[4, 4], 0.2, 0.1).unwrap();
    let cut = upg_core::Cut { micro_batch: 64, lanes: 1 };
    let mut engine: AnyEngine<f32> = Engine::new(Cpu::here(), Box::new(flow), StandardNormal::new(16), target, cut);
    let z = draw::normal(&mut draw::rng(3), 64, 16, 1.0).mapv(|z| z as f32);
    for estimator in all_estimators() {
        estimator.run(&mut engine, &theta, z.view());
        let counted = alloc::during(|| estimator.run(&mut engine, &theta, z.view()).loss);
        assert!(counted.calls <= MAPS * PRODUCTS * IN_A_PRODUCT, "{estimator:?} allocates: {counted:?}");
    }
}
