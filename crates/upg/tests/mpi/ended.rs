//! However a run of several processes ends, it ends, with one line and a good checkpoint.

use crate::launch::{Launched, leaves_nobody, on, said, train};
use crate::support::{Experiment, metrics, progress_number, temporaries};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// A run that only ends if it is told to, or something happens.
const ENDLESS: &str = "(
    flow: Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3]),
    target: Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 1000000000, batch: 16, ema: 0.5, optimiser: AdamW(rate: 0.001),
        validation: (every: 1000, samples: 16), checkpoint: (every: 1000000), log_every: 20,
    ),
)";

const PROCESSES: usize = 3;

/// Has something happen to a run under way; returns how it ended.
#[track_caller]
fn end_by(experiment: &Experiment, happens: impl FnOnce(&Launched)) -> Output {
    end_with(&[], experiment, happens)
}

/// The same with more arguments.
#[track_caller]
fn end_with(extra: &[&str], experiment: &Experiment, happens: impl FnOnce(&Launched)) -> Output {
    let run = experiment.path("run");
    let mut launched = Launched::start(train(experiment, PROCESSES, "run", extra), &run);
    launched.wait_until(|_| run.join("metrics.jsonl").exists() && metrics_of(&run) > 3);
    happens(&launched);
    launched.end()
}

/// Number of whole lines.
fn metrics_of(run: &Path) -> usize {
    std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().matches('\n').count()
}

/// The step of the checkpoint, from which the run goes on.
#[track_caller]
fn saved(experiment: &Experiment) -> u64 {
    let run = experiment.path("run");
    let step = progress_number(&run.join("checkpoint.safetensors"), "step") as u64;
    assert_eq!(temporaries(&run), [""; 0]);
    experiment.trained("run", &["--resume", "--steps", &(step + 40).to_string()]);
    assert!(metrics(&run).iter().any(|line| line["step"].as_u64() > Some(step)));
    step
}

/// What the others say of a killed process: one line, if there are any left.
#[track_caller]
fn of_a_killed(output: &Output) -> Option<String> {
    assert!(!output.status.success());
    let (mut lines, told) = (said(output), String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines.len(), usize::from(!leaves_nobody()), "{told}");
    lines.pop()
}

#[test]
fn a_signal_to_any_process_ends_the_run_as_a_signal_to_one() {
    for rank in 0..PROCESSES {
        let experiment = Experiment::new(ENDLESS);
        let output = end_by(&experiment, |launched| launched.send("TERM", rank));
        let [line] = &said(&output)[..] else { panic!("{:?}", String::from_utf8_lossy(&output.stderr)) };
        let step = saved(&experiment);
        let told = format!("stopped by SIGTERM after step {step}: all is saved, --resume --out ");
        assert!(line.starts_with(&told), "{line}");
        assert_eq!(output.status.code(), Some(1));
        assert!(step > 60, "{step}");
    }
}

#[test]
fn where_a_process_is_killed_the_first_saves() {
    for rank in 1..PROCESSES {
        let experiment = Experiment::new(ENDLESS);
        let output = end_by(&experiment, |launched| launched.send("KILL", rank));
        let step = saved(&experiment);
        let Some(line) = of_a_killed(&output) else { continue };
        assert!(line.starts_with(&format!("error: process {rank} is lost: ")), "{line}");
        assert!(line.contains(&format!("; all is saved after step {step}, --resume --out ")), "{line}");
        assert!(step > 60, "{step}");
    }
}

/// The checkpoint is that which was there.
#[test]
fn where_the_first_process_is_killed_another_says_so() {
    let experiment = Experiment::new(ENDLESS);
    let output = end_by(&experiment, |launched| launched.send("KILL", 0));
    if let Some(line) = of_a_killed(&output) {
        let stays = "; its latest checkpoint stays, ";
        assert!(line.starts_with("error: process 0 is lost: ") && line.contains(stays), "{line}");
    }
    saved(&experiment);
}

/// The first of those that are left speaks.
#[test]
fn where_the_first_two_are_killed_the_third_says_so() {
    let experiment = Experiment::new(ENDLESS);
    let output = end_by(&experiment, |launched| launched.send_to("KILL", &[0, 1]));
    if let Some(line) = of_a_killed(&output) {
        assert!(
            line.starts_with("error: process 0 is lost: ") || line.starts_with("error: process 1 is lost: "),
            "{line}"
        );
    }
    saved(&experiment);
}

/// Those that wait for one that doesn't answer end as soon as anyone is asked to.
#[test]
fn a_signal_is_heeded_while_another_process_does_not_answer() {
    for (mute, rank) in [(1, 0), (2, 1)] {
        let experiment = Experiment::new(ENDLESS);
        let output = end_by(&experiment, |launched| {
            launched.send("STOP", mute);
            launched.send("TERM", rank);
        });
        let [line] = &said(&output)[..] else { panic!("{:?}", String::from_utf8_lossy(&output.stderr)) };
        let step = saved(&experiment);
        assert!(line.starts_with(&format!("stopped by SIGTERM after step {step}: all is saved")), "{line}");
    }
}

