//! A disk without room for a file.

use super::{DATA, GAUGE, copy_of_half, half_done, left};
use crate::support::{Experiment, errors, first_error_line, temporaries};
use std::fs;
use std::process::{Command, Output};

/// Runs a command that may write files of so many bytes only, in steps of 512: a full disk.
fn with_little_space(command: Command, bytes: u64) -> Output {
    let script = format!("ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args()).output().unwrap()
}

#[test]
fn a_full_disk_costs_no_more_than_the_steps_since_the_last_checkpoint() {
    let (experiment, expected) = half_done();
    let expected = expected.but_the_previous();
    // The next checkpoint is then that of step 77, which has a new best.
    fs::write(experiment.path("config.ron"), GAUGE.replace("checkpoint: (every: 7)", "checkpoint: (every: 77)"))
        .unwrap();
    let size = |name: &str| fs::metadata(experiment.path("half").join(name)).unwrap().len();
    let [latest, best] = ["checkpoint.safetensors", "checkpoint.best.safetensors"].map(size);
    assert!(best + 1024 < latest && size("metrics.jsonl") + 1500 < best, "the limits tell them apart");
    for (space, named) in [(latest - 512, "checkpoint.safetensors"), (best - 512, "checkpoint.best.safetensors")] {
        copy_of_half(&experiment, named);
        let run = experiment.path(named);
        let last_two = || {
            ["checkpoint.safetensors", "checkpoint.previous.safetensors"].map(|name| fs::read(run.join(name)).unwrap())
        };
        let good = last_two();
        let output = with_little_space(experiment.train(named, &["--resume", "--steps", "88"]), space);
        let line = errors(&output).lines().last().unwrap().to_owned();
        assert_eq!(output.status.code(), Some(1), "{line}");
        let place = run.join(named);
        assert!(line.starts_with(&format!("error: output {}: cannot write: ", place.display())), "{line}");
        assert!(line.contains("File too large"), "{line}");
        assert!(last_two() == good);
        assert_eq!(temporaries(&run), [""; 0]);
        experiment.trained(named, &["--resume", "--steps", "88"]);
        left(&run).but_the_previous().assert_is(&expected, named);
    }
}

/// The metrics are the first to find no space, then the data.
#[test]
fn a_full_disk_is_noticed_in_every_file() {
    let experiment = Experiment::new(&DATA.replace("batch: 16", "batch: 1"));
    experiment.trained("whole", &[]);
    let expected = left(&experiment.path("whole"));
    let size = |name: &str| fs::metadata(experiment.path("whole").join(name)).unwrap().len();
    let space = size("checkpoint.safetensors") + 1024;
    assert!(space + 2048 < size("metrics.jsonl"));
    for (space, named, code) in [(space, "metrics.jsonl", 1), (512, "config.ron", 1)] {
        let output = with_little_space(experiment.train("run", &[]), space);
        let line = first_error_line(&output);
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert!(line.contains(&format!("{named}: cannot write: File too large")), "{line}");
        assert_eq!(temporaries(&experiment.path("run")), [""; 0]);
        experiment.trained("run", &["--resume"]);
        left(&experiment.path("run")).assert_is(&expected, named);
        fs::remove_dir_all(experiment.path("run")).unwrap();
    }
}
