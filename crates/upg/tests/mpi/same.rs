//! A run is the same on any number of processes: to round-off, and to the bit where there are as many.

use crate::launch::{Launched, in_folders, on, said, train, trained};
use crate::support::{Experiment, Tensors, distance, json, metrics, tensors};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Both divergences, data by three groups of HMC chains, a rate that depends on the log-weights, an average, uneven shares.
const BOTH: &str = "(
    flow: RealNvp(lattice: [4, 2], couplings: 2, hidden: [6], activation: Tanh, mask: Checkerboard),
    target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 60, batch: 22, seed: 6, clip: 2.0, warm_up: 9, ema: 0.9, precision: F64, optimiser: AdamW(rate: 0.01),
        objective: Sum(reverse: PathFast, reverse_weight: 0.5, forward: Gdreg, forward_weight: 0.7),
        schedule: Plateau(patience: 4, factor: 0.8, watch: LogWeightStd), anneal: Kappa(from: 0.1, steps: 20),
        validation: (every: 13, samples: 50), checkpoint: (every: 5), log_every: 2,
    ),
    data: (train: Draw(200), test: Draw(40), hmc: (chains: 150, warm_up: 5, thin: 2)),
)";

/// Round-off after sixty steps of Adam.
const ROUND_OFF: f64 = 1e-8;

fn state(run: &Path) -> Tensors {
    let mut all = tensors(&run.join("checkpoint.safetensors"));
    all.retain(|name, _| name != "state.progress" && name != "state.checksum");
    all
}

#[track_caller]
fn assert_close(run: &Path, expected: &Path, what: &str) {
    let (found, whole) = (state(run), state(expected));
    assert!(found.keys().eq(whole.keys()), "{what}");
    for (name, (_, _, values)) in &found {
        let off = distance(values, &whole[name].2);
        assert!(off < ROUND_OFF, "{what}: {name} is off by {off}");
    }
    let lines = metrics(run);
    assert_eq!(lines.len(), metrics(expected).len(), "{what}");
    for (line, expected) in lines.iter().zip(&metrics(expected)) {
        assert_numbers_close(line, expected, what);
    }
}

/// Of all numbers but times.
#[track_caller]
fn assert_numbers_close(found: &Value, expected: &Value, what: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{what}");
            let timeless = found.iter().filter(|(key, _)| !["seconds", "samples_per_second"].contains(&key.as_str()));
            timeless.for_each(|(key, value)| assert_numbers_close(value, &expected[key], &format!("{what}: {key}")));
        }
        _ => match (found.as_f64(), expected.as_f64()) {
            (Some(a), Some(b)) => assert!((a - b).abs() <= ROUND_OFF * b.abs().max(1.0), "{what}: {a} for {b}"),
            _ => assert_eq!(found, expected, "{what}"),
        },
    }
}

#[test]
fn a_run_of_several_processes_is_that_of_one() {
    let experiment = Experiment::new(BOTH);
    experiment.trained("alone", &[]);
    let data = |run: &str| ["train.npy", "test.npy"].map(|name| fs::read(experiment.path(run).join(name)).unwrap());
    for processes in 1..=4 {
        let [first, second] = ["a", "b"].map(|name| format!("{processes}{name}"));
        trained(&experiment, processes, &first, &[]);
        assert_close(&experiment.path(&first), &experiment.path("alone"), &first);
        assert_eq!(data(&first), data("alone"));
        trained(&experiment, processes, &second, &[]);
        assert!(state(&experiment.path(&first)) == state(&experiment.path(&second)), "to the bit once more");
    }
}

#[test]
fn a_run_goes_on_on_another_number_of_processes() {
    let experiment = Experiment::new(BOTH);
    experiment.trained("alone", &[]);
    trained(&experiment, 3, "parts", &["--steps", "21"]);
    trained(&experiment, 2, "parts", &["--steps", "44", "--resume"]);
    experiment.trained("parts", &["--steps", "51", "--resume"]);
    trained(&experiment, 4, "parts", &["--resume"]);
    assert_close(&experiment.path("parts"), &experiment.path("alone"), "3, 2, 1, 4 processes");
}

fn file_of(experiment: &Experiment, name: &str) -> Vec<u8> {
    fs::read(experiment.path(name)).unwrap()
}

