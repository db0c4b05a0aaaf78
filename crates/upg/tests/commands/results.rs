//! Results of a run that lie elsewhere, and a run whose files aren't what they were.

use crate::support::{Experiment, errors, files, json, upg};
use std::fs;

/// A run with test data that were drawn.
const DATA: &str = "(
    flow: Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3]),
    target: Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1),
    training: (steps: 20, batch: 16, validation: (every: 10, samples: 16)),
    data: (test: Draw(40), hmc: (chains: 8, warm_up: 5, thin: 2)),
)";

/// `upg` with these arguments, refused in one line that holds all of `fragments`.
#[track_caller]
fn refused(arguments: &[&str], fragments: &[&str]) {
    let output = upg(arguments);
    let line = errors(&output);
    assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{arguments:?}: {line}");
    assert!(fragments.iter().all(|fragment| line.contains(fragment)), "{line} should contain {fragments:?}");
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let output = upg(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A run one may only read: nothing in its folder changes, whatever is missing in it.
#[test]
fn results_go_into_another_folder() {
    let experiment = Experiment::new(DATA);
    experiment.trained("run", &[]);
    experiment.trained("other", &[]);
    fs::remove_file(experiment.path("run/test.npy")).unwrap();
    let before = files(&experiment.path("run"));
    let [run, other, out, page] = ["run", "other", "new/results", "page.html"].map(|name| experiment.argument(name));
    done(&["evaluate", "--run", &run, "--samples", "300", "--out", &out]);
    done(&["variance", "--run", &run, "--repetitions", "20", "--out", &out]);
    assert!(files(&experiment.path("run")) == before);
    let results = experiment.path("new/results");
    assert_eq!(json(&results.join("summary.json"))["samples"], 300);
    let other_data = fs::read(experiment.path("other/test.npy")).unwrap();
    assert_eq!(fs::read(results.join("test.npy")).unwrap(), other_data, "what the run would have drawn");
    done(&["report", "--run", &run, "--results", &out, "--out", &page]);
    assert!(fs::read_to_string(&page).unwrap().contains(">300<"));
    assert!(files(&experiment.path("run")) == before);
    done(&["evaluate", "--run", &run, "--samples", "300", "--out", &run]); // the folder itself
    refused(
        &["evaluate", "--run", &run, "--out", &other],
        &["--out = ", "holds another run, or lies in one: accepted is"],
    );
    refused(&["report", "--run", &run, "--run", &other, "--results", &out], &["--results = ", "with one --run"]);
}

#[test]
fn altered_test_data_are_noticed() {
    let experiment = Experiment::new(DATA);
    experiment.trained("run", &[]);
    let (run, data) = (experiment.argument("run"), experiment.path("run/test.npy"));
    let good = fs::read(&data).unwrap();
    let mut altered = good.clone();
    let at = altered.len() - 3;
    altered[at] ^= 1;
    fs::write(&data, altered).unwrap();
    for command in ["evaluate", "variance", "report"] {
        refused(&[command, "--run", &run], &["test.npy: not the samples that the run began with: accepted are those"]);
    }
    fs::write(&data, good).unwrap();
    done(&["evaluate", "--run", &run, "--samples", "300"]);
}

/// What may change on a resume is kept, so that a later one goes on with it.
#[test]
fn changes_that_are_allowed_are_kept() {
    let experiment = Experiment::new(DATA);
    experiment.trained("run", &["--steps", "7"]);
    let changed = DATA.replace("steps: 20,", "steps: 20, log_every: 2, checkpoint: (every: 3),");
    fs::write(experiment.path("config.ron"), changed.replace("\n)", "\n    evaluation: (samples: 250),\n)")).unwrap();
    experiment.trained("run", &["--resume", "--steps", "13"]);
    done(&["train", "--resume", "--out", &experiment.argument("run")]);
    let steps: Vec<_> =
        crate::support::metrics(&experiment.path("run")).iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [8, 10, 12, 14, 16, 18, 20]);
    done(&["evaluate", "--run", &experiment.argument("run")]);
    assert_eq!(json(&experiment.path("run/summary.json"))["samples"], 250);
}

/// Best weights that were damaged don't stay best, even if no later ones are better.
#[test]
fn damaged_best_weights_are_told_and_replaced() {
    let still = DATA.replace("steps: 20", "optimiser: Sgd(rate: 1e-9), seed: SEED, steps: 20");
    let still = still.replace("every: 10,", "every: 10, keep: ReverseEss,");
    // The noise of the validation decides: a seed of which the first is the better one.
    let first_is_best = |seed: &u64| {
        let experiment = Experiment::new(&still.replace("SEED", &seed.to_string()));
        experiment.trained("whole", &[]);
        crate::support::progress(&experiment.path("whole/checkpoint.safetensors")).contains("best:Some((step:10,")
    };
    let seed = (1..20).find(first_is_best).expect("one in two");
    let experiment = Experiment::new(&still.replace("SEED", &seed.to_string()));
    experiment.trained("run", &["--steps", "15"]);
    let best = experiment.path("run/checkpoint.best.safetensors");
    let mut bytes = fs::read(&best).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&best, bytes).unwrap();
    let said = experiment.trained("run", &["--resume"]);
    assert!(said.contains("checkpoint.best.safetensors") && said.contains("begins the search for the best"), "{said}");
    done(&["evaluate", "--run", &experiment.argument("run"), "--samples", "300"]);
    let of = json(&experiment.path("run/summary.json"))["weights_of"].as_str().unwrap().to_owned();
    assert!(of.starts_with("step 20: "), "{of}");
}

