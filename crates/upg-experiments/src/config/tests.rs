//! Configurations that are read, and those that are refused.

use super::*;
use upg_core::Cpu;
use upg_flows::{Activation, MaskPattern, RealNvp, StartAt};

const FULL: &str = "(
    flow: RealNvp(
        lattice: [5, 3], couplings: 3, hidden: [7, 6], activation: LeakyRelu(0.2),
        mask: Custom([[0, 3, 14], [1, 2]]), clamp: 1.5, init: Identity,
    ),
    target: Phi4(lattice: [5, 3], kappa: 0.1, lambda: 1),
)";

#[test]
fn every_field_arrives() {
    let config = Config::parse(FULL).unwrap();
    let flow = RealNvp {
        lattice: vec![5, 3],
        couplings: 3,
        hidden: vec![7, 6],
        activation: Activation::LeakyRelu(0.2),
        mask: MaskPattern::Custom(vec![vec![0, 3, 14], vec![1, 2]]),
        clamp: Some(1.5),
        start: StartAt::Identity,
        ..Default::default()
    };
    let target = TargetConfig::Phi4(Phi4Config::hopping([5, 3], 0.1, 1.0));
    assert_eq!(config, Config::new(FlowConfig::RealNvp(flow), target));
    let model = config.build::<f32>().unwrap();
    assert_eq!((model.flow.dof(), model.target.dof(), model.sample_shape), (15, 15, vec![5, 3]));
}

#[test]
fn a_configuration_survives_its_own_text() {
    let z2nice = "(flow: Z2Nice(lattice: [2], couplings: 6, hidden: []), \
                  target: Gaussian(mean: [0.5, -1], covariance: [[2, 0.3], [0.3, 1]]))";
    let maf = "(flow: Maf(lattice: [2], layers: 3, hidden: [5], transform: Affine(clamp: 2)), target: Gmm(dim: 2))";
    for text in [
        FULL,
        z2nice,
        maf,
        &maf.replace("Maf", "Iaf"),
        "(flow: Z2Nice(lattice: [6], couplings: 1, hidden: [4]), target: Gmm(dim: 6))",
    ] {
        let config = Config::parse(text).unwrap();
        config.build::<f64>().unwrap();
        let line = config.to_ron();
        assert_eq!(Config::parse(&line).unwrap(), config, "{line}");
        assert!(!line.contains('\n'));
    }
}

/// A change of [`FULL`], and what must be said about it.
const REFUSED: [(&str, &str, &[&str]); 18] = [
    (
        "kappa: 0.1",
        "kapa: 0.1",
        &["config:6:35: target.kapa = 0.1: ", "kapa", "`lattice`, `kappa`, `mass_squared`, `lambda`, or `convention`"],
    ),
    ("kappa: 0.1, ", "", &["config:6:13: target.kappa = absent: accepted is kappa, or mass_squared"]),
    ("kappa: 0.1", "kappa: \"0.1\"", &["config:6:42: target.kappa = \"0.1\": ", "float"]),
    ("kappa: 0.1", "kappa: inf", &["config:6:42: target.kappa = inf: ", "finite"]),
    ("clamp: 1.5", "clamp: -1.5", &["config:4:52: flow.clamp = ", "-1.5", "positive"]),
    ("LeakyRelu(0.2)", "LeakyRelu(-0.2)", &["config:3:", "flow.activation = ", "-0.2", "positive slope"]),
    ("LeakyRelu(0.2)", "Tan", &["flow.activation = Tan: ", "`Tanh`", "`Silu`"]),
    ("RealNvp(", "RealNVP(", &["config:2:11: flow = ", "`RealNVP`", "`RealNvp`", "`Z2Nice`"]),
    ("Phi4(", "Phi5(", &["config:6:13: target = ", "`Phi5`", "`Phi4`", "`Gmm`"]),
    ("couplings: 3", "couplings: 3.5", &["config:3:", "flow.couplings = 3.5: ", "whole number", "3.5"]),
    ("couplings: 3", "couplings: -3", &["flow.couplings = -3: ", "whole number"]),
    ("couplings: 3", "couplings: three", &["flow.couplings = three: "]),
    ("couplings: 3", "couplings: 0", &["config:3:37: flow.couplings = 0: ", "at least 1"]),
    ("couplings: 3", "couplings: 90000000000", &["flow.couplings = 90000000000: ", "whole number up to 1000000"]),
    ("[7, 6]", "[7, \"6\"]", &["flow.hidden = [7, \"6\"]: ", "whole number"]),
    ("lattice: [5, 3], c", "lattice: [5000, 3000, 99], c", &["flow.lattice = [5000, 3000, 99]", "1000000 sites"]),
    ("Custom([[0, 3, 14]", "Custom([[0, 3, 15]", &["config:4:15: flow.mask = ", "15", "below the number"]),
    ("lattice: [5, 3], k", "lattice: [3, 5], k", &["config:6:27: target.lattice = [3, 5]: ", "flow.lattice = [5, 3]"]),
];