#[test]
fn results_are_those_of_one_process() {
    let experiment = Experiment::new(BOTH);
    experiment.trained("run", &[]);
    let run = experiment.argument("run");
    let made = |processes: usize, arguments: &[&str]| {
        let output = on(processes, arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(told.matches("written to").count(), 1, "the first process alone writes: {told}");
    };
    for processes in [1, 3] {
        let out = |name: &str| experiment.argument(&format!("{name}{processes}"));
        made(processes, &["evaluate", "--run", &run, "--samples", "20000", "--out", &out("evaluated")]);
        made(processes, &["variance", "--run", &run, "--repetitions", "23", "--out", &out("variance")]);
        made(processes, &["sample", "--run", &run, "-n", "20000", "--metropolis", "--out", &out("samples")]);
        let config = experiment.argument("config.ron");
        made(processes, &["hmc", "--config", &config, "--samples", "1700", "--out", &out("hmc")]);
    }
    assert!(file_of(&experiment, "hmc1/samples.npy") == file_of(&experiment, "hmc3/samples.npy"), "samples of HMC");
    let file = |name: &str| file_of(&experiment, name);
    assert!(file("samples1") == file("samples3"), "samples");
    assert!(
        file("evaluated1/evaluation/log_weights.npy") == file("evaluated3/evaluation/log_weights.npy"),
        "log-weights"
    );
    let numbers = |name: &str| {
        let mut object = json(&experiment.path(name));
        ["provenance", "checksum", "files"].iter().for_each(|key| drop(object.as_object_mut().unwrap().remove(*key)));
        object
    };
    assert_eq!(numbers("evaluated1/summary.json"), numbers("evaluated3/summary.json"));
    let chains = ["hmc1/hmc.json", "hmc3/hmc.json"].map(numbers);
    assert_eq!(chains[0]["observables"], chains[1]["observables"]);
    assert_numbers_close(&chains[1], &chains[0], "HMC");
    let processes = |name: &str| json(&experiment.path(name))["provenance"]["processes"].as_u64();
    assert_eq!(["hmc1/hmc.json", "hmc3/hmc.json", "evaluated3/summary.json"].map(processes), [None, Some(3), Some(3)]);
    assert!(numbers("variance1/variance.json")["estimators"].as_array().unwrap().len() > 3);
    let noise = ["variance1/variance.json", "variance3/variance.json"].map(numbers);
    for (one, several) in
        noise[0]["estimators"].as_array().unwrap().iter().zip(noise[1]["estimators"].as_array().unwrap())
    {
        assert_numbers_close(&several["variance"], &one["variance"], "variance");
    }
}

/// The objective of [`BOTH`].
const OF_BOTH: &str = "Sum(reverse: PathFast, reverse_weight: 0.5, forward: Gdreg, forward_weight: 0.7)";

/// A card for each process, in whose place is the emulator: gradients go from card to card, layer by layer or as a whole, or to the hosts, are summed there,
/// and go back.
#[test]
fn cards_bring_their_gradients_together_by_themselves_or_on_their_hosts() {
    for (objective, all) in [(OF_BOTH, &[1, 2][..]), ("Reverse(PathFast)", &[3]), ("Forward(MaxLikelihood)", &[2])] {
        let experiment = Experiment::new(&BOTH.replace(OF_BOTH, objective));
        experiment.trained("host", &["--steps", "14"]);
        for &processes in all {
            let ways = ["on", "after", "off"].map(|nccl| {
                let run = format!("{processes}{nccl}");
                let mut command = train(&experiment, processes, &run, &["--steps", "14", "--device", "emulated"]);
                let output = command.env("UPG_NCCL", nccl).output().unwrap();
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{told}");
                assert_close(&experiment.path(&run), &experiment.path("host"), &run);
                (state(&experiment.path(&run)), told)
            });
            let same = ways.iter().all(|(state, _)| *state == ways[0].0);
            assert!(same, "{processes} processes, {objective}: to the bit");
            let notes = [
                "note: gradients are summed from device to device, by sockets of emulated GPUs\n",
                "note: gradients are summed from device to device, by sockets of emulated GPUs, after each gradient\n",
                "note: gradients are summed on hosts: emulated:0: UPG_NCCL = off\n",
            ];
            for ((_, told), note) in ways.iter().zip(notes) {
                assert_eq!(told.matches(note).count(), usize::from(processes > 1), "{told}");
            }
        }
    }
}

/// One that can't be connected: all go by their hosts. One that would sum at another time: all do as the first.
#[test]
fn cards_of_which_one_is_told_otherwise() {
    for (objective, otherwise, note) in [
        (OF_BOTH, "UPG_NCCL=off", "note: gradients are summed on hosts: process 2 can't be connected\n"),
        ("Reverse(PathFast)", "UPG_NCCL=after", "from device to device, by sockets of emulated GPUs\n"),
    ] {
        let experiment = Experiment::new(&BOTH.replace(OF_BOTH, objective));
        experiment.trained("host", &["--steps", "6"]);
        let mut command = train(&experiment, 2, "run", &["--steps", "6", "--device", "emulated"]);
        let own: Vec<_> = command.get_args().skip(2).map(std::ffi::OsStr::to_owned).collect();
        command.args([":", "-n", "1", "env", otherwise]).args(own);
        let output = Launched::start(command, &experiment.path("run")).end();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.contains(note), "{told}");
        assert_close(&experiment.path("run"), &experiment.path("host"), otherwise);
    }
}

