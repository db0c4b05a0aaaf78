//! Runs on two devices, of which the second computes as the first does.

use super::session::{Plan, TrainArgs, config_of, run_on};
use crate::Error;
use crate::commands::place::PlaceArgs;
use crate::config::{ConfigFile, Mirror, Place, Products};
use crate::io::checkpoint::Format;
use serde_json::Value;
use std::path::{Path, PathBuf};
use upg_core::Cpu;
use upg_train::State;

/// With all that is made for a device: a flow with twice the steps for tests, an annealed coupling, data.
const CONFIG: &str = "(
    flow: Continuous(lattice: [4, 2], field: Shallow(width: 5, times: 2), steps: 2),
    target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.5),
    training: (
        steps: 8, batch: 9, clip: 1.0, ema: 0.9, validation: (every: 4, samples: 20), log_every: 1,
        objective: Sum(reverse: PathFast, reverse_weight: 0.5, forward: PathFast, forward_weight: 0.5),
        anneal: Kappa(from: 0.1, steps: 6),
    ),
    data: (train: Draw(20), test: Draw(20), hmc: (chains: 5, warm_up: 5, thin: 1)),
)";

fn arguments(folder: &Path, name: &str, text: &str, existing: bool, steps: u64) -> TrainArgs {
    let config = folder.join("config.ron");
    std::fs::write(&config, text).unwrap();
    TrainArgs {
        config: Some(config),
        set: vec![],
        steps: Some(steps),
        out: Some(folder.join(name)),
        resume: existing,
        force: false,
        place: PlaceArgs::default(),
        seed: None,
    }
}

fn train<D: Place>(args: &TrainArgs, device: D) -> Result<String, Error> {
    run_on(Plan::new(config_of(args)?, args, None), device)
}

fn state(folder: &Path) -> State<f64> {
    let config = ConfigFile::read(&folder.join("config.ron")).unwrap().config;
    let layout = config.flow_spec().unwrap().params().unwrap();
    let mut state = Format::new(&config, &layout).read::<f64>(&folder.join("checkpoint.safetensors")).unwrap();
    state.progress.seconds = 0.0;
    state
}

fn provenance(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("provenance.json")).unwrap()).unwrap()
}

#[test]
fn a_run_goes_on_on_another_device() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, existing, steps| arguments(folder.path(), name, CONFIG, existing, steps);
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let (host, card) = (Cpu::<f64>::new(1), Mirror::<f64>::new(Products::Tf32));

    let told = train(&run("whole", false, 8), host.clone()).unwrap();
    assert!(told.contains(" s on cpu, best weights of "), "{told}");
    assert_eq!(
        (&provenance(&at("whole"))["device"], &provenance(&at("whole"))["products"]),
        (&"cpu".into(), &Value::Null)
    );

    let told = train(&run("parts", false, 3), card.clone()).unwrap();
    assert!(told.contains(" s on cuda:7 (a mirror), products in Tf32"), "{told}");
    let record = provenance(&at("parts"));
    let found = ["device", "card", "products", "threads"].map(|key| record[key].clone());
    assert_eq!(serde_json::json!(found), serde_json::json!(["cuda:7", "a mirror", "Tf32", 2]));
    train(&run("parts", true, 6), host).unwrap();
    assert_eq!(provenance(&at("parts"))["device"], "cpu");
    train(&run("parts", true, 8), card).unwrap();
    assert_eq!(state(&at("parts")), state(&at("whole")));
}

#[test]
fn a_layer_without_kernels_is_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let text = "(flow: Glow(lattice: [4], steps: 1, hidden: [3]), target: Gmm(dim: 4), training: (steps: 1))";
    let error =
        train(&arguments(folder.path(), "run", text, false, 1), Mirror::<f32>::new(Products::Full)).unwrap_err();
    assert_eq!(error.exit_status(), 2);
    let told = "flow.layers[0] = ActNorm, which has no kernels for cuda:7: accepted is anything else";
    assert!(error.to_string().ends_with(told), "{error}");
    assert!(!folder.path().join("run").exists());
}

/// A number is read when the flow stands on the device, the trainer, the flow for tests, and the run that goes on.
const BEFORE_THE_FIRST_STEP: u64 = 4;

#[test]
fn a_device_that_is_lost_before_the_first_step_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let args = arguments(folder.path(), "run", CONFIG, false, 4);
    for reads in 0..BEFORE_THE_FIRST_STEP {
        let error = train(&args, Mirror::<f64>::lost_after(reads)).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.exit_status()), ("cuda:7: lost: told to be", 1));
        assert!(!folder.path().join("run").exists(), "after {reads} reads");
    }
    train(&args, Mirror::<f64>::new(Products::Full)).unwrap();
    let error = train(&TrainArgs { force: true, ..args.clone() }, Mirror::<f64>::lost_after(0)).unwrap_err();
    assert_eq!(error.exit_status(), 1, "{error}");
    assert_eq!(state(&folder.path().join("run")).progress.step, 4, "the run that was there before");
}

/// Weights, two moments and the average are read for the first checkpoint, the best weights in the test after step 4, and then the weights for
/// the second checkpoint.
#[test]
fn what_a_lost_device_hands_out_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let args = arguments(folder.path(), "run", &CONFIG.replace("steps: 6", "steps: 2"), false, 4);
    for reads in 5..10 {
        let reads = BEFORE_THE_FIRST_STEP + reads;
        let args = TrainArgs { force: true, ..args.clone() };
        let error = train(&args, Mirror::<f64>::lost_after(reads)).unwrap_err();
        assert_eq!(error.to_string(), "cuda:7: lost: told to be", "after {reads} reads");
        assert_eq!(state(&folder.path().join("run")).progress.step, 0, "after {reads} reads");
    }
    let args = TrainArgs { force: true, ..args };
    train(&args, Mirror::<f64>::lost_after(BEFORE_THE_FIRST_STEP + 10)).unwrap();
    assert_eq!(state(&folder.path().join("run")).progress.step, 4);
}
