//! Fields out of range, fields there are not, and what stands in their place.

use super::{GOOD, assert_holds, refusal};
use crate::support::{Experiment, files, upg};

/// A field with its name and value in [`GOOD`], values that aren't accepted, and what the message says is.
type Values = (&'static str, &'static str, &'static [&'static str], &'static str);

const STEPS: &str = "a whole number up to 1000000000000";
const SAMPLES: &str = "a whole number up to 1000000000";
const AT_LEAST_1: &str = "accepted is a whole number of at least 1";
const FRACTION: &str = "accepted is a number in [0, 1)";
const ABOVE_0: &str = "accepted is a finite number above 0";
const FLOAT: &str = "Expected float";

const NUMBERS: &[Values] = &[
    ("training.steps", "steps: 6", &["-1", "2.5", "NaN", "\"6\"", "1000000000001", "true"], STEPS),
    ("training.batch", "batch: 16", &["0"], AT_LEAST_1),
    ("training.batch", "batch: 16", &["-4", "1.5", "1000000001"], SAMPLES),
    (
        "training.seed",
        "seed: 3",
        &["-3", "1.5", "\"a\"", "18446744073709551616"],
        "a whole number up to 18446744073709551615",
    ),
    ("training.objective.reverse_weight", "reverse_weight: 0.5", &["0", "-0.5", "NaN", "inf"], ABOVE_0),
    ("training.objective.forward_weight", "forward_weight: 0.75", &["0", "-1", "NaN", "-inf"], ABOVE_0),
    ("training.objective.forward_weight", "forward_weight: 0.75", &["\"1\"", "half"], FLOAT),
    ("training.optimiser.rate", "rate: 0.001", &["0", "-0.1", "NaN", "inf"], ABOVE_0),
    ("training.optimiser.beta1", "beta1: 0.9", &["1", "-0.1", "NaN", "inf"], FRACTION),
    ("training.optimiser.beta2", "beta2: 0.99", &["1.5", "-0.1", "NaN"], FRACTION),
    ("training.optimiser.epsilon", "epsilon: 1e-8", &["0", "-1", "NaN", "inf"], ABOVE_0),
    (
        "training.optimiser.weight_decay",
        "weight_decay: 0.01",
        &["-0.01", "NaN", "inf"],
        "accepted is a finite number, at least 0",
    ),
    ("training.schedule.patience", "patience: 3", &["-3", "1.5", "inf"], STEPS),
    ("training.schedule.threshold", "threshold: 1e-3", &["1", "-0.5", "NaN"], FRACTION),
    ("training.schedule.factor", "factor: 0.5", &["0", "1", "-0.5", "NaN"], "accepted is a number in (0, 1)"),
    (
        "training.schedule.floor",
        "floor: 1e-5",
        &["0.1", "-0.5", "NaN", "inf"],
        "accepted is a number from 0 to the rate, 0.001",
    ),
    ("training.warm_up", "warm_up: 2", &["-2", "0.5", "NaN"], STEPS),
    ("training.clip", "clip: 1.0", &["0", "-1", "NaN", "-inf"], "accepted is a number above 0, or None"),
    ("training.clip", "clip: 1.0", &["\"1\"", "true"], FLOAT),
    ("training.ema", "ema: 0.75", &["1", "-0.5", "NaN", "inf"], "accepted is at least 0, below 1, or None"),
    ("training.anneal.from", "from: 0.1", &["NaN", "inf"], "accepted is a finite number"),
    ("training.anneal.steps", "steps: 4", &["0"], "accepted is a whole number, at least 1"),
    ("training.anneal.steps", "steps: 4", &["-4", "1.5"], STEPS),
    ("training.validation.every", "every: 3", &["0"], AT_LEAST_1),
    ("training.validation.every", "every: 3", &["-3", "0.5"], STEPS),
    ("training.validation.samples", "samples: 32", &["0"], AT_LEAST_1),
    ("training.validation.samples", "samples: 32", &["-1", "1.5e0", "1e12"], SAMPLES),
    ("training.checkpoint.every", "every: 2", &["0"], AT_LEAST_1),
    ("training.checkpoint.every", "every: 2", &["-2", "\"2\""], STEPS),
    ("training.checkpoint.minutes", "minutes: 5.0", &["0", "-1", "NaN"], "accepted is a number above 0"),
    ("training.log_every", "log_every: 1", &["0"], AT_LEAST_1),
    ("training.log_every", "log_every: 1", &["-1", "NaN"], STEPS),
    ("training.abort_after", "abort_after: 5", &["0"], AT_LEAST_1),
    ("training.abort_after", "abort_after: 5", &["-1", "1.5"], STEPS),
    ("data.hmc.chains", "chains: 8", &["0"], AT_LEAST_1),
    ("data.hmc.chains", "chains: 8", &["-8", "0.5"], SAMPLES),
    ("data.hmc.warm_up", "warm_up: 5", &["0"], AT_LEAST_1),
    ("data.hmc.thin", "thin: 1", &["0"], AT_LEAST_1),
    ("data.hmc.length", "length: 1.0", &["0", "-1", "NaN", "inf"], ABOVE_0),
    ("data.hmc.length", "length: 1.0", &["long"], FLOAT),
    ("evaluation.samples", "samples: 200", &["0", "1"], "accepted is a whole number of at least 2"),
    ("evaluation.samples", "samples: 200", &["-9", "0.5", "NaN"], SAMPLES),
    ("evaluation.blocks", "blocks: 10", &["0", "1"], "accepted is a whole number of at least 2"),
    ("evaluation.blocks", "blocks: 10", &["-10", "2.5"], SAMPLES),
];

