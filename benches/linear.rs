//! A linear layer by its LU factors beside the bare product with a matrix of its size: `cargo bench -p upg-benches --bench linear`.
//!
//! Times of `forward`, of `push` without a gradient and of `pull_back` with one, in f32, as parts of those of one product y = W x and, for the
//! gradient, of that and of ∂W = a xᵀ, by the same kernels in the same run. At 100 % panels, permutation, bias and log-det would be free.

use std::hint::black_box;
use std::time::Instant;
use upg_benches::median;
use upg_core::{Accum, Batch, Cpu, Execution, GradSink, Layer, Pass, Prepared, Streams, Workspace};
use upg_flows::{LuChoices, LuLinear, StartAt, linear, matmul::Mat};

/// Degrees of freedom, and samples.
const SHAPES: [[usize; 2]; 4] = [[64, 1024], [128, 1024], [512, 1024], [1024, 1024]];
const THREADS: usize = 2;

fn main() {
    let repetitions = std::env::var("UPG_BENCH_REPETITIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(15);
    println!("medians of {repetitions} interleaved repetitions, {THREADS} threads of the cpu, f32");
    println!("{:>6} {:>8} {:>12} {:>12} {:>10}", "n", "samples", "verb", "seconds", "of GEMM");
    let device = Cpu::new(THREADS);
    for [n, samples] in SHAPES {
        device.install(|| measure(&device, n, samples, repetitions));
    }
}

/// Interleaved times of the verbs and of the bare products, printed as a row for each verb.
fn measure(device: &Cpu<f32>, n: usize, samples: usize, repetitions: usize) {
    let layer = LuLinear::new(&LuChoices { start: StartAt::Random, ..Default::default() }, &[n]).expect("a layer");
    let theta: Vec<f32> = Layer::<Cpu<f32>>::params(&layer).initialise(&mut Streams::new(1).next_stream());
    let (mut prepared, mut tape, mut scratch) = (Prepared::default(), Workspace::default(), Workspace::default());
    layer.prepare(device, &theta, &mut prepared);
    let mut pass = Pass { device, theta: &theta, prepared: &prepared, tape: &mut tape, scratch: &mut scratch };
    let (weight, mut grad, mut log_det) = (vec![0.01_f32; n * n], vec![0.0; theta.len()], vec![0.0; samples]);
    let (mut x, mut y) = (Batch::zeros(n, samples), Batch::zeros(n, samples));
    x.fill(0.1);
    let mut times: Vec<[f64; 5]> = vec![];
    for _ in 0..=repetitions {
        let mut round = [0.0; 5];
        round[0] = timed(|| linear::apply(&mut y, Mat::new(&weight, n, n), &x, |_, _, _| ()));
        round[1] = timed(|| linear::gradient(&mut grad[..n * n], &x, &x, Accum::Replace));
        round[2] = timed(|| layer.forward(&mut pass, &mut x, &mut log_det));
        x.fill(0.1);
        round[3] = timed(|| layer.push(&mut pass, &mut x, 1.0, None));
        x.fill(0.1);
        let sink = GradSink { into: &mut grad[..], accum: Accum::Replace };
        round[4] = timed(|| layer.pull_back(&mut pass, &mut x, 1.0, Some(sink)));
        x.fill(0.1);
        black_box((&x, &y, &grad));
        times.push(round);
    }
    let [product, gradient, forward, push, pull_back] =
        [0, 1, 2, 3, 4].map(|i| median(times[1..].iter().map(|t| t[i])));
    for (verb, seconds, bare) in
        [("forward", forward, product), ("push", push, product), ("pull_back ∂θ", pull_back, product + gradient)]
    {
        println!("{n:>6} {samples:>8} {verb:>12} {seconds:>12.6} {:>9.1}%", 100.0 * bare / seconds);
    }
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}
