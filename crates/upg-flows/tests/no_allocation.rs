//! A step after the first allocates nothing: wide and small nets, every estimator.

use upg_core::{Cpu, Engine, Layer, StandardNormal, Streams};
use upg_flows::RealNvp;
use upg_targets::Phi4;
use upg_testkit::{alloc, draw, flow::AnyEngine};

#[global_allocator]
static COUNTER: alloc::Counter = alloc::Counter;

/// rayon's queue grows by blocks of about 1.5 kB.
const QUEUE_BYTES: usize = 16 << 10;

#[test]
fn steps_after_the_first_allocate_nothing() {
    for (hidden, threads, batch, queue_bytes) in
        [(vec![20, 20], 0, 100, 0), (vec![300, 300], 0, 200, 0), (vec![300, 300], 2, 200, QUEUE_BYTES)]
    {
        let spec = RealNvp { lattice: vec![4, 4], couplings: 3, hidden, ..Default::default() };
        let flow = spec.build::<f32>().unwrap();
        let theta: Vec<f32> = Layer::params(&flow).initialise(&mut Streams::new(1).next_stream());
        let device = if threads == 0 { Cpu::here() } else { Cpu::new(threads) };
        let target = Phi4::new(&[4, 4], 0.2, 0.1).unwrap();
        let mut engine: AnyEngine<f32> =
            Engine::new(device, Box::new(flow), StandardNormal::new(16), target, spec.cut());
        let z = draw::normal(&mut draw::rng(3), batch, 16, 1.0).mapv(|z| z as f32);
        alloc::assert_no_allocation_after_first(&mut engine, &theta, z.view(), queue_bytes);
    }
}
