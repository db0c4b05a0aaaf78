//! Descriptions against the flows that are made of them.

use proptest::prelude::*;
use upg_core::{Batch, Cpu, Cut, Domain, Layer, ParamLayout, Pass, Prepared, Real, Workspace};
use upg_flows::spec::*;
use upg_flows::{
    Activation, Bias, ConvNvp, FirstValues, FlowError, Glow, Iaf, Maf, MaskPattern, MaskSpec, Order, Parity, RealNvp,
    Scales, SplineNvp, StartAt, Symmetry, TorusSpline, U1Flow, Z2Nice,
};
use upg_testkit::{alloc, domain, draw};

#[cfg(feature = "serde")]
mod text;

fn any_hidden() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..9_usize, 0..4)
}

fn any_start() -> impl Strategy<Value = StartAt> {
    prop_oneof![Just(StartAt::Random), Just(StartAt::Identity)]
}

fn any_mlp() -> impl Strategy<Value = MlpSpec> {
    let activation = prop_oneof![Just(Activation::Tanh), Just(Activation::Silu), Just(Activation::LeakyRelu(0.2))];
    let bias = prop_oneof![Just(Bias::Yes), Just(Bias::No)];
    (any_hidden(), activation, bias, any_start()).prop_map(|(hidden, activation, bias, start)| MlpSpec {
        hidden,
        activation,
        bias,
        start,
    })
}

fn any_mask() -> impl Strategy<Value = MaskSpec> {
    let parity = || prop_oneof![Just(Parity::Even), Just(Parity::Odd)];
    prop_oneof![
        parity().prop_map(MaskSpec::Alternating),
        parity().prop_map(MaskSpec::Checkerboard),
        Just(MaskSpec::Custom(vec![1])),
    ]
}

fn any_transform() -> impl Strategy<Value = TransformSpec> {
    prop_oneof![
        Just(TransformSpec::Additive),
        prop::option::of(0.5..2.0).prop_map(|clamp| TransformSpec::Affine { clamp }),
        (1..5_usize).prop_map(|mixtures| TransformSpec::LogisticMixture { mixtures }),
        (2..6_usize, 1.0..5.0).prop_map(|(bins, interval)| TransformSpec::Spline { bins, interval }),
        (2..6_usize, 1.0..5.0).prop_map(|(bins, interval)| TransformSpec::OddSpline { bins, interval }),
    ]
}

fn any_bias() -> impl Strategy<Value = Bias> {
    prop_oneof![Just(Bias::Yes), Just(Bias::No)]
}

fn any_first_values() -> impl Strategy<Value = FirstValues> {
    prop_oneof![Just(FirstValues::Identity), Just(FirstValues::Data)]
}

/// An order of samples of any shape.
fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Identity),
        Just(Order::Reversal),
        (0..9_usize).prop_map(Order::Shift),
        (0..9_usize).prop_map(|by| Order::Along { direction: 0, by }),
        any::<u64>().prop_map(Order::Random),
    ]
}

fn any_permutation() -> impl Strategy<Value = LayerSpec> {
    any_order().prop_map(|order| LayerSpec::Permutation(PermutationSpec { order }))
}

/// A linear layer of all numbers, or of cells that `with_cells` chooses.
fn any_linear() -> impl Strategy<Value = LinearSpec> {
    let negative = prop_oneof![Just(vec![]), Just(vec![1]), Just(vec![1, 0])];
    let cells = prop_oneof![Just(None), Just(Some(vec![]))];
    (cells, any_order(), negative, any_bias(), any_start())
        .prop_map(|(cells, order, negative, bias, start)| LinearSpec { cells, order, negative, bias, start })
}

/// Cells of two sites or more that fill the lattice: each extent divided by its smallest divisor, the last one with more than a site aside.
fn cells_of(shape: &[usize]) -> Vec<usize> {
    let last = shape.iter().rposition(|&extent| extent > 1).unwrap();
    let smallest = |extent: usize| (2..=extent).find(|&d| extent.is_multiple_of(d)).unwrap_or(1);
    let cell = |(i, &extent): (usize, &usize)| if i == last { extent } else { extent / smallest(extent) };
    shape.iter().enumerate().map(cell).collect()
}

