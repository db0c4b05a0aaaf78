//! Nothing is lost: a run that was killed, interrupted, damaged or out of disk space goes on bit for bit as if nothing had been.
//! What has to be equal is in [`upg_testkit::left`].

mod damaged;
mod full_disk;
mod killed;
mod stopped;

use crate::support::{Content, Experiment, files};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use upg_testkit::left::Left;

/// An average, a coupling that moves, a rate that falls; hardly anything is due at the same step as anything else.
const GAUGE: &str = "(
    flow: U1(lattice: [4, 4], layers: 2, mixtures: 2, hidden: [8, 8]),
    target: U1(lattice: [4, 4], beta: 0.6),
    training: (
        steps: 120, batch: 24, seed: 3, ema: 0.9, anneal: Beta(from: 0.2, steps: 30, shape: Cosine),
        optimiser: Adam(rate: 0.01),
        schedule: Cosine(floor: 1e-5), validation: (every: 11, samples: 512, keep: Last), checkpoint: (every: 7), log_every: 3,
    ),
)";

/// Both divergences, data by HMC, a rate that is lowered when the weights stop getting better, gradients that are clipped.
const BOTH: &str = "(
    flow: RealNvp(lattice: [4, 2], couplings: 2, hidden: [6], activation: Tanh, mask: Checkerboard),
    target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 130, batch: 20, seed: 6, clip: 2.0, warm_up: 9, optimiser: AdamW(rate: 0.01),
        objective: Sum(reverse: PathFast, reverse_weight: 0.5, forward: Gdreg, forward_weight: 0.7),
        schedule: Plateau(patience: 4, factor: 0.8, watch: LogWeightStd),
        validation: (every: 13, samples: 50), checkpoint: (every: 5), log_every: 2,
    ),
    data: (train: Draw(70), test: Draw(40), hmc: (chains: 8, warm_up: 5, thin: 2)),
)";

/// Data alone, in double precision, an optimiser with a single moment, and event files.
const DATA: &str = "(
    flow: RealNvp(lattice: [3], couplings: 3, hidden: [5], activation: Softplus, mask: Alternating),
    target: Gmm(dim: 3),
    training: (
        steps: 110, batch: 16, seed: 7, precision: F64, objective: Forward(PathFast), tensorboard: On,
        optimiser: Sgd(rate: 0.01, momentum: 0.9), validation: (every: 17, samples: 32), checkpoint: (every: 4),
        log_every: 1, clip: 1.0,
    ),
    data: (train: Draw(50), test: Draw(40)),
)";

/// A run that only ends if it is told to.
const ENDLESS: &str = "(
    flow: Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3]),
    target: Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 1000000000, batch: 16, ema: 0.5, optimiser: AdamW(rate: 0.001),
        validation: (every: 1000, samples: 16), checkpoint: (every: 1000000), log_every: 20,
    ),
)";

/// What a run left.
#[track_caller]
fn left(run: &Path) -> Left {
    Left::of(run).unwrap()
}

/// The arguments of session number `session`: to go on, with another number of threads than before.
fn go_on(session: usize) -> [&'static str; 3] {
    ["--resume", "--threads", ["1", "2", "3"][session % 3]]
}

/// A program that is killed if the test ends before it does.
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Whether it has come to its end.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Sends a signal, e.g. `TERM`.
    pub fn send(&self, signal: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.0.id())]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub fn output(mut self) -> Output {
        let mut stderr = vec![];
        self.0.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Output { status: self.0.wait().unwrap(), stdout: vec![], stderr }
    }

    /// Waits until something is so, or the program has ended.
    pub fn wait_until(&mut self, mut so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !so() && !self.has_ended() {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited too long");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An experiment with a run `half` that has made 66 of 88 steps, its last two checkpoints after 63 and 66.
fn half_done() -> (Experiment, Left) {
    let experiment = Experiment::new(GAUGE);
    experiment.trained("whole", &["--steps", "88"]);
    experiment.trained("half", &["--steps", "66"]);
    let expected = left(&experiment.path("whole"));
    (experiment, expected)
}

/// A copy of the run `half`.
fn copy_of_half(experiment: &Experiment, name: &str) {
    fs::create_dir(experiment.path(name)).unwrap();
    for (path, Content(bytes)) in files(&experiment.path("half")) {
        fs::write(experiment.path(name).join(path.file_name().unwrap()), bytes).unwrap();
    }
}
