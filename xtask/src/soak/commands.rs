//! The commands that start from a trained flow: each leaves its files of before or those it was to write, whole.

use super::experiment::Experiment;
use super::files::{self, Files};
use super::outcome::Outcome;
use super::program::How;
use super::round::Round;
use rand::RngExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Numbers that go before the samples they are of are replaced: ended in that moment, the samples are there alone.
const OF_SAMPLES: &str = "hmc/hmc.json";

/// Lines that are added one by one.
const LINES: &str = "evaluations.jsonl";

/// The seed of the files that are to take the place of those of seed 1; calibrations of both have no evaluation in common.
const NEW: u64 = 5000;

/// A command that makes files of one seed in the place of those of another.
pub(super) struct Attempt {
    arguments: Vec<String>,
    /// The folder of the run it works on.
    pub(super) run: PathBuf,
    /// The same run before.
    before: PathBuf,
    old: Files,
    new: Files,
    /// How long it takes if it is left alone.
    pub(super) seconds: Duration,
}

/// Whether files under temporary names may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temporary {
    MayStay,
    Gone,
}

/// Draws a command: its arguments but for the folder of the run, in the place of `RUN`, and the seed, in that of `SEED`.
fn draw(round: &mut Round<'_>) -> String {
    let samples = round.rng.random_range(200..20_000);
    let run = "--run RUN --seed SEED --threads 1";
    match round.rng.random_range(0..6) {
        0 => format!("evaluate {run} --samples {samples}"),
        1 => format!("sample {run} -n {samples} --out RUN/x.npy --log-weights RUN/w.npy"),
        2 => format!("sample {run} -n {samples} --out RUN/x.npy --metropolis"),
        3 => format!("hmc {run} --samples {samples}"),
        4 => format!("variance {run} --repetitions {}", samples.clamp(20, 300)),
        _ => format!("calibrate {run} --samples 100,200 --runs {}", samples.clamp(10, 100)),
    }
}

fn with(command: &str, run: &Path, seed: u64) -> Vec<String> {
    let run = run.to_string_lossy();
    command.split(' ').map(|word| word.replace("RUN", &run).replace("SEED", &seed.to_string())).collect()
}

impl Attempt {
    /// Trains a flow and draws a command; none if something was found already.
    pub(super) fn draw(round: &mut Round<'_>) -> Outcome<Option<Self>> {
        let experiment = Experiment::with_exact_values(round)?;
        let Some(_) = experiment.trained(round, "run", &["--threads", "1"])? else { return Ok(None) };
        // All in one folder, since pages name it.
        let (command, run, before) = (draw(round), experiment.path("run"), experiment.path("before"));
        let done = |round: &mut Round<'_>, seed| {
            let command = round.program.upg(&with(&command, &run, seed));
            round.let_end_with(&[0], "undisturbed", command)
        };
        done(round, 1)?;
        files::copy(&run, &before)?;
        let begun = Instant::now();
        done(round, NEW)?;
        let seconds = begun.elapsed();
        let (old, new) = (files::read(&before)?, files::read(&run)?);
        let attempt = Self { arguments: with(&command, &run, NEW), run, before, old, new, seconds };
        attempt.begin_anew()?;
        Ok(round.findings.is_empty().then_some(attempt))
    }

    /// Puts the files of before in their place.
    pub(super) fn begin_anew(&self) -> Outcome {
        files::clear(&self.run)?;
        Ok(files::copy(&self.before, &self.run)?)
    }

    /// The command, not yet started.
    pub(super) fn command(&self, round: &Round<'_>) -> Command {
        round.program.upg(&self.arguments)
    }

    /// Every file is that of before or the one that was to be written.
    pub(super) fn look(&self, round: &mut Round<'_>, temporary: Temporary) -> Outcome {
        let found = files::read(&self.run)?;
        let left = files::temporaries(&found);
        if temporary == Temporary::Gone && !left.is_empty() {
            round.find(format!("{}: left under temporary names: {}", self.arguments[0], left.join(", ")));
        }
        let lost = self.old.keys().filter(|path| !found.contains_key(*path) && !path.ends_with(OF_SAMPLES));
        let lost: Vec<_> = lost.map(|path| path.display().to_string()).collect();
        if !lost.is_empty() {
            round.find(format!("{}: lost: {}", self.arguments[0], lost.join(", ")));
        }
        for (path, content) in found.iter().filter(|(path, _)| path.extension().is_none_or(|end| end != "tmp")) {
            if path.ends_with(LINES) {
                continue; // the evaluations so far; all of them are there at the end
            }
            let is_known = [&self.old, &self.new].iter().any(|files| files.get(path) == Some(content));
            if !is_known {
                let path = path.display();
                round.find(format!("{}: {path} is neither that of before nor that of after", self.arguments[0]));
            }
        }
        Ok(())
    }

    /// Lets it come to its end: all files are those of an undisturbed one.
    pub(super) fn finish(&self, round: &mut Round<'_>) -> Outcome {
        let ended = round.let_end_with(&[0], "after all", self.command(round))?;
        if ended.how != How::Status(0) {
            return Ok(());
        }
        let found = files::read(&self.run)?;
        let differ = |path: &&PathBuf| found.get(*path) != self.new.get(*path);
        let all: std::collections::BTreeSet<_> = found.keys().chain(self.new.keys()).collect();
        let differ: Vec<_> = all.iter().copied().filter(differ).map(|path| path.display().to_string()).collect();
        if !differ.is_empty() {
            round.find(format!("{}: not as undisturbed: {}", self.arguments[0], differ.join(", ")));
        }
        Ok(())
    }
}