/// The layer with cells, where it asks for some, that fit this shape.
fn with_cells(mut layer: LayerSpec, shape: &[usize]) -> LayerSpec {
    match &mut layer {
        LayerSpec::Linear(LinearSpec { cells: Some(cells), .. }) => *cells = cells_of(shape),
        LayerSpec::Inverse(inner) => **inner = with_cells((**inner).clone(), shape),
        _ => (),
    }
    layer
}

/// A layer of numbers, or the inverse of one.
fn any_layer() -> impl Strategy<Value = LayerSpec> {
    let coupling = (any_mask(), any_mlp().prop_map(NetSpec::Mlp), any_transform())
        .prop_map(|(mask, net, transform)| LayerSpec::Coupling(CouplingSpec { mask, net, transform }));
    let order = prop_oneof![Just(Order::Identity), Just(Order::Reversal)];
    // Bounded: tens of numbers in a row, each moved by those before, with log-scales linear in them would be too much for any fixed tolerance.
    let bounded = prop_oneof![
        Just(TransformSpec::Additive),
        (0.5..2.0).prop_map(|clamp| TransformSpec::Affine { clamp: Some(clamp) }),
    ];
    let autoregressive = (order, any_mlp(), bounded)
        .prop_map(|(order, net, transform)| LayerSpec::Autoregressive(AutoregressiveSpec { order, net, transform }));
    let scales = prop_oneof![Just(Scales::One), Just(Scales::PerDof)];
    let layer = prop_oneof![
        3 => coupling,
        2 => autoregressive,
        1 => scales.prop_map(|scales| LayerSpec::Scaling(ScalingSpec { scales })),
        1 => any_first_values().prop_map(|start| LayerSpec::ActNorm(ActNormSpec { start })),
        1 => any_linear().prop_map(LayerSpec::Linear),
        1 => (1..5_usize, any_bias()).prop_map(|(reflections, bias)| LayerSpec::Householder(HouseholderSpec { reflections, bias })),
        1 => any_permutation(),
        1 => any_continuous(),
    ];
    (layer, any::<bool>()).prop_map(inverted)
}

fn any_continuous() -> impl Strategy<Value = LayerSpec> {
    let scale = proptest::option::of(0.5..5.0_f64);
    let lattice = (1..4_usize, 1..4_usize, scale).prop_map(|(frequencies, times, scale)| FieldSpec::Lattice {
        frequencies,
        times,
        scale,
    });
    let shallow = (1..4_usize, 1..4_usize).prop_map(|(width, times)| FieldSpec::Shallow { width, times });
    let field = prop_oneof![lattice, shallow];
    (field, 1..3_usize).prop_map(|(field, steps)| LayerSpec::Continuous(ContinuousSpec { field, steps }))
}

/// A coupling on a lattice of even extents of at least 4, or its inverse.
fn any_lattice_layer() -> impl Strategy<Value = LayerSpec> {
    let parity = || prop_oneof![Just(Parity::Even), Just(Parity::Odd)];
    let mask = prop_oneof![parity().prop_map(MaskSpec::Alternating), parity().prop_map(MaskSpec::Checkerboard)];
    let activation = prop_oneof![Just(Activation::Tanh), Just(Activation::Silu), Just(Activation::LeakyRelu(0.2))];
    let net = (any_hidden(), activation, any::<bool>(), any_start()).prop_map(|(hidden, activation, odd, start)| {
        let symmetry = if odd { Symmetry::Z2 } else { Symmetry::None };
        let activation = if odd { Activation::Tanh } else { activation };
        LatticeNetSpec { hidden, kernel: 3, activation, symmetry, start }
    });
    let layer = (mask, net, any_transform()).prop_map(|(mask, net, transform)| {
        let never_odd = matches!(transform, TransformSpec::LogisticMixture { .. } | TransformSpec::Spline { .. });
        let symmetry = if never_odd { Symmetry::None } else { net.symmetry };
        let net = NetSpec::Cnn(LatticeNetSpec { symmetry, ..net });
        LayerSpec::Coupling(CouplingSpec { mask, net, transform })
    });
    (layer, any::<bool>()).prop_map(inverted)
}

