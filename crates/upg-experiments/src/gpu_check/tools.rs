//! NVIDIA's tools over the smallest work: compute-sanitizer, which finds wrong accesses and races, and ncu, which tells what share of a card a kernel uses.

use super::finding::Findings;
use std::error::Error;
use std::process::{Command, Output, Stdio};

/// memcheck, racecheck, initcheck.
///
/// # Errors
/// The system's, about this program.
pub(super) fn sanitize(findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    for tool in ["memcheck", "racecheck", "initcheck"] {
        let Some(output) = under("compute-sanitizer", &["--tool", tool, "--error-exitcode", "99"])? else {
            findings.not_run(tool, "compute-sanitizer isn't on the path");
            continue;
        };
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let summary = told.lines().rev().find(|line| line.contains("SUMMARY")).unwrap_or("no summary").to_owned();
        findings.holds(tool, output.status.success(), summary);
    }
    Ok(())
}

/// Shares of the peak of arithmetic and of memory, kernel by kernel, of the longest.
///
/// # Errors
/// The system's, about this program.
pub(super) fn profile(findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let metrics = "sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed,gpu__time_duration.sum";
    let Some(output) = under("ncu", &["--csv", "--metrics", metrics, "--launch-count", "400"])? else {
        findings.not_run("ncu", "ncu isn't on the path");
        return Ok(());
    };
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        findings.not_run("ncu", told.lines().find(|line| line.contains("ERR")).unwrap_or("ncu failed"));
        return Ok(());
    }
    for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with('"')).skip(1) {
        findings.say("ncu", line);
    }
    Ok(())
}

/// This program at its smallest work under a tool; none if there is no such tool.
fn under(tool: &str, arguments: &[&str]) -> Result<Option<Output>, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    // The arguments of this process, with another step.
    let own =
        std::env::args_os().skip(1).map(|argument| if is_tool_step(&argument) { "smallest".into() } else { argument });
    let run = Command::new(tool).args(arguments).arg(program).args(own).stdin(Stdio::null()).output();
    match run {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_tool_step(argument: &std::ffi::OsStr) -> bool {
    argument == "sanitizer" || argument == "profile"
}
