//! Standard output and standard error that can't be written to.
#![cfg(target_os = "linux")]

use crate::support::{Experiment, command, errors, upg};
use std::fs::File;
use std::io::pipe;
use std::process::Stdio;

const SHORT: &str = "(
    flow: Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3]),
    target: Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1),
    training: (steps: 40, batch: 16, validation: (every: 10, samples: 16)),
)";

/// A device that is always full.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader has gone away.
fn closed() -> Stdio {
    let (_, writer) = pipe().unwrap();
    writer.into()
}

#[test]
fn a_run_does_not_need_anyone_to_hear_it() {
    let experiment = Experiment::new(SHORT);
    let halves = [("full", full as fn() -> Stdio), ("closed", closed)];
    for (name, stderr) in halves {
        let half = experiment.train(name, &["--steps", "20"]).stderr(stderr()).output().unwrap();
        assert!(half.status.success(), "{name}: {:?}", half.status);
        // It says that it goes on.
        let whole = experiment.train(name, &["--resume"]).stderr(stderr()).output().unwrap();
        assert!(whole.status.success(), "{name}: {:?}", whole.status);
        let refused = experiment.train(name, &[]).stderr(stderr()).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{name}: an error that nobody hears is one");
    }
}

/// As under a launcher whose MPI isn't that of the program, if it has any: each process would do all of the work, and not know of the others.
#[test]
fn one_of_several_that_is_alone_says_so() {
    let experiment = Experiment::new(SHORT);
    let started = |number: &str, run: &str| {
        let output = experiment.train(run, &[]).env("SLURM_STEP_NUM_TASKS", number).output().unwrap();
        assert!(output.status.success(), "{}", errors(&output));
        errors(&output)
    };
    let told = started("4", "one");
    assert!(told.starts_with("warning: started as one of 4 processes (SLURM_STEP_NUM_TASKS), but "), "{told}");
    assert!(!started("1", "other").contains("warning"));
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let output = command(&["config", "schema"]).stdout(full()).output().unwrap();
    let line = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.starts_with("error: output standard output: cannot write: "), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    let output = command(&["config", "schema"]).stdout(closed()).output().unwrap();
    assert_eq!((output.status.code(), &errors(&output)[..]), (Some(0), ""), "whoever reads has had enough");
    assert!(upg(&["--version"]).stdout.starts_with(b"upg "));
}
