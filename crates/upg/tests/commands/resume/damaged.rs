//! Checkpoints that were cut or altered.

use super::{GAUGE, copy_of_half, half_done, left};
use crate::support::{Experiment, errors, files, first_error_line};
use rand::RngExt;
use safetensors::SafeTensors;
use std::fs;
use std::ops::Range;
use upg_core::Streams;

/// The parts of a checkpoint by name, as ranges of its bytes.
fn parts(bytes: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let (header, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    let data = header + 8;
    let tensor = |name: &str| {
        let (begin, end) = metadata.info(name).unwrap_or_else(|| panic!("{name}")).data_offsets;
        data + begin..data + end
    };
    let word = |word: &str| {
        let begin = bytes.windows(word.len()).position(|window| window == word.as_bytes()).unwrap();
        begin..begin + word.len()
    };
    vec![
        ("length of the header", 0..8),
        ("header", 8..data),
        ("header", 8..data),
        ("name of a tensor", word("layers.1.net.0.bias")),
        ("name of the checksum", word("checksum")),
        ("metadata", word("version")),
        ("weights", tensor("layers.0.net.0.weight")),
        ("weights", tensor("layers.1.net.1.bias")),
        ("first moment", tensor("state.first_moment.layers.0.net.0.weight")),
        ("second moment", tensor("state.second_moment.layers.1.net.0.weight")),
        ("moving average", tensor("state.ema.layers.0.net.1.weight")),
        ("progress", tensor("state.progress")),
        ("progress", tensor("state.progress")),
        ("checksum", tensor("state.checksum")),
    ]
}

/// Every damage done to a checkpoint, by name.
fn damages(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut rng = Streams::new(34).next_stream();
    let parts = parts(bytes);
    let mut damages = vec![];
    for (part, range) in &parts {
        let (at, bit) = (rng.random_range(range.clone()), rng.random_range(0..8));
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << bit;
        damages.push((format!("{part}, bit {bit} of byte {at}"), flipped));
    }
    let header = parts[1].1.end;
    for len in [0, 7, header / 2, header, bytes.len() / 2, bytes.len() - 1] {
        damages.push((format!("cut to {len} bytes"), bytes[..len].to_vec()));
    }
    damages
}

#[test]
fn a_damaged_checkpoint_is_recognised_and_the_one_before_is_used() {
    let (experiment, expected) = half_done();
    let good = fs::read(experiment.path("half/checkpoint.safetensors")).unwrap();
    for (number, (damage, bytes)) in damages(&good).into_iter().enumerate() {
        let name = format!("run{number}");
        copy_of_half(&experiment, &name);
        let latest = experiment.path(&name).join("checkpoint.safetensors");
        fs::write(&latest, &bytes).unwrap();
        let said = experiment.trained(&name, &["--resume", "--steps", "88", "--threads", "1"]);
        let lines: Vec<_> = said.lines().collect();
        let [warning, "going on after step 63"] = lines[..] else { panic!("{damage}: {lines:?}") };
        assert!(warning.starts_with("warning: ") && warning.contains(latest.to_str().unwrap()), "{damage}: {warning}");
        assert!(warning.ends_with("going on from the checkpoint before, of step 63"), "{damage}: {warning}");
        left(&experiment.path(&name)).assert_is(&expected, &damage);
        assert_eq!(fs::read(experiment.path(&name).join("checkpoint.damaged.safetensors")).unwrap(), bytes);
    }
}

#[test]
fn without_a_good_checkpoint_nothing_is_touched() {
    let (experiment, _) = half_done();
    let run = experiment.path("half");
    let spoil = |name: &str, at: usize| {
        let mut bytes = fs::read(run.join(name)).unwrap();
        let at = bytes.len() - at;
        bytes[at] ^= 4;
        fs::write(run.join(name), bytes).unwrap();
    };
    let refused = |names: &[&str]| {
        let before = files(&run);
        let output = experiment.train("half", &["--resume"]).output().unwrap();
        let line = first_error_line(&output);
        assert_eq!((output.status.code(), errors(&output).lines().count()), (Some(2), 1), "{}", errors(&output));
        assert!(names.iter().all(|name| line.contains(name)) && line.contains("--force"), "{line}");
        assert_eq!(files(&run), before);
    };
    spoil("checkpoint.safetensors", 100);
    spoil("checkpoint.previous.safetensors", 200);
    refused(&["checkpoint.safetensors", "checkpoint.previous.safetensors", "altered or damaged"]);
    fs::remove_file(run.join("checkpoint.previous.safetensors")).unwrap();
    refused(&["checkpoint.safetensors", "altered or damaged"]);
}

/// As a process leaves it that is killed after it put a damaged checkpoint aside: the run has begun, whatever became of what it began with.
#[test]
fn a_run_without_its_latest_checkpoint_does_not_begin_anew() {
    let experiment = Experiment::new(GAUGE);
    experiment.trained("first", &["--steps", "5"]);
    fs::write(experiment.path("config.ron"), GAUGE.replace("steps: 120,", "steps: 120, start_from: \"first\","))
        .unwrap();
    experiment.trained("whole", &["--steps", "88"]);
    experiment.trained("half", &["--steps", "66"]);
    fs::remove_dir_all(experiment.path("first")).unwrap();
    fs::remove_file(experiment.path("half/checkpoint.safetensors")).unwrap();
    let said = experiment.trained("half", &["--resume", "--steps", "88"]);
    assert!(said.contains("going on from the checkpoint before, of step 63"), "{said}");
    left(&experiment.path("half")).assert_is(&left(&experiment.path("whole")), "from the checkpoint before");
}