#[test]
fn wrong_input_is_told_once() {
    let experiment = Experiment::new(&BOTH.replace("batch: 22", "batch: 3"));
    let output = train(&experiment, 4, "run", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let [line] = &said(&output)[..] else { panic!("{:?}", said(&output)) };
    assert!(line.contains("training.batch = 3: accepted is at least one sample for each of 4 processes"), "{line}");
    assert!(!experiment.path("run").exists());
    let unset = Experiment::new(BOTH);
    let mut command = train(&unset, 2, "run", &["--device", "emulated"]);
    let output = command.env("UPG_NCCL", "maybe").output().unwrap();
    let [line] = &said(&output)[..] else { panic!("{:?}", said(&output)) };
    assert!(line.contains("UPG_NCCL = maybe: accepted are on, after and off"), "{line}");
    // What the first process alone sees has the exit status of wrong input, too.
    let there = Experiment::new(BOTH);
    trained(&there, 1, "run", &["--steps", "3"]);
    for processes in [2, 4] {
        let output = train(&there, processes, "run", &[]).output().unwrap();
        let [line] = &said(&output)[..] else { panic!("{:?}", said(&output)) };
        assert!(line.contains("holds a run already"), "{line}");
        assert_eq!(output.status.code(), Some(2));
    }
    let output = on(2, &["flows"]).output().unwrap();
    assert_eq!((output.status.code(), said(&output).len()), (Some(2), 1));
    let output = on(3, &["train", "--confg", "x"]).output().unwrap();
    assert_eq!(
        (output.status.code(), said(&output).len()),
        (Some(2), 1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The second of three, which gets other words or finds another file than the others: nobody waits for it, nor for those who know of it already.
#[test]
fn what_one_process_alone_is_given_is_told_and_ends_all() {
    let experiment = Experiment::new(BOTH);
    let [here, empty, other] = ["here", "empty", "other"].map(|name| {
        std::fs::create_dir(experiment.path(name)).unwrap();
        experiment.argument(name)
    });
    std::fs::write(experiment.path("here/c.ron"), BOTH).unwrap();
    std::fs::write(experiment.path("other/c.ron"), BOTH.replace("batch: 22", "batch: 23")).unwrap();
    let out = experiment.argument("run");
    let usual = format!("train --config c.ron --out {out} --steps 3");
    for (folder, arguments, told) in [
        (&empty, usual.clone(), "error: process 1: config c.ron: cannot read the file: "),
        (
            &other,
            usual.clone(),
            "error: process 1 has another configuration than the first: accepted is the same for all",
        ),
        (
            &here,
            format!("{usual} --seed 5"),
            "error: process 1 has another command line than the first: accepted is the same",
        ),
        (&here, format!("{usual} --sed 5"), "error: process 1: unexpected argument '--sed' found"),
        (&here, format!("{usual} --help"), "error: process 1: was asked for help, and the others weren't"),
    ] {
        let usual = (&here[..], &usual[..]);
        let command = in_folders(&[usual, (folder, &arguments), usual]);
        let output = Launched::start(command, Path::new(&out)).end();
        let [line] = &said(&output)[..] else {
            panic!("{arguments}, {told}: {}", String::from_utf8_lossy(&output.stderr))
        };
        assert!(line.starts_with(told), "{line}");
        assert!(!output.status.success() && !experiment.path("run").exists());
    }
    // But for where each computes.
    let mut command = train(&experiment, 1, "run", &["--steps", "3"]);
    let config = experiment.argument("config.ron");
    command.args([":", "-n", "1", env!("CARGO_BIN_EXE_upg"), "train", "--config", &config, "--out", &out]);
    let output = command.args(["--threads=2", "--device", "cpu", "--steps", "3"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