#[test]
fn wrong_configurations_are_refused_in_one_line() {
    refuses(&REFUSED);
}

/// Makes each change of [`FULL`] and looks for all parts of the message.
fn refuses(cases: &[(&str, &str, &[&str])]) {
    refuses_of(FULL, cases);
}

/// The same with changes of `text`.
fn refuses_of(text: &str, cases: &[(&str, &str, &[&str])]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    for &(old, new, fragments) in cases {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
        let outcome = ConfigFile::read(&path).and_then(|file| file.build::<f64>());
        let message = outcome.map(|_| ()).expect_err(new).to_string();
        assert!(!message.contains('\n'), "{message}");
        for fragment in fragments {
            assert!(message.contains(fragment), "{message} should contain {fragment}");
        }
    }
}

#[test]
fn a_target_without_a_lattice_needs_as_many_dimensions() {
    let text = |target: &str| format!("(flow: Z2Nice(lattice: [2, 3], couplings: 1, hidden: [4]), target: {target})");
    let outcome = |target: &str| Config::parse(&text(target)).unwrap().build::<f64>().map(|_| ());
    assert_eq!(outcome("Gmm(dim: 6)"), Ok(()));
    let message = outcome("Gmm(dim: 5)").unwrap_err().to_string();
    assert!(message.contains("target.dim = 5") && message.contains("6 with flow.lattice = [2, 3]"), "{message}");
    let others = ["RandomGaussians(dim: 6)", "ManyWell(dim: 6)", "Funnel(dim: 6)", "Banana(dim: 6, curvature: -0.1)"];
    for target in others {
        assert_eq!(outcome(target), Ok(()));
        let message = outcome(&target.replace("dim: 6", "dim: 4")).unwrap_err().to_string();
        assert!(message.contains("target.dim = 4") && message.contains("6 with flow.lattice = [2, 3]"), "{message}");
    }
    for (target, told) in [
        ("RandomGaussians()", "target.dim = 2: "),
        ("Funnel()", "target.dim = 10: "),
        ("Banana()", "target.dim = 2: "),
        ("ManyWell(dim: 7)", "target.dim = 7: accepted is an even number, at least 2"),
        ("RandomGaussians(dim: 6, box: -1)", "target.box = -1: accepted is a number from 1e-6 to 1e6"),
        ("RandomGaussians(dim: 6, modes: 2000)", "target.modes = 2000: accepted is a whole number from 1 to 1000"),
        ("Funnel(dim: 6, sigma: 0)", "target.sigma = 0: accepted is a number from 0.001 to 10"),
        ("Banana(dim: 6, scale: inf)", "target.scale = inf: accepted is a number from 0.001 to 1000"),
    ] {
        let message = outcome(target).unwrap_err().to_string();
        assert!(message.contains(told) && !message.contains('\n'), "{target}: {message}");
    }
    let ragged = outcome("Gaussian(mean: [0, 0], covariance: [[1, 0], [1]])").unwrap_err();
    assert_eq!(ragged.first.field, "target.covariance");
    let narrow = outcome("Gaussian(mean: [0], covariance: [[1]])").unwrap_err();
    assert_eq!(narrow.first.field, "target.mean");
}