fn any_gauge_layer() -> impl Strategy<Value = LayerSpec> {
    let net = (any_hidden(), 0..3_usize, any_start()).prop_map(|(hidden, radius, start)| CnnSpec {
        hidden,
        kernel: 2 * radius + 1,
        slope: 0.1,
        start,
    });
    let coupling =
        (0..2_usize, 0..4_usize, net, any_angle_transform()).prop_map(|(direction, offset, net, transform)| {
            LayerSpec::GaugeCoupling(GaugeCouplingSpec { direction, offset, net, transform })
        });
    let plaquettes = (1..4_usize, 1..3_usize, 1..3_usize, 1..4_usize).prop_map(|(sines, products, times, steps)| {
        LayerSpec::PlaquetteFlow(PlaquetteFlowSpec { sines, products, times, steps })
    });
    let layer = prop_oneof![4 => coupling, 1 => plaquettes, 1 => any_permutation()];
    (layer, any::<bool>()).prop_map(inverted)
}

fn any_angle_transform() -> impl Strategy<Value = AngleTransformSpec> {
    prop_oneof![
        (1..5_usize).prop_map(|mixtures| AngleTransformSpec::TanMixture { mixtures }),
        (2..6_usize).prop_map(|bins| AngleTransformSpec::CircularSpline { bins }),
    ]
}

/// A layer of angles that aren't links, or the inverse of one.
fn any_angle_layer() -> impl Strategy<Value = LayerSpec> {
    let layer = (any_mask(), any_mlp(), any_angle_transform()).prop_map(|(mask, net, transform)| {
        LayerSpec::AngleCoupling(AngleCouplingSpec { mask, net: NetSpec::Mlp(net), transform })
    });
    (layer, any::<bool>()).prop_map(inverted)
}

fn inverted((layer, invert): (LayerSpec, bool)) -> LayerSpec {
    if invert { LayerSpec::Inverse(Box::new(layer)) } else { layer }
}

/// A base of numbers.
fn any_base() -> impl Strategy<Value = BaseSpec> {
    let (m2, kappa, v) = (0.1..2.0, 0.0..0.5, 0.1..3.0);
    prop_oneof![
        Just(BaseSpec::StandardNormal),
        Just(BaseSpec::DiagonalNormal),
        (m2.clone(), kappa.clone()).prop_map(|(m2, kappa)| BaseSpec::free_field(m2, kappa)),
        (m2, kappa, v).prop_map(|(m2, kappa, v)| BaseSpec::two_signs(m2, kappa, v)),
    ]
}

/// A flow of either domain.
fn any_flow() -> impl Strategy<Value = FlowSpec> {
    let lattice =
        || prop::collection::vec(1..5_usize, 1..4).prop_filter("two sites", |l| l.iter().product::<usize>() > 1);
    let torus = (lattice(), prop::collection::vec(any_angle_layer(), 1..4)).prop_map(|(shape, layers)| FlowSpec {
        shape,
        base: BaseSpec::UniformTorus,
        layers,
    });
    let layers = prop::collection::vec(any_layer(), 1..6);
    let numbers = (lattice(), any_base(), layers).prop_map(|(shape, base, layers)| {
        let layers = layers.into_iter().map(|layer| with_cells(layer, &shape)).collect();
        FlowSpec { shape, base, layers }
    });
    let extents = prop::array::uniform2((1..4_usize).prop_map(|n| 4 * n));
    let angles = (extents, prop::collection::vec(any_gauge_layer(), 1..4)).prop_map(|([rows, columns], layers)| {
        FlowSpec { shape: vec![2, rows, columns], base: BaseSpec::UniformTorus, layers }
    });
    let extents = prop_oneof![Just(vec![6]), Just(vec![4, 6]), Just(vec![4, 4, 4])];
    let scalars = (extents, any_base(), prop::collection::vec(any_lattice_layer(), 1..4))
        .prop_map(|(shape, base, layers)| FlowSpec { shape, base, layers });
    prop_oneof![3 => numbers, 1 => scalars, 1 => angles, 1 => torus]
}

