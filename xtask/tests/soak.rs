//! A soak of some seconds: it finds nothing in a program that loses nothing, goes on where it was, and finds what another one loses.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// `cargo xtask soak` in a folder.
fn soak(out: &Path, arguments: &[&str]) -> Output {
    Command::new(XTASK).arg("soak").arg("--out").arg(out).args(arguments).output().expect("it starts")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The lines of the ledger.
fn ledger(out: &Path) -> Vec<String> {
    let text = fs::read_to_string(out.join("ledger.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A program that does something to the folder of a run, `$run`, that it is to go on with, and then what `upg` does.
fn faulty(folder: &Path, does: &str) -> PathBuf {
    let path = folder.join("faulty");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--resume*) run=$(echo \"$*\" | sed 's/.*--out //; s/ .*//'); {does};; esac\n\
         exec {XTASK} upg \"$@\"\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn nothing_is_found_where_nothing_is_lost_and_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("soak");
    let ordeals = ["kills", "signals", "disks", "damage", "configs"];
    let all = ["--only", &ordeals.join(","), "--seed", "1"];
    let first = soak(&out, &[&all[..], &["--rounds", "2"]].concat());
    assert!(first.status.success(), "{}", told(&first));
    let line = "{\"round\":2,\"ordeal\":\"dis";
    fs::write(out.join("ledger.jsonl"), ledger(&out).join("\n") + "\n" + line).unwrap(); // as one that was killed leaves it
    let rest = soak(&out, &[&all[..2], &["--rounds", "3"]].concat());
    assert!(rest.status.success(), "{}", told(&rest));
    let lines = ledger(&out);
    for (number, (line, ordeal)) in lines.iter().zip(ordeals).enumerate() {
        assert!(line.contains(&format!("\"round\":{number},\"ordeal\":\"{ordeal}\",\"seed\":1")), "{line}");
        assert!(line.contains("\"findings\":[]"), "{line}");
    }
    assert_eq!(lines.len(), ordeals.len());
    let report = fs::read_to_string(out.join("report.json")).unwrap();
    for count in ["\"kills\": 25", "\"signals\": 25", "\"damages\": 24", "\"configurations\": 400"] {
        assert!(report.contains(count), "{count} in {report}");
    }
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("Nothing was found."));
    assert!(!out.join("work").exists() && !out.join("findings").exists());
}

#[test]
fn what_is_lost_is_found() {
    for (does, expected) in [
        ("sed -i 1d \"$run/metrics.jsonl\" 2>/dev/null", "metrics"),
        ("rm -f \"$run/checkpoint.best.safetensors\"", "best"),
        ("rm -f \"$run\"/checkpoint*.safetensors \"$run/metrics.jsonl\"", "checkpoint"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let program = faulty(folder.path(), does);
        let out = folder.path().join("soak");
        let arguments = ["--only", "kills", "--seed", "1", "--round", "0", "--program", program.to_str().unwrap()];
        let output = soak(&out, &arguments);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{does}: {told}");
        let line = told.lines().find(|line| line.contains("FOUND: ")).unwrap_or_else(|| panic!("{does}: {told}"));
        assert!(line.contains(expected), "{does}: {line}");
        assert!(line.ends_with("; again: cargo xtask soak --only kills --seed 1 --round 0"), "{does}: {line}");
        assert!(out.join("findings/kills-0/config.ron").is_file(), "{does}: the evidence stays");
    }
}

#[test]
fn what_is_no_soak_is_refused_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("soak");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("ledger.jsonl"), "notes\n").unwrap();
    for (arguments, expected) in [
        (&["--hours", "0"][..], "accepted is a number of hours above 0"),
        (&["--only", "thirst"], "possible values: kills, fuzz, signals"),
        (&["--only", "kills,disks", "--round", "3"], "--round: accepted with one ordeal"),
        (&["--program", "/nowhere"], "line 1 is no round of a soak: accepted is"),
    ] {
        let output = soak(&out, arguments);
        let told = told(&output);
        assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    fs::write(out.join("ledger.jsonl"), "").unwrap();
    let output = soak(&out, &["--program", "/nowhere"]);
    assert!(told(&output).contains("--program = /nowhere: accepted is the file of a program"), "{}", told(&output));
}
