//! Descriptions as text.

use super::*;
use ron::extensions::Extensions;
use serde::{Serialize, de::DeserializeOwned};
use upg_flows::Symmetry;

fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME)
}

fn written<S: Serialize>(value: &S) -> String {
    options().to_string(value).unwrap()
}

fn read<S: DeserializeOwned>(text: &str) -> Result<S, String> {
    options().from_str(text).map_err(|error| error.code.to_string())
}

proptest! {
    #[test]
    fn a_description_survives_its_text(spec in any_flow()) {
        let text = written(&spec);
        prop_assert_eq!(read(&text), Ok(spec), "{}", text);
    }
}

#[test]
fn what_may_be_left_out_has_its_default() {
    let text = "(shape: [4, 4], base: StandardNormal, layers: [
        Coupling(mask: Checkerboard(Even), net: Mlp(hidden: [8]), transform: Affine()),
        Inverse(Coupling(
            mask: Custom([0, 5]),
            net: Mlp(hidden: [], activation: LeakyRelu(0.1), bias: No, init: Identity),
            transform: LogisticMixture(mixtures: 4),
        )),
        Autoregressive(net: (hidden: [3]), transform: Additive),
        Autoregressive(order: Custom([1, 0]), net: Mlp(hidden: [3]), transform: Additive),
        Scaling(),
        Coupling(mask: Alternating(Odd), net: Cnn(hidden: [8]), transform: Additive),
        Coupling(mask: Alternating(Odd), net: Cnn(hidden: [], kernel: 5, activation: Identity, symmetry: Z2, init: Identity), transform: Additive),
    ])";
    let cnn = |hidden, kernel, activation, symmetry, start| {
        let net = NetSpec::Cnn(LatticeNetSpec { hidden, kernel, activation, symmetry, start });
        LayerSpec::Coupling(CouplingSpec {
            mask: MaskSpec::Alternating(Parity::Odd),
            net,
            transform: TransformSpec::Additive,
        })
    };
    let mlp = |hidden, activation, bias, start| NetSpec::Mlp(MlpSpec { hidden, activation, bias, start });
    let first = LayerSpec::Coupling(CouplingSpec {
        mask: MaskSpec::Checkerboard(Parity::Even),
        net: mlp(vec![8], Activation::Tanh, Bias::Yes, StartAt::Random),
        transform: TransformSpec::Affine { clamp: None },
    });
    let second = LayerSpec::Coupling(CouplingSpec {
        mask: MaskSpec::Custom(vec![0, 5]),
        net: mlp(vec![], Activation::LeakyRelu(0.1), Bias::No, StartAt::Identity),
        transform: TransformSpec::LogisticMixture { mixtures: 4 },
    });
    let autoregressive = |order| {
        let net = MlpSpec { hidden: vec![3], activation: Activation::Tanh, bias: Bias::Yes, start: StartAt::Random };
        LayerSpec::Autoregressive(AutoregressiveSpec { order, net, transform: TransformSpec::Additive })
    };
    let layers = vec![
        first,
        LayerSpec::Inverse(Box::new(second)),
        autoregressive(Order::Identity),
        autoregressive(Order::Custom(vec![1, 0])),
        LayerSpec::Scaling(ScalingSpec { scales: Scales::One }),
        cnn(vec![8], 3, Activation::Tanh, Symmetry::None, StartAt::Random),
        cnn(vec![], 5, Activation::Identity, Symmetry::Z2, StartAt::Identity),
    ];
    assert_eq!(read(text), Ok(FlowSpec { shape: vec![4, 4], base: BaseSpec::StandardNormal, layers }));

    let text = "(lattice: [8, 4], couplings: 2, hidden: [5], symmetry: Z2)";
    let symmetry = Symmetry::Z2;
    let flow = ConvNvp { lattice: vec![8, 4], couplings: 2, hidden: vec![5], symmetry, ..Default::default() };
    assert_eq!(read(text), Ok(flow));
    let text = "(lattice: [8, 4], layers: 2, mixtures: 3, hidden: [5])";
    let flow = U1Flow { lattice: vec![8, 4], layers: 2, mixtures: 3, hidden: vec![5], ..Default::default() };
    assert_eq!(read(text), Ok(flow));
    let text = "(lattice: [8, 4], layers: 2, transform: CircularSpline(bins: 6), hidden: [5])";
    let flow = read::<U1Flow>(text).unwrap();
    assert_eq!((flow.mixtures, flow.transform), (0, Some(AngleTransformSpec::CircularSpline { bins: 6 })));
    assert_eq!((read(&written(&flow)), written(&flow).contains("mixtures")), (Ok(flow), false));
    let text = "(lattice: [4], couplings: 2, hidden: [5], activation: Silu, mask: Alternating)";
    let flow =
        RealNvp { lattice: vec![4], couplings: 2, hidden: vec![5], activation: Activation::Silu, ..Default::default() };
    assert_eq!((read(text), written(&flow).contains("transform")), (Ok(flow), false));
    let text = text.replace("mask:", "transform: LogisticMixture(mixtures: 2), mask:");
    let flow = read::<RealNvp>(&text).unwrap();
    assert_eq!(
        (flow.transform, read(&written(&flow))),
        (TransformSpec::LogisticMixture { mixtures: 2 }, Ok(flow.clone()))
    );
}

