//! NVIDIA's tools over the smallest work: compute-sanitizer, which finds wrong accesses and races, and ncu, which tells what share of a card a kernel uses.

use super::finding::Findings;
use super::limited::within;
use std::error::Error;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// The tools and how long each may take. racecheck takes more than 45 s of this work on an H200, the others two.
const TOOLS: [(&str, u64); 3] = [("memcheck", 15), ("initcheck", 10), ("racecheck", 25)];

/// memcheck, initcheck, racecheck.
///
/// # Errors
/// The system's, about this program.
pub(super) fn sanitize(findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    for (tool, seconds) in TOOLS {
        match under("compute-sanitizer", &["--tool", tool, "--error-exitcode", "99"], seconds)? {
            Under::Missing => findings.not_run(tool, "compute-sanitizer isn't on the path"),
            Under::TooLong => findings.not_run(tool, format!("not done after {seconds} s")),
            Under::Ended(status, told) => {
                let summary = told.lines().rev().find(|line| line.contains("SUMMARY")).unwrap_or("no summary");
                findings.holds(tool, status.success(), summary.to_owned());
            }
        }
    }
    Ok(())
}

/// Shares of the peak of arithmetic and of memory, kernel by kernel, of the longest.
///
/// # Errors
/// The system's, about this program.
pub(super) fn profile(findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let metrics = "sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed,gpu__time_duration.sum";
    let arguments = ["--clock-control", "none", "--csv", "--metrics", metrics, "--launch-count", "60"];
    match under("ncu", &arguments, 28)? {
        Under::Missing => findings.not_run("ncu", "ncu isn't on the path"),
        Under::TooLong => findings.not_run("ncu", "not done after 28 s"),
        Under::Ended(status, told) if status.success() => {
            for line in told.lines().filter(|line| line.starts_with('"')).skip(1) {
                findings.say("ncu", line);
            }
        }
        Under::Ended(_, told) => {
            findings.not_run("ncu", told.lines().find(|line| line.contains("ERR")).unwrap_or("ncu failed"));
        }
    }
    Ok(())
}

/// What became of the smallest work under a tool.
enum Under {
    /// There is no such tool.
    Missing,
    /// It wasn't done by its limit.
    TooLong,
    /// How it ended, and what the tool told.
    Ended(ExitStatus, String),
}

/// This program at its smallest work under a tool, for so many seconds at most.
fn under(tool: &str, arguments: &[&str], seconds: u64) -> Result<Under, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    // The arguments of this process, with another step.
    let own =
        std::env::args_os().skip(1).map(|argument| if is_tool_step(&argument) { "smallest".into() } else { argument });
    let mut command = Command::new(tool);
    command.args(arguments).arg(program).args(own);
    match within(Duration::from_secs(seconds), command, Stdio::piped()) {
        Ok((Some(status), told)) => Ok(Under::Ended(status, String::from_utf8_lossy(&told).into_owned())),
        Ok((None, _)) => Ok(Under::TooLong),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Under::Missing),
        Err(error) => Err(error.into()),
    }
}

fn is_tool_step(argument: &std::ffi::OsStr) -> bool {
    argument == "sanitizer" || argument == "profile"
}
