//! Overrides that are made, and those that are refused.

use super::*;

const TEXT: &str = "(
    flow: Layers(shape: [4, 2], base: StandardNormal, layers: [
        Coupling(mask: Checkerboard(Even), net: Mlp(hidden: [5]), transform: Affine()),
        Inverse(Coupling(mask: Custom([0, 5]), net: Mlp(hidden: [6]), transform: LogisticMixture(mixtures: 3))),
        Scaling(),
    ]),
    target: Phi4(lattice: [4, 2], kappa: 0.1, lambda: 1),
)";

fn with(overrides: &[&str]) -> Result<Config, String> {
    let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
    apply("c.ron".as_ref(), Config::parse(TEXT).unwrap(), &overrides).map_err(|error| error.to_string())
}

/// What a file says with a change, `--set` must say, too.
#[test]
fn an_override_is_what_the_file_could_say() {
    let training = |text: &str| TEXT.replace("lambda: 1),", &format!("lambda: 1), training: {text},"));
    for (set, text) in [
        (&["target.kappa=0.2"][..], TEXT.replace("0.1", "0.2")),
        (&["target = Phi4(lattice: [4, 2], kappa: 0.1, lambda: 2) // two"], TEXT.replace("lambda: 1", "lambda: 2")),
        (&["flow.layers[1].net.hidden=[7, 7]"], TEXT.replace("[6]", "[7, 7]")),
        (&["flow.layers[0].transform.clamp=2"], TEXT.replace("Affine()", "Affine(clamp: 2)")),
        (&["flow.layers[2]=Scaling(scales: PerDof)"], TEXT.replace("Scaling()", "Scaling(scales: PerDof)")),
        (&["flow.base=TwoSigns()", "flow.base.v=2"], TEXT.replace("StandardNormal", "TwoSigns(v: 2)")),
        (&["training.seed=3"], training("(seed: 3)")),
        (&["training.ema=0.99", "training.batch=7"], training("(ema: 0.99, batch: 7)")),
        (&["training.optimiser.rate=0.5"], training("(optimiser: Adam(rate: 0.5))")),
        (
            &[
                "training.optimiser=Sgd(rate: 0.5)",
                "training.optimiser.momentum=0.1",
                "training.optimiser.momentum=0.2",
            ],
            training("(optimiser: Sgd(rate: 0.5, momentum: 0.2))"),
        ),
        (&["training=(steps: 4)"], training("(steps: 4)")),
        (&["data.hmc.thin=3"], TEXT.replace("lambda: 1),", "lambda: 1), data: (hmc: (thin: 3)),")),
        (&["data.train=File(\"a=b, c: (.npy\")"], {
            TEXT.replace("lambda: 1),", "lambda: 1), data: (train: File(\"a=b, c: (.npy\")),")
        }),
    ] {
        assert_eq!(with(set), Ok(Config::parse(&text).unwrap()), "{set:?}");
    }
}

#[test]
fn what_cannot_be_set_is_refused_by_the_name_of_the_argument() {
    for (set, told) in [
        ("training.optimiser.rat=1", "accepted are the fields rate, beta1, beta2, epsilon"),
        ("trainin.batch=1", "accepted are the fields flow, target, training, precision, data, evaluation"),
        ("training.batch=abc", "Expected a whole number up to 1000000000"),
        ("training.batch=", "accepted is one value"),
        ("training.batch=3, seed: 5", "accepted is one value"),
        ("training.batch=3), data: (", "accepted is one value"),
        ("training.batch=\"3", ""),
        ("training.schedule.floor=1", "accepted is no field of training.schedule, which is Constant"),
        ("flow.layers[7].mask=Alternating(Odd)", "accepted is the name of a field"),
        ("flow.shape[0]=4", "accepted is the name of a field"),
        ("=3", "accepted is the name of a field"),
        ("training..batch=3", "accepted is the name of a field"),
        ("target.kappa=\"0.1\"", "float"),
    ] {
        let message = with(&[set]).expect_err(set);
        let (field, value) = set.split_once('=').unwrap();
        assert!(
            message.starts_with(&format!("--set {field} = {value}: {told}")) || message.contains(told),
            "{message}"
        );
        assert!(message.starts_with(&format!("--set {field} = {value}: ")) && !message.contains('\n'), "{message}");
    }
    let two = with(&["training.batch=abc", "training.seed=2", "target.kapa=1"]).unwrap_err();
    assert_eq!(two.lines().count(), 2, "{two}");
    assert!("training.batch".parse::<Override>().is_err());
}

#[test]
fn an_override_decides_what_lies_within_its_field() {
    let set: Override = "flow.layers[1]=Scaling()".parse().unwrap();
    for (field, decides) in
        [("flow.layers[1]", true), ("flow.layers[1].net", true), ("flow.layers[10]", false), ("flow", false)]
    {
        assert_eq!(set.decides(field), decides, "{field}");
    }
}