/// Patience has an end; one that goes on when the others have given it up doesn't hold that they are lost.
#[test]
fn one_that_does_not_answer_for_long_is_lost() {
    for mute in 0..PROCESSES {
        let experiment = Experiment::new(ENDLESS);
        let output = end_with(&["--patience", "2"], &experiment, |launched| launched.send("STOP", mute));
        let [line] = &said(&output)[..] else { panic!("{:?}", String::from_utf8_lossy(&output.stderr)) };
        assert!(line.starts_with(&format!("error: process {mute} is lost: no answer in 2 s (--patience); ")), "{line}");
        assert!(!output.status.success()); // of which the launcher makes what it likes
        saved(&experiment);
    }
}

/// Whoever waits for a card that is gone leaves, while pieces of a gradient are on their way, too, and its own card gives the weights to be saved.
#[test]
fn cards_that_are_connected_do_not_wait_for_one_that_is_gone() {
    let in_pieces = ENDLESS.replace("hidden: [3]", "hidden: [60]");
    for (signal, rank) in [("KILL", 1), ("KILL", 2), ("KILL", 0), ("TERM", 1)] {
        let experiment = Experiment::new(&in_pieces);
        let output = end_with(&["--device", "emulated"], &experiment, |launched| launched.send(signal, rank));
        if signal == "TERM" {
            let [line] = &said(&output)[..] else { panic!("{:?}", String::from_utf8_lossy(&output.stderr)) };
            assert!(line.starts_with("stopped by SIGTERM"), "{line}");
        } else if let Some(line) = of_a_killed(&output) {
            assert!(line.starts_with(&format!("error: process {rank} is lost")), "{line}");
        }
        saved(&experiment);
    }
}

/// Data that are drawn for long.
const DATA: &str = "(
    flow: Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3]),
    target: Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1),
    training: (steps: 10, batch: 16, objective: Forward(MaxLikelihood)),
    data: (train: Draw(2000), test: Draw(100), hmc: (chains: 200, warm_up: 1000000000)),
)";

/// Starts a command that takes for ever, and does something once all processes are at work; returns how it ended.
#[track_caller]
fn end_work_by(arguments: &[&str], folder: &Path, happens: impl FnOnce(&Launched)) -> Output {
    let mut launched = Launched::start(on(PROCESSES, arguments), folder);
    launched.wait_until(|launched| (0..PROCESSES).all(|rank| launched.answers(rank)));
    std::thread::sleep(Duration::from_millis(300)); // to be at work
    happens(&launched);
    launched.end()
}

/// Where nothing is to be saved, and nothing is: all end where they meet next, and the first says so, whoever was asked; or another, if the first is gone.
#[test]
fn the_end_of_any_process_while_results_are_made_is_told_once() {
    let experiment = Experiment::new(ENDLESS);
    experiment.trained("run", &["--steps", "20"]);
    let (run, config) = (experiment.argument("run"), experiment.argument("config.ron"));
    std::fs::write(experiment.path("data.ron"), DATA).unwrap();
    let data = experiment.argument("data.ron");
    let commands = [
        ["evaluate", "--run", &run, "--samples", "500000000"],
        ["variance", "--run", &run, "--repetitions", "4000000000"],
        ["hmc", "--config", &config, "--samples", "500000000"],
        ["train", "--config", &data, "--steps", "10"],
    ];
    for (rank, command) in (0..PROCESSES).flat_map(|rank| commands.map(|command| (rank, command))) {
        let out = experiment.argument(&format!("{}{rank}", command[0]));
        let arguments = [&command[..], &["--out", &out, "--threads", "1"]].concat();
        for signal in ["TERM", "KILL"] {
            let output = end_work_by(&arguments, out.as_ref(), |launched| launched.send(signal, rank));
            let (told, what) = (String::from_utf8_lossy(&output.stderr), format!("{arguments:?}: {signal} to {rank}"));
            if signal == "TERM" {
                let [line] = &said(&output)[..] else { panic!("{what}: {told}") };
                assert!(line.starts_with("stopped by SIGTERM"), "{what}: {told}"); // with more words where they meet too late
                assert!(!output.status.success(), "{what}: {told}");
                assert_eq!(temporaries(out.as_ref()), [""; 0]);
            } else if let Some(line) = of_a_killed(&output) {
                assert!(line.starts_with(&format!("error: process {rank} is lost: ")), "{what}: {told}");
            }
        }
    }
}

/// A limit of files for the process that writes.
#[test]
fn a_full_disk_ends_the_run_in_one_line() {
    let experiment = Experiment::new(ENDLESS);
    let output = end_by(&experiment, |launched| {
        let (pid, limit) = (launched.process(0).to_string(), "--fsize=4096");
        assert!(Command::new("prlimit").args(["--pid", &pid, limit]).status().unwrap().success());
    });
    let [line] = &said(&output)[..] else { panic!("{:?}", String::from_utf8_lossy(&output.stderr)) };
    assert!(line.starts_with("error: ") && line.contains("cannot write: File too large"), "{line}");
    assert_eq!(output.status.code(), Some(1));
    saved(&experiment);
}