proptest! {
    #[test]
    fn the_parameters_are_those_of_the_flow(spec in any_flow()) {
        let flow = spec.build::<f64>().unwrap();
        let mut layout = ParamLayout::default();
        layout.nest("base.", &spec.build_base::<f64>().params());
        layout.nest("", &Layer::<Cpu<f64>>::params(&flow));
        prop_assert_eq!(&spec.params().unwrap(), &layout);
        prop_assert_eq!(spec.size().unwrap().parameters, layout.size() as u64);
        prop_assert_eq!(spec.dof(), Layer::<Cpu<f64>>::dof(&flow));
        prop_assert_eq!(spec.dof(), spec.build_base::<f32>().dof());
    }

    #[test]
    fn the_numbers_kept_are_those_that_the_tape_takes(spec in any_flow()) {
        let Cut { micro_batch, lanes } = spec.cut();
        let samples = if micro_batch == 16 { 16 } else { 48 };
        let kept = spec.size().unwrap().kept as f64 / (micro_batch * lanes) as f64 * samples as f64;
        for (bytes, size) in [(tape_bytes::<f32>(&spec, samples), 4.0), (tape_bytes::<f64>(&spec, samples), 8.0)] {
            // Each block of numbers takes whole cache lines, and each tape and its list of blocks some bytes.
            let blocks = 600.0 * (spec.layers.len() as f64 + 1.0);
            prop_assert!((bytes - size * kept).abs() <= blocks, "{bytes} bytes for {kept} numbers of {size} bytes");
        }
    }

    #[test]
    fn recipes_are_as_large_as_their_lists_of_layers(
        lattice in prop::collection::vec(1..4_usize, 2..4).prop_filter("four sites", |l| l.iter().product::<usize>() > 3),
        hidden in any_hidden(),
        couplings in 1..8_usize,
        transform in any_transform(),
        base in any_base(),
    ) {
        for mask in [MaskPattern::Alternating, MaskPattern::Checkerboard, MaskPattern::Custom(vec![vec![0], vec![1, 3], vec![2]])] {
            let (l, h, m) = (lattice.clone(), hidden.clone(), mask.clone());
            let even = if base.is_even() { base } else { BaseSpec::StandardNormal };
            let nice = Z2Nice { lattice: l, couplings, hidden: h, mask: m, base: even, ..Default::default() };
            prop_assert_eq!(nice.size(), nice.spec().unwrap().size());
            prop_assert_eq!(nice.cut(), nice.spec().unwrap().cut());
            let nvp = RealNvp { lattice: lattice.clone(), couplings, hidden: hidden.clone(), mask, transform, base, ..Default::default() };
            prop_assert_eq!(nvp.size(), nvp.spec().unwrap().size());
            prop_assert_eq!(nvp.cut(), nvp.spec().unwrap().cut());
        }
        for cells in [None, Some(cells_of(&lattice))] {
            let (l, h) = (lattice.clone(), hidden.clone());
            let glow = Glow { lattice: l, steps: couplings, hidden: h, transform, cells, ..Default::default() };
            prop_assert_eq!(glow.size(), glow.spec().unwrap().size());
            prop_assert_eq!(glow.cut(), glow.spec().unwrap().cut());
        }
        let iaf = Iaf { lattice: lattice.clone(), layers: couplings, hidden: hidden.clone(), transform, ..Default::default() };
        prop_assert_eq!(iaf.size(), iaf.spec().unwrap().size());
        prop_assert_eq!(iaf.cut(), iaf.spec().unwrap().cut());
        let conv = ConvNvp { lattice: vec![4, 6], couplings, hidden: hidden.clone(), transform, ..Default::default() };
        prop_assert_eq!(conv.size(), conv.spec().unwrap().size());
        prop_assert_eq!(conv.cut(), conv.spec().unwrap().cut());
        let u1 = U1Flow { layers: couplings, hidden, ..Default::default() };
        prop_assert_eq!(u1.size(), u1.spec().unwrap().size());
    }
}

