//! Runs in parts, signals, and several processes at once.

use super::{BOTH, DATA, ENDLESS, GAUGE, Running, left};
use crate::support::{Experiment, errors, files, first_error_line, metrics, progress_number};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};
use upg_experiments::io::signals::{ending, name};

#[test]
fn two_parts_are_the_whole() {
    // Steps at which nothing is due: a pause leaves no trace, neither a line nor a test whose weights might be the best.
    for (config, step) in [(GAUGE, "37"), (BOTH, "29"), (DATA, "35")] {
        let experiment = Experiment::new(config);
        experiment.trained("whole", &[]);
        experiment.trained("parts", &["--steps", step, "--threads", "2"]);
        let run = experiment.path("parts");
        assert_eq!(progress_number(&run.join("checkpoint.safetensors"), "step").to_string(), step);
        let said = experiment.trained("parts", &["--resume", "--threads", "1"]);
        assert_eq!(said.lines().collect::<Vec<_>>(), [format!("going on after step {step}")]);
        left(&run).assert_is(&left(&experiment.path("whole")), step);
        let before = files(&run);
        experiment.trained("parts", &["--resume"]); // there is nothing left to do
        left(&run).assert_is(&left(&experiment.path("whole")), "once more");
        assert!(before.keys().eq(files(&run).keys()) || config == DATA);
    }
}

#[test]
fn a_run_that_is_asked_to_stop_saves_and_stops() {
    // Without HUP where these tests are run under `nohup`, which their programs inherit.
    for signal in ending().into_iter().map(|number| name(number).trim_start_matches("SIG")) {
        let experiment = Experiment::new(ENDLESS);
        let run = experiment.path("run");
        let mut program = Running::start(experiment.train("run", &["--threads", "1"]));
        program.wait_until(|| fs::metadata(run.join("metrics.jsonl")).is_ok_and(|file| file.len() > 0));
        program.send(signal);
        let output = program.output();
        let step = progress_number(&run.join("checkpoint.safetensors"), "step");
        let place = run.display();
        let line = format!("stopped by SIG{signal} after step {step}: all is saved, --resume --out {place} goes on\n");
        assert_eq!((output.status.code(), errors(&output)), (Some(1), line));
        let logged = metrics(&run).last().unwrap()["step"].as_f64().unwrap();
        assert!(logged <= step && step < logged + 20.0, "{logged}, {step}");

        let steps = (step + 31.0).to_string();
        experiment.trained("run", &["--resume", "--steps", &steps, "--threads", "2"]);
        experiment.trained("whole", &["--steps", &steps]);
        left(&run).assert_is(&left(&experiment.path("whole")), signal);
    }
}

/// `timeout` sends SIGTERM to the program, then to its group: one request.
#[test]
fn two_signals_at_once_are_one_request() {
    let experiment = Experiment::new(ENDLESS);
    let run = experiment.path("run");
    let mut program = Running::start(experiment.train("run", &["--threads", "1"]));
    program.wait_until(|| fs::metadata(run.join("metrics.jsonl")).is_ok_and(|file| file.len() > 0));
    let pid = program.0.id().to_string();
    let script = format!("kill -TERM {pid}; kill -TERM {pid}; sleep 0.1; kill -INT {pid}; true");
    assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
    let output = program.output();
    let said = errors(&output);
    assert!(said.starts_with("stopped by SIGTERM after step ") && said.contains("all is saved"), "{said}");
    assert!(progress_number(&run.join("checkpoint.safetensors"), "step") > 0.0);
}

