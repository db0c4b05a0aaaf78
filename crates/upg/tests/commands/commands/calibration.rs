//! `upg calibrate`: pulls of evaluations by independent seeds, going on, refusals.

use super::{GAUGE, SCALAR, done_on, number, trained};
use crate::resume::Running;
use crate::support::{Experiment, command, errors, first_error_line, json, progress_number, temporaries, upg};
use std::fs;

/// Of a trained flow of a small U(1) theory, with exact values of everything. 200 evaluations determine a mean to 0.07 and a width to 0.05.
#[test]
fn errors_mean_what_they_say() {
    let experiment = trained(GAUGE);
    let told = done_on(&experiment, "calibrate", &["--samples", "2000,4000", "--runs", "200"]);
    let found = json(&experiment.path("run/calibration/calibration.json"));
    for samples in ["2000", "4000"] {
        let table = &found["samples"][samples];
        assert!(number(&table["ess"]) > 0.2, "{table}");
        let numbers = table["numbers"].as_array().unwrap();
        let names: Vec<_> = numbers.iter().map(|row| row["name"].as_str().unwrap()).collect();
        for name in ["log_z", "plaquette", "q2", "wilson_2x2"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        for row in numbers {
            assert_eq!((&row["evaluations"], &row["missing"]), (&200.into(), &0.into()), "{row}");
            let (mean, width) = (number(&row["mean"]["value"]), number(&row["width"]["value"]));
            assert!(mean.abs() < 0.35 && (0.75..1.3).contains(&width), "{row}");
            let one = number(&row["coverage"][0]["value"]);
            assert!((0.55..0.8).contains(&one), "{row}");
        }
        let verdicts = &table["verdicts"];
        let counts = ["right", "missed_alarms", "false_alarms", "alarms"].map(|name| verdicts[name].as_u64().unwrap());
        assert!(counts.iter().sum::<u64>() == 200 && counts[0] > 190, "{verdicts}");
    }
    for words in ["2000 samples, ESS 0.", "mean pull", "plaquette", "along chain", "flagged", "log Z trusted: "] {
        assert!(told.contains(words), "{words} in {told}");
    }
    let page = fs::read_to_string(experiment.path("run/calibration/calibration.html")).unwrap();
    assert!(page.contains("<h2>2000 samples</h2>") && page.contains("missed alarms") && page.contains("<svg"));
    assert!(temporaries(&experiment.path("run/calibration")).is_empty());
}

/// What was evaluated isn't evaluated again, whatever stopped it, and another extent adds to it.
#[test]
fn a_calibration_goes_on() {
    let experiment = trained(SCALAR);
    let lines = experiment.path("run/calibration/evaluations.jsonl");
    let calibrate = |more: &[&str]| done_on(&experiment, "calibrate", more);
    let whole = calibrate(&["--samples", "200,400", "--runs", "6"]);
    let (all, numbers) = (fs::read(&lines).unwrap(), json(&experiment.path("run/calibration/calibration.json")));
    assert_eq!(all.iter().filter(|&&byte| byte == b'\n').count(), 1 + 12);
    assert_eq!(calibrate(&["--samples", "200,400", "--runs", "6"]), whole);
    assert_eq!(fs::read(&lines).unwrap(), all);
    fs::write(&lines, &all[..all.len() - 30]).unwrap();
    assert_eq!(calibrate(&["--samples", "200,400", "--runs", "6"]), whole);
    assert_eq!(fs::read(&lines).unwrap(), all, "the last line is made anew, the same");
    assert_eq!(json(&experiment.path("run/calibration/calibration.json"))["samples"], numbers["samples"]);
    calibrate(&["--samples", "200", "--runs", "8"]);
    assert!(fs::read(&lines).unwrap().starts_with(&all));
    assert_ne!(calibrate(&["--samples", "200", "--runs", "8", "--seed", "50"]), whole);
}

/// As `upg train` does: nothing of the training is lost.
#[test]
fn a_calibration_that_is_asked_to_stop_has_its_training_saved() {
    let endless = SCALAR.replace("steps: 150", "steps: 1000000, checkpoint: (every: 1000000)");
    let experiment = Experiment::new(&endless.replace("log_every: 50", "log_every: 5"));
    let (config, run) = (experiment.argument("config.ron"), experiment.argument("run"));
    let arguments = ["calibrate", "--config", &config, "--run", &run, "--samples", "200", "--runs", "2"];
    let mut program = Running::start(command(&arguments));
    let lines = experiment.path("run/metrics.jsonl");
    program.wait_until(|| fs::read(&lines).is_ok_and(|lines| !lines.is_empty()));
    program.send("TERM");
    let output = program.output();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let step = progress_number(&experiment.path("run/checkpoint.safetensors"), "step") as u64;
    let expected = format!("stopped by SIGTERM after step {step}: all is saved");
    assert!(step > 0 && errors(&output).starts_with(&expected), "{}", errors(&output));
}

/// What was evaluated is kept, and the program says that it was stopped.
#[test]
fn a_calibration_that_is_asked_to_stop_goes_on() {
    let experiment = trained(SCALAR);
    let (run, lines) = (experiment.argument("run"), experiment.path("run/calibration/evaluations.jsonl"));
    let mut program = Running::start(command(&["calibrate", "--run", &run, "--samples", "200", "--runs", "1000000"]));
    let count = || fs::read(&lines).unwrap_or_default().iter().filter(|&&byte| byte == b'\n').count();
    program.wait_until(|| count() > 3);
    program.send("INT");
    let output = program.output();
    assert_eq!((output.status.code(), errors(&output).trim()), (Some(1), "stopped by SIGINT: nothing is lost"));
    let made = count();
    let told = done_on(&experiment, "calibrate", &["--samples", "200", "--runs", &(made - 1).to_string()]);
    assert_eq!(count(), made, "none anew");
    assert!(told.contains("\nleft out, as no exact value is known: "), "{told}");
    let found = json(&experiment.path("run/calibration/calibration.json"));
    assert!(found["exact"]["unknown"].as_array().unwrap().contains(&"binder".into()), "{}", found["exact"]);
}

#[test]
fn what_is_no_calibration_is_refused() {
    let experiment = trained(SCALAR);
    let refused = |more: &[&str], expected: &str| {
        let run = experiment.argument("run");
        let output = upg(&[&["calibrate", "--run", &run][..], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        assert!(first_error_line(&output).contains(expected), "{}", errors(&output));
    };
    refused(&["--runs", "1"], "--runs = 1: accepted is a whole number from 2 to 1000000");
    refused(&["--samples", "200,1"], "--samples = 1: accepted are whole numbers, at least 2, at most 1000000000");
    let nowhere = experiment.argument("run/checkpoint.safetensors/there");
    refused(&["--out", &nowhere], "accepted is a folder, or a place for one");
    let few = &["--samples", "200", "--runs", "2"][..];
    done_on(&experiment, "calibrate", few);
    let lines = experiment.path("run/calibration/evaluations.jsonl");
    let text = fs::read_to_string(&lines).unwrap();
    fs::write(&lines, text.replacen("\"seed\"", "\"sead\"", 1)).unwrap();
    refused(few, "evaluations.jsonl line 2 is damaged: accepted are --force, or another folder");
    for foreign in [&b"notes"[..], b"notes\nwithout an end", b"\xff\n"] {
        fs::write(&lines, foreign).unwrap();
        refused(
            few,
            "holds evaluations of other weights or another experiment: accepted are --force, or another folder",
        );
        assert!(fs::read(&lines).unwrap() == foreign, "what is refused stays as it is");
    }
    fs::write(&lines, &text[..30]).unwrap(); // killed while it wrote what the evaluations are of
    done_on(&experiment, "calibrate", few);
    assert!(fs::read_to_string(&lines).unwrap() == text);
    experiment.trained("other", &["--seed", "7"]);
    let apart = experiment.argument("apart");
    done_on(&experiment, "calibrate", &[few, &["--out", &apart]].concat());
    let inside = experiment.argument("run/calibration");
    for (folder, expected) in [
        (&apart, "holds evaluations of other weights or another experiment: accepted are --force, or another folder"),
        (&inside, "holds another run, or lies in one"),
    ] {
        let output = upg(&[&["calibrate", "--run", &experiment.argument("other"), "--out", folder], few].concat());
        assert!(first_error_line(&output).contains(expected), "{}", errors(&output));
    }
    done_on(&experiment, "calibrate", &[few, &["--force"]].concat());
    assert!(fs::read_to_string(&lines).unwrap() == text);
    experiment.trained("run", &["--force"]);
    assert!(!experiment.path("run/calibration").exists(), "it was of the run before");
}
