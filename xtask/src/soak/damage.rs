//! Files of a run that are cut, altered, exchanged or gone: one line, or the right result, never another one.

use super::experiment::Experiment;
use super::files::{self, Files};
use super::outcome::Outcome;
use super::program::{Ended, How};
use super::round::Round;
use rand::RngExt;
use std::fs;
use std::path::{Path, PathBuf};
use upg_testkit::left::Left;
use upg_testkit::mutate::Mutator;

/// Damages of each run.
const DAMAGES: usize = 24;

/// What is done with the run that is damaged.
const COMMANDS: [&str; 9] = [
    "train --resume --threads 1 --out RUN",
    "train --resume --threads 1 --out RUN --config CONFIG",
    "evaluate --run RUN --samples 300 --threads 1",
    "sample --run RUN -n 50 --out RUN/x.npy --threads 1",
    "log-prob --run RUN --samples RUN/x.npy --out RUN/l.npy --threads 1",
    "variance --run RUN --repetitions 20 --threads 1",
    "calibrate --run RUN --samples 100 --runs 20 --threads 1",
    "hmc --run RUN --samples 300 --threads 1",
    "report --run RUN",
];

/// Damages a run that has all the files a run may have, again and again.
pub(super) fn round(round: &mut Round<'_>) -> Outcome {
    let experiment = Experiment::with_exact_values(round)?;
    let Some(whole) = experiment.trained(round, "whole", &["--threads", "1"])? else { return Ok(()) };
    let half = (experiment.steps / 2).to_string();
    let Some(_) = experiment.trained(round, "half", &["--threads", "1", "--steps", &half])? else { return Ok(()) };
    for command in &COMMANDS[2..] {
        done(round, command, &experiment, "half", &[0])?;
    }
    if !round.findings.is_empty() {
        return Ok(());
    }
    let healthy = Healthy::of(round, &experiment, whole)?;
    let mut mutator = Mutator::new(round.rng.random());
    for _ in 0..DAMAGES {
        let command = round.rng.random_range(0..COMMANDS.len());
        try_damage(round, &experiment, &healthy, command, &mut mutator)?;
    }
    Ok(())
}

/// What a run that isn't damaged has, and what comes of it.
struct Healthy {
    half: Files,
    whole: Left,
    /// The files after each of the commands.
    after: Vec<Files>,
}

impl Healthy {
    fn of(round: &mut Round<'_>, experiment: &Experiment, whole: Left) -> Outcome<Self> {
        let mut after = vec![];
        for command in COMMANDS {
            files::clear(&experiment.path("tried/run"))?;
            files::copy(&experiment.path("half"), &experiment.path("tried/run"))?;
            done(round, command, experiment, "tried/run", &[0])?;
            after.push(files::read(&experiment.path("tried/run"))?);
        }
        Ok(Self { half: files::read(&experiment.path("half"))?, whole, after })
    }
}

/// Runs one of the commands.
fn done(round: &mut Round<'_>, command: &str, experiment: &Experiment, run: &str, statuses: &[u8]) -> Outcome<Ended> {
    let (run, config) = (experiment.path(run), experiment.path("config.ron"));
    let words = command
        .split(' ')
        .map(|word| word.replace("RUN", &run.to_string_lossy()).replace("CONFIG", &config.to_string_lossy()));
    let command = round.program.upg(&words.collect::<Vec<_>>());
    round.let_end_with(statuses, "a run", command)
}

/// Damages one file of a copy, and has a command work on it.
fn try_damage(
    round: &mut Round<'_>,
    experiment: &Experiment,
    healthy: &Healthy,
    command: usize,
    mutator: &mut Mutator,
) -> Outcome {
    let run = experiment.path("tried/run");
    files::clear(&run)?;
    files::copy(&experiment.path("half"), &run)?;
    let names: Vec<&PathBuf> = healthy.half.keys().collect();
    let name = names[round.rng.random_range(0..names.len())];
    let (how, is_there) = damage(round, healthy, mutator, &run, name)?;
    let found = round.findings.len();
    let ended = done(round, COMMANDS[command], experiment, "tried/run", &[0, 1, 2])?;
    round.count("damages", 1);
    if ended.how == How::Status(0) {
        round.count("damages that did no harm", 1);
        let (files, left) = (files::read(&run)?, Left::of(&run));
        // A report shows what there is.
        if is_there || COMMANDS[command] != "report --run RUN" {
            round.find_if(healthy.difference(command, name, &files, left));
        }
    }
    for finding in &mut round.findings[found..] {
        *finding = format!("{} with {how}: {finding}", COMMANDS[command]);
    }
    if round.findings.len() > found {
        files::keep(&run, &experiment.path(&format!("found{found}")))?;
    }
    Ok(())
}

/// Damages a file; says how, and whether there still is one.
fn damage(
    round: &mut Round<'_>,
    healthy: &Healthy,
    mutator: &mut Mutator,
    run: &Path,
    name: &Path,
) -> Outcome<(String, bool)> {
    let path = run.join(name);
    let shown = name.display();
    match round.rng.random_range(0..10) {
        0 => {
            fs::remove_file(&path)?;
            return Ok((format!("{shown} gone"), false));
        }
        1 => {
            fs::write(&path, "")?;
            return Ok((format!("{shown} empty"), true));
        }
        2 => {
            fs::remove_file(&path)?;
            fs::create_dir(&path)?;
            return Ok((format!("a folder in the place of {shown}"), false));
        }
        _ => {}
    }
    let others: Vec<&[u8]> = healthy.half.values().map(Vec::as_slice).collect();
    let (bytes, how) = mutator.bytes(&healthy.half[name], &others);
    fs::write(&path, bytes)?;
    Ok((format!("{shown} damaged ({how})"), true))
}

/// Files without a checksum: whoever edits them gets what they say. The last is what `log-prob` is given.
const UNSEALED: [&str; 5] = ["config.ron", "metrics.jsonl", "provenance.json", "evaluations.jsonl", "x.npy"];

impl Healthy {
    /// What came of a command that took no notice of a damage, where it isn't what comes of it without one.
    fn difference(&self, command: usize, damaged: &Path, found: &Files, left: Result<Left, String>) -> Option<String> {
        if COMMANDS[command].starts_with("train") {
            return left.map_or_else(Some, |left| self.difference_of_training(damaged, left));
        }
        if UNSEALED.iter().any(|name| damaged.ends_with(name)) {
            return None;
        }
        // Whatever the command wrote anew is as it would have been.
        let written = self.after[command].iter().filter(|(path, content)| self.half.get(*path) != Some(*content));
        let differ = written.filter(|(path, content)| *path != damaged && found.get(*path) != Some(*content));
        let differ: Vec<_> = differ.map(|(path, _)| path.display().to_string()).collect();
        (!differ.is_empty()).then(|| format!("another result in {}", differ.join(", ")))
    }

    /// What a training may not have lost with this file.
    fn difference_of_training(&self, damaged: &Path, left: Left) -> Option<String> {
        let kept = |left: Left| {
            let left = left.but_the_previous();
            match damaged.to_str() {
                Some("metrics.jsonl") => left.but("line "),
                // It says so, and looks for the best weights anew.
                Some("checkpoint.best.safetensors") => left.but("best: ").but("latest: state.progress"),
                _ => left,
            }
        };
        let is_other_run = damaged.ends_with("config.ron");
        if is_other_run { None } else { kept(left).difference(&kept(self.whole.clone())) }
    }
}