/// A change of [`FULL`] that asks for more than anybody wants, and what must be said about it before anything is allocated.
const TOO_MUCH: [(&str, &str, &[&str]); 11] = [
    (
        "[7, 6]",
        "[1000000, 1000000]",
        &["flow.hidden = [1000000, 1000000] (3000", "parameters): ", "at most 2147483648 parameters"],
    ),
    ("couplings: 3", "couplings: 10001", &["config:3:37: flow.couplings = 10001: ", "at most 10000"]),
    (
        "lattice: [5, 3], couplings: 3, hidden: [7, 6]",
        "lattice: [1000, 1000], couplings: 600, hidden: [1]",
        &["flow.lattice = [1000, 1000] (76801612800 numbers kept)"],
    ),
    (
        "lattice: [5, 3], k",
        "lattice: [5, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], k",
        &["target.lattice", "20 extents"],
    ),
    (
        "lambda: 1),",
        "lambda: 1), training: (batch: 1000000001),",
        &["training.batch = 1000000001: ", "up to 1000000000"],
    ),
    (
        "lambda: 1),",
        "lambda: 1), training: (batch: 572662307, objective: Forward(Gdreg)),",
        &["training.batch = 572662307: ", "at most 572662306 samples of 15 numbers"],
    ),
    (
        "lambda: 1),",
        "lambda: 1), data: (train: Draw(1000000000)),",
        &["data.train = Draw(1000000000)", "572662306 samples"],
    ),
    (
        "lambda: 1),",
        "lambda: 1), data: (test: Draw(572662307)),",
        &["data.test = Draw(572662307)", "at most 572662306 samples"],
    ),
    (
        "lambda: 1),",
        "lambda: 1), evaluation: (samples: 1000000001),",
        &["evaluation.samples = 1000000001", "up to 1000000000"],
    ),
    (
        "lambda: 1),",
        "lambda: 1), evaluation: (samples: 2000000, blocks: 100001),",
        &["evaluation.blocks = 100001", "up to 100000"],
    ),
    (
        "lambda: 1),",
        "lambda: 1), training: (validation: (samples: 1000000001)),",
        &["training.validation.samples = 1000000001"],
    ),
];

#[test]
fn what_nobody_wants_is_refused_in_one_line() {
    refuses(&TOO_MUCH);
}

#[test]
fn what_a_training_takes_is_held_against_the_memory() {
    for (section, field, bytes) in [
        ("training: (batch: 1000000)", "training.batch = 1000000", 32_000_000),
        ("training: (batch: 1000000, objective: Forward(Gdreg))", "training.batch = 1000000", 92_000_000),
        ("data: (test: Draw(900000))", "data.test = Draw(900000)", 54_000_000),
        ("training: (batch: 1, validation: (samples: 1))", "flow = [5, 3]", 0),
    ] {
        let text = FULL.replace("lambda: 1),", &format!("lambda: 1), {section},"));
        let config = Config::parse(&text).unwrap();
        let refused = config.check_memory(bytes).unwrap_err().to_string();
        assert!(refused.contains(&format!("config: {field}")) && refused.contains("of memory"), "{refused}");
        config.check_memory(bytes + 4_000_000).unwrap();
    }
}

#[test]
fn data_drawn_by_default_are_limited_too() {
    let text = "(flow: U1(lattice: [1000, 1000], layers: 1, mixtures: 1, hidden: []), target: U1(lattice: [1000, 1000], beta: 1), \
                training: (objective: Forward(PathFast)))";
    let error = Config::parse(text).unwrap().check().unwrap_err().first;
    assert_eq!((&error.field[..], &error.value[..]), ("data.train", "Draw(10000)"));
    assert!(error.accepted.contains("at most 4294 samples of 2000000 numbers"), "{error}");
    Config::parse(&text.replace("(objective: Forward(PathFast))", "()")).unwrap().check().unwrap();
}

const GAUGE: &str = "(
    flow: U1(lattice: [8, 4], layers: 3, mixtures: 2, hidden: [5], kernel: 5, slope: 0.2, init: Identity),
    target: U1(lattice: [8, 4], beta: 1.5),
)";

