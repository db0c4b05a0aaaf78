//! `upg sweep`: grids of runs, made by processes of their own that may end at any moment, and their comparison.

mod refused;
mod stopped;

use crate::support::{Experiment, command, errors, files, json, metrics, progress, temporaries, upg};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use upg_testkit::left::Left;

/// Some dozens of steps a second of a debug build, and a checkpoint every few of them.
const SMALL: &str = "(
    flow: RealNvp(lattice: [4], couplings: 2, hidden: [8], activation: Tanh, mask: Alternating),
    target: Gmm(dim: 4),
    training: (
        steps: 60, batch: 16, seed: 5, ema: 0.9, optimiser: Adam(rate: 0.01), validation: (every: 20, samples: 400),
        checkpoint: (every: 7), log_every: 3,
    ),
)";

const GRID: [&str; 4] = ["--grid", "training.batch=[16, 24]", "--seeds", "2"];

/// Names and arguments of the four runs.
const RUNS: [(&str, [&str; 4]); 4] = [
    ("batch=16,seed=5", ["--set", "training.batch=16", "--seed", "5"]),
    ("batch=16,seed=6", ["--set", "training.batch=16", "--seed", "6"]),
    ("batch=24,seed=5", ["--set", "training.batch=24", "--seed", "5"]),
    ("batch=24,seed=6", ["--set", "training.batch=24", "--seed", "6"]),
];

/// `upg sweep` of the configuration in the folder `sweep`.
fn sweep(experiment: &Experiment, more: &[&str]) -> Command {
    let mut command =
        command(&["sweep", "--config", &experiment.argument("config.ron"), "--out", &experiment.argument("sweep")]);
    command.args(more);
    command
}

