//! Small experiments with cheap steps, drawn from many, on which hardly anything is due at the same step as anything else.

use super::files;
use super::outcome::Outcome;
use super::program::{Ended, How};
use super::round::Round;
use rand::RngExt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use upg_core::Rng;
use upg_experiments::io::checkpoint::read_progress;
use upg_testkit::left::Left;

/// A flow and its target.
struct Pair {
    flow: &'static str,
    target: &'static str,
    /// How many times as long a step takes as one of the first.
    cost: u64,
}

const PAIRS: [Pair; 7] = [
    Pair {
        flow: "RealNvp(lattice: [3], couplings: 3, hidden: [5], activation: Softplus, mask: Alternating)",
        target: "Gmm(dim: 3)",
        cost: 1,
    },
    Pair {
        flow: "RealNvp(lattice: [4, 2], couplings: 2, hidden: [6], activation: Tanh, mask: Checkerboard)",
        target: "Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1)",
        cost: 1,
    },
    Pair {
        flow: "Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3])",
        target: "Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1)",
        cost: 1,
    },
    Pair { flow: "Maf(lattice: [4], layers: 2, hidden: [6])", target: "Gmm(dim: 4)", cost: 2 },
    Pair {
        flow: "SplineNvp(lattice: [2], couplings: 2, hidden: [4], bins: 4, interval: 4.0)",
        target: "Gaussian(mean: [0.5, -0.5], covariance: [[1.0, 0.4], [0.4, 0.5]])",
        cost: 2,
    },
    Pair {
        flow: "U1(lattice: [4, 4], layers: 2, mixtures: 2, hidden: [4, 4])",
        target: "U1(lattice: [4, 4], beta: 0.6)",
        cost: 10,
    },
    Pair {
        flow: "Continuous(lattice: [2, 2], field: Shallow(width: 4, times: 2), steps: 2)",
        target: "Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1)",
        cost: 4,
    },
];

const OBJECTIVES: [&str; 7] = [
    "Reverse(Reparam)",
    "Reverse(PathFast)",
    "Reverse(PathTwoPass)",
    "Forward(MaxLikelihood)",
    "Forward(PathFast)",
    "Forward(Gdreg)",
    "Sum(reverse: PathFast, reverse_weight: 0.5, forward: Gdreg, forward_weight: 0.7)",
];

const OPTIMISERS: [&str; 4] =
    ["Adam(rate: 0.003)", "AdamW(rate: 0.003)", "Sgd(rate: 0.0002, momentum: 0.9)", "Sgd(rate: 0.0005)"];

const SCHEDULES: [&str; 4] = [
    "Constant",
    "Cosine(floor: 1e-5)",
    "Plateau(patience: 4, factor: 0.8, watch: LogWeightStd)",
    "Plateau(patience: 9, factor: 0.5)",
];

/// Whatever the rest of a training may say.
const OTHERS: [&str; 5] = ["ema: 0.9, ", "clip: 1.0, ", "warm_up: 9, ", "precision: F64, ", "tensorboard: On, "];

/// A configuration in a folder, trained there under one name or several.
pub(super) struct Experiment {
    folder: PathBuf,
    /// Steps of the whole run.
    pub(super) steps: u64,
}

impl Experiment {
    /// Draws one of about so many steps of the cheapest flow.
    pub(super) fn draw(round: &mut Round<'_>, steps: std::ops::Range<u64>) -> Outcome<Self> {
        let pair = &PAIRS[round.rng.random_range(0..PAIRS.len())];
        let steps = round.rng.random_range(steps) / pair.cost;
        Self::write(round, &config(pair, steps, &mut round.rng.clone()), steps)
    }

    /// One whose exact values are known, and which is soon trained.
    pub(super) fn with_exact_values(round: &mut Round<'_>) -> Outcome<Self> {
        let pair = &PAIRS[[0, 4][round.rng.random_range(0..2)]];
        Self::write(round, &config(pair, 100, &mut round.rng.clone()), 100)
    }

    /// That of a text.
    pub(super) fn write(round: &Round<'_>, config: &str, steps: u64) -> Outcome<Self> {
        let experiment = Self { folder: round.folder.clone(), steps };
        fs::write(experiment.path("config.ron"), config)?;
        Ok(experiment)
    }

    /// A file or a run.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `upg train` in a run's folder.
    pub(super) fn train(&self, round: &Round<'_>, run: &str, more: &[&str]) -> Command {
        let mut command = round.program.upg(&["train", "--config"]);
        command.arg(self.path("config.ron")).arg("--out").arg(self.path(run)).args(more);
        command
    }

