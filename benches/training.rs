//! The cost of the training loop beside the gradient and the step of the optimiser: `cargo bench -p upg-benches --bench training`.
//!
//! In one run, in turn: `upg train` as users run it (its own folder, metrics, tests, checkpoints, all at their defaults), and a bare loop that
//! computes the same gradients of the same samples and makes the same steps of the optimiser, and nothing else. Time of `upg train` is what the run
//! itself says at its last step: from the first checkpoint on, drawing data not counted.

use std::path::Path;
use std::time::Instant;
use upg_benches::{median, training_seconds};
use upg_core::{Cpu, Engine, Execution, Start};
use upg_experiments::config::{Config, ConfigFile, Model};
use upg_train::Purpose;
use upg_train::method::Method;
use upg_train::optimiser::{Optimiser, Update};

/// Experiments with a single reverse KL, and how many steps are timed.
const EXPERIMENTS: [(&str, u64); 3] = [("u1_8x8_beta2", 1000), ("phi4_16x8_quick", 1000), ("phi4_8x2_reverse", 2000)];

fn main() {
    let repetitions = std::env::var("UPG_BENCH_REPETITIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(9);
    println!("medians of {repetitions} interleaved repetitions, f32, all cores");
    println!(
        "{:>18} {:>6} {:>7} {:>12} {:>12} {:>8}",
        "experiment", "batch", "steps", "bare s", "upg train s", "ratio"
    );
    for (name, steps) in EXPERIMENTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/{name}.ron"));
        let config = ConfigFile::read(&path).unwrap_or_else(|e| panic!("{e}")).config;
        let mut rounds: Vec<[f64; 3]> = (0..=repetitions)
            .map(|_| {
                let bare = bare(&config, steps);
                let loops = training_seconds(&path, steps, None);
                [bare, loops, loops / bare]
            })
            .collect();
        rounds.remove(0); // warms up
        let [bare, loops, ratio] = [0, 1, 2].map(|i| median(rounds.iter().map(|round| round[i])));
        println!("{name:>18} {:>6} {steps:>7} {bare:>12.3} {loops:>12.3} {ratio:>8.3}", config.training.batch);
    }
}

/// Seconds of the gradients and the steps of the optimiser alone.
fn bare(config: &Config, steps: u64) -> f64 {
    let training = &config.training;
    let Model { flow, cut, base, target, .. } = config.build::<f32>().expect("a valid experiment");
    let device = Cpu::<f32>::all_cores();
    let mut engine = Engine::new(device.clone(), flow, base, target, cut);
    let mut theta: Vec<f32> = engine.layout().initialise(&mut Purpose::Weights.streams(training.seed).next_stream());
    let mut optimiser = Optimiser::new(&device, training.optimiser, theta.len());
    let &[(_, Method::Reverse(how))] = &training.objective.terms()[..] else { panic!("a single reverse KL") };
    let begin = Instant::now();
    for step in 0..steps {
        let stream = Purpose::Step(step).samples(training.seed);
        let start = Start::Draw { stream, first: 0, samples: training.batch };
        let grad = engine.reverse_kl(how, &theta, start).expect("the processor doesn't fail").grad;
        let update = Update { theta: &mut theta, grad, rate: training.optimiser.rate(), clip: None, average: None };
        device.install(|| optimiser.step(&device, update));
    }
    begin.elapsed().as_secs_f64()
}