/// The same for choices.
const CHOICES: &[Values] = &[
    ("training.precision", "precision: F32", &["F16", "32", "\"F32\"", "f32"], "`F64`"),
    ("training.objective.reverse", "reverse: PathFast", &["Gdreg", "MaxLikelihood", "3"], "`PathTwoPassLean`"),
    ("training.objective.forward", "forward: Gdreg", &["PathTwoPass", "Reparam", "\"Gdreg\""], "`MaxLikelihood`"),
    ("training.schedule.watch", "watch: Loss", &["Ess", "0"], "`LogWeightStd`"),
    ("training.anneal.shape", "shape: Linear", &["Square", "1.0"], "`Cosine`"),
    ("training.tensorboard", "tensorboard: Off", &["false", "0", "Of"], "`On`"),
    ("data.train", "train: Draw(40)", &["40", "\"x.npy\"", "Fil(\"x.npy\")"], "`File`"),
    ("data.train", "train: Draw(40)", &["Draw(0)"], "accepted is Draw(n) with n of at least 1, or File("),
    ("data.test", "test: Draw(30)", &["Draw(0)"], "accepted is Draw(n) with n of at least 1, or File("),
];

/// Something in [`GOOD`], what takes its place, and what the message must hold.
type Case = (&'static str, &'static str, &'static [&'static str]);

const SUM: &str = "Sum(reverse: PathFast, reverse_weight: 0.5, forward: Gdreg, forward_weight: 0.75)";
const ADAM_W: &str = "AdamW(rate: 0.001, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.01)";
const PLATEAU: &str = "Plateau(patience: 3, threshold: 1e-3, factor: 0.5, floor: 1e-5, watch: Loss)";
const KAPPA: &str = "Kappa(from: 0.1, steps: 4, shape: Linear)";

