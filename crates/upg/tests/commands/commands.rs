//! `upg evaluate`, `upg sample`, `upg variance`, `upg config`, and runs that diverge, through the program.

mod calibration;
mod diverging;
mod evaluation;
mod hmc;
mod sampling;

use crate::support::{Experiment, errors, files, json, upg};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// φ⁴ in double precision with test data and a moving average.
const SCALAR: &str = "(
    flow: RealNvp(lattice: [4, 2], couplings: 3, hidden: [8], activation: Tanh, mask: Checkerboard),
    target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 150, batch: 64, seed: 6, precision: F64, ema: 0.9, optimiser: Adam(rate: 0.01),
        validation: (every: 25, samples: 300, keep: ReverseEss), log_every: 50,
    ),
    data: (test: Draw(2000), hmc: (chains: 50, warm_up: 30, thin: 5)),
    evaluation: (samples: 4000),
)";

/// U(1) gauge theory in single precision, without data and without an average.
const GAUGE: &str = "(
    flow: U1(lattice: [4, 4], layers: 4, mixtures: 2, hidden: [6]),
    target: U1(lattice: [4, 4], beta: 0.7),
    training: (
        steps: 100, batch: 64, seed: 6, optimiser: Adam(rate: 0.01), validation: (every: 50, samples: 500, keep: ReverseEss),
        log_every: 50,
    ),
    evaluation: (samples: 4000),
)";

/// A trained run `run`.
fn trained(config: &str) -> Experiment {
    let experiment = Experiment::new(config);
    experiment.trained("run", &[]);
    experiment
}

/// `upg` with these arguments, successfully.
#[track_caller]
fn done(arguments: &[&str]) -> String {
    let output = upg(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// `upg COMMAND --run …/run` with more arguments.
#[track_caller]
fn done_on(experiment: &Experiment, command: &str, more: &[&str]) -> String {
    done(&[&[command, "--run", &experiment.argument("run")], more].concat())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap_or_else(|| panic!("{object} is no object")).keys().map(String::as_str).collect()
}

#[test]
fn threads_do_not_enter_the_results() {
    for config in [SCALAR, GAUGE] {
        let experiment = trained(config);
        let [one, two] = ["1", "2"].map(|threads| {
            let (x, w) =
                (experiment.argument(&format!("x{threads}.npy")), experiment.argument(&format!("w{threads}.npy")));
            let how = ["--threads", threads];
            done_on(&experiment, "evaluate", &how);
            done_on(&experiment, "variance", &[&how[..], &["--repetitions", "20", "--batch", "7"]].concat());
            done_on(
                &experiment,
                "sample",
                &[&how[..], &["-n", "300", "--out", &x, "--log-weights", &w, "--metropolis"]].concat(),
            );
            let run = experiment.path("run");
            let mut summaries = ["summary.json", "variance.json"].map(|name| json(&run.join(name)));
            for summary in &mut summaries {
                assert_eq!(summary["provenance"]["threads"].take().to_string(), threads);
                assert!(summary["checksum"].take().is_string(), "which is of the threads, too");
            }
            (summaries, files(&run.join("evaluation")), [x, w].map(|file| fs::read(file).unwrap()))
        });
        assert!(one == two);
    }
}

#[test]
fn configurations_are_checked_and_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut checked = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let said = done(&["config", "check", path.to_str().unwrap()]);
        assert!(said.starts_with(&format!("{}: accepted: ", path.display())) && said.contains(" parameters"), "{said}");
        checked += 1;
    }
    assert!(checked >= 5);
    let experiment = Experiment::new(&done(&["config", "schema"]));
    let said = done(&["config", "check", &experiment.argument("config.ron")]);
    assert!(said.contains("accepted: 16 degrees of freedom"), "{said}");
    // The configuration a run keeps is one, too.
    let experiment = trained(GAUGE);
    let said = done(&["config", "check", &experiment.argument("run/config.ron")]);
    assert!(said.contains("accepted: 32 degrees of freedom"), "{said}");
}
