//! Less memory than is asked for, and fewer open files.
#![cfg(target_os = "linux")]

use crate::support::{Experiment, errors, files};
use std::process::{Command, Output};

const SHORT: &str = "(
    flow: Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3]),
    target: Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1),
    training: (steps: 20, batch: 16, validation: (every: 10, samples: 16)),
)";

/// `upg` with these arguments and so many kilobytes of address space.
fn upg_within(kilobytes: u64, arguments: &[&str]) -> Output {
    let limited = format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\"");
    let shell = ["-c", &limited, env!("CARGO_BIN_EXE_upg")];
    Command::new("sh").args(shell).args(arguments).output().expect("a shell")
}

#[track_caller]
fn assert_ended(output: &Output, status: i32, fragments: &[&str]) {
    let told = errors(output);
    assert_eq!(output.status.code(), Some(status), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(fragments.iter().all(|fragment| told.contains(fragment)), "{told} should contain {fragments:?}");
}

#[test]
fn a_training_that_cannot_fit_is_refused_before_it_begins() {
    let experiment = Experiment::new(&SHORT.replace("batch: 16", "batch: 100000000"));
    let before = files(experiment.folder.path());
    let (config, out) = (experiment.argument("config.ron"), experiment.argument("run"));
    let output = upg_within(1_000_000, &["train", "--config", &config, "--out", &out]);
    assert_ended(&output, 2, &["training.batch = 100000000: accepted is ", "1.0 GB of memory", "at least 3.2 GB"]);
    assert!(files(experiment.folder.path()) == before);
}

#[test]
fn memory_that_runs_out_is_a_failure_in_one_line() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    let run = experiment.argument("run");
    let before = files(experiment.folder.path());
    let variance = ["variance", "--run", &run, "--threads", "1", "--batch"];
    let output = upg_within(400_000, &[&variance[..], &["10000000"]].concat());
    assert_ended(&output, 1, &["error: out of memory: the system refuses ", "what was saved stays"]);
    assert!(files(experiment.folder.path()) == before, "no temporary files either");
    let output = upg_within(100_000, &[&variance[..], &["10000000"]].concat());
    assert_ended(&output, 2, &["--batch = 10000000: accepted is ", "102.4 MB of memory", "at least 160.0 MB"]);
}

#[test]
fn threads_that_cannot_be_had_are_a_failure_in_one_line() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    let run = experiment.argument("run");
    for command in ["evaluate", "hmc"] {
        let output = upg_within(200_000, &[command, "--run", &run, "--samples", "200", "--threads", "1000"]);
        assert_ended(&output, 1, &["error: processor: cannot start 1000 threads"]);
    }
}

/// However few files may be open: done, or a failure in one line; nobody's input is wrong.
#[test]
fn too_many_open_files_are_a_failure_everywhere() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    let [run, config, x, out] = ["run", "config.ron", "x.npy", "new"].map(|name| experiment.argument(name));
    let mut failures = 0;
    for arguments in [
        &["evaluate", "--run", &run, "--samples", "200", "--threads", "1"][..],
        &["sample", "--run", &run, "-n", "5", "--out", &x, "--threads", "1"],
        &["config", "check", &config],
        &["train", "--config", &config, "--out", &out, "--force", "--steps", "1", "--threads", "1"],
    ] {
        for files in 4..20 {
            let limited = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
            let shell = ["-c", &limited, env!("CARGO_BIN_EXE_upg")];
            let output = Command::new("sh").args(shell).args(arguments).output().expect("a shell");
            if output.status.code() != Some(0) {
                assert_ended(&output, 1, &["error: "]);
                failures += 1;
            }
        }
    }
    assert!(failures > 6, "{failures}");
}
