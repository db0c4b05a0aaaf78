//! Starts the steps, each in a process of its own with its time limit, and puts together what they found.

use super::check::{Check, Ended};
use super::finding::{self, Verdict};
use super::limited::within;
use super::page;
use super::steps::{Step, file_of};
use crate::io::console::say;
use crate::io::output::{OutputFile, Provenance};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Makes the steps in the folder `out`: `start` gives the command of one. After each, `gpu-check.json` and `gpu-check.html` are written anew.
///
/// # Errors
/// If the folder can't be written.
pub fn run(
    steps: &[Step],
    emulated: bool,
    out: &Path,
    provenance: &Provenance,
    start: impl Fn(Step) -> Command,
) -> io::Result<Check> {
    std::fs::create_dir_all(out)?;
    for step in Step::ALL {
        // Of a check before this one.
        match std::fs::remove_file(file_of(out, step)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let mut check = Check { provenance: provenance.clone(), emulated, steps: vec![], findings: vec![] };
    for &step in steps {
        let file = file_of(out, step);
        let mut ended =
            if emulated && step.needs_card() { left_out(step) } else { make(step, step.limit(emulated), start(step))? };
        let found = finding::read(&file);
        if let [first, ..] = &found[..]
            && found.iter().all(|finding| finding.verdict == Verdict::NotRun)
        {
            ended.how = format!("not run: {}", first.note);
        }
        say(format_args!("{step}: {} ({:.1} s)", ended.how, ended.seconds));
        for finding in found.iter().filter(|finding| finding.verdict == Verdict::Failed) {
            say(format_args!("  FAILED {}: {:?} {}", finding.name, finding.value, finding.note));
        }
        check.findings.extend(found);
        check.steps.push(ended);
        write(out, &check)?;
    }
    Ok(check)
}

fn left_out(step: Step) -> Ended {
    Ended { step: step.name().into(), how: "left out: it needs a card".into(), seconds: 0.0, passed: true }
}

fn make(step: Step, limit: Duration, command: Command) -> io::Result<Ended> {
    let begin = Instant::now();
    let (how, passed) = match within(limit, command, Stdio::inherit())?.0 {
        None => (format!("ended at its limit of {} s", limit.as_secs()), false),
        Some(status) if status.success() => ("done".into(), true),
        Some(status) if status.code() == Some(1) => ("a finding failed".into(), false),
        Some(status) => (format!("broke off: {status}"), false),
    };
    Ok(Ended { step: step.name().into(), how, seconds: begin.elapsed().as_secs_f64(), passed })
}

fn write(out: &Path, check: &Check) -> io::Result<()> {
    let json = serde_json::to_vec_pretty(check).expect("a check has a text");
    for (name, bytes) in [("gpu-check.json", json), ("gpu-check.html", page::page(check).into_bytes())] {
        let path: PathBuf = out.join(name);
        let file = OutputFile::create(&path).map_err(io::Error::other)?;
        file.commit(&bytes).map_err(io::Error::other)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check of one step whose process is `sh -c SCRIPT`.
    fn check(script: &str) -> Check {
        let folder = tempfile::tempdir().unwrap();
        let provenance = Provenance::new(1, "f32", None, String::new());
        let start = |step: Step| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).env("FINDINGS", file_of(folder.path(), step));
            command
        };
        let check = run(&[Step::Numbers], false, folder.path(), &provenance, start).unwrap();
        assert!(folder.path().join("gpu-check.html").is_file());
        check
    }

    #[test]
    fn a_step_that_fails_or_breaks_off_fails_the_check_and_its_findings_stay() {
        assert!(check("true").passed());
        let finding = r#"{"step":"numbers","name":"a","value":2.0,"unit":"","verdict":"failed","note":""}"#;
        let failed = check(&format!("echo '{finding}' >> $FINDINGS; exit 1"));
        assert!(!failed.passed());
        assert_eq!((&failed.steps[0].how[..], failed.findings.len()), ("a finding failed", 1));
        let broken = check(&format!("echo '{finding}' >> $FINDINGS; printf '{{\"step' >> $FINDINGS; kill -9 $$"));
        assert!(!broken.passed() && broken.steps[0].how.starts_with("broke off"), "{}", broken.steps[0].how);
        assert_eq!(broken.findings.len(), 1, "half a line counts as none");
    }
}
