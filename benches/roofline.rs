//! How close the gradients come to plain matrix products: `cargo bench -p upg-benches --bench roofline`.
//!
//! In one run, in turn: `reparam`, `path-fast`, and the bare matrix products that they consist of (same shapes, whole
//! batch at once, the `gemm` crate's own threading, every weight matrix at its own place in memory, no bias, no
//! activation, no coupling, no target). A gradient at 100 % would do all of its other work for nothing. For convolutional nets the
//! products are those of the unfolded convolutions, every tap of every window counted; they need fewer, and may exceed 100 %.

use gemm_common::Parallelism;
use std::time::Instant;
use upg_benches::{Case, Shape, Shapes};
use upg_core::{ReverseKl, Start};

fn main() {
    let shapes = Shapes::read();
    let repetitions = std::env::var("UPG_BENCH_REPETITIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(15);
    println!("medians of {repetitions} interleaved repetitions, {} threads of the cpu, f32", shapes.threads);
    println!(
        "{:>14} {:>6} {:>13} {:>10} {:>10} {:>10} {:>10}",
        "flow", "batch", "what", "seconds", "GFLOP/s", "of GEMM", "ratio"
    );
    for shape in shapes.flows.iter().filter(|shape| shape.is_of_numbers() && shape.multiply_adds() > 1_000_000) {
        let mut case = shape.case(shapes.threads);
        for &batch in &shape.batches {
            measure(shape, &mut case, batch, repetitions, shapes.threads);
        }
    }
}

/// Interleaved times of the two gradients and of their bare products, printed as three rows.
fn measure(shape: &Shape, case: &mut Case, batch: usize, repetitions: usize, threads: usize) {
    let mut bare = Bare::new(shape, batch, threads);
    let mut times: [Vec<f64>; 4] = Default::default();
    for repetition in 0..=repetitions {
        let mut round = [0.0; 4];
        for i in (0..4).map(|i| (i + repetition) % 4) {
            let start = Instant::now();
            match i {
                0 => gradient(case, ReverseKl::Reparam, batch),
                1 => gradient(case, ReverseKl::PathFast, batch),
                2 => bare.gradient(1),
                _ => bare.gradient(2),
            }
            round[i] = start.elapsed().as_secs_f64();
        }
        if repetition > 0 {
            times.iter_mut().zip(round).for_each(|(times, seconds)| times.push(seconds));
        }
    }
    let ratio = median(times[1].iter().zip(&times[0]).map(|(fast, ordinary)| fast / ordinary).collect());
    let [ordinary, fast, bare_ordinary, bare_fast] = times.map(median);
    let flop = 2.0 * (shape.multiply_adds() * batch) as f64;
    let row = |what: &str, seconds: f64, passes: f64, bare: f64, ratio: String| {
        println!(
            "{:>14} {batch:>6} {what:>13} {seconds:>10.4} {:>10.1} {:>9.1}% {ratio:>10}",
            shape.name,
            passes * flop / seconds / 1e9,
            100.0 * bare / seconds,
        );
    };
    row("gemm (3 F)", bare_ordinary, 3.0, bare_ordinary, String::new());
    row("gemm (4 F)", bare_fast, 4.0, bare_fast, format!("{:.3}", bare_fast / bare_ordinary));
    row("reparam", ordinary, 3.0, bare_ordinary, "1".into());
    row("path-fast", fast, 4.0, bare_fast, format!("{ratio:.3}"));
}

fn gradient(case: &mut Case, how: ReverseKl, samples: usize) {
    let start = Start::Draw { stream: case.stream, first: 0, samples };
    std::hint::black_box(case.engine.reverse_kl(how, &case.theta, start).expect("the processor doesn't fail").loss);
}

/// The matrix products of a gradient, and nothing else.
struct Bare {
    products: Vec<[usize; 3]>,
    couplings: usize,
    batch: usize,
    pool: rayon::ThreadPool,
    theta: Vec<f32>,
    grad: Vec<f32>,
    x: Vec<f32>,
    y: Vec<f32>,
    threads: usize,
}

impl Bare {
    fn new(shape: &Shape, batch: usize, threads: usize) -> Self {
        let products = shape.products();
        let largest = products.iter().map(|[outputs, inputs, columns]| outputs.max(inputs) * columns).max();
        let largest = largest.expect("a net has products");
        let parameters = shape.couplings * products.iter().map(|[outputs, inputs, _]| outputs * inputs).sum::<usize>();
        Self {
            couplings: shape.couplings,
            batch,
            pool: rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start"),
            theta: vec![0.01; parameters],
            grad: vec![0.0; parameters],
            x: vec![0.1; largest * batch],
            y: vec![0.0; largest * batch],
            products,
            threads,
        }
    }

    /// Forward products, `vjps` products with the transposed weights, and the weight gradients, coupling by coupling.
    fn gradient(&mut self, vjps: usize) {
        let Self { products, couplings, batch, pool, theta, grad, x, y, threads } = self;
        let threads = Parallelism::Rayon(*threads);
        let maps = || (0..*couplings).flat_map(|_| products.iter().copied());
        pool.install(|| {
            let mut at = 0;
            for [outputs, inputs, columns] in maps() {
                let columns = columns * *batch;
                let w = &theta[at..at + inputs * outputs];
                // y[outputs, columns] = W[outputs, inputs] x
                product([outputs, columns, inputs], y, (w, inputs, 1), (x, columns, 1), threads);
                for _ in 0..vjps {
                    // y = Wᵀ x, in the order that is faster: for few samples yᵀ[columns, inputs] = xᵀ W, which reads W along its rows.
                    match columns <= 128 {
                        true => product([columns, inputs, outputs], y, (x, 1, columns), (w, inputs, 1), threads),
                        false => product([inputs, columns, outputs], y, (w, 1, inputs), (x, columns, 1), threads),
                    }
                }
                // dW[outputs, inputs] = x yᵀ
                product(
                    [outputs, inputs, columns],
                    &mut grad[at..at + inputs * outputs],
                    (x, columns, 1),
                    (y, 1, columns),
                    threads,
                );
                at += inputs * outputs;
            }
        });
    }
}

/// C[m, n] ← A[m, k]·B[k, n], C row-major; A and B with their row and column strides. Computed as Cᵀ = Bᵀ·Aᵀ: the kernels run along
/// columns of their result.
fn product(
    [m, n, k]: [usize; 3],
    c: &mut [f32],
    (a, a_row, a_col): (&[f32], usize, usize),
    (b, b_row, b_col): (&[f32], usize, usize),
    threads: Parallelism,
) {
    assert!(c.len() >= m * n && a.len() >= m * k && b.len() >= k * n, "matrices fit");
    let [n_stride, a_row, a_col, b_row, b_col] = [n, a_row, a_col, b_row, b_col].map(|s| s as isize);
    // SAFETY: the matrices lie within their slices: C is row-major, A and B are dense in one of the two orders.
    unsafe {
        gemm_f32::gemm::f32::get_gemm_fn()(
            n,
            m,
            k,
            c.as_mut_ptr(),
            n_stride,
            1,
            false,
            b.as_ptr(),
            b_row,
            b_col,
            a.as_ptr(),
            a_row,
            a_col,
            0.0,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
