//! Places for a run, and the run that is there already.

use super::{assert_holds, refusal, trained};
use crate::support::{files, first_error_line, metrics, upg};
use std::fs;

#[test]
fn places_without_room_for_a_run_are_refused() {
    let experiment = trained();
    let before = files(experiment.folder.path());
    for place in ["file", "file/below", "file/below/that"] {
        let line = refusal(&experiment.train(place, &[]).output().unwrap(), place);
        assert_holds(
            &line,
            &[&format!("--out = {}: ", experiment.argument(place)), "cannot write there", "accepted is a folder"],
        );
    }
    if cfg!(target_os = "linux") {
        let config = experiment.argument("config.ron");
        let line = refusal(&upg(&["train", "--config", &config, "--out", "/proc/run"]), "/proc");
        assert_holds(&line, &["--out = /proc/run: cannot write there"]);
    }
    let line = first_error_line(&upg(&["train", "--config", "x", "--out", ""]));
    assert_holds(&line, &["--out", "value is required"]);
    assert_eq!(files(experiment.folder.path()), before);
}

#[test]
fn a_run_is_neither_begun_twice_nor_gone_on_with_as_another() {
    let experiment = trained();
    let config = fs::read_to_string(experiment.path("config.ron")).unwrap();
    let before = files(&experiment.path("run"));
    let line = refusal(&experiment.train("run", &[]).output().unwrap(), "twice");
    assert_holds(&line, &["--out = ", "holds a run already", "--resume", "--force"]);
    for (old, new, field, value, accepted) in [
        ("batch: 16", "batch: 17", "training.batch", "17", "16"),
        ("steps: 6", "steps: 60", "training.steps", "60", "6"),
        ("clip: 1.0,", "", "training.clip", "absent", "1.0"),
        ("shape: Linear", "shape: Cosine", "training.anneal.shape", "Cosine", "Linear"),
        ("beta2: 0.99", "beta2: 0.98", "training.optimiser.beta2", "0.98", "0.99"),
        ("hidden: [6]", "hidden: [7]", "flow.hidden", "[7]", "[6]"),
        ("kappa: 0.2", "kappa: 0.25", "target.kappa", "0.25", "0.2"),
        ("thin: 1", "thin: 2", "data.hmc.thin", "2", "1"),
        ("samples: 32", "samples: 33", "training.validation.samples", "33", "32"),
    ] {
        assert_eq!(config.matches(old).count(), 1, "{old}");
        fs::write(experiment.path("config.ron"), config.replace(old, new)).unwrap();
        let line = refusal(&experiment.train("run", &["--resume"]).output().unwrap(), new);
        assert_holds(&line, &["run ", &format!("{field} = {value}: accepted is {accepted}, as the run began")]);
    }
    fs::write(experiment.path("config.ron"), &config).unwrap();
    let line = refusal(&experiment.train("run", &["--resume", "--seed", "4"]).output().unwrap(), "seed");
    assert_holds(&line, &["training.seed = 4: accepted is 3"]);
    assert_eq!(files(&experiment.path("run")), before);

    // Without its configuration nobody knows what a checkpoint is of.
    let (here, elsewhere) = (experiment.path("run/config.ron"), experiment.path("elsewhere"));
    fs::rename(&here, &elsewhere).unwrap();
    let line = refusal(&experiment.train("run", &["--resume"]).output().unwrap(), "no config.ron");
    assert_holds(&line, &["run/config.ron: cannot read the file"]);
    fs::rename(&elsewhere, &here).unwrap();
    assert_eq!(files(&experiment.path("run")), before);

    // What is only written may change; nothing is left to be done.
    fs::write(
        experiment.path("config.ron"),
        config.replace("log_every: 1", "log_every: 2").replace("blocks: 10", "blocks: 20"),
    )
    .unwrap();
    experiment.trained("run", &["--resume"]);
}

#[test]
fn to_replace_a_run_leaves_other_files_alone() {
    let experiment = trained();
    let run = experiment.path("run");
    let argument = experiment.argument("run");
    for command in [
        &["evaluate", "--run", &argument, "--threads", "1"][..],
        &["variance", "--run", &argument, "--repetitions", "20"],
    ] {
        assert!(upg(command).status.success());
    }
    fs::create_dir(run.join("plots")).unwrap();
    for foreign in ["notes.txt", "plots/loss.svg", "checkpoint.old.safetensors"] {
        fs::write(run.join(foreign), "mine").unwrap();
    }
    experiment.trained("run", &["--force", "--steps", "3", "--seed", "9"]);
    for foreign in ["notes.txt", "plots/loss.svg", "checkpoint.old.safetensors"] {
        assert_eq!(fs::read(run.join(foreign)).unwrap(), b"mine");
    }
    for stale in ["summary.json", "variance.json", "evaluation"] {
        assert!(!run.join(stale).exists(), "{stale} is of the run before");
    }
    experiment.trained("fresh", &["--steps", "3", "--seed", "9"]);
    for same in ["train.npy", "test.npy", "config.ron", "provenance.json"] {
        assert_eq!(fs::read(run.join(same)).unwrap(), fs::read(experiment.path("fresh").join(same)).unwrap(), "{same}");
    }
    assert_eq!(metrics(&run).len(), 3);
}