#[test]
fn a_gauge_theory_is_read_and_refused() {
    let config = Config::parse(GAUGE).unwrap();
    assert_eq!(Config::parse(&config.to_ron()).unwrap(), config);
    let model = config.build::<f32>().unwrap();
    assert_eq!((model.flow.dof(), model.sample_shape), (64, vec![2, 8, 4]));
    for (from, to, fragments) in [
        ("U1(lattice: [8, 4], layers", "U1(lattice: [8, 6], layers", ["flow.lattice", "[8, 6]", "multiples of 4"]),
        ("mixtures: 2", "mixtures: 0", ["flow.mixtures", "0", "at least 1"]),
        ("kernel: 5", "kernel: 4", ["flow.kernel", "4", "odd"]),
        ("layers: 3", "layers: 0", ["flow.layers", "0", "at least 1"]),
        ("beta: 1.5", "beta: -1.5", ["target.beta", "-1.5", "from 0 to 1e6"]),
        ("[8, 4], beta", "[4, 8], beta", ["target.lattice", "[4, 8]", "[8, 4]"]),
        ("target: U1(lattice: [8, 4], beta: 1.5)", "target: Gmm(dim: 64)", ["target", "real numbers", "angles"]),
    ] {
        let text = GAUGE.replace(from, to);
        assert_ne!(text, GAUGE, "{from}");
        let error = match Config::parse(&text) {
            Ok(config) => config.build::<f32>().err().expect(to).to_string(),
            Err(error) => error.to_string(),
        };
        assert!(fragments.iter().all(|fragment| error.contains(fragment)), "{to}: {error}");
    }
}

const LAYERS: &str = "(
    flow: Layers(shape: [4, 2], base: StandardNormal, layers: [
        Coupling(mask: Checkerboard(Even), net: Mlp(hidden: [5], activation: Silu), transform: Affine(clamp: 2)),
        Inverse(Coupling(mask: Custom([0, 5]), net: Mlp(hidden: [6]), transform: LogisticMixture(mixtures: 3))),
        Scaling(),
    ]),
    target: Phi4(lattice: [4, 2], kappa: 0.1, lambda: 1),
)";

#[test]
fn a_list_of_layers_is_read_and_refused() {
    let config = Config::parse(LAYERS).unwrap();
    assert_eq!(Config::parse(&config.to_ron()).unwrap(), config);
    assert_eq!(Config::parse(&config.to_pretty_ron()).unwrap(), config);
    let model = config.build::<f32>().unwrap();
    assert_eq!((config.flow_spec().unwrap().layers.len(), model.sample_shape), (3, vec![4, 2]));
    refuses_of(
        LAYERS,
        &[
            ("[4, 2], base", "[2, 4], base", &["target.lattice = [4, 2]: ", "flow.shape = [2, 4]"]),
            ("[4, 2], base", "[4.2], base", &["config:2:", "flow.shape = [4.2]: ", "whole number"]),
            ("StandardNormal", "UniformTorus", &["config:2:", "flow.base = UniformTorus", "StandardNormal"]),
            ("hidden: [6]", "hidden: [6, 0]", &["config:4:", "flow.layers[1].net.hidden = [6, 0]", "at least 1"]),
            ("hidden: [6]", "hidden: [\"6\"]", &["config:4:", "flow.layers[1].net.hidden", "whole number"]),
            ("Silu", "LeakyRelu(-1)", &["config:3:", "flow.layers[0].net.activation = ", "positive slope"]),
            ("clamp: 2", "clamp: 0", &["config:3:", "flow.layers[0].transform.clamp = ", "positive number"]),
            ("mixtures: 3", "mixtures: 0", &["config:4:", "flow.layers[1].transform.mixtures = 0", "at least 1"]),
            ("Custom([0, 5])", "Custom([0, 8])", &["config:4:", "flow.layers[1].mask = [0, 8]", "below the number"]),
            ("Scaling()", "Scale()", &["config:5:", "flow.layers[2] = Scale(): ", "`Scale`", "`Scaling`"]),
            (
                "LogisticMixture(mixtures: 3)",
                "TanMixture(mixtures: 3)",
                &["flow.layers[1].transform = TanMixture(mixtures: 3): ", "`TanMixture`", "`LogisticMixture`"],
            ),
            ("hidden: [5]", "hidden: [5000000]", &["flow.layers[0].net.hidden", "up to 1000000"]),
            ("hidden: [5]", "hidden: [900000, 900000]", &["config:3:", "flow.layers[0].net.hidden", "parameters"]),
        ],
    );
}

