//! Whatever ends a sweep or one of its runs: the next one goes on to the same bits.

use super::{GRID, RUNS, SMALL, assert_as_alone, run, sessions, sweep, swept};
use crate::resume::Running;
use crate::support::{Experiment, errors, progress_number};
use std::fs;
use std::process::Command;

/// Runs that take a second or two.
fn longer() -> Experiment {
    Experiment::new(&SMALL.replace("steps: 60", "steps: 3000"))
}

/// Two of the runs at a time, on one thread each.
fn started(experiment: &Experiment) -> Running {
    Running::start(sweep(experiment, &[&GRID[..], &["--jobs", "2", "--threads", "1"]].concat()))
}

/// Waits until a run has a checkpoint behind its first one.
fn wait_for_steps(program: &mut Running, experiment: &Experiment, name: &str) {
    let previous = run(experiment, name).join("checkpoint.previous.safetensors");
    program.wait_until(|| previous.exists());
}

/// The processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let is_child = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The second field behind the name, which is in brackets.
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&parent.to_string()[..])
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| number(entry.unwrap())).filter(is_child).collect()
}

fn kill(process: u32) {
    assert!(Command::new("sh").args(["-c", &format!("kill -KILL {process}")]).status().unwrap().success());
}

/// Its runs outlive it: the next one waits for them.
#[test]
fn the_runs_of_a_killed_sweep_are_waited_for() {
    let experiment = longer();
    let mut program = started(&experiment);
    wait_for_steps(&mut program, &experiment, RUNS[0].0);
    assert!(!children(program.0.id()).is_empty());
    program.0.kill().unwrap();
    assert_eq!(program.output().status.code(), None);
    swept(&experiment, &GRID);
    RUNS.iter().for_each(|(name, _)| assert_eq!(sessions(&experiment, name), 1, "{name}"));
    assert_as_alone(&experiment);
}

#[test]
fn a_sweep_that_is_killed_with_its_runs_goes_on() {
    let experiment = longer();
    let mut program = started(&experiment);
    wait_for_steps(&mut program, &experiment, RUNS[0].0);
    let doomed = children(program.0.id());
    program.0.kill().unwrap();
    program.output();
    doomed.into_iter().for_each(kill);
    swept(&experiment, &GRID);
    assert_as_alone(&experiment);
}

#[test]
fn a_killed_run_is_told_and_tried_again() {
    let experiment = longer();
    let mut program = started(&experiment);
    wait_for_steps(&mut program, &experiment, RUNS[0].0);
    let both = children(program.0.id());
    assert_eq!(both.len(), 2);
    kill(both[0]);
    let output = program.output();
    let said = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches(": done").count(), 3, "{said}");
    assert!(said.contains("failed: signal: 9 (SIGKILL)") && said.contains("1 of 4 runs failed"), "{said}");
    swept(&experiment, &GRID);
    assert_as_alone(&experiment);
    RUNS.iter().for_each(|(name, _)| assert_eq!(sessions(&experiment, name), 1, "one came to its end: {name}"));
}

#[test]
fn a_sweep_that_is_asked_to_stop_has_its_runs_save() {
    for signal in ["TERM", "INT"] {
        let experiment = Experiment::new(&SMALL.replace("steps: 60", "steps: 1000000"));
        let mut program = started(&experiment);
        RUNS[..2].iter().for_each(|(name, _)| wait_for_steps(&mut program, &experiment, name));
        let both = children(program.0.id());
        program.send(signal);
        let output = program.output();
        let place = experiment.argument("sweep");
        let line = format!(
            "stopped by SIG{signal}: 0 of 4 runs are done, the others saved; upg sweep --out {place} goes on\n"
        );
        assert_eq!((output.status.code(), errors(&output)), (Some(1), line));
        for process in both {
            assert!(!fs::exists(format!("/proc/{process}")).unwrap(), "it is left alone");
        }
        for (name, _) in &RUNS[..2] {
            let log = fs::read_to_string(experiment.path(&format!("sweep/runs/{name}.log"))).unwrap();
            assert!(log.starts_with("stopped by SIGTERM after step "), "{log}");
        }
        let latest = run(&experiment, RUNS[0].0).join("checkpoint.safetensors");
        let step = progress_number(&latest, "step") as u64;
        swept(&experiment, &[&GRID[..], &["--steps", &(step + 40).to_string()]].concat());
        assert!(progress_number(&latest, "step") as u64 >= step + 40);
    }
}

/// Two processes share the runs of a folder; each is made once, and both end when all are done.
#[test]
fn two_sweeps_in_one_folder_make_each_run_once() {
    let experiment = longer();
    let both = [started(&experiment), started(&experiment)].map(Running::output);
    for output in &both {
        assert!(output.status.success(), "{}", errors(output));
    }
    let made: usize = both.iter().map(|output| errors(output).matches(": done").count()).sum();
    assert_eq!(made, RUNS.len());
    RUNS.iter().for_each(|(name, _)| assert_eq!(sessions(&experiment, name), 1, "{name}"));
    assert_as_alone(&experiment);
}