proptest! {
    #[test]
    fn an_inverse_undoes_its_layer(spec in any_flow(), seed in any::<u64>()) {
        let there = spec.layers[0].clone();
        let layers = vec![there.clone(), LayerSpec::Inverse(Box::new(there))];
        let flow = FlowSpec { layers, ..spec.clone() }.build::<f64>().unwrap();
        let layout = Layer::<Cpu<f64>>::params(&flow);
        let mut theta: Vec<f64> = layout.initialise(&mut draw::rng(seed));
        let (of_layer, of_inverse) = theta.split_at_mut(layout.size() / 2);
        of_inverse.copy_from_slice(of_layer);
        let domain = if spec.domain() == Domain::Line { domain::Domain::Line } else { domain::Domain::Circle };
        let start = draw::points(&mut draw::rng(seed), domain, 5, spec.dof());
        let (mut tape, mut scratch) = (Workspace::default(), Workspace::default());
        let (mut x, mut log_det, prepared) = (Batch::from_samples(start.view()), vec![0.0; 5], prepared(&flow, &theta));
        let mut pass =
            Pass { device: &Cpu::here(), theta: &theta, prepared: &prepared, tape: &mut tape, scratch: &mut scratch };
        flow.forward(&mut pass, &mut x, &mut log_det);
        let error = (domain.all_near(&x.to_samples(), &start) - start).iter().fold(0.0, |most: f64, e| most.max(e.abs()));
        let log_det = log_det.iter().fold(0.0, |most: f64, l| most.max(l.abs()));
        prop_assert!(error < 1e-9 && log_det < 1e-9, "off by {error} with log|det| {log_det}");
    }
}

fn prepared<T: Real>(flow: &Flow<T>, theta: &[T]) -> Prepared {
    let mut prepared = Prepared::default();
    flow.prepare(&Cpu::here(), theta, &mut prepared);
    prepared
}

/// What `forward` of a few samples leaves on a fresh tape, in bytes.
fn tape_bytes<T: Real>(spec: &FlowSpec, samples: usize) -> f64 {
    let flow = spec.build::<T>().unwrap();
    let theta: Vec<T> = vec![T::zero(); Layer::<Cpu<T>>::params(&flow).size()];
    let (mut x, mut log_det, mut scratch) =
        (Batch::zeros(spec.dof(), samples), vec![0.0; samples], Workspace::default());
    let (mut held, prepared, device) = (0.0, prepared(&flow, &theta), Cpu::here());
    for _ in 0..2 {
        let mut tape = Workspace::default();
        let ((), kept) = alloc::kept(|| {
            let (tape, scratch) = (&mut tape, &mut scratch);
            let mut pass = Pass { device: &device, theta: &theta, prepared: &prepared, tape, scratch };
            flow.forward(&mut pass, &mut x, &mut log_det);
        });
        held = kept as f64; // not what the matrix products take meanwhile
    }
    held
}

