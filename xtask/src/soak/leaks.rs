//! Memory and open files of programs that go on for long: they stay what they were after the first tenth.

use super::experiment::{Experiment, diverged, standing};
use super::outcome::Outcome;
use super::program::Running;
use super::round::Round;
use rand::RngExt;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Resident memory may grow by so much between the first quarter and the last: what an allocator keeps for later.
const MOST_GROWTH: u64 = 4 << 20;

/// A calibration holds the numbers of each of its evaluations until it has made its tables.
const HELD_OF_EVALUATION: u64 = 3 << 10;

/// How long a program may go on.
const LONGEST: Duration = Duration::from_secs(180);

/// A round: a long training, or many evaluations in one process.
pub(super) fn round(round: &mut Round<'_>) -> Outcome {
    if !std::path::Path::new("/proc/self/statm").exists() {
        round.leave_out("leaks: this system doesn't tell the memory of a process in /proc");
        return Ok(());
    }
    match round.rng.random_bool(0.6) {
        true => training(round),
        false => evaluations(round),
    }
}

fn training(round: &mut Round<'_>) -> Outcome {
    let experiment = Experiment::draw(round, 20_000..60_000)?;
    let train = experiment.train(round, "run", &["--threads", "1"]);
    watch(round, train, "a long training", MOST_GROWTH)?;
    round.count("steps", standing(&experiment.path("run")).ok().flatten().unwrap_or(0));
    Ok(())
}

fn evaluations(round: &mut Round<'_>) -> Outcome {
    let experiment = Experiment::with_exact_values(round)?;
    let Some(_) = experiment.trained(round, "run", &["--threads", "1"])? else { return Ok(()) };
    let runs: u32 = round.rng.random_range(2000..6000);
    let mut calibrate = round.program.upg(&["calibrate", "--samples", "100", "--threads", "1", "--runs"]);
    calibrate.arg(runs.to_string()).arg("--run").arg(experiment.path("run"));
    watch(round, calibrate, "many evaluations", MOST_GROWTH + HELD_OF_EVALUATION * u64::from(runs))?;
    let lines = fs::read_to_string(experiment.path("run/calibration/evaluations.jsonl"))?;
    round.count("evaluations", lines.lines().skip(1).count() as u64); // below the heading
    Ok(())
}

/// What a process has at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    /// Bytes in memory.
    resident: u64,
    /// Open files.
    files: usize,
}

/// Looks at a program again and again until its end.
fn watch(round: &mut Round<'_>, command: Command, what: &str, most: u64) -> Outcome {
    let mut running = round.start(command)?;
    let (begun, mut seen) = (Instant::now(), vec![]);
    while !running.has_ended()? && begun.elapsed() < LONGEST {
        round.go_on()?;
        seen.extend(held(&running));
        sleep(Duration::from_millis(20));
    }
    // On a busy machine it may not come to its end; what was seen of it counts.
    if running.has_ended()? {
        let ended = running.wait(LONGEST, round.stop)?;
        let accepted: &[u8] = if diverged(&ended) { &[1] } else { &[0] };
        round.find_if(ended.problem(accepted).map(|problem| format!("{what}: {problem}")));
    }
    round.count("looks at memory", seen.len() as u64);
    round.find_if(growth(&seen, most).map(|growth| format!("{what}: {growth}")));
    Ok(())
}

fn held(running: &Running) -> Option<Held> {
    let process = format!("/proc/{}", running.id());
    let pages = fs::read_to_string(format!("{process}/statm")).ok()?.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    let files = fs::read_dir(format!("{process}/fd")).ok()?.count();
    (pages > 0).then_some(Held { resident: pages * 4096, files })
}

/// What grew between the first quarter, but for its beginning, and the last.
fn growth(seen: &[Held], most_growth: u64) -> Option<String> {
    let quarter = seen.len() / 4;
    if quarter < 4 {
        return None;
    }
    let most = |seen: &[Held]| Held {
        resident: seen.iter().map(|held| held.resident).max().unwrap_or(0),
        files: seen.iter().map(|held| held.files).max().unwrap_or(0),
    };
    let (first, last) = (most(&seen[seen.len() / 10..quarter]), most(&seen[seen.len() - quarter..]));
    if last.resident > first.resident + most_growth {
        return Some(format!("memory grew from {} to {} bytes", first.resident, last.resident));
    }
    (last.files > first.files).then(|| format!("open files grew from {} to {}", first.files, last.files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_found() {
        let seen = |resident: fn(u64) -> u64, files: fn(u64) -> u64| {
            (0..100).map(|n| Held { resident: resident(n), files: files(n) as usize }).collect::<Vec<_>>()
        };
        assert_eq!(growth(&seen(|n| (20 << 20) + (n % 7) * 4096, |n| 9 + n % 2), MOST_GROWTH), None);
        assert!(growth(&seen(|n| (20 << 20) + n * (1 << 17), |_| 9), MOST_GROWTH).unwrap().contains("memory grew"));
        assert!(
            growth(&seen(|_| 20 << 20, |n| 9 + n / 30), MOST_GROWTH).unwrap().contains("open files grew from 9 to 12")
        );
        assert_eq!(
            growth(&seen(|n| if n < 5 { 0 } else { 20 << 20 }, |_| 9), MOST_GROWTH),
            None,
            "a beginning is no leak"
        );
    }
}
