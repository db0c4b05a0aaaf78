//! What is said about descriptions that make no flow.

use upg_flows::spec::*;
use upg_flows::{
    Activation, Bias, FlowError, MaskPattern, MaskSpec, Order, Parity, RealNvp, Scales, SplineNvp, StartAt,
    TorusSpline, U1Flow, Z2Nice,
};

/// None of them would fit into any memory, and some counts not into any number.
#[test]
fn what_nobody_wants_is_refused_before_it_is_made() {
    let nvp = |lattice: &[usize], couplings, hidden: &[usize]| {
        let flow = RealNvp { lattice: lattice.into(), couplings, hidden: hidden.into(), ..Default::default() };
        flow.build::<f32>().map(drop).unwrap_err()
    };
    let mixture = |mixtures, hidden| {
        let transform = TransformSpec::LogisticMixture { mixtures };
        let flow = RealNvp { lattice: vec![8, 2], couplings: 6, hidden, transform, ..Default::default() };
        flow.build::<f32>().map(drop).unwrap_err()
    };
    let u1 = |flow: U1Flow| flow.build::<f32>().map(drop).unwrap_err();
    let big = vec![1000, 1000];
    let cases = [
        (nvp(&[8, 2], 6, &[1_000_000; 2]), "hidden", "6000156000096 parameters"),
        (nvp(&[8, 2], 6, &[usize::MAX; 9]), "hidden", "18446744073709551615 parameters"),
        (nvp(&[8, 2], 10_001, &[]), "couplings", "10001"),
        (nvp(&[8, 2], usize::MAX, &[usize::MAX]), "couplings", "18446744073709551615"),
        (nvp(&[8, 2], 6, &[1; 101]), "hidden", "1, 1, 1"),
        (nvp(&big, 500, &[1]), "lattice", "numbers kept"),
        (mixture(usize::MAX, vec![]), "hidden", "parameters"),
        (mixture(10_000_000, vec![1]), "hidden", "parameters"),
        (u1(U1Flow { hidden: vec![100_000; 2], ..Default::default() }), "hidden", "parameters"),
        (u1(U1Flow { mixtures: usize::MAX, ..Default::default() }), "hidden", "parameters"),
        (u1(U1Flow { layers: 1_000_000, ..Default::default() }), "layers", "1000000"),
        (u1(U1Flow { kernel: 65, ..Default::default() }), "kernel", "65"),
        (u1(U1Flow { kernel: 999_999, ..Default::default() }), "kernel", "999999"),
        (u1(U1Flow { lattice: big.clone(), layers: 48, ..Default::default() }), "lattice", "indices"),
        (u1(U1Flow { lattice: big, layers: 1, hidden: vec![90], ..Default::default() }), "hidden", "90"),
    ];
    for (error, field, value) in cases {
        assert!(error.field == field && error.value.contains(value), "{error} should be about {field} and {value}");
    }
}