#[test]
fn recipes_write_out_their_layers() {
    let net = |bias| MlpSpec { hidden: vec![5], activation: Activation::Tanh, bias, start: StartAt::Random };
    let coupling =
        |mask, bias, transform| LayerSpec::Coupling(CouplingSpec { mask, net: NetSpec::Mlp(net(bias)), transform });
    let nvp = RealNvp { lattice: vec![3, 2], couplings: 3, hidden: vec![5], clamp: Some(2.0), ..Default::default() };
    let affine = TransformSpec::Affine { clamp: Some(2.0) };
    let masks = [Parity::Even, Parity::Odd, Parity::Even].map(MaskSpec::Alternating);
    let layers = masks.map(|mask| coupling(mask, Bias::Yes, affine)).into();
    assert_eq!(nvp.spec(), Ok(FlowSpec { shape: vec![3, 2], base: BaseSpec::StandardNormal, layers }));

    let mask = MaskPattern::Custom(vec![vec![0], vec![2, 3]]);
    let nice = Z2Nice { lattice: vec![4], couplings: 3, hidden: vec![5], mask, ..Default::default() };
    let masks = [vec![0], vec![2, 3], vec![0]].map(MaskSpec::Custom);
    let mut layers: Vec<_> = masks.map(|mask| coupling(mask, Bias::No, TransformSpec::Additive)).into();
    layers.push(LayerSpec::Scaling(ScalingSpec { scales: Scales::One }));
    assert_eq!(nice.spec(), Ok(FlowSpec { shape: vec![4], base: BaseSpec::StandardNormal, layers }));

    let maf = Maf { lattice: vec![4], layers: 3, hidden: vec![5], ..Default::default() };
    let iaf = Iaf { lattice: vec![4], layers: 3, hidden: vec![5], ..Default::default() };
    let layers = [Order::Identity, Order::Reversal, Order::Identity].map(|order| {
        let (net, transform) = (net(Bias::Yes), TransformSpec::Affine { clamp: None });
        LayerSpec::Autoregressive(AutoregressiveSpec { order, net, transform })
    });
    assert_eq!(iaf.spec().unwrap().layers, layers);
    assert_eq!(maf.spec().unwrap().layers, layers.map(|layer| LayerSpec::Inverse(Box::new(layer))));

    let spec = U1Flow { lattice: vec![8, 4], layers: 10, kernel: 5, ..Default::default() }.spec().unwrap();
    assert_eq!((&spec.shape[..], spec.base, spec.layers.len()), (&[2, 8, 4][..], BaseSpec::UniformTorus, 10));
    let moves = |layer: &LayerSpec| match layer {
        LayerSpec::GaugeCoupling(coupling) => (coupling.direction, coupling.offset, coupling.net.kernel),
        other => panic!("{other:?}"),
    };
    let first = [(0, 0, 5), (1, 0, 5), (0, 1, 5), (1, 1, 5), (0, 2, 5), (1, 2, 5), (0, 3, 5), (1, 3, 5), (0, 0, 5)];
    assert_eq!(spec.layers[..9].iter().map(moves).collect::<Vec<_>>(), first);
}

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

/// F counts the weights that the degrees leave: by the definition, hidden unit j of H has degree 1 + ⌊j(D−1)/H⌋ and reads what is of its degree or
/// a lower one, output i hidden degrees below i.
#[test]
fn an_autoregressive_layer_counts_the_weights_that_are_not_masked() {
    for (dof, hidden, transform) in [
        (2, vec![], TransformSpec::Additive),
        (9, vec![1], TransformSpec::Additive),
        (5, vec![7, 3], TransformSpec::Affine { clamp: None }),
        (16, vec![40, 60], TransformSpec::LogisticMixture { mixtures: 2 }),
    ] {
        let net =
            MlpSpec { hidden: hidden.clone(), activation: Activation::Tanh, bias: Bias::Yes, start: StartAt::Random };
        let layer = LayerSpec::Autoregressive(AutoregressiveSpec { order: Order::Identity, net, transform });
        let spec = FlowSpec { shape: vec![dof], base: BaseSpec::StandardNormal, layers: vec![layer] };
        let mut degrees: Vec<usize> = (1..=dof).collect();
        let mut all = 0;
        for &width in &hidden {
            let next: Vec<usize> = (0..width).map(|j| 1 + j * (dof - 1) / width).collect();
            all += next.iter().map(|d| degrees.iter().filter(|below| *below <= d).count()).sum::<usize>();
            degrees = next;
        }
        let below = |i| degrees.iter().filter(|d| **d < i).count();
        all += transform.width() * (1..=dof).map(below).sum::<usize>();
        assert_eq!(spec.multiply_adds(), all as u64, "{spec:?}");
    }
}