/// The same, to its end, which is a good one; returns what was printed.
#[track_caller]
fn swept(experiment: &Experiment, more: &[&str]) -> String {
    let output = sweep(experiment, more).output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn run(experiment: &Experiment, name: &str) -> PathBuf {
    experiment.path("sweep/runs").join(name)
}

/// Holds every run against one that is trained without a sweep.
#[track_caller]
fn assert_as_alone(experiment: &Experiment) {
    for (name, arguments) in RUNS {
        experiment.trained(name, &arguments);
        let left = |path: &Path| Left::of(path).unwrap();
        left(&run(experiment, name)).assert_is(&left(&experiment.path(name)), name);
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The validation of the weights that a run has kept.
fn kept(experiment: &Experiment, name: &str) -> Value {
    let folder = run(experiment, name);
    let text = progress(&folder.join("checkpoint.safetensors"));
    let (_, best) = text.split_once("best:Some((step:").unwrap();
    let step: u64 = best.split(',').next().unwrap().parse().unwrap();
    metrics(&folder).into_iter().find(|line| line["step"] == step).unwrap()["validation"].clone()
}

/// Sessions of a run that came to their end.
fn sessions(experiment: &Experiment, name: &str) -> usize {
    let log = fs::read_to_string(experiment.path(&format!("sweep/runs/{name}.log"))).unwrap();
    log.matches(" steps in ").count()
}

#[test]
fn the_runs_of_a_sweep_are_those_without_one() {
    let experiment = Experiment::new(SMALL);
    let told = swept(&experiment, &[&GRID[..], &["--jobs", "3", "--threads", "2"]].concat());
    assert_as_alone(&experiment);
    for words in ["batch", "loss", "reverse ESS", "log Z error", "seconds", "runs", "* the lowest loss", "sweep.html"] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(temporaries(&experiment.path("sweep")).is_empty());
    let record = fs::read_to_string(experiment.path("sweep/sweep.ron")).unwrap();
    assert!(record.contains("\"training.batch\"") && record.contains("seed: 6"), "{record}");
}

#[test]
fn means_are_those_over_the_seeds() {
    let experiment = Experiment::new(SMALL);
    let told = swept(&experiment, &GRID);
    let found = json(&experiment.path("sweep/sweep.json"));
    let points = found["points"].as_array().unwrap();
    assert_eq!((points.len(), &found["best_by"]), (2, &"loss".into()));
    for (point, runs) in points.iter().zip(RUNS.chunks(2)) {
        let ess = |tested: &Value| number(&tested["ess_reverse"]);
        for (measure, of) in [
            ("loss", &(|name: &str| number(&kept(&experiment, name)["loss"])) as &dyn Fn(&str) -> f64),
            ("last_loss", &|name| number(&metrics(&run(&experiment, name)).last().unwrap()["validation"]["loss"])),
            ("ess_reverse", &|name| ess(&kept(&experiment, name))),
            ("log_z_error", &|name| ((1.0 / ess(&kept(&experiment, name)) - 1.0) / 400.0).sqrt()),
        ] {
            let [one, other] = [runs[0].0, runs[1].0].map(of);
            let mean = &point["means"][measure];
            assert!((number(&mean["mean"]) - 0.5 * (one + other)).abs() < 1e-9, "{measure}: {mean}, {one}, {other}");
            assert!((number(&mean["error"]) - 0.5 * (one - other).abs()).abs() < 1e-9, "{measure}: {mean}");
        }
    }
    let losses: Vec<_> = points.iter().map(|point| number(&point["means"]["loss"]["mean"])).collect();
    let best = usize::from(losses[1] < losses[0]);
    assert_eq!(points[best]["standing"], "best");
    let marked: Vec<_> = told.lines().filter(|line| line.starts_with("*  ")).collect();
    assert!(marked.len() == 1 && marked[0].contains(["16", "24"][best]), "{told}");
    for told in found["runs"].as_array().unwrap() {
        assert!(told["provenance"]["config"].as_str().unwrap().contains("Gmm") && told["done"] == true, "{told}");
    }
    let page = fs::read_to_string(experiment.path("sweep/sweep.html")).unwrap();
    assert!(page.contains("Loss by steps") && page.contains("batch = 24") && page.contains("<svg"), "{page}");
}

/// What is done isn't done again, and further values and seeds are added to it.
#[test]
fn a_sweep_grows_and_nothing_is_made_twice() {
    let experiment = Experiment::new(SMALL);
    swept(&experiment, &["--grid", "training.batch=[24]"]);
    let before = files(&run(&experiment, "batch=24,seed=5"));
    swept(&experiment, &GRID);
    assert_as_alone(&experiment);
    assert_eq!(files(&run(&experiment, "batch=24,seed=5")), before);
    RUNS.iter().for_each(|(name, _)| assert_eq!(sessions(&experiment, name), 1, "{name}"));
    let output = upg(&["sweep", "--out", &experiment.argument("sweep"), "--tasks"]);
    assert_eq!((&output.stdout[..], &errors(&output)[..]), (&b"4\n"[..], ""));

    let all = files(&experiment.path("sweep/runs"));
    assert!(upg(&["sweep", "--out", &experiment.argument("sweep")]).status.success());
    assert_eq!(files(&experiment.path("sweep/runs")), all);
    swept(&experiment, &[&GRID[..], &["--steps", "65"]].concat());
    let step = |name: &str| metrics(&run(&experiment, name)).last().unwrap()["step"].as_u64();
    assert_eq!(step("batch=16,seed=6"), Some(63), "the last line before step 65");
}

/// One process a run, as an array of jobs has it.
#[test]
fn a_sweep_is_made_task_by_task() {
    let experiment = Experiment::new(SMALL);
    assert_eq!(swept(&experiment, &[&GRID[..], &["--tasks"]].concat()), "4\n");
    assert!(!experiment.path("sweep").exists(), "a question changes nothing");
    for task in ["4", "2"] {
        let arguments = [&GRID[..], &["--task", task]].concat();
        assert!(swept(&experiment, &arguments).contains(&format!("run {task} of 4")));
    }
    let there = |name: &str| run(&experiment, name).join("checkpoint.safetensors").exists();
    assert_eq!(RUNS.map(|(name, _)| there(name)), [false, true, false, true]);
    let out = experiment.argument("sweep");
    let told = String::from_utf8(upg(&["sweep", "--out", &out, "--report"]).stdout).unwrap();
    assert!(told.contains("1 of 2") && told.contains("not done: batch=24,seed=5, at step 0"), "{told}");
    assert!(!told.contains("\n*  "), "no point is whole: {told}");
    for task in ["1", "3"] {
        assert!(upg(&["sweep", "--out", &out, "--task", task]).status.success());
    }
    assert_as_alone(&experiment);
}

/// A run that fails is told of; the others are made.
#[test]
fn a_failed_run_leaves_the_others_be() {
    let experiment = Experiment::new(SMALL);
    let output = sweep(&experiment, &["--grid", "training.optimiser.rate=[1e30, 0.01]"]).output().unwrap();
    let (said, told) = (errors(&output), String::from_utf8(output.stdout.clone()).unwrap());
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("run 1 of 2, rate=1e30,seed=5: failed: step ") && said.contains("abort_after"), "{said}");
    assert!(said.contains("run 2 of 2, rate=0.01,seed=5: done"), "{said}");
    assert!(said.ends_with(&format!("upg sweep --out {} tries them again\n", experiment.argument("sweep"))), "{said}");
    assert!(told.contains("0 of 1") && told.contains("not done: rate=1e30,seed=5") && told.contains("\n*  "), "{told}");
    assert_eq!(json(&experiment.path("sweep/sweep.json"))["points"][0]["means"], serde_json::json!({}));
}

/// Losses of different objectives don't compare.
#[test]
fn objectives_are_compared_by_their_samples() {
    let experiment = Experiment::new(&SMALL.replace("target:", "data: (test: Draw(100), train: Draw(100)), target:"));
    let told = swept(&experiment, &["--grid", "training.objective=[Reverse(PathFast), Forward(PathFast)]"]);
    assert!(told.contains("largest reverse ESS, as the losses aren't of one objective"), "{told}");
    assert_eq!(json(&experiment.path("sweep/sweep.json"))["best_by"], "ess_reverse");
}

/// The status of a refusal, and its line.
#[track_caller]
fn refusal(output: &Output) -> String {
    let said = errors(output);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    said
}
