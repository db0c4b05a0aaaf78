//! Programs that are ended at any moment: a training then goes on bit for bit as if nothing had been, and any other command leaves the files of before or
//! those it was to write, whole.

use super::commands::{self, Attempt};
use super::experiment::{Experiment, standing};
use super::files;
use super::outcome::{LONGEST, Outcome};
use super::program::{Ended, How, Running};
use super::round::Round;
use rand::RngExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use upg_experiments::io::metrics::lines_up_to;

/// How a program is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By SIGKILL, which it doesn't hear.
    Kill,
    /// By a signal that it may answer.
    Signal,
}

/// The signals that ask for an end, with their numbers.
const SIGNALS: [(&str, i32); 3] = [("INT", 2), ("TERM", 15), ("HUP", 1)];

/// A round of trainings, or now and then of other commands.
pub(super) fn round(round: &mut Round<'_>, way: Way) -> Outcome {
    match round.rng.random_bool(0.7) {
        true => trainings(round, way),
        false => commands(round, way),
    }
}

/// Of every experiment.
const ENDS: u64 = 25;

/// Ends a run again and again; when it comes to its end nevertheless, begins another one until there were enough.
fn trainings(round: &mut Round<'_>, way: Way) -> Outcome {
    let experiment = Experiment::draw(round, 300..2500)?;
    let begun = Instant::now();
    let Some(expected) = experiment.trained(round, "whole", &["--threads", "1"])? else { return Ok(()) };
    let longest = begun.elapsed().mul_f64(0.4);
    let mut ends = 0;
    for number in 0.. {
        let name = format!("run{number}");
        let mut run = Run { experiment: &experiment, name: &name, steps: None, sessions: 0 };
        while ends < ENDS && run.disturb(round, way, longest)? {
            ends += 1;
        }
        experiment.trained_as(round, &name, &run.go_on(), &expected)?;
        if ends >= ENDS || !round.findings.is_empty() {
            return Ok(());
        }
        files::remove(&experiment.path(&name))?;
    }
    Ok(())
}

/// A run that is ended again and again.
struct Run<'a> {
    experiment: &'a Experiment,
    name: &'a str,
    /// The step of the latest checkpoint seen.
    steps: Option<u64>,
    sessions: usize,
}

impl Run<'_> {
    /// The arguments of the next session: with another number of threads than before.
    fn go_on(&self) -> [&'static str; 3] {
        ["--resume", "--threads", ["1", "2", "3"][self.sessions % 3]]
    }

    /// Goes on and is ended; whether it hadn't come to its end, and all is as it has to be.
    fn disturb(&mut self, round: &mut Round<'_>, way: Way, longest: Duration) -> Outcome<bool> {
        let folder = self.experiment.path(self.name);
        let mut running = round.start(self.experiment.train(round, self.name, &self.go_on()))?;
        wait_for_moment(round, &mut running, &folder, longest)?;
        self.sessions += 1;
        let (was_disturbed, problem) = end(round, running, way)?;
        round.find_if(problem);
        self.look(round, &folder);
        Ok(was_disturbed && round.findings.is_empty())
    }

    /// Once there is a checkpoint there always is one, never an earlier one, and the metrics of its steps are on the disk.
    fn look(&mut self, round: &mut Round<'_>, folder: &Path) {
        match standing(folder) {
            Err(problem) => round.find(problem),
            Ok(now) if now < self.steps => {
                round.find(format!("{}: a checkpoint of step {:?}, after one of {:?}", self.name, now, self.steps));
            }
            Ok(None) => round.count("before the first checkpoint", 1),
            Ok(Some(step)) => {
                self.steps = Some(step);
                round.find_if(lost_metrics(folder, &self.experiment.path("whole"), step));
            }
        }
        round.count("while a file was written", u64::from(files::is_writing(folder)));
    }
}

/// What is lost of the metrics up to a step, held against the run that was never stopped.
fn lost_metrics(run: &Path, whole: &Path, step: u64) -> Option<String> {
    let kept = |run: &Path| {
        let text = std::fs::read(run.join("metrics.jsonl")).unwrap_or_default();
        lines_up_to(&text, step).kept.split_inclusive(|&byte| byte == b'\n').count()
    };
    let (found, expected) = (kept(run), kept(whole));
    let lost = || format!("{}: {found} of {expected} lines of metrics up to step {step}", run.display());
    (found != expected).then(lost)
}

/// Waits for the moment at which a program is to be ended: after some time, and now and then then as soon as a file is being written.
fn wait_for_moment(round: &mut Round<'_>, running: &mut Running, folder: &Path, longest: Duration) -> Outcome {
    let delay = longest.mul_f64(round.rng.random());
    match round.rng.random_range(0..8) {
        0 => running.wait_until(round.stop, || folder.join("config.ron").exists()),
        1..4 => {
            sleep(delay);
            running.wait_until(round.stop, || files::is_writing(folder))
        }
        _ => {
            sleep(delay);
            Ok(())
        }
    }
}

/// Ends a program; whether it hadn't come to its end, and what isn't as it has to be.
fn end(round: &mut Round<'_>, mut running: Running, way: Way) -> Outcome<(bool, Option<String>)> {
    if way == Way::Kill {
        let ended = running.kill()?;
        let was_disturbed = ended.how == How::Signal(9);
        round.count("kills", u64::from(was_disturbed));
        return Ok((was_disturbed, if was_disturbed { None } else { ended.problem(&[0]) }));
    }
    let (signal, number) = round.pick(&SIGNALS);
    running.send(signal)?;
    if round.rng.random_bool(0.2) {
        running.send(round.pick(&SIGNALS).0)?; // so soon that it is the same request
    }
    let ended = running.wait(LONGEST, round.stop)?;
    let was_disturbed = ended.how != How::Status(0);
    round.count("signals", u64::from(was_disturbed));
    let is_default = |&(_, number): &(&str, i32)| ended.how == How::Signal(number);
    let problem = match SIGNALS.iter().any(is_default) {
        true => None, // before it listened, or it isn't a training
        false => ended.problem(&[0, 1]).or_else(|| wrong_answer(&ended, number)),
    };
    Ok((was_disturbed, problem))
}

/// What isn't right about the answer of a training to a signal.
fn wrong_answer(ended: &Ended, number: i32) -> Option<String> {
    let said = ended.stderr.lines().any(|line| {
        line.starts_with("stopped by SIG")
            && (line.contains(": all is saved, --resume") || line.ends_with("before the first step: nothing is lost"))
    });
    let wrong = ended.how == How::Status(1) && !said;
    wrong.then(|| format!("signal {number} isn't answered: {}", ended.stderr.lines().last().unwrap_or_default()))
}

/// Ends another command again and again, then lets it be.
fn commands(round: &mut Round<'_>, way: Way) -> Outcome {
    let Some(attempt) = Attempt::draw(round)? else { return Ok(()) };
    for _ in 0..ENDS {
        let mut running = round.start(attempt.command(round))?;
        let longest = attempt.seconds.mul_f64(1.2);
        let delay = longest.mul_f64(round.rng.random());
        sleep(delay);
        if round.rng.random_bool(0.3) {
            running.wait_until(round.stop, || files::is_writing(&attempt.run))?;
        }
        let (was_disturbed, problem) = end(round, running, way)?;
        round.find_if(problem);
        let kept = if way == Way::Kill { commands::Temporary::MayStay } else { commands::Temporary::Gone };
        attempt.look(round, kept)?;
        if !was_disturbed {
            attempt.begin_anew()?;
        }
        if !round.findings.is_empty() {
            return Ok(());
        }
    }
    attempt.finish(round)
}