#[test]
fn wrong_layers_are_refused_by_their_number_and_field() {
    let small = MlpSpec { hidden: vec![3], activation: Activation::Tanh, bias: Bias::Yes, start: StartAt::Random };
    let mlp =
        |hidden: &[usize], activation| NetSpec::Mlp(MlpSpec { hidden: hidden.into(), activation, ..small.clone() });
    let coupling = |mask, net, transform| LayerSpec::Coupling(CouplingSpec { mask, net, transform });
    let good = || coupling(MaskSpec::Alternating(Parity::Even), mlp(&[3], Activation::Tanh), TransformSpec::Additive);
    let with = |transform| coupling(MaskSpec::Alternating(Parity::Odd), mlp(&[3], Activation::Tanh), transform);
    let masked = |mask| coupling(mask, mlp(&[3], Activation::Tanh), TransformSpec::Additive);
    let net = |net| coupling(MaskSpec::Checkerboard(Parity::Odd), net, TransformSpec::Additive);
    let ordered = |order| {
        let (net, transform) = (small.clone(), TransformSpec::Additive);
        LayerSpec::Autoregressive(AutoregressiveSpec { order, net, transform })
    };
    let gauge = |direction, offset, kernel, slope, mixtures| {
        let net = CnnSpec { hidden: vec![2], kernel, slope, start: StartAt::Random };
        let transform = AngleTransformSpec::TanMixture { mixtures };
        LayerSpec::GaugeCoupling(GaugeCouplingSpec { direction, offset, net, transform })
    };
    let flow = |layers| FlowSpec { shape: vec![2, 2], base: BaseSpec::StandardNormal, layers };
    assert_eq!(flow(vec![good(), ordered(Order::Custom(vec![3, 0, 2, 1]))]).check(), Ok(()));
    let cases = [
        (with(TransformSpec::Affine { clamp: Some(-1.0) }), "transform.clamp"),
        (with(TransformSpec::LogisticMixture { mixtures: 0 }), "transform.mixtures"),
        (with(TransformSpec::Spline { bins: 1, interval: 3.0 }), "transform.bins"),
        (with(TransformSpec::Spline { bins: 1000, interval: 3.0 }), "transform.bins"),
        (with(TransformSpec::Spline { bins: usize::MAX, interval: 3.0 }), "transform.bins"),
        (with(TransformSpec::Spline { bins: 8, interval: 0.0 }), "transform.interval"),
        (with(TransformSpec::Spline { bins: 8, interval: f64::INFINITY }), "transform.interval"),
        (with(TransformSpec::OddSpline { bins: 8, interval: f64::NAN }), "transform.interval"),
        (with(TransformSpec::OddSpline { bins: 0, interval: 1.0 }), "transform.bins"),
        (net(mlp(&[3, 0], Activation::Tanh)), "net.hidden"),
        (net(mlp(&[1; 101], Activation::Tanh)), "net.hidden"),
        (net(mlp(&[3], Activation::LeakyRelu(0.0))), "net.activation"),
        (masked(MaskSpec::Custom(vec![4])), "mask"),
        (masked(MaskSpec::Custom(vec![1, 1])), "mask"),
        (masked(MaskSpec::Custom(vec![])), "mask"),
        (masked(MaskSpec::Custom(vec![0, 1, 2, 3])), "mask"),
        (ordered(Order::Custom(vec![0, 1, 2])), "order"),
        (ordered(Order::Custom(vec![0, 1, 2, 4])), "order"),
        (ordered(Order::Custom(vec![0, 1, 1, 3])), "order"),
        (ordered(Order::Custom(vec![])), "order"),
        (gauge(2, 0, 3, 0.1, 1), "direction"),
        (gauge(0, 4, 3, 0.1, 1), "offset"),
        (gauge(0, 0, 4, 0.1, 1), "net.kernel"),
        (gauge(0, 0, 3, -0.1, 1), "net.slope"),
        (gauge(0, 0, 3, 0.1, 0), "transform.mixtures"),
    ];
    for (bad, field) in cases {
        let error = flow(vec![good(), LayerSpec::Inverse(Box::new(bad))]).build::<f32>().map(drop).unwrap_err();
        assert_eq!((error.layer, error.field), (Some(1), field), "{error}");
        assert!(error.to_string().starts_with(&format!("layers[1].{field} = ")), "{error}");
    }
    let error = |spec: FlowSpec| spec.check().unwrap_err().path();
    assert_eq!(error(flow(vec![good(), gauge(0, 0, 3, 0.1, 1)])), "shape");
    assert_eq!(error(flow(vec![])), "layers");
    assert_eq!(error(FlowSpec { shape: vec![1], ..flow(vec![good()]) }), "shape");
    assert_eq!(
        error(FlowSpec { shape: vec![], ..flow(vec![LayerSpec::Scaling(ScalingSpec { scales: Scales::One })]) }),
        "shape"
    );
    assert_eq!(error(FlowSpec { shape: vec![usize::MAX, 2, 0], ..flow(vec![good()]) }), "shape");
    let huge = FlowSpec {
        shape: vec![usize::MAX, 2],
        ..flow(vec![LayerSpec::Scaling(ScalingSpec { scales: Scales::One }), good()])
    };
    assert_eq!(error(huge), "layers[1].net.hidden");
    assert_eq!(error(FlowSpec { base: BaseSpec::UniformTorus, ..flow(vec![good()]) }), "base");
}

