//! Small nets on every core: training by one thread and by two, in turn: `cargo bench -p upg-benches --bench threads`.
//!
//! Time of `upg train` as the run itself tells it at its last step: from the first checkpoint on, drawing data not counted.

use std::path::Path;
use upg_benches::{median, training_seconds};

/// Experiments, and how many steps are timed.
const EXPERIMENTS: [(&str, u64); 2] = [("phi4_8x2_forward", 600), ("u1_8x8_beta2", 400)];

fn main() {
    let repetitions = std::env::var("UPG_BENCH_REPETITIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(9);
    println!("medians of {repetitions} interleaved repetitions, f32");
    println!("{:>18} {:>7} {:>12} {:>12} {:>8}", "experiment", "steps", "1 thread s", "2 threads s", "ratio");
    for (name, steps) in EXPERIMENTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/{name}.ron"));
        let mut rounds: Vec<[f64; 3]> = (0..=repetitions)
            .map(|_| {
                let [one, two] = [1, 2].map(|threads| training_seconds(&path, steps, Some(threads)));
                [one, two, one / two]
            })
            .collect();
        rounds.remove(0); // warms up
        let [one, two, ratio] = [0, 1, 2].map(|i| median(rounds.iter().map(|round| round[i])));
        println!("{name:>18} {steps:>7} {one:>12.3} {two:>12.3} {ratio:>8.3}");
    }
}
