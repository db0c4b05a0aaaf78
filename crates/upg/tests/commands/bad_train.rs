//! Wrong input of `upg train` and of what works on its runs: one clear line first, exit status 2, and nothing written.

mod arguments;
mod config;
mod data;
mod folder;

use crate::support::{Experiment, errors};
use std::fs;
use std::process::Output;

/// Every field of the sections `training`, `data` and `evaluation`.
const GOOD: &str = "(
    flow: RealNvp(lattice: [4, 2], couplings: 2, hidden: [6], activation: Tanh, mask: Checkerboard),
    target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 6,
        batch: 16,
        seed: 3,
        precision: F32,
        objective: Sum(reverse: PathFast, reverse_weight: 0.5, forward: Gdreg, forward_weight: 0.75),
        optimiser: AdamW(rate: 0.001, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.01),
        schedule: Plateau(patience: 3, threshold: 1e-3, factor: 0.5, floor: 1e-5, watch: Loss),
        warm_up: 2,
        clip: 1.0,
        ema: 0.75,
        anneal: Kappa(from: 0.1, steps: 4, shape: Linear),
        validation: (every: 3, samples: 32),
        checkpoint: (every: 2, minutes: 5.0),
        log_every: 1,
        abort_after: 5,
        tensorboard: Off,
    ),
    data: (train: Draw(40), test: Draw(30), hmc: (chains: 8, warm_up: 5, thin: 1, length: 1.0)),
    evaluation: (samples: 200, blocks: 10),
)";

/// A refusal: status 2, a single line on standard error, nothing on standard output. Returns the line without `error: `.
#[track_caller]
fn refusal(output: &Output, what: &str) -> String {
    assert_eq!(output.status.code(), Some(2), "{what}: {}", errors(output));
    assert!(output.stdout.is_empty(), "{what}");
    let said = errors(output);
    let line =
        said.strip_prefix("error: ").and_then(|line| line.strip_suffix('\n')).unwrap_or_else(|| panic!("{said}"));
    assert!(!line.contains('\n'), "{what}: {line}");
    line.to_owned()
}

#[track_caller]
fn assert_holds(line: &str, fragments: &[&str]) {
    for fragment in fragments {
        assert!(line.contains(fragment), "`{line}` should contain `{fragment}`");
    }
}

/// A trained run beside a file and a folder of somebody else's.
fn trained() -> Experiment {
    let experiment = Experiment::new(&GOOD.replace("        ema: 0.75,\n", ""));
    experiment.trained("run", &[]);
    fs::write(experiment.path("file"), "mine").unwrap();
    experiment
}