#[test]
fn a_recipe_says_which_of_its_fields_is_wrong() {
    let good = RealNvp { lattice: vec![4], couplings: 2, hidden: vec![3], ..Default::default() };
    let mixture = TransformSpec::LogisticMixture { mixtures: 2 };
    let clamped = TransformSpec::Affine { clamp: Some(2.0) };
    assert!(RealNvp { transform: clamped, ..good.clone() }.spec().is_ok());
    for (field, bad) in [
        ("clamp", RealNvp { clamp: Some(-1.0), ..good.clone() }),
        ("clamp", RealNvp { clamp: Some(1.0), transform: mixture, ..good.clone() }),
        ("clamp", RealNvp { clamp: Some(1.0), transform: clamped, ..good.clone() }),
        ("transform.clamp", RealNvp { transform: TransformSpec::Affine { clamp: Some(0.0) }, ..good.clone() }),
        ("transform.mixtures", RealNvp { transform: TransformSpec::LogisticMixture { mixtures: 0 }, ..good.clone() }),
        ("lattice", RealNvp { lattice: vec![1], ..good.clone() }),
        ("lattice", RealNvp { lattice: vec![], ..good.clone() }),
        ("mask", RealNvp { mask: MaskPattern::Custom(vec![]), ..good.clone() }),
        ("hidden", RealNvp { hidden: vec![0], ..good.clone() }),
    ] {
        let error = bad.spec().unwrap_err();
        assert_eq!((error.field, error.layer), (field, None), "{error}");
        assert_eq!(bad.errors(), [error]);
    }
}

/// What is wrong with a base, in a list of layers and in recipes.
#[test]
fn wrong_bases_are_refused() {
    let good = RealNvp { lattice: vec![4, 3], couplings: 2, hidden: vec![3], ..Default::default() };
    let nice = Z2Nice { lattice: vec![4, 3], couplings: 2, hidden: vec![3], ..Default::default() };
    for base in [BaseSpec::DiagonalNormal, BaseSpec::free_field(0.1, 0.3), BaseSpec::two_signs(0.1, 0.0, 1e-3)] {
        let spec = RealNvp { base, ..good.clone() }.spec().unwrap();
        assert_eq!(spec.base, base);
        assert_eq!(Z2Nice { base, ..nice.clone() }.spec().is_ok(), base.is_even());
    }
    let number = "a finite number above 0";
    for (base, told) in [
        (BaseSpec::free_field(0.0, 0.3), format!("base.m2 = 0.0: accepted is {number}")),
        (BaseSpec::free_field(f64::INFINITY, 0.3), format!("base.m2 = inf: accepted is {number}")),
        (BaseSpec::free_field(1.0, f64::NAN), "base.kappa = NaN: accepted is a finite number".into()),
        (BaseSpec::FreeField { m2: None, kappa: Some(0.3) }, format!("base.m2 = absent: accepted is {number}")),
        (BaseSpec::two_signs(1.0, 0.3, -1.0), format!("base.v = -1.0: accepted is {number}")),
        (BaseSpec::two_signs(1.0, 0.3, 0.0), format!("base.v = 0.0: accepted is {number}")),
        (
            BaseSpec::two_signs(1.0, -0.2, 1.0), // p² reaches 4 along the even axis, 3 along the other
            "base.kappa = -0.2: accepted is a number with m2 + 2 kappa p^2 above 0 for all modes, p^2 up to 4 in each \
             direction"
                .into(),
        ),
        (
            BaseSpec::UniformTorus,
            "base = UniformTorus: accepted is StandardNormal, DiagonalNormal, FreeField(...) or TwoSigns(...) with layers \
             of numbers"
                .into(),
        ),
    ] {
        let spec = FlowSpec { shape: vec![4, 3], base, layers: good.spec().unwrap().layers };
        assert_eq!(spec.errors().iter().map(ToString::to_string).collect::<Vec<_>>(), std::slice::from_ref(&told));
        assert_eq!(RealNvp { base, ..good.clone() }.spec().unwrap_err().to_string(), told);
    }
    assert!(RealNvp { base: BaseSpec::free_field(1.5, -0.1), ..good }.spec().is_ok());
    let told = Z2Nice { base: BaseSpec::DiagonalNormal, ..nice }.spec().unwrap_err().to_string();
    assert!(told.starts_with("base = DiagonalNormal: accepted is an even density"), "{told}");
    let layers = vec![LayerSpec::Scaling(ScalingSpec { scales: Scales::One })];
    let long = FlowSpec { shape: vec![200_000], base: BaseSpec::free_field(1.0, 0.1), layers };
    let told = long.check().unwrap_err().to_string();
    assert!(told.starts_with("shape = [200000] (40000200000 indices): "), "{told}");
}

