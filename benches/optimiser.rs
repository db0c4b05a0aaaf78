//! How close a step of the optimiser comes to the speed of memory: `cargo bench -p upg-benches --bench optimiser`.
//!
//! In one run, in turn: a step of a rule on 25.6 million parameters (about those of the φ⁴ flow of the paper), and a loop that reads and writes
//! the same arrays and does next to nothing with them: a sum over the gradient g, for its norm, then a ← a + s·g for every array a that the step
//! changes. Both run on all threads. The norm of the gradient alone stands beside the reading of one array.

use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;
use upg_core::device::Average;
use upg_core::vmath::{Kernel, MulAdd, dispatch};
use upg_core::{Cpu, Vectors};
use upg_train::optimiser::{Optimiser, Rule, Update};

const PARAMETERS: usize = 25_600_000;

fn main() {
    let repetitions = std::env::var("UPG_BENCH_REPETITIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(41);
    let threads = rayon::current_num_threads();
    println!(
        "{PARAMETERS} parameters, f32, {threads} threads of the cpu, medians of {repetitions} interleaved repetitions"
    );
    println!("{:>26} {:>10} {:>8} {:>15} {:>8}", "what", "seconds", "GB/s", "yardstick GB/s", "ratio");
    // On a thread of the pool, as in training.
    rayon::scope(|_| {
        let mut bench = Bench::new(repetitions);
        for (name, text) in
            [("Adam", "Adam(rate: 1e-4)"), ("AdamW", "AdamW(rate: 1e-4)"), ("Sgd", "Sgd(rate: 1e-4, momentum: 0.9)")]
        {
            let rule = ron::from_str(text).expect("a rule");
            bench.step(name, rule, Averaging::No);
            bench.step(&format!("{name}, weights averaged"), rule, Averaging::Yes);
        }
        bench.norm();
    });
}

/// Whether the step keeps a moving average of the weights.
#[derive(Clone, Copy, PartialEq)]
enum Averaging {
    Yes,
    No,
}

struct Bench {
    repetitions: usize,
    grad: Vec<f32>,
    theta: Vec<f32>,
    average: Vec<f32>,
    /// The arrays of the yardstick.
    others: [Vec<f32>; 4],
}

impl Bench {
    fn new(repetitions: usize) -> Self {
        let fill = |scale: f32| (0..PARAMETERS).map(|i| scale * ((i * 7919 % 1999) as f32 / 1000.0 - 1.0)).collect();
        let [theta, average] = [fill(1.0), fill(1.0)];
        Self { repetitions, grad: fill(0.01), theta, average, others: std::array::from_fn(|_| fill(1.0)) }
    }

    fn step(&mut self, name: &str, rule: Rule, averaging: Averaging) {
        let device = Cpu::here();
        let mut optimiser = Optimiser::new(&device, rule, PARAMETERS);
        let changed = 1 + rule.moment_names().len() + usize::from(averaging == Averaging::Yes);
        let Self { grad, theta, average, others, .. } = self;
        let step = || {
            let average = (averaging == Averaging::Yes).then_some(Average { theta: average, decay: 0.999 });
            optimiser.step(&device, Update { theta, grad, rate: 1e-4, clip: Some(1.0), average });
        };
        let yardstick = || {
            read(grad);
            yardstick(&mut others[..changed], grad);
        };
        let times = interleaved(self.repetitions, step, yardstick);
        report(name, times, 2 * changed + 2);
    }

    fn norm(&self) {
        let times = interleaved(self.repetitions, || _ = black_box(Cpu::here().norm(&self.grad)), || read(&self.grad));
        report("norm", times, 1);
    }
}

/// Seconds of both, in turn, the first round left out.
fn interleaved(repetitions: usize, mut ours: impl FnMut(), mut yardstick: impl FnMut()) -> [Vec<f64>; 2] {
    let mut times = [vec![], vec![]];
    for repetition in 0..=repetitions {
        for which in [repetition % 2, (repetition + 1) % 2] {
            let start = Instant::now();
            if which == 0 {
                ours()
            } else {
                yardstick()
            }
            if repetition > 0 {
                times[which].push(start.elapsed().as_secs_f64());
            }
        }
    }
    times
}

/// One row; `arrays` is how many times the length of the parameters is read or written. The ratio is paired.
fn report(name: &str, [ours, yardstick]: [Vec<f64>; 2], arrays: usize) {
    let ratio = median(ours.iter().zip(&yardstick).map(|(ours, yardstick)| ours / yardstick).collect());
    let [ours, yardstick] = [ours, yardstick].map(median);
    let gigabytes = (arrays * PARAMETERS * size_of::<f32>()) as f64 / 1e9;
    println!("{name:>26} {ours:>10.5} {:>8.1} {:>15.1} {ratio:>8.3}", gigabytes / ours, gigabytes / yardstick);
}

/// Numbers that a thread of the yardstick takes at a time.
const CHUNK: usize = 1 << 16;

/// Σ g.
fn read(grad: &[f32]) {
    let sum: f32 = grad.par_chunks(CHUNK).map(|grad| dispatch(Sum(grad))).sum();
    black_box(sum);
}

/// a ← a + s·g for every array, all arrays in one pass.
fn yardstick(arrays: &mut [Vec<f32>], grad: &[f32]) {
    match arrays {
        [a, b] => (a.par_chunks_mut(CHUNK), b.par_chunks_mut(CHUNK), grad.par_chunks(CHUNK))
            .into_par_iter()
            .for_each(|(a, b, grad)| dispatch(Triad([a, b], grad))),
        [a, b, c] => {
            (a.par_chunks_mut(CHUNK), b.par_chunks_mut(CHUNK), c.par_chunks_mut(CHUNK), grad.par_chunks(CHUNK))
                .into_par_iter()
                .for_each(|(a, b, c, grad)| dispatch(Triad([a, b, c], grad)))
        }
        [a, b, c, d] => {
            let two = (a.par_chunks_mut(CHUNK), b.par_chunks_mut(CHUNK)).into_par_iter();
            let three = (c.par_chunks_mut(CHUNK), d.par_chunks_mut(CHUNK), grad.par_chunks(CHUNK)).into_par_iter();
            two.zip(three).for_each(|((a, b), (c, d, grad))| dispatch(Triad([a, b, c, d], grad)));
        }
        _ => unreachable!("a step changes two to four arrays"),
    }
}

/// The loop of the yardstick.
struct Triad<'a, const N: usize>([&'a mut [f32]; N], &'a [f32]);

impl<const N: usize> Kernel for Triad<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self(arrays, grad) = self;
        let mut arrays = arrays.map(|array| &mut array[..grad.len()]);
        for (i, &g) in grad.iter().enumerate() {
            for array in &mut arrays {
                array[i] = M::mul_add(1e-6, g, array[i]);
            }
        }
    }
}

/// Σ g in f32, in 64 sums.
struct Sum<'a>(&'a [f32]);

impl Kernel for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<M: MulAdd>(self) -> f32 {
        let mut sums = [0.0; 64];
        for row in self.0.as_chunks::<64>().0 {
            for (sum, g) in sums.iter_mut().zip(row) {
                *sum += g;
            }
        }
        sums.iter().sum()
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