    /// Trains without being disturbed; what is left, unless something was found.
    pub(super) fn trained(&self, round: &mut Round<'_>, run: &str, more: &[&str]) -> Outcome<Option<Left>> {
        let ended = round.let_end(self.train(round, run, more))?;
        if diverged(&ended) {
            round.count("trainings that diverged", 1);
            return Ok(None);
        }
        round.find_if(ended.problem(&[0]).map(|problem| format!("{run}: {problem}")));
        if !round.findings.is_empty() {
            return Ok(None);
        }
        let kept = files::temporaries(&files::read(&self.path(run))?);
        if !kept.is_empty() {
            round.find(format!("{run}: left under temporary names: {}", kept.join(", ")));
        }
        round.count("steps", steps_of(&ended));
        match Left::of(&self.path(run)) {
            Ok(left) => Ok(Some(left)),
            Err(problem) => {
                round.find(format!("{run}: {problem}"));
                Ok(None)
            }
        }
    }

    /// The same, and what is left has to be what is expected.
    pub(super) fn trained_as(&self, round: &mut Round<'_>, run: &str, more: &[&str], expected: &Left) -> Outcome {
        if let Some(left) = self.trained(round, run, more)? {
            round.find_if(left.difference(expected).map(|difference| format!("{run}: {difference}")));
        }
        Ok(())
    }
}

/// Whether a training gave up: this happens to those that are drawn, too, and is no loss.
pub(super) fn diverged(ended: &Ended) -> bool {
    ended.how == How::Status(1) && ended.error().contains("(training.abort_after)")
}

/// The steps of a run that is done.
fn steps_of(ended: &Ended) -> u64 {
    ended.stdout.split_once(" steps in ").and_then(|(steps, _)| steps.trim().parse().ok()).unwrap_or(0)
}

/// The step of the latest good checkpoint, if there is one.
///
/// # Errors
/// If the latest checkpoint isn't good: whatever ends a program, one that is there is whole.
pub(super) fn standing(run: &Path) -> Result<Option<u64>, String> {
    let names = ["checkpoint.safetensors", "checkpoint.previous.safetensors"];
    let there = names.map(|name| run.join(name)).into_iter().filter(|path| path.exists());
    let steps = there.map(|path| match read_progress(&path) {
        Ok(Some(progress)) => Ok(progress.step),
        Ok(None) => Err(format!("{}: no progress in it", path.display())),
        Err(error) => Err(error.to_string()),
    });
    Ok(steps.collect::<Result<Vec<_>, _>>()?.into_iter().max())
}

fn config(pair: &Pair, steps: u64, rng: &mut Rng) -> String {
    let mut one = |all: &[&str]| all[rng.random_range(0..all.len())].to_owned();
    let (objective, optimiser, schedule) = (one(&OBJECTIVES), one(&OPTIMISERS), one(&SCHEDULES));
    let others: String = OTHERS.into_iter().filter(|_| rng.random_bool(0.3)).collect();
    let batch = rng.random_range(4..24);
    let [validation, samples, checkpoint, log] = [7..40, 16..80, 3..30, 1..9].map(|range| rng.random_range(range));
    let data = match objective.contains("orward") || rng.random_bool(0.2) {
        true => "\n    data: (train: Draw(70), test: Draw(40), hmc: (chains: 8, warm_up: 5, thin: 2)),",
        false => "",
    };
    let data = if pair.target.starts_with("Phi4") || pair.target.starts_with("U1") {
        data.to_owned()
    } else {
        data.replace(", hmc: (chains: 8, warm_up: 5, thin: 2)", "")
    };
    let seed: u16 = rng.random();
    format!(
        "(\n    flow: {},\n    target: {},\n    training: (\n        steps: {steps}, batch: {batch}, seed: {seed}, objective: {objective}, \
         optimiser: {optimiser}, schedule: {schedule}, {others}\n        validation: (every: {validation}, samples: {samples}), \
         checkpoint: (every: {checkpoint}), log_every: {log},\n    ),{data}\n)\n",
        pair.flow, pair.target
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use upg_core::Streams;
    use upg_experiments::config::Config;

    #[test]
    fn whatever_is_drawn_is_accepted() {
        let mut rng = Streams::new(1).next_stream();
        for n in 0..200 {
            let text = config(&PAIRS[n % PAIRS.len()], 50, &mut rng);
            let config = Config::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            config.build::<f32>().map(drop).unwrap_or_else(|error| panic!("{error:?}: {text}"));
        }
    }
}
