//! Flows as lists of layers: in configurations, and as checkpoints tell them.

use crate::support::{Experiment, errors, raw, upg};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use upg_experiments::config::{Config, FlowConfig};

const TARGET: &str = "target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1)";
const TRAINING: &str = "training: (steps: 12, batch: 40, seed: 5, precision: F64, ema: 0.5, \
                        optimiser: Adam(rate: 0.01), validation: (every: 5, samples: 64), checkpoint: (every: 4))";

const RECIPES: [&str; 4] = [
    "flow: RealNvp(lattice: [4, 2], couplings: 3, hidden: [6], activation: Silu, mask: Checkerboard, clamp: 2)",
    "flow: RealNvp(lattice: [4, 2], couplings: 2, hidden: [6], activation: Tanh, mask: Custom([[0, 3], [1, 2, 7]]), \
     transform: LogisticMixture(mixtures: 3))",
    "flow: Z2Nice(lattice: [4, 2], couplings: 3, hidden: [5, 6], init: Identity)",
    "flow: Glow(lattice: [4, 2], steps: 2, hidden: [5], mask: Checkerboard, cells: [2, 2])",
];

const GAUGE: [&str; 2] = [
    "flow: U1(lattice: [4, 8], layers: 3, mixtures: 2, hidden: [4], slope: 0.1)",
    "target: U1(lattice: [4, 8], beta: 0.7)",
];

/// Every layer in both directions.
const LAYERS: &str = "flow: Layers(shape: [4, 2], base: StandardNormal, layers: [
    Coupling(mask: Checkerboard(Even), net: Mlp(hidden: [5], activation: Silu), transform: Affine(clamp: 2)),
    Inverse(Coupling(mask: Custom([0, 5]), net: Mlp(hidden: [6], bias: No), transform: LogisticMixture(mixtures: 3))),
    Scaling(scales: PerDof),
    Inverse(Scaling()),
    ActNorm(),
    Inverse(ActNorm(start: Identity)),
    Linear(cells: [1, 2], order: Shift(1), negative: [1], bias: No, init: Identity),
    Inverse(Linear(order: Along(direction: 0, by: 3))),
    Householder(reflections: 3),
    Inverse(Householder(reflections: 2, bias: No)),
    Permutation(order: Random(5)),
    Inverse(Permutation(order: Custom([7, 1, 2, 3, 6, 5, 4, 0]))),
    Coupling(mask: Alternating(Odd), net: Mlp(hidden: []), transform: Additive),
])";

/// The flow that a checkpoint tells, as a section of a configuration.
fn told(checkpoint: &Path) -> String {
    let bytes = fs::read(checkpoint).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let provenance: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["provenance"]).unwrap();
    format!("flow: Layers{}", provenance["flow"].as_str().unwrap())
}

/// Tensors of the checkpoint of a run, by name.
fn weights(experiment: &Experiment, run: &str) -> BTreeMap<String, Vec<u8>> {
    let tensors = raw(&experiment.path(run).join("checkpoint.safetensors")).into_iter();
    tensors
        .filter(|(name, _)| !name.starts_with("state.pro") && name != "state.checksum")
        .map(|(name, (.., bytes))| (name, bytes))
        .collect()
}

#[test]
fn the_flow_that_a_checkpoint_tells_trains_to_the_same_weights() {
    let cases = RECIPES.iter().map(|&flow| (flow, TARGET)).chain([(GAUGE[0], GAUGE[1]), (LAYERS, TARGET)]);
    for (flow, target) in cases {
        let experiment = Experiment::new(&format!("({flow}, {target}, {TRAINING})"));
        experiment.trained("run", &[]);
        let layers = told(&experiment.path("run").join("checkpoint.safetensors"));
        let text = format!("({layers}, {target}, {TRAINING})");
        let config = Config::parse(&text).unwrap();
        let FlowConfig::Layers(spec) = &config.flow else { panic!("{layers}") };
        let again = Experiment::new(&text);
        again.trained("run", &[]);
        let (expected, found) = (weights(&experiment, "run"), weights(&again, "run"));
        assert_eq!(found, expected, "{layers}");
        let names: Vec<_> = spec.params().unwrap().tensors().iter().map(|tensor| tensor.name.clone()).collect();
        assert!(names.iter().all(|name| found.contains_key(name)), "{names:?}");
        assert_eq!(found.keys().filter(|name| !name.starts_with("state.")).count(), names.len(), "{layers}");
    }
}

#[test]
fn a_list_of_layers_goes_through_all_commands() {
    let experiment = Experiment::new(&format!("({LAYERS}, {TARGET}, {TRAINING}, data: (test: Draw(50)))"));
    experiment.trained("run", &["--steps", "7"]);
    let run = experiment.argument("run");
    let out = experiment.argument("x.npy");
    for arguments in [
        &["train", "--out", &run, "--resume", "--steps", "12"][..],
        &["evaluate", "--run", &run, "--samples", "500"],
        &["sample", "--run", &run, "-n", "30", "--out", &out, "--metropolis"],
        &["variance", "--run", &run, "--repetitions", "20", "--batch", "9"],
        &["report", "--run", &run],
    ] {
        let output = upg(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
    }
}