const STRUCTURE: &[Case] = &[
    // unknown fields
    ("training: (", "train: (", &[":4:5: train = ", "`train`", "`training`"]),
    ("data: (", "datum: (", &[":22:5: datum = ", "`datum`", "`data`"]),
    ("evaluation: (", "evaluate: (", &[":23:5: evaluate = ", "`evaluation`"]),
    ("log_every: 1", "log_evry: 1", &[":18:9: training.log_evry = 1: ", "`log_every`"]),
    ("samples: 32)", "sample: 32)", &["training.validation.sample = 32: ", "`every`, `samples`, or `keep`"]),
    ("minutes: 5.0", "hours: 5.0", &["training.checkpoint.hours = 5.0: ", "`every` or `minutes`"]),
    ("thin: 1", "thinning: 1", &["data.hmc.thinning = 1: ", "`thin`"]),
    ("blocks: 10", "bins: 10", &["evaluation.bins = 10: ", "`samples`, `blocks`, or `ode_steps`"]),
    ("beta1: 0.9", "beta3: 0.9", &["training.optimiser.beta3 = 0.9: ", "`beta1`"]),
    ("patience: 3", "patience: 3, cooldown: 1", &["training.schedule.cooldown = 1: ", "`patience`"]),
    ("shape: Linear", "curve: Linear", &["training.anneal.curve = Linear: ", "`shape`"]),
    ("forward_weight: 0.75", "weight: 0.75", &["training.objective.weight = 0.75: ", "`forward_weight`"]),
    // what is missing
    ("rate: 0.001, ", "", &[":10:", "missing", "`rate`", "`AdamW`"]),
    ("patience: 3, ", "", &[":11:", "missing", "`patience`", "`Plateau`"]),
    ("from: 0.1, ", "", &[":15:", "missing", "`from`", "`Kappa`"]),
    (", forward_weight: 0.75", "", &[":9:", "missing", "`forward_weight`", "`Sum`"]),
    (PLATEAU, "Plateau", &["training.schedule = Plateau: ", "opening `(`"]),
    // other choices, and what they hold
    (
        SUM,
        "Reverse(MaxLikelihood)",
        &[":9:28: training.objective = Reverse(MaxLikelihood): ", "`Reparam`", "`PathFast`"],
    ),
    (SUM, "Forward(Reparam)", &[":9:28: training.objective = Forward(Reparam): ", "`MaxLikelihood`", "`Gdreg`"]),
    (SUM, "Backward(Reparam)", &[":9:20: training.objective = Backward(Reparam): ", "`Reverse`", "`Sum`"]),
    (ADAM_W, "Adam(rate: 0.1, weight_decay: 0.1)", &["training.optimiser.weight_decay = 0.1: ", "`Adam`", "`beta2`"]),
    (
        ADAM_W,
        "Sgd(rate: 0.1, momentum: 1)",
        &[":10:45: training.optimiser.momentum = 1: accepted is a number in [0, 1)"],
    ),
    (ADAM_W, "Sgd(rate: 0.1, momentum: NaN)", &["training.optimiser.momentum = NaN: accepted is a number in [0, 1)"]),
    (ADAM_W, "RmsProp(rate: 0.1)", &["training.optimiser = RmsProp(rate: 0.1): ", "`Adam`", "`Sgd`"]),
    (PLATEAU, "Cosine(steps: 0)", &["training.schedule.steps = 0: accepted is a whole number, at least 1"]),
    (PLATEAU, "Cosine(steps: -3)", &[":11:33: training.schedule.steps = -3: ", STEPS]),
    (PLATEAU, "Cosine(floor: 1)", &["training.schedule.floor = 1: accepted is a number from 0 to the rate, 0.001"]),
    (PLATEAU, "Linear", &["training.schedule = Linear: ", "`Constant`", "`Cosine`", "`Plateau`"]),
    (KAPPA, "Beta(from: 0.1, steps: 4)", &[":15:17: training.anneal = Beta(from:0.1,", "Kappa or Lambda with Phi4"]),
    (
        KAPPA,
        "Lambda(from: -1, steps: 4)",
        &[":15:30: training.anneal.from = -1: accepted is a finite number, at least 0"],
    ),
    (
        KAPPA,
        "Mass(from: 1, steps: 4)",
        &["training.anneal = Mass(from: 1, steps: 4): ", "`Beta`", "`Kappa`", "`Lambda`"],
    ),
    ("Draw(40)", "Draw(-4)", &["data.train = Draw(-4): ", SAMPLES]),
    ("Draw(40)", "Draw", &["data.train = Draw: ", "opening `(`"]),
    ("Draw(40)", "File(3)", &["data.train = File(3): Expected string"]),
    ("samples: 32)", "samples: 32", &[":17:"]), // unclosed
];