/// A text, and how each line must begin that is said about it.
const SEVERAL: [(&str, &[&str]); 3] = [
    (
        "(
    flow: RealNvp(lattice: [4, 2], couplings: 0, hidden: [0, 3], clamp: -1),
    target: Phi4(lattice: [4, 2], kappa: 0.1, lambda: -1),
    training: (batch: 0, optimiser: Adam(rate: NaN, beta1: 2), schedule: Cosine(floor: 1),
        anneal: Kappa(from: inf, steps: 0), ema: 1, log_every: 0, validation: (every: 0)),
    data: (train: Draw(0), hmc: (chains: 0, length: -1)),
    evaluation: (samples: 0, blocks: 1),
)",
        &[
            "config c.ron:2:47: flow.couplings = 0: ",
            "config c.ron:2:58: flow.hidden = [0, 3]: ",
            "config c.ron:2:73: flow.clamp = -1.0: ",
            "config c.ron:3:55: target.lambda = -1: ",
            "config c.ron:4:23: training.batch = 0: ",
            "config c.ron:4:48: training.optimiser.rate = NaN: ",
            "config c.ron:4:60: training.optimiser.beta1 = 2: ",
            "config c.ron:5:29: training.anneal.from = inf: ",
            "config c.ron:5:41: training.anneal.steps = 0: ",
            "config c.ron:5:50: training.ema = 1: ",
            "config c.ron:5:64: training.log_every = 0: ",
            "config c.ron:5:87: training.validation.every = 0: ",
            "config c.ron:6:19: data.train = Draw(0): ",
            "config c.ron:6:42: data.hmc.chains = 0: ",
            "config c.ron:6:53: data.hmc.length = -1: ",
            "config c.ron:7:27: evaluation.samples = 0: ",
            "config c.ron:7:38: evaluation.blocks = 1: ",
        ],
    ),
    (
        "(
    flow: RealNvp(lattice: [4, 2], couplings: 2, hidden: [0, 3], clamp: -1),
    target: Phi4(lattice: [4, 2], kappa: 0.1, lambda: 1),
)",
        &["config c.ron:2:58: flow.hidden = [0, 3]: ", "config c.ron:2:73: flow.clamp = -1.0: "],
    ),
    (
        "(
    flow: Layers(shape: [4, 2], base: UniformTorus, layers: [Scaling(),
        Coupling(mask: Custom([9]), net: Mlp(hidden: []), transform: Additive),
        Coupling(mask: Custom([]), net: Mlp(hidden: []), transform: Additive)]),
    target: Phi4(lattice: [4, 2], kappa: 0.1, lambda: 1),
)",
        &[
            "config c.ron:2:39: flow.base = ",
            "config c.ron:3:24: flow.layers[1].mask = ",
            "config c.ron:4:24: flow.layers[2].mask = ",
        ],
    ),
];

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    for (text, expected) in SEVERAL {
        let file = ConfigFile::parse("c.ron".as_ref(), text.to_owned()).unwrap();
        let told = file.build::<f64>().map(drop).unwrap_err().to_string();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{told}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected) && line.contains("accepted is "), "{line}: {expected}");
        }
    }
}

#[test]
fn of_very_many_mistakes_some_are_told_and_how_many_more_there_are() {
    let layers = "Coupling(mask: Alternating(Odd), net: Mlp(hidden: [0]), transform: Affine(clamp: 0)), ".repeat(15);
    let text = format!("(flow: Layers(shape: [2], base: StandardNormal, layers: [{layers}]), target: Gmm(dim: 2))");
    let file = ConfigFile::parse("c.ron".as_ref(), text.clone()).unwrap();
    let told = file.check().unwrap_err().to_string();
    assert_eq!(told.lines().count(), 21);
    assert_eq!(told.lines().last(), Some("config c.ron: and 10 more"));
    let told = Config::parse(&text).unwrap().check().unwrap_err().to_string();
    assert_eq!((told.lines().count(), told.lines().last()), (21, Some("config: and 10 more")));
}

