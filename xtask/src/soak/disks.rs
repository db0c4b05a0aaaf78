//! Disks without room: one line, and what was there is good and goes on when there is room again.

use super::commands::{Attempt, Temporary};
use super::experiment::{Experiment, standing};
use super::files;
use super::outcome::Outcome;
use super::program::{Ended, How, after};
use super::round::Round;
use rand::RngExt;
use std::path::Path;
use std::process::{Command, Stdio};
use upg_testkit::left::Left;

/// Tries for each experiment.
const TRIES: usize = 6;

/// Blocks of 512 bytes that any file may have: what a program says goes to one, too.
const SPOKEN: u64 = 2;

/// A round on a disk that is small, on files that are limited, or without a reader of what is said.
pub(super) fn round(round: &mut Round<'_>) -> Outcome {
    match round.rng.random_range(0..4) {
        0 => commands_with_limits(round),
        1 => full_output(round),
        2 => trainings(round, Small::Disk),
        _ => trainings(round, Small::File),
    }
}

/// What is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Small {
    /// The largest file that may be written, by `ulimit -f`.
    File,
    /// A disk in memory, as small as a run.
    Disk,
}

/// Runs that are half done go on where there is no room, and then where there is.
fn trainings(round: &mut Round<'_>, small: Small) -> Outcome {
    if small == Small::Disk && !has_small_disks() {
        round.leave_out("small disks: this system lets nobody mount one in a namespace of its own (unshare -Urm)");
        return Ok(());
    }
    let experiment = Experiment::draw(round, 200..800)?;
    let Some(expected) = experiment.trained(round, "whole", &["--threads", "1"])? else { return Ok(()) };
    let expected = expected.but_the_previous();
    let half = (experiment.steps / 2).to_string();
    let Some(_) = experiment.trained(round, "half", &["--threads", "1", "--steps", &half])? else { return Ok(()) };
    for number in 0..TRIES {
        let name = format!("run{number}");
        files::copy(&experiment.path("half"), &experiment.path(&name))?;
        go_on_without_room(round, &experiment, &name, small)?;
        go_on_with_room(round, &experiment, &name, &expected)?;
        files::remove(&experiment.path(&name))?;
    }
    Ok(())
}

/// Goes on with less room than it takes, and fails in one line; its latest checkpoint stays.
fn go_on_without_room(round: &mut Round<'_>, experiment: &Experiment, name: &str, small: Small) -> Outcome {
    let run = experiment.path(name);
    let before = standing(&run);
    let ended = match small {
        Small::File => {
            let blocks = round.rng.random_range(SPOKEN..=2 * largest(&run)? / 512);
            let train = experiment.train(round, name, &["--resume", "--threads", "1"]);
            round.let_end(after(&format!("ulimit -f {blocks}"), &train))?
        }
        Small::Disk => {
            let size = (round.rng.random_range(1.0..1.8) * all(&run)? as f64) as u64;
            let disk = experiment.path("disk");
            files::clear(&disk)?;
            let train = experiment.train(round, "disk", &["--resume", "--threads", "1"]);
            round.let_end(on_a_disk(size, &disk, &run, &train))?
        }
    };
    look(round, &ended, small);
    match (before, standing(&run)) {
        (Ok(before), Ok(after)) if after >= before => {}
        (before, after) => round.find(format!("{name}: the checkpoint was of step {before:?}, and is of {after:?}")),
    }
    let left = files::temporaries(&files::read(&run)?);
    if !left.is_empty() {
        round.find(format!("{name}: left under temporary names: {}", left.join(", ")));
    }
    Ok(())
}

fn go_on_with_room(round: &mut Round<'_>, experiment: &Experiment, name: &str, expected: &Left) -> Outcome {
    if round.findings.is_empty()
        && let Some(left) = experiment.trained(round, name, &["--resume", "--threads", "2"])?
    {
        round.find_if(left.but_the_previous().difference(expected).map(|difference| format!("{name}: {difference}")));
    }
    Ok(())
}

/// The status of the disk that could not be made, or had no room for what is there already.
const NO_DISK: u8 = 77;

/// A program that has ended well, or in the line of a full disk.
fn look(round: &mut Round<'_>, ended: &Ended, small: Small) {
    if ended.how == How::Status(NO_DISK) {
        return;
    }
    round.find_if(ended.problem(&[0, 1]));
    if ended.how == How::Status(1) {
        let expected = if small == Small::Disk { "No space left on device" } else { "File too large" };
        if !ended.error().contains(expected) {
            round.find(format!("a full disk isn't what it says: {}", ended.error()));
        }
        round.count("full disks", 1);
    }
}

/// A command on a disk of so many bytes, on which a folder lies meanwhile.
fn on_a_disk(size: u64, disk: &Path, run: &Path, command: &Command) -> Command {
    let script = format!(
        "mount -t tmpfs -o size={} tmpfs \"$DISK\" && cp -a \"$RUN\"/. \"$DISK\" || exit {NO_DISK}; \
         \"$0\" \"$@\"; status=$?; rm -rf \"$RUN\" && cp -a \"$DISK\"/. \"$RUN\" && exit $status",
        size / 1024 * 1024
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).env("DISK", disk).env("RUN", run);
    unshare.arg(command.get_program()).args(command.get_args());
    unshare
}

/// Whether this system lets its users have disks in memory.
fn has_small_disks() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /tmp"]);
    unshare.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}

fn largest(run: &Path) -> Outcome<u64> {
    Ok(files::read(run)?.values().map(|content| content.len() as u64).max().unwrap_or(0))
}

/// Bytes that the files of a folder take on a disk, in pages.
fn all(run: &Path) -> Outcome<u64> {
    Ok(files::read(run)?.values().map(|content| (content.len() as u64).next_multiple_of(4096)).sum())
}

/// Commands that start from a trained flow, with files that are limited.
fn commands_with_limits(round: &mut Round<'_>) -> Outcome {
    let Some(attempt) = Attempt::draw(round)? else { return Ok(()) };
    for _ in 0..TRIES {
        let blocks = round.rng.random_range(SPOKEN..=2 * largest(&attempt.run)? / 512);
        let ended = round.let_end(after(&format!("ulimit -f {blocks}"), &attempt.command(round)))?;
        look(round, &ended, Small::File);
        attempt.look(round, Temporary::Gone)?;
        attempt.begin_anew()?;
    }
    attempt.finish(round)
}

/// Standard output and standard error that nobody can write to: a run is none the worse.
fn full_output(round: &mut Round<'_>) -> Outcome {
    let full = "exec >/dev/full 2>/dev/full";
    if !Path::new("/dev/full").exists() {
        round.leave_out("a full standard output: this system has no /dev/full");
        return Ok(());
    }
    let experiment = Experiment::draw(round, 200..600)?;
    let Some(expected) = experiment.trained(round, "whole", &["--threads", "1"])? else { return Ok(()) };
    let half = (experiment.steps / 2).to_string();
    for more in [&["--threads", "1", "--steps", &half][..], &["--resume", "--threads", "2"]] {
        let ended = round.let_end(after(full, &experiment.train(round, "run", more)))?;
        // The line with its result is what a full output loses.
        if !matches!(ended.how, How::Status(0 | 1)) {
            round.find_if(ended.problem(&[0, 1]));
        }
        round.count("full outputs", 1);
    }
    experiment.trained_as(round, "run", &["--resume"], &expected)
}