#[test]
fn layers_that_do_not_go_together_are_told_by_their_number() {
    let torus = TorusSpline { lattice: vec![4], couplings: 2, hidden: vec![3], ..Default::default() }.spec().unwrap();
    let scaling = LayerSpec::Scaling(ScalingSpec { scales: Scales::One });
    for base in [BaseSpec::UniformTorus, BaseSpec::StandardNormal] {
        let layers = [&torus.layers[..], std::slice::from_ref(&scaling)].concat();
        let told = FlowSpec { shape: vec![4], base, layers }.errors();
        assert_eq!(told.len(), 1);
        let expected = "layers[2] = a layer of numbers: accepted is a layer of angles, as those before it";
        assert_eq!(told[0].to_string(), expected);
    }
    let layers = vec![scaling, torus.layers[0].clone()];
    let told = FlowSpec { shape: vec![4], base: BaseSpec::StandardNormal, layers }.check().unwrap_err().to_string();
    assert_eq!(told, "layers[1] = a layer of angles: accepted is a layer of numbers, as those before it");
    let layers = vec![LayerSpec::Householder(HouseholderSpec { reflections: 5, bias: Bias::No })];
    let told = FlowSpec { shape: vec![2, 2], base: BaseSpec::StandardNormal, layers }.check().unwrap_err().to_string();
    assert!(told.starts_with("layers[0].reflections = 5: accepted is a whole number, at least 1, at most "), "{told}");
}

#[test]
fn every_wrong_field_of_a_flow_is_told_once() {
    let fields = |errors: Vec<FlowError>| errors.iter().map(FlowError::path).collect::<Vec<_>>();
    let (hidden, transform) = (vec![3, 0], TransformSpec::LogisticMixture { mixtures: 0 });
    let nvp = RealNvp { lattice: vec![4], couplings: 10_001, hidden, transform, ..Default::default() };
    assert_eq!(fields(nvp.errors()), ["couplings", "hidden", "transform.mixtures"]);
    assert_eq!(fields(RealNvp { couplings: 2, ..nvp.clone() }.errors()), ["hidden", "transform.mixtures"]);
    let mask = MaskPattern::Custom(vec![vec![4], vec![1, 1]]);
    let masked = RealNvp { lattice: vec![4], couplings: 9, mask, ..Default::default() };
    assert_eq!(fields(masked.errors()), ["mask"]);
    let gauge = U1Flow { lattice: vec![5, 4], kernel: 2, slope: -1.0, mixtures: 0, ..Default::default() };
    assert_eq!(fields(gauge.errors()), ["lattice", "kernel", "slope", "mixtures"]);
    let spline =
        SplineNvp { lattice: vec![4], couplings: 2, hidden: vec![0], bins: 1, interval: -1.0, ..Default::default() };
    assert_eq!(fields(spline.errors()), ["hidden", "bins", "interval"]);
    assert_eq!(spline.errors()[1].to_string(), "bins = 1: accepted is a whole number, at least 2 and at most 999");
    let torus = TorusSpline { lattice: vec![4], couplings: 2, bins: 1000, ..Default::default() };
    assert_eq!(fields(torus.errors()), ["bins"]);

    let mut layers = nvp_layers(3);
    let [LayerSpec::Coupling(first), _, LayerSpec::Coupling(third)] = &mut layers[..] else {
        panic!("three couplings")
    };
    first.transform = TransformSpec::Affine { clamp: Some(0.0) };
    third.mask = MaskSpec::Custom(vec![7]);
    let spec = FlowSpec { shape: vec![4], base: BaseSpec::UniformTorus, layers };
    assert_eq!(fields(spec.errors()), ["layers[0].transform.clamp"]); // the others may follow from it
    let LayerSpec::Coupling(first) = &spec.layers[1] else { panic!("a coupling") };
    let layers = [&[LayerSpec::Coupling(first.clone())], &spec.layers[1..]].concat();
    assert_eq!(fields(FlowSpec { layers, ..spec }.errors()), ["layers[2].mask", "base"]);
    let none = FlowSpec { shape: vec![4], base: BaseSpec::StandardNormal, layers: vec![] };
    assert_eq!(none.check().unwrap_err().to_string(), "layers = []: accepted is at least one layer");
}

fn nvp_layers(couplings: usize) -> Vec<LayerSpec> {
    let flow = RealNvp { lattice: vec![4], couplings, hidden: vec![3], ..Default::default() };
    flow.spec().unwrap().layers
}