/// Under `nohup` a run outlives its terminal.
#[test]
fn an_ignored_hangup_stays_ignored() {
    let experiment = Experiment::new(ENDLESS);
    let run = experiment.path("run");
    let train = experiment.train("run", &["--threads", "1"]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(train.get_program()).args(train.get_args());
    let mut program = Running::start(shell);
    let len = || fs::metadata(run.join("metrics.jsonl")).map_or(0, |file| file.len());
    program.wait_until(|| len() > 0);
    program.send("HUP");
    let before = len();
    program.wait_until(|| len() > before + 2000);
    assert!(!program.has_ended());
    program.send("TERM");
    assert!(errors(&program.output()).starts_with("stopped by SIGTERM"));
}

/// There is nothing to save while the data are drawn: the program ends soon.
#[test]
fn a_signal_ends_the_drawing_of_data_at_once() {
    let config = super::BOTH.replace("warm_up: 5", "warm_up: 1000000000");
    let experiment = Experiment::new(&config);
    let run = experiment.path("run");
    let mut program = Running::start(experiment.train("run", &[]));
    program.wait_until(|| run.join("config.ron").exists());
    sleep(Duration::from_millis(200));
    let sent = Instant::now();
    program.send("TERM");
    let output = program.output();
    assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
    let line = "stopped by SIGTERM before the first step: nothing is lost\n";
    assert_eq!((output.status.code(), &errors(&output)[..]), (Some(1), line));
}

/// Whoever pauses a run before its first validation can look at it all the same.
#[test]
fn a_run_without_a_validation_has_weights() {
    let experiment = Experiment::new(GAUGE);
    experiment.trained("run", &["--steps", "5"]);
    let run = experiment.argument("run");
    assert!(!experiment.path("run").join("checkpoint.best.safetensors").exists());
    let output = crate::support::upg(&["evaluate", "--run", &run, "--samples", "200"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", errors(&output));
    assert!(
        said.contains("200 of the ema weights") && said.contains("step 5: no validation has chosen any yet"),
        "{said}"
    );
}

#[test]
fn a_folder_serves_one_process_at_a_time() {
    let experiment = Experiment::new(ENDLESS);
    let run = experiment.path("run");
    let mut program = Running::start(experiment.train("run", &[]));
    program.wait_until(|| run.join("checkpoint.safetensors").exists());
    for (how, fragment) in [
        (&["--resume"][..], "another run is going on"),
        (&["--force"], "another run is going on"),
        (&[], "holds a run already"),
    ] {
        let output = experiment.train("run", &[how, &["--steps", "50"]].concat()).output().unwrap();
        let line = first_error_line(&output);
        assert_eq!(output.status.code(), Some(2), "{how:?}: {line}");
        assert!(line.contains(fragment) && line.contains(run.to_str().unwrap()), "{how:?}: {line}");
    }
    program.send("TERM");
    let output = program.output();
    assert_eq!(output.status.code(), Some(1), "undisturbed until then: {}", errors(&output));
    let step = progress_number(&run.join("checkpoint.safetensors"), "step") + 5.0;
    experiment.trained("run", &["--resume", "--steps", &step.to_string()]);
    experiment.trained("whole", &["--steps", &step.to_string()]);
    left(&run).assert_is(&left(&experiment.path("whole")), "after the others were refused");
}

#[test]
fn of_several_that_begin_at_once_one_does() {
    let experiment = Experiment::new(ENDLESS);
    let run = experiment.path("run");
    for how in [&[][..], &["--resume"], &["--force"]] {
        let mut programs: Vec<_> = (0..4).map(|_| Running::start(experiment.train("run", how))).collect();
        let (mut refused, begun) = (vec![], Instant::now());
        while refused.len() < 3 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{how:?}: {} of 3 were refused", refused.len());
            match programs.iter_mut().position(Running::has_ended) {
                Some(ended) => refused.push(programs.remove(ended).output()),
                None => sleep(Duration::from_millis(1)),
            }
        }
        let mut winner = programs.remove(0);
        winner.wait_until(|| run.join("checkpoint.safetensors").exists());
        winner.send("KILL");
        assert_eq!(winner.output().status.code(), None, "{how:?}: it ran until it was killed");
        for output in refused {
            let line = first_error_line(&output);
            assert_eq!(output.status.code(), Some(2), "{how:?}: {line}");
            assert!(
                line.contains("another run is going on") || line.contains("holds a run already"),
                "{how:?}: {line}"
            );
        }
        if how != ["--resume"] {
            fs::remove_dir_all(&run).unwrap();
        }
    }
}