/// `upg train` and `upg config check` of [`GOOD`] with a change; both say the same and write nothing. Returns what they say behind the
/// name of the file.
#[track_caller]
fn refused_with(old: &str, new: &str) -> String {
    assert_eq!(GOOD.matches(old).count(), 1, "{old}");
    let experiment = Experiment::new(&GOOD.replace(old, new));
    let before = files(experiment.folder.path());
    let line = refusal(&experiment.train("run", &[]).output().unwrap(), new);
    assert_eq!(refusal(&upg(&["config", "check", &experiment.argument("config.ron")]), new), line);
    assert_eq!(files(experiment.folder.path()), before, "{new}");
    assert!(!experiment.path("run").exists(), "{new}");
    let told = line.strip_prefix(&format!("config {}", experiment.argument("config.ron")));
    told.unwrap_or_else(|| panic!("{line}")).to_owned()
}

/// Line and column of a place in [`GOOD`].
fn position(at: usize) -> (usize, usize) {
    let before = &GOOD[..at];
    (before.matches('\n').count() + 1, before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1)
}

#[track_caller]
fn refuses_values(table: &[Values]) {
    for &(field, stands, values, accepted) in table {
        let name = field.rsplit('.').next().unwrap();
        let (line, column) = position(GOOD.find(stands).unwrap() + name.len() + 2);
        for value in values {
            let told = refused_with(stands, &format!("{name}: {value}"));
            assert!(told.starts_with(&format!(":{line}:{column}: {field} = {value}: ")), "{field} = {value}: {told}");
            assert_holds(&told, &[accepted]);
        }
    }
}

/// Without this the tables could pass on a configuration that never works.
#[test]
fn the_good_one_works_and_so_do_values_at_the_edge() {
    for (old, new) in [
        ("", ""),
        ("steps: 6", "steps: 0"),
        ("seed: 3", "seed: 18446744073709551615"),
        ("clip: 1.0", "clip: inf"),
        ("ema: 0.75", "ema: 0"),
        ("minutes: 5.0", "minutes: 1e300"),
        ("patience: 3", "patience: 0"),
        ("floor: 1e-5", "floor: 0.001"),
        (ADAM_W, "Sgd(rate: 0.001)"),
        ("samples: 200", "samples: 10"),
    ] {
        let experiment = Experiment::new(&GOOD.replacen(old, new, usize::from(!old.is_empty())));
        experiment.trained("run", &[]);
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    refuses_values(NUMBERS);
}

#[test]
fn choices_there_are_not_are_refused() {
    refuses_values(CHOICES);
}

#[test]
fn wrong_structure_is_refused() {
    for (old, new, fragments) in STRUCTURE {
        assert_holds(&refused_with(old, new), fragments);
    }
}

/// A base that leaves numbers to its target lacks none: the target is at fault.
#[test]
fn what_is_left_to_a_wrong_target_is_not_missed() {
    let experiment = Experiment::new(
        "(
            flow: Z2Nice(lattice: [4, 2], couplings: 1, hidden: [3], base: TwoSigns()),
            target: Phi4(lattice: [4, 2], kappa: 0.3, lambda: 0.1, convention: NoHalves),
            training: (steps: 5, batch: 4),
        )",
    );
    let check = upg(&["config", "check", &experiment.argument("config.ron")]);
    for output in [experiment.train("run", &[]).output().unwrap(), check] {
        let line = refusal(&output, "convention");
        assert!(line.contains(":3:80: target.convention = NoHalves, with kappa: accepted is one only with"), "{line}");
    }
}
