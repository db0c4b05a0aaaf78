//! SIGKILL at any moment.

use super::{BOTH, DATA, GAUGE, Running, go_on, half_done, left};
use crate::support::{Experiment, errors, temporaries};
use rand::RngExt;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use upg_core::{Rng, Streams};

/// When a program is killed.
#[derive(Debug)]
enum Moment {
    /// As soon as there is a run.
    Begun,
    /// After some time.
    After(Duration),
    /// After some time, as soon as a file is being written.
    Writing(Duration),
}

impl Moment {
    fn draw(number: usize, longest: Duration, rng: &mut Rng) -> Self {
        let delay = longest.mul_f64(rng.random());
        match number {
            0 => Self::Begun,
            _ if number.is_multiple_of(3) => Self::Writing(delay),
            _ => Self::After(delay),
        }
    }

    fn wait(&self, program: &mut Running, run: &Path) {
        match self {
            Self::Begun => program.wait_until(|| run.join("config.ron").exists()),
            Self::After(delay) => sleep(*delay),
            Self::Writing(delay) => {
                sleep(*delay);
                program.wait_until(|| !temporaries(run).is_empty());
            }
        }
    }
}

/// Kills with SIGKILL; whether the program hadn't come to its end.
#[track_caller]
fn kill(mut program: Running) -> bool {
    program.0.kill().unwrap();
    let output = program.output();
    assert!(matches!(output.status.code(), None | Some(0)), "{}", errors(&output));
    output.status.code().is_none()
}

/// Of every configuration.
const KILLS: usize = 12;

/// Kills a run again and again; when it comes to its end nevertheless, begins another one until there were kills enough.
fn survives_being_killed(config: &str, seed: u64) {
    let experiment = Experiment::new(config);
    let begun = Instant::now();
    experiment.trained("whole", &["--threads", "1"]);
    let longest = begun.elapsed().mul_f64(0.4);
    let expected = left(&experiment.path("whole"));
    let mut rng = Streams::new(seed).next_stream();
    let (mut kills, mut before, mut during) = (0, 0, 0);
    for number in 0.. {
        let (name, mut sessions) = (format!("run{number}"), 0);
        let run = experiment.path(&name);
        while kills < KILLS {
            let mut program = Running::start(experiment.train(&name, &go_on(sessions)));
            let moment = Moment::draw(kills, longest, &mut rng);
            moment.wait(&mut program, &run);
            sessions += 1;
            if !kill(program) {
                break;
            }
            kills += 1;
            before += usize::from(!run.join("checkpoint.safetensors").exists());
            during += usize::from(!temporaries(&run).is_empty());
        }
        experiment.trained(&name, &go_on(sessions));
        left(&run).assert_is(&expected, &format!("{name}, {sessions} sessions"));
        assert_eq!(temporaries(&run), [""; 0], "{name}");
        if config.contains("tensorboard: On") {
            assert_eq!(run.join("tensorboard").read_dir().unwrap().count(), 1, "event files of {name}");
        }
        if kills >= KILLS {
            println!(
                "{kills} kills in {} runs: {before} before the first checkpoint, {during} during a write",
                number + 1
            );
            return;
        }
    }
}

#[test]
fn a_gauge_theory_survives_being_killed() {
    survives_being_killed(GAUGE, 31);
}

#[test]
fn a_sum_of_divergences_survives_being_killed() {
    survives_being_killed(BOTH, 32);
}

#[test]
fn a_run_on_data_survives_being_killed() {
    survives_being_killed(DATA, 33);
}

#[test]
fn what_a_killed_process_left_half_written_goes_and_nothing_else() {
    let (experiment, expected) = half_done();
    let run = experiment.path("half");
    let ours = [
        ".checkpoint.safetensors.a1B2c3.tmp",
        ".metrics.jsonl.x9.tmp",
        ".checkpoint.previous.safetensors.link.tmp",
        ".train.npy.q.tmp",
    ];
    let foreign = [".mine.tmp", "checkpoint.safetensors.tmp", ".checkpoint.safetensors.a1B2c3.swp", "notes"];
    ours.iter().chain(&foreign).for_each(|name| fs::write(run.join(name), "half").unwrap());
    experiment.trained("half", &["--resume", "--steps", "88"]);
    assert!(ours.iter().all(|name| !run.join(name).exists()));
    assert!(foreign.iter().all(|name| fs::read(run.join(name)).unwrap() == b"half"));
    left(&run).assert_is(&expected, "beside foreign files");
}