const GAUGE: &str = "(
    flow: U1(lattice: [4, 4], layers: 2, mixtures: 2, hidden: [6]),
    target: U1(lattice: [4, 4], beta: 0.7),
    training: (steps: 12, batch: 16, ema: 0.5, validation: (every: 6, samples: 50)),
)";

/// From the weights of a run, on a larger lattice; from a file; and without it once the run has begun.
#[test]
fn a_training_starts_from_weights_that_are_there() {
    let experiment = Experiment::new(GAUGE);
    experiment.trained("first", &[]);
    let weights = |file: &str| {
        let mut all = crate::support::tensors(&experiment.path(file));
        all.retain(|name, _| !name.starts_with("state."));
        all
    };
    for (source, from) in [("first", "checkpoint.best"), ("first/checkpoint.safetensors", "checkpoint")] {
        let larger = GAUGE.replace("[4, 4]", "[8, 4]").replace("batch", &format!("start_from: \"{source}\", batch"));
        fs::write(experiment.path("config.ron"), larger).unwrap();
        let run = from.replace('.', "_");
        done(&["config", "check", &experiment.argument("config.ron")]);
        experiment.trained(&run, &["--steps", "0"]);
        assert_eq!(weights(&format!("{run}/checkpoint.safetensors")), weights(&format!("first/{from}.safetensors")));
        let average = crate::support::tensors(&experiment.path(&run).join("checkpoint.safetensors"));
        let (_, name) = ("", "layers.0.net.0.weight");
        assert_eq!(average[&format!("state.ema.{name}")].2, average[name].2, "the average begins there too");
    }
    fs::rename(experiment.path("first"), experiment.path("gone")).unwrap();
    done(&["train", "--resume", "--out", &experiment.argument("checkpoint_best")]);
    let config = experiment.argument("config.ron");
    let missing = ["training.start_from: weights ", "first/checkpoint.safetensors: cannot read the file"];
    refused(&["train", "--config", &config, "--out", &experiment.argument("new")], &missing);
    refused(&["config", "check", &config], &missing);
    fs::rename(experiment.path("gone"), experiment.path("first")).unwrap();
    let other = GAUGE.replace("hidden: [6]", "hidden: [7]").replace("batch", "start_from: \"first\", batch");
    fs::write(experiment.path("config.ron"), other).unwrap();
    refused(
        &["train", "--config", &config, "--out", &experiment.argument("new")],
        &["tensor ", "has shape", "accepted"],
    );
    assert!(!experiment.path("new").exists());
}