#[test]
fn layers_are_named_by_their_number_and_their_depth_is_limited() {
    let text = |layers: &str| {
        format!("(flow: Layers(shape: [2], base: StandardNormal, layers: {layers}), target: Gmm(dim: 2))")
    };
    let refused = |layers: &str| match ConfigFile::parse("c.ron".as_ref(), text(layers)) {
        Ok(file) => file.check().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(refused("[]").ends_with("flow.layers = []: accepted is at least one layer"), "{}", refused("[]"));
    let many = format!("[{}]", "Scaling(), ".repeat(10_001));
    assert!(refused(&many).contains("flow.layers = 10001 layers: accepted is "), "{}", refused(&many));
    for (layers, told) in [
        ("[Scaling(), Scaling]", "flow.layers[1] = Scaling: "),
        ("[Scaling(), 3]", "flow.layers"),
        ("[Scaling(), Inverse(Scaling(scale: One))]", "flow.layers[1].scale = One: "),
    ] {
        assert!(refused(layers).contains(told), "{}", refused(layers));
    }
    let deep = format!("[Scaling(), {}Scaling(){}]", "Inverse(".repeat(300), ")".repeat(300));
    let told = refused(&deep);
    assert!(
        told.contains("flow.layers[1] = Inverse(") && told.contains("accepted are values at most 128 deep"),
        "{told}"
    );
}

#[test]
fn a_theory_may_be_given_by_its_mass() {
    let text = "(flow: RealNvp(lattice: [2, 2], couplings: 2, hidden: [3]),
        target: Phi4(lattice: [2, 2], mass_squared: -4, lambda: 8, convention: NoHalves),
        training: (anneal: MassSquared(from: 1, steps: 9)))";
    let config = Config::parse(text).unwrap();
    assert_eq!(Config::parse(&config.to_ron()).unwrap(), config);
    let log_z = config.build::<f64>().unwrap().theory.log_z().unwrap();
    assert!((log_z - 0.9144339784252).abs() < 1e-11, "{log_z}");
    let moved = config.annealing(&Cpu::<f64>::here()).unwrap();
    assert_eq!((moved.value(0), moved.value(9)), (1.0, -4.0));
    Config::parse(&text.replace("MassSquared", "Lambda")).unwrap().check().unwrap();
    for (old, new, told) in [
        ("lambda: 8", "lambda: 8, kappa: 0.3", "config:2:53: target.mass_squared = -4, with kappa = 0.3: accepted is "),
        ("mass_squared: -4", "kappa: 0.3", "config:2:74: target.convention = NoHalves, with kappa: accepted is "),
        (", convention: NoHalves", "", "config:2:17: target.convention = absent: accepted is NoHalves or Canonical"),
        ("NoHalves", "Hopping", "config:2:80: target.convention = Hopping: "),
        (
            "lambda: 8",
            "lambda: 0",
            "config:2:53: target.mass_squared = -4: accepted is a positive number where there is no quartic",
        ),
        ("MassSquared", "Kappa", "config:3:28: training.anneal = Kappa("),
        ("from: 1", "from: NaN", "config:3:46: training.anneal.from = NaN: "),
    ] {
        let told_of = |text: String| match ConfigFile::parse("config".as_ref(), text) {
            Ok(file) => file.build::<f64>().map(drop).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        let message = told_of(text.replace(old, new));
        assert!(
            message.lines().next().is_some_and(|line| line.starts_with(&format!("config {told}"))),
            "{message} for {told}"
        );
        assert_eq!(message.lines().count(), if new == "kappa: 0.3" { 2 } else { 1 }, "{message}");
    }
}

/// Steps of an integrator that the flow hasn't got would change nothing.
#[test]
fn steps_of_an_integrator_want_a_continuous_layer() {
    let config = Config::parse(&FULL.replacen("\n)", "\n    evaluation: (ode_steps: 16),\n)", 1)).unwrap();
    let told = config.check().unwrap_err().to_string();
    assert_eq!(told, "config: evaluation.ode_steps = 16: accepted is None, as no layer of this flow is continuous");
    assert!(Config::parse(FULL).unwrap().build_for_tests(&Cpu::<f64>::here()).unwrap().is_none());
    let continuous = "(
        flow: Continuous(lattice: [4, 3], field: Lattice(frequencies: 2, times: 2), steps: 3),
        target: Phi4(lattice: [4, 3], kappa: 0.1, lambda: 1),
        evaluation: (ode_steps: 16),
    )";
    let config = Config::parse(continuous).unwrap();
    assert_eq!(config.check(), Ok(()));
    assert!(config.build_for_tests(&Cpu::<f64>::here()).unwrap().is_some());
}
