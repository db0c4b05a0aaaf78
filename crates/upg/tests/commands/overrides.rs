//! `--set FIELD=VALUE`, and configurations with several mistakes, or none that ends.

use crate::support::{Experiment, errors, golden, provenance, upg};
use std::fs;

const SHORT: &str = "(
    flow: Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3]),
    target: Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1),
    training: (steps: 4, batch: 16, validation: (every: 2, samples: 16)),
)";

const TWO: [&str; 4] = ["--set", "training.optimiser.rate=0.5", "--set", "training.ema=0.75"];

/// Refused with status 2; returns the lines.
#[track_caller]
fn refused(arguments: &[&str]) -> Vec<String> {
    let output = upg(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
    assert!(output.stdout.is_empty());
    errors(&output).lines().map(str::to_owned).collect()
}

#[test]
fn a_run_holds_the_values_it_was_given_and_records_them() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &TWO);
    let read = |name: &str| fs::read_to_string(experiment.path(name)).unwrap();
    let record = || serde_json::from_str::<serde_json::Value>(&read("run/provenance.json")).unwrap();
    let config = read("run/config.ron");
    assert!(
        config.contains("rate: 0.5,") && config.contains("beta1: 0.9,") && config.contains("ema: 0.75,"),
        "{config}"
    );
    let set = serde_json::json!(["training.optimiser.rate=0.5", "training.ema=0.75"]);
    assert_eq!(record()["overrides"], set);
    let metrics = read("run/metrics.jsonl");
    assert!(metrics.lines().last().unwrap().contains("\"rate\":0.5"), "{metrics}");

    // It goes on as it began, whether they are named again or not, and not with others.
    let run = experiment.argument("run");
    assert!(upg(&["train", "--resume", "--out", &run]).status.success());
    assert_eq!(record()["overrides"], set);
    experiment.trained("run", &[&TWO[..], &["--resume"]].concat());
    let log = ["train", "--resume", "--out", &run, "--set", "training.log_every=7"];
    assert!(upg(&log).status.success());
    assert_eq!(record()["overrides"].as_array().unwrap()[1..], ["training.ema=0.75", "training.log_every=7"]);
    let told = refused(&["train", "--resume", "--out", &run, "--set", "training.batch=17"]);
    assert!(told[0].ends_with("training.batch = 17: accepted is 16, as the run began"), "{told:?}");
    experiment.trained("plain", &[]);
    assert!(!read("plain/provenance.json").contains("overrides"));
}

#[test]
fn wrong_overrides_are_refused_by_every_command() {
    let experiment = Experiment::new(SHORT);
    let (config, out) = (experiment.argument("config.ron"), experiment.argument("out"));
    let commands: [&[&str]; 3] = [
        &["train", "--config", &config, "--out", &out],
        &["config", "check", &config],
        &[
            "gradient",
            "--config",
            &config,
            "--params",
            &config,
            "--samples",
            &config,
            "--out",
            &out,
            "--estimator",
            "path-fast",
            "--divergence",
            "reverse",
        ],
    ];
    for (set, told) in [
        ("training.optimiser.rat=1", "accepted are the fields rate, beta1, beta2, epsilon"),
        ("training.batch=abc", "Expected a whole number up to 1000000000"),
        ("training.batch=0", "accepted is a whole number of at least 1"),
        ("target.dim=3", "accepted are the fields lattice, kappa, mass_squared, lambda, convention"),
    ] {
        let (field, value) = set.split_once('=').unwrap();
        for command in commands {
            let lines = refused(&[command, &["--set", set]].concat());
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with(&format!("error: --set {field} = {value}: {told}")), "{lines:?}");
        }
    }
    let lines = refused(&["config", "check", &config, "--set", "training.batch"]);
    assert!(lines[0].contains("'training.batch'") && lines[0].contains("accepted is FIELD=VALUE"), "{lines:?}");
    assert!(!experiment.path("out").exists());
}

#[test]
fn a_gradient_is_taken_and_recorded_with_the_values_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let loss = |set: &[&str]| {
        let (case, out) = (golden("phi4_4x4"), folder.path().join("out"));
        let at = |name: &str| case.join(name).to_str().unwrap().to_owned();
        let (config, params, samples) = (at("config.ron"), at("params.safetensors"), at("z.npy"));
        let out_text = out.to_str().unwrap();
        let how = ["--estimator", "path-fast", "--divergence", "reverse", "--dtype", "f64", "--out", out_text];
        let inputs = ["gradient", "--config", &config, "--params", &params, "--samples", &samples];
        let output = upg(&[&inputs[..], &how, set].concat());
        assert!(output.status.success(), "{}", errors(&output));
        (crate::support::tensors(&out)["loss"].2[0], provenance(&out))
    };
    let ((before, plain), (after, record)) = (loss(&[]), loss(&["--set", "target.lambda=3.5"]));
    assert!((before - after).abs() > 0.1, "{before} and {after}");
    assert_eq!((&plain["overrides"], &record["overrides"][0]), (&serde_json::Value::Null, &"target.lambda=3.5".into()));
    assert!(record["config"].as_str().unwrap().contains("lambda:3.5"), "{record}");
}

#[test]
fn data_that_an_override_names_lie_beside_the_configuration() {
    let experiment = Experiment::new(SHORT);
    let config = experiment.argument("config.ron");
    let lines = refused(&["config", "check", &config, "--set", "data.test=File(\"x.npy\")"]);
    assert!(lines[0].contains(&experiment.argument("x.npy")), "{lines:?}");
}

#[test]
fn every_mistake_has_its_line() {
    let experiment = Experiment::new(&SHORT.replace("batch: 16", "batch: 0").replace("hidden: [3]", "hidden: [0]"));
    let config = experiment.argument("config.ron");
    let set = ["--set", "training.ema=2"];
    for command in [&["config", "check", &config][..], &["train", "--config", &config, "--out", "nowhere/run"]] {
        let lines = refused(&[command, &set].concat());
        let fields = ["flow.hidden = [0]: ", "training.batch = 0: ", "--set training.ema = 2: "];
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.iter().zip(fields).all(|(line, field)| line.starts_with("error: ") && line.contains(field)));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_configuration_may_come_through_a_pipe_and_ends_somewhere() {
    use std::io::Write;
    use std::process::Stdio;
    let mut check = crate::support::command(&["config", "check", "/dev/stdin"]);
    let mut check = check.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(SHORT.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"/dev/stdin: accepted"), "{output:?}");
    let lines = refused(&["config", "check", "/dev/zero"]);
    assert_eq!(lines, ["error: config /dev/zero: more than 64 MiB: accepted is up to 64 MiB of text"]);
}
