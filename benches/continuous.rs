//! Continuous flows: one gradient by each estimator, and the Fourier transforms it consists of: `cargo bench -p upg-benches --bench continuous`.
//!
//! Medians of interleaved repetitions, f32, from drawing the base samples to the flat gradient. The last column is the time of the bare transforms of
//! `path-fast` on as many threads, as a part of its time: at each stage F + 2 of them for the value, F + 2 for the score and 2F + 3 for the pull-back.

use std::hint::black_box;
use std::time::Instant;
use upg_benches::median;
use upg_core::{Cpu, Engine, ReverseKl, SampleStream, Start, Streams};
use upg_flows::spec::FieldSpec;
use upg_flows::{BaseSpec, ContinuousFlow, Modes, cnn::lanes};
use upg_targets::Phi4;

const THREADS: usize = 2;
const FREQUENCIES: usize = 4;
const STEPS: usize = 4;
/// Lattices and batches.
const SHAPES: [([usize; 2], usize); 5] =
    [([16, 8], 32), ([16, 8], 1024), ([32, 32], 32), ([32, 32], 256), ([64, 64], 32)];

fn main() {
    let repetitions = std::env::var("UPG_BENCH_REPETITIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(15);
    println!(
        "medians of {repetitions} interleaved repetitions, {THREADS} threads, f32, F = {FREQUENCIES}, {STEPS} steps"
    );
    println!(
        "{:>9} {:>6} {:>12} {:>12} {:>7} {:>11}",
        "lattice", "batch", "reparam/ms", "path-fast/ms", "ratio", "transforms"
    );
    for (lattice, batch) in SHAPES {
        measure(lattice, batch, repetitions);
    }
}

fn measure(lattice: [usize; 2], batch: usize, repetitions: usize) {
    let field = FieldSpec::lattice(FREQUENCIES, 3);
    let base = BaseSpec::two_signs(1.0, 0.3, 2.3);
    let spec = ContinuousFlow { lattice: lattice.to_vec(), field, steps: STEPS, base }.spec().expect("a flow");
    let target = Phi4::new(&lattice, 0.3, 0.022).expect("a theory");
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
        times.push([of(ReverseKl::Reparam), of(ReverseKl::PathFast), transforms(lattice, batch)]);
    }
    let [ordinary, path, bare] = [0, 1, 2].map(|i| median(times[1..].iter().map(|t| t[i])));
    let lattice = format!("{}x{}", lattice[0], lattice[1]);
    let (milli, ratio) = (1e3, median(times[1..].iter().map(|t| t[1] / t[0])));
    let (ordinary, share) = (milli * ordinary, 100.0 * bare / path);
    println!("{lattice:>9} {batch:>6} {ordinary:>12.3} {:>12.3} {ratio:>7.3} {share:>10.1}%", milli * path);
}

/// Seconds of the transforms of one `path-fast`, shared by the threads.
fn transforms(lattice: [usize; 2], batch: usize) -> f64 {
    let modes = Modes::<f32>::new(&lattice);
    let (tile, number) = (lanes::<f32>(), 4 * STEPS * (4 * FREQUENCIES + 7));
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
