//! A step after the first allocates nothing. The only test of its binary: nobody else may allocate meanwhile.

#[path = "all/layers/bend.rs"]
mod bend;

use bend::{Bend, Shape};
use upg_core::{Chain, Cpu, Cut, Invertible, Layer};
use upg_testkit::{alloc, domain::Domain, draw, flow::Parts};

#[global_allocator]
static COUNTER: alloc::Counter = alloc::Counter;

/// A block of the job queue of the thread pool has 63 places of 24 bytes; each of two queues may need one.
const QUEUE_BYTES: usize = 4096;

#[test]
fn steps_after_the_first_allocate_nothing() {
    for (shape, domain) in [(Shape::Tanh, Domain::Line), (Shape::Sine, Domain::Circle)] {
        for (threads, lanes, queue_bytes) in [(None, 1, 0), (Some(1), 3, QUEUE_BYTES), (Some(2), 3, QUEUE_BYTES)] {
            let rng = &mut draw::rng(1);
            let layers = (0..3).map(|_| Box::new(Bend::new(5, shape)) as Box<dyn Invertible<Cpu<f32>>>).collect();
            let flow = Chain::new::<Cpu<f32>>(layers);
            let theta = draw::cast(&draw::parameters(rng, &Layer::<Cpu<f32>>::params(&flow)));
            let parts = if domain == Domain::Line { Parts::on_line(flow, rng) } else { Parts::on_circle(flow, rng) };
            let device = threads.map_or(Cpu::here(), Cpu::new);
            let mut engine = parts.engine(device, Cut { micro_batch: 16, lanes });
            let samples = draw::points(rng, domain, 101, 5).mapv(|x| x as f32);
            alloc::assert_no_allocation_after_first(&mut engine, &theta, samples.view(), queue_bytes);
        }
    }
}
