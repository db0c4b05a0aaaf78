//! `upg hmc`: its files and its table, of a configuration and of a run, and what the report makes of them.

use super::{GAUGE, SCALAR, done, done_on, keys, number, trained};
use crate::support::{Experiment, errors, files, first_error_line, json, npy, temporaries, upg};
use serde_json::Value;
use std::fs;

/// `upg hmc` of the configuration into the folder `out`, with more arguments.
fn arguments(experiment: &Experiment, out: &str, more: &[&str]) -> Vec<String> {
    let of_config = ["hmc", "--config", &experiment.argument("config.ron"), "--out", &experiment.argument(out)];
    of_config.into_iter().chain(more.iter().copied()).map(String::from).collect()
}

#[track_caller]
fn ran(experiment: &Experiment, out: &str, more: &[&str]) -> String {
    let arguments = arguments(experiment, out, more);
    done(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[track_caller]
fn refused(experiment: &Experiment, out: &str, more: &[&str], expected: &str) {
    let output = upg(&arguments(experiment, out, more));
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(first_error_line(&output).contains(expected), "{}", errors(&output));
}

/// Within five errors of the exact value, where that is known.
fn check_observables(observables: &Value, known: &[&str]) {
    for name in known {
        assert!(observables[name]["exact"].is_number(), "{name}");
    }
    for name in keys(observables) {
        let observable = &observables[name];
        if observable["value"].is_null() && !known.contains(&name) {
            continue; // a correlation length where fluctuations leave none
        }
        let (value, error) = (number(&observable["value"]), number(&observable["error"]));
        let exact = observable["exact"].as_f64().unwrap_or(value);
        assert!(error > 0.0 && (value - exact).abs() < 5.0 * error, "{name}: {observable}");
    }
}

#[test]
fn chains_of_a_configuration_have_the_exact_values() {
    for (config, shape, known) in [
        (SCALAR, &[2000, 4, 2][..], &["phi2", "magnetization"][..]),
        (
            &GAUGE.replace(
                "evaluation:",
                "data: (test: Draw(1500), hmc: (chains: 30, warm_up: 50, thin: 4)), evaluation:",
            ),
            &[1500, 2, 4, 4],
            &["plaquette", "q2", "wilson_2x2"],
        ),
    ] {
        let experiment = Experiment::new(config);
        let table = ran(&experiment, "out/a", &[]);
        let found = json(&experiment.path("out/a/hmc.json"));
        assert_eq!(
            keys(&found),
            ["chains", "checksum", "measured", "observables", "provenance", "samples", "tau_int", "warnings"]
        );
        check_observables(&found["observables"], known);
        let chains = &found["chains"];
        assert_eq!((&chains["never_moved"], &found["samples"]), (&0.into(), &shape[0].into()));
        assert!(number(&chains["smallest_acceptance"]) > 0.4 && number(&chains["step_size"]) > 0.0);
        assert!(found["tau_int"].as_object().unwrap().values().all(|tau| number(&tau["value"]) >= 0.4));
        for word in
            ["acceptance", "chains that never moved      0", "tau_int, slowest primary", "exact 0.000000", known[0]]
        {
            assert!(table.contains(word), "{word} in {table}");
        }
        assert!(table.ends_with(&format!("written to {}\n", experiment.argument("out/a"))), "{table}");
        let header = fs::read(experiment.path("out/a/samples.npy")).unwrap();
        let header = String::from_utf8_lossy(&header[..128]).into_owned();
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        assert!(header.contains(&format!("'shape': ({})", shape.join(", "))), "{header}");
        assert!(temporaries(&experiment.path("out/a")).is_empty());
    }
}

#[test]
fn seeds_decide_and_threads_do_not() {
    let experiment = Experiment::new(SCALAR);
    let results = |out: &str, more: &[&str]| {
        ran(&experiment, out, &[&["--samples", "130"], more].concat());
        let mut found = json(&experiment.path(out).join("hmc.json"));
        assert!(found["provenance"].take().is_object() && found["checksum"].take().is_string());
        (found, npy(&experiment.path(out).join("samples.npy")))
    };
    let (one, two) = (results("one", &["--threads", "1"]), results("two", &["--threads", "2"]));
    assert_eq!(one, two);
    assert_ne!(one.1, results("three", &["--seed", "7"]).1);
    assert_eq!(one.1, results("four", &["--seed", "6"]).1, "the seed of the configuration");
}

#[test]
fn wrong_arguments_and_folders_in_use_are_refused() {
    let experiment = Experiment::new(SCALAR);
    refused(&experiment, "a", &["--samples", "0"], "--samples = 0: accepted is a whole number, at least 1, at most");
    refused(&experiment, "a", &["--run", "b"], "cannot be used with");
    assert!(!experiment.path("a").exists());
    fs::write(experiment.path("file"), "mine").unwrap();
    refused(&experiment, "file", &[], "cannot write there");
    ran(&experiment, "a", &["--samples", "40"]);
    let before = files(&experiment.path("a"));
    let expected = format!("--out = {}: holds hmc.json already: accepted is --force", experiment.argument("a"));
    refused(&experiment, "a", &["--samples", "50"], &expected);
    assert_eq!(files(&experiment.path("a")), before);
    ran(&experiment, "a", &["--samples", "50", "--force"]);
    assert_eq!(json(&experiment.path("a/hmc.json"))["samples"], 50);
    let output = upg(&["hmc", "--run", &experiment.argument("a")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(first_error_line(&output).contains("config.ron is missing"), "{}", errors(&output));
}

#[test]
fn exact_samplers_are_said_to_be_exact() {
    let flow = "RealNvp(lattice: [3], couplings: 2, hidden: [4])";
    let experiment = Experiment::new(&format!("(flow: {flow}, target: Gmm(dim: 3), training: (precision: F64))"));
    let table = ran(&experiment, "out", &["--samples", "3000"]);
    assert!(table.contains("3000, exact and independent") && !table.contains("acceptance"), "{table}");
    let found = json(&experiment.path("out/hmc.json"));
    assert!(found["chains"].is_null() && found["tau_int"]["x2"].is_null());
    check_observables(&found["observables"], &["x2", "mean", "right_fraction"]);
    assert_eq!(npy(&experiment.path("out/samples.npy")).shape(), [3000, 3]);
}

#[test]
fn samples_that_are_not_finite_are_not_written() {
    let experiment = Experiment::new(
        "(flow: RealNvp(lattice: [2], couplings: 2, hidden: [4]),
          target: Gaussian(mean: [0.0, 1e39], covariance: [[1.0, 0.0], [0.0, 1.0]]))",
    );
    let output = upg(&arguments(&experiment, "out", &[]));
    assert_eq!(output.status.code(), Some(1));
    assert!(first_error_line(&output).contains("samples has the value inf at [0, 1] (f32)"), "{}", errors(&output));
    assert!(files(&experiment.path("out")).is_empty());
}

#[test]
fn the_report_of_a_run_shows_its_chains_until_it_is_trained_anew() {
    let experiment = trained(SCALAR);
    let page = |experiment: &Experiment| {
        done_on(experiment, "report", &[]);
        fs::read_to_string(experiment.path("run/report.html")).unwrap()
    };
    assert!(!page(&experiment).contains("Observables, HMC"));
    let table = done_on(&experiment, "hmc", &[]);
    assert!(table.contains("2000 of 50 chains of 200 sweeps, one every 5"), "{table}");
    done_on(&experiment, "hmc", &["--samples", "1000"]);
    let page = page(&experiment);
    for words in ["Observables, HMC", "000 of 50 chains", "chains that never moved"] {
        assert!(page.contains(words), "{words}");
    }
    fs::write(experiment.path("run/hmc/mine.txt"), "mine").unwrap();
    experiment.trained("run", &["--force"]);
    let left: Vec<_> = files(&experiment.path("run/hmc")).into_keys().collect();
    assert_eq!(left, [experiment.path("run/hmc/mine.txt")]);
    fs::remove_file(&left[0]).unwrap();
    done_on(&experiment, "hmc", &["--samples", "100"]);
    experiment.trained("run", &["--force"]);
    assert!(!experiment.path("run/hmc").exists());
}