/// The numbers of a field may be left to a target.
#[test]
fn bases_are_read() {
    let base = |text: &str| read::<BaseSpec>(text).unwrap();
    assert_eq!(base("FreeField()"), BaseSpec::FreeField { m2: None, kappa: None });
    assert_eq!(base("FreeField(m2: 0.3)"), BaseSpec::FreeField { m2: Some(0.3), kappa: None });
    assert_eq!(base("TwoSigns(m2: 1, kappa: 0.3, v: 2)"), BaseSpec::two_signs(1.0, 0.3, 2.0));
    assert_eq!(base("DiagonalNormal"), BaseSpec::DiagonalNormal);
    let text = "(lattice: [4], couplings: 2, hidden: [5])";
    assert!(!written(&read::<Z2Nice>(text).unwrap()).contains("base"), "the default");
    let flow = read::<Z2Nice>(&text.replace("[5]", "[5], base: TwoSigns(v: 2)")).unwrap();
    assert_eq!(flow.base, BaseSpec::TwoSigns { m2: None, kappa: None, v: Some(2.0) });
    assert_eq!(read(&written(&flow)), Ok(flow));
}

#[test]
fn wrong_texts_are_refused() {
    let good = "(shape: [4, 4], base: StandardNormal, layers: [Coupling(mask: Alternating(Odd), net: Mlp(hidden: [8]), \
                transform: LogisticMixture(mixtures: 2)), GaugeCoupling(direction: 0, offset: 3, net: (hidden: [7]), \
                transform: TanMixture(mixtures: 4)), \
                Autoregressive(order: Reversal, net: (hidden: [6]), transform: Additive), Scaling(scales: PerDof)])";
    read::<FlowSpec>(good).unwrap();
    for (old, new, fragments) in [
        ("[4, 4]", "[4.5, 4]", ["a whole number up to 1000000", "4.5"]),
        ("[4, 4]", "[4000, 4000]", ["a lattice of at most 1000000 sites", "20 extents"]),
        ("StandardNormal", "FreeField(m2: 0.3, v: 2)", ["`v`", "`kappa`"]),
        ("StandardNormal", "Normal", ["`Normal`", "`UniformTorus`"]),
        ("Coupling(mask", "Coupling(musk", ["`musk`", "`transform`"]),
        ("[8]", "[-8]", ["a whole number", "-8"]),
        ("Odd", "Add", ["`Add`", "`Even`"]),
        ("mixtures: 2", "mixtures: two", ["", ""]),
        ("mixtures: 2", "mixtures: 2, clamp: 1.0", ["`clamp`", "`mixtures`"]),
        ("Mlp(hidden: [8])", "Fcn(hidden: [8])", ["`Fcn`", "`Cnn`"]),
        ("Mlp(hidden: [8])", "Mlp(hidden: [8], kernel: 3)", ["`kernel`", "`activation`"]),
        ("Mlp(hidden: [8])", "Cnn(hidden: [8], bias: No)", ["`bias`", "`symmetry`"]),
        ("offset: 3, ", "", ["`offset`", "missing"]),
        ("direction: 0", "direction: 0.5", ["a whole number", "0.5"]),
        ("PerDof", "Two", ["`Two`", "`PerDof`"]),
        ("Reversal", "Backwards", ["`Backwards`", "`Identity`"]),
        ("layers: [", "levels: [", ["`levels`", "`layers`"]),
    ] {
        assert_eq!(good.matches(old).count(), 1, "{old}");
        let message = read::<FlowSpec>(&good.replace(old, new)).expect_err(new);
        assert!(fragments.iter().all(|fragment| message.contains(fragment)), "{new}: {message}");
    }
}
