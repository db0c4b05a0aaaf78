//! The same work in PyTorch on the same card: `peer.py` beside the program, run by whatever Python there is.

use super::finding::Findings;
use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

/// The script.
pub(super) const SCRIPT: &str = include_str!("peer.py");

/// Times of the reference's way to the same gradients.
///
/// # Errors
/// The system's, about the script's file.
pub(super) fn measure(out: &Path, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let script = out.join("peer.py");
    std::fs::write(&script, SCRIPT)?;
    let output = Command::new("python3").arg(&script).stdin(Stdio::null()).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            findings.not_run("PyTorch", format!("python3: {error}"));
            return Ok(());
        }
    };
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        findings.not_run("PyTorch", told.lines().last().unwrap_or("python3 failed"));
        return Ok(());
    }
    // One line each: name, tab, milliseconds.
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.split_once('\t').and_then(|(name, value)| Some((name, value.parse().ok()?))) {
            Some((name, value)) => findings.figure(name, value, "ms"),
            None => findings.say("PyTorch", line),
        }
    }
    Ok(())
}
