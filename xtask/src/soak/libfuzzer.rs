//! Every loader against libFuzzer, which sees what its input makes it do: the programs of `cargo fuzz build`, where they are there.

use super::files;
use super::outcome::Outcome;
use super::program::How;
use super::round::Round;
use rand::RngExt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use upg_fuzz::loaders::{LOADERS, Loader};
use upg_fuzz::repository;

/// Loaders in a round, and how long each is tried.
const LOADERS_OF_ROUND: usize = 3;
const SECONDS: u64 = 10;

/// Some loaders.
pub(super) fn round(round: &mut Round<'_>) -> Outcome {
    for _ in 0..LOADERS_OF_ROUND {
        let loader = &LOADERS[round.rng.random_range(0..LOADERS.len())];
        match program(loader) {
            Some(program) => fuzz(round, loader, &program)?,
            None => {
                round.leave_out(format!("{} against libFuzzer: its program isn't built, fuzz/README.md", loader.name))
            }
        }
    }
    Ok(())
}

/// The program of a loader, by the name of the platform in its path.
fn program(loader: &Loader) -> Option<PathBuf> {
    let platforms = repository().join("fuzz/target").read_dir().into_iter().flatten().flatten();
    let programs = platforms.map(|platform| platform.path().join("release").join(loader.name));
    // One of the same name without a fuzzer in it isn't of a platform's folder.
    programs
        .filter(|path| path.ancestors().nth(2).is_some_and(|platform| platform.to_string_lossy().contains('-')))
        .find(|path| path.is_file())
}

fn fuzz(round: &mut Round<'_>, loader: &Loader, program: &Path) -> Outcome {
    let corpus = repository().join("fuzz/corpus").join(loader.name);
    fs::create_dir_all(&corpus)?;
    for (number, seed) in (loader.seeds)().iter().enumerate() {
        fs::write(corpus.join(format!("seed{number}")), seed)?;
    }
    let artifacts = round.folder.join(loader.name);
    files::clear(&artifacts)?;
    let mut command = Command::new(program);
    command.arg(&corpus).arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args([
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-malloc_limit_mb=1024",
        "-print_final_stats=1",
        "-close_fd_mask=1",
    ]);
    command.arg(format!("-max_total_time={SECONDS}")).arg(format!("-seed={}", round.rng.random_range(1..i32::MAX)));
    let ended = round.start(command)?.wait(Duration::from_secs(SECONDS + 120), round.stop)?;
    let executions = ended.stderr.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let executions = executions.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
    round.count("executions", executions);
    round.count(&format!("executions of {} by libFuzzer", loader.name), executions);
    if ended.how != How::Status(0) {
        let why =
            ended.stderr.lines().find(|line| line.contains("panicked") || line.contains("ERROR")).unwrap_or_default();
        let kept = artifacts.read_dir()?.flatten().map(|entry| entry.path().display().to_string());
        round.find(format!(
            "{}: {:?}, {why}; the file is {}",
            loader.name,
            ended.how,
            kept.collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(())
}
