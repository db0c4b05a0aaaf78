//! Continuous flows: one gradient by each estimator, and the Fourier transforms it consists of: `cargo bench -p upg-benches --bench continuous`.
//!
//! Medians of interleaved repetitions, f32, from drawing the base samples to the flat gradient. The last column is the time of the bare transforms of
//! `path-fast` on as many threads, as a part of its time. At each stage these are, for a lattice field of F frequencies, F + 2 for the value, F + 2 for
//! the score and 2F + 3 for the pull-back; for a plaquette field with products of M sines 4M, 4M and 8M.

use std::hint::black_box;
use std::time::Instant;
use upg_benches::median;
use upg_core::{Cpu, Engine, ReverseKl, SampleStream, Start, Streams, Target};
use upg_flows::spec::{FieldSpec, FlowSpec};
use upg_flows::{BaseSpec, ContinuousFlow, Modes, U1Continuous, simd::lanes};
use upg_targets::{Phi4, U1};

const THREADS: usize = 2;
const STEPS: usize = 4;
/// F of the lattice fields.
const FREQUENCIES: usize = 4;
/// M of the plaquette fields.
const PRODUCTS: usize = 2;
/// Lattices and batches of φ⁴ theory.
const FIELDS: [([usize; 2], usize); 5] =
    [([16, 8], 32), ([16, 8], 1024), ([32, 32], 32), ([32, 32], 256), ([64, 64], 32)];
/// Lattices and batches of U(1) theory.
const LINKS: [([usize; 2], usize); 4] = [([8, 8], 32), ([8, 8], 1024), ([16, 16], 32), ([32, 32], 32)];

fn main() {
    let repetitions = std::env::var("UPG_BENCH_REPETITIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(15);
    println!("medians of {repetitions} interleaved repetitions, {THREADS} threads of the cpu, f32, {STEPS} steps");
    println!(
        "{:>10} {:>7} {:>6} {:>12} {:>12} {:>7} {:>11}",
        "flow", "lattice", "batch", "reparam/ms", "path-fast/ms", "ratio", "transforms"
    );
    for (lattice, batch) in FIELDS {
        let (field, base) = (FieldSpec::lattice(FREQUENCIES, 3), BaseSpec::two_signs(1.0, 0.3, 2.3));
        let spec = ContinuousFlow { lattice: lattice.to_vec(), field, steps: STEPS, base }.spec().expect("a flow");
        let target = Phi4::new(&lattice, 0.3, 0.022).expect("a theory");
        measure("lattice", &spec, target, (lattice, batch), 4 * FREQUENCIES + 7, repetitions);
    }
    for (lattice, batch) in LINKS {
        let flow = U1Continuous { lattice: lattice.to_vec(), sines: 4, products: PRODUCTS, times: 4, steps: STEPS };
        let target = U1::new(&lattice, 2.0).expect("a theory");
        measure("plaquettes", &flow.spec().expect("a flow"), target, (lattice, batch), 16 * PRODUCTS, repetitions);
    }
}

/// A line for a flow whose `path-fast` takes so many transforms a stage.
fn measure(
    name: &str,
    spec: &FlowSpec,
    target: impl Target<Cpu<f32>> + 'static,
    (lattice, batch): ([usize; 2], usize),
    of_a_stage: usize,
    repetitions: usize,
) {
    let flow = spec.build::<f32>().expect("a flow");
    let mut engine = Engine::new(Cpu::new(THREADS), flow, spec.build_base(), target, spec.cut());
    let theta: Vec<f32> = engine.layout().initialise(&mut Streams::new(1).next_stream());
    let mut times: Vec<[f64; 3]> = vec![];
    for round in 0..=repetitions as u64 {
        let start = Start::Draw { stream: SampleStream::new(1, 0, round), first: 0, samples: batch };
        let mut of = |how| {
            timed(|| {
                black_box(engine.reverse_kl(how, &theta, start).expect("the processor doesn't fail").grad);
            })
        };
        let bare = || transforms(lattice, batch, 4 * STEPS * of_a_stage);
        times.push([of(ReverseKl::Reparam), of(ReverseKl::PathFast), bare()]);
    }
    let [ordinary, path, bare] = [0, 1, 2].map(|i| median(times[1..].iter().map(|t| t[i])));
    let lattice = format!("{}x{}", lattice[0], lattice[1]);
    let (milli, ratio) = (1e3, median(times[1..].iter().map(|t| t[1] / t[0])));
    let share = 100.0 * bare / path;
    let (ordinary, path) = (milli * ordinary, milli * path);
    println!("{name:>10} {lattice:>7} {batch:>6} {ordinary:>12.3} {path:>12.3} {ratio:>7.3} {share:>10.1}%");
}

/// Seconds of so many transforms for every sample, shared by the threads.
fn transforms(lattice: [usize; 2], batch: usize, number: usize) -> f64 {
    let modes = Modes::<f32>::new(&lattice);
    let tile = lanes::<f32>();
    let (mut fields, mut memory) = (vec![0.5; modes.volume() * tile], vec![]);
    let one_tile = timed(|| {
        for _ in 0..number / 2 {
            modes.to_modes(&mut fields, tile, &mut memory);
            modes.to_sites(&mut fields, tile, &mut memory);
        }
        black_box(&fields);
    });
    one_tile * batch.div_ceil(tile) as f64 / THREADS as f64
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}