/// Nothing of the run, and nobody's results, are replaced by accident.
#[test]
fn results_of_one_kind_never_take_the_place_of_another() {
    let experiment = Experiment::new(DATA);
    experiment.trained("run", &[]);
    let [run, config, hz] = ["run", "config.ron", "hz"].map(|name| experiment.argument(name));
    done(&["evaluate", "--run", &run, "--samples", "300"]);
    let x = experiment.argument("x.npy");
    done(&["sample", "--run", &run, "-n", "5", "--out", &x]);
    fs::create_dir(experiment.path("hz")).unwrap();
    fs::write(experiment.path("hz/samples.npy"), "mine").unwrap();
    fs::write(experiment.path("run/evaluation/mine"), "mine").unwrap();
    let before = files(experiment.folder.path());
    for file in ["config.ron", "checkpoint.safetensors", "lock", "metrics.jsonl", "evaluation/samples.npy"] {
        let own = format!("{run}/{file}");
        refused(&["report", "--run", &run, "--out", &own], &["is a file of the run too"]);
        refused(&["log-prob", "--run", &run, "--samples", &x, "--out", &own], &["is a file of the run too"]);
    }
    refused(&["hmc", "--config", &config, "--out", &hz], &["holds samples.npy already: accepted is --force"]);
    refused(&["hmc", "--config", &config, "--out", &run], &["holds another run"]);
    refused(
        &["evaluate", "--run", &run, "--out", &format!("{run}/evaluation")],
        &["holds another run, or lies in one"],
    );
    refused(&["report", "--run", &run, "--results", &experiment.argument("nowhere")], &["--results = ", "accepted is"]);
    assert!(files(experiment.folder.path()) == before);
    experiment.trained("run", &["--force"]);
    assert_eq!(fs::read_to_string(experiment.path("run/evaluation/mine")).unwrap(), "mine");
    assert!(!experiment.path("run/evaluation/samples.npy").exists());
}

/// A page of weights that the run has left behind says so; one of an edited configuration isn't made.
#[test]
fn a_report_knows_which_weights_and_which_run_it_is_of() {
    let experiment = Experiment::new(&DATA.replace("every: 10", "keep: Last, every: 10"));
    experiment.trained("run", &["--steps", "10"]);
    let run = experiment.argument("run");
    done(&["evaluate", "--run", &run, "--samples", "300"]);
    let page = || {
        done(&["report", "--run", &run]);
        fs::read_to_string(experiment.path("run/report.html")).unwrap()
    };
    let stale = "the evaluation is of the weights of step 10: the last validation; by now they are those of step 20";
    assert!(!page().contains(stale));
    experiment.trained("run", &["--resume"]);
    assert!(page().contains(stale));
    let summary = fs::read_to_string(experiment.path("run/summary.json")).unwrap();
    let altered = summary.replace("\"samples\": 300", "\"samples\": 301");
    assert_ne!(altered, summary);
    fs::write(experiment.path("run/summary.json"), altered).unwrap();
    refused(&["report", "--run", &run], &["summary.json: the checksum is that of other content"]);
    fs::write(experiment.path("run/summary.json"), summary).unwrap();
    refused(
        &["log-prob", "--run", &run, "--samples", "a\nb.npy", "--out", "c.npy"],
        &["samples a\\nb.npy: cannot read"],
    );
    let kept = fs::read_to_string(experiment.path("run/config.ron")).unwrap();
    fs::write(experiment.path("run/config.ron"), kept.replace("kappa: 0.2", "kappa: 0.21")).unwrap();
    for command in ["report", "hmc"] {
        refused(&[command, "--run", &run], &["target.kappa = 0.21: accepted is 0.2, as the run began"]);
    }
}

#[test]
fn a_criterion_without_its_data_is_refused_before_anything_is_written() {
    let experiment = Experiment::new(&GAUGE.replace("every: 6", "keep: ForwardEss, every: 6"));
    let config = experiment.argument("config.ron");
    let expected =
        ["training.validation.keep = ForwardEss: accepted is Loss, ReverseEss or Last without a section data"];
    refused(&["config", "check", &config], &expected);
    refused(&["train", "--config", &config, "--out", &experiment.argument("run")], &expected);
    assert!(!experiment.path("run").exists());
}

/// The results of all commands for a run one may only read are on one page.
#[test]
fn chains_of_a_run_one_may_only_read_are_shown_too() {
    let experiment = Experiment::new(DATA);
    experiment.trained("run", &[]);
    let before = files(&experiment.path("run"));
    let [run, out, page] = ["run", "results", "page.html"].map(|name| experiment.argument(name));
    done(&["hmc", "--run", &run, "--samples", "100", "--out", &out]);
    done(&["report", "--run", &run, "--results", &out, "--out", &page]);
    assert!(fs::read_to_string(&page).unwrap().contains("Observables, HMC"));
    assert!(files(&experiment.path("run")) == before && experiment.path("results/hmc/hmc.json").exists());
}
