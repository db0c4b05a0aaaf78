//! Couplings of scalars with convolutional nets: batteries, symmetries, refusals. The net itself is compared with a dense one in `cnn`.

use ndarray::Array2;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use upg_core::{Cpu, Invertible, Layer, Real, Rng};
use upg_flows::cnn::{Architecture, Cnn, Outputs, Reads, Sites};
use upg_flows::spec::{
    AngleCouplingSpec, AngleTransformSpec, CouplingSpec, LatticeNetSpec, LayerSpec, NetSpec, TransformSpec,
};
use upg_flows::{
    Activation, Additive, Affine, BaseSpec, Bias, ConvNvp, Coupling, Elementwise, Flow, FlowSpec, LatticeNet,
    LogisticMixture, Mask, MaskSpec, Parity, StartAt, Symmetry,
};
use upg_testkit::runner::{Mapped, Runner};
use upg_testkit::{draw, flow::Parts, flow_battery, layer_battery};

layer_battery! {
    conv_1d(rng) => coupling::<T, _>(&[&[6], &[12]], clamped(rng), Symmetry::None, rng);
    conv_2d(rng) => coupling::<T, _>(&[&[4, 4], &[3, 6], &[4, 6]], clamped(rng), Symmetry::None, rng);
    conv_2d_odd(rng) => coupling::<T, _>(&[&[4, 4], &[6, 4]], clamped(rng), Symmetry::Z2, rng);
    conv_2d_additive(rng) => coupling::<T, _>(&[&[4, 4], &[3, 6]], Additive, Symmetry::Z2, rng);
    conv_2d_mixture(rng) => coupling::<T, _>(&[&[4, 4]], LogisticMixture { mixtures: 2 }, Symmetry::None, rng);
    conv_2d_odd_spline(rng) => odd_spline(rng).build::<T>(&[4, 4]).unwrap();
    conv_3d(rng) => coupling::<T, _>(&[&[4, 2, 2], &[2, 4, 2]], clamped(rng), Symmetry::Z2, rng);
    conv_4d(rng) => coupling::<T, _>(&[&[2, 2, 2, 2], &[2, 3, 2, 2]], clamped(rng), Symmetry::None, rng);
}

flow_battery! {
    conv_nvp(rng) => Parts::on_line(any_flow(rng).build::<T>().unwrap(), rng);
}

fn clamped(rng: &mut Rng) -> Affine {
    Affine { clamp: Some(rng.random_range(0.5..2.0)) }
}

/// A coupling on one of the lattices: a checkerboard, or stripes along the last axis; windows may be larger than the lattice.
fn coupling<T: Real, E: Elementwise<T>>(
    lattices: &[&[usize]],
    transform: E,
    symmetry: Symmetry,
    rng: &mut Rng,
) -> Coupling<LatticeNet, E> {
    let extents = lattices[rng.random_range(0..lattices.len())];
    let (first, stripes, depth) = (rng.random_range(0..2), rng.random::<bool>(), rng.random_range(0..3));
    let last = extents[extents.len() - 1];
    let even = extents.iter().all(|extent| extent.is_multiple_of(2));
    let mask = Mask::new(extents.iter().product(), |site| match stripes || !even {
        true => site % last % 2 == first,
        false => parity(site, extents) == first,
    });
    let smooth = [Activation::Tanh, Activation::Silu, Activation::Softplus];
    let (activation, bias, outputs) = match symmetry {
        Symmetry::None => (smooth[rng.random_range(0..3)], Bias::Yes, vec![Outputs::of_values(transform.width())]),
        Symmetry::Z2 => (Activation::Tanh, Bias::No, odd_and_even(transform.width())),
    };
    let architecture = Architecture {
        elsewhere: vec![0.0],
        hidden: (0..depth).map(|_| rng.random_range(1..5)).collect(),
        kernel: 3,
        activation,
        bias,
        outputs,
        start: StartAt::Random,
    };
    let net = Cnn::new(&Sites::of_mask(extents, &mask).unwrap(), &architecture).unwrap();
    Coupling::new(mask, LatticeNet::new(net), transform)
}

/// A shift, and other parameters that are even.
fn odd_and_even(width: usize) -> Vec<Outputs> {
    let odd = Outputs { channels: 1, reads: Reads::Values, bias: Bias::No };
    let even = Outputs { channels: width - 1, reads: Reads::Squares, bias: Bias::Yes };
    if width == 1 { vec![odd] } else { vec![odd, even] }
}

/// With the shift as the last output. (Without a hidden layer all others are squares of x, and bins soon as narrow as can be.)
fn odd_spline(rng: &mut Rng) -> LayerSpec {
    let hidden = (0..rng.random_range(1..3)).map(|_| rng.random_range(1..4)).collect();
    let symmetry = Symmetry::Z2;
    let net = LatticeNetSpec { hidden, kernel: 3, activation: Activation::Tanh, symmetry, start: StartAt::Random };
    let transform = TransformSpec::OddSpline { bins: rng.random_range(2..4), interval: rng.random_range(1.0..4.0) };
    let mask = MaskSpec::Checkerboard(Parity::Odd);
    LayerSpec::Coupling(CouplingSpec { mask, net: NetSpec::Cnn(net), transform })
}

fn parity(site: usize, extents: &[usize]) -> usize {
    let (sum, _) = extents.iter().rev().fold((0, site), |(sum, rest), extent| (sum + rest % extent, rest / extent));
    sum % 2
}

fn any_flow(rng: &mut Rng) -> ConvNvp {
    let depth = rng.random_range(1..3);
    ConvNvp {
        lattice: [vec![4, 4], vec![8]][rng.random_range(0..2)].clone(),
        couplings: rng.random_range(1..4),
        hidden: (0..depth).map(|_| rng.random_range(1..6)).collect(),
        transform: TransformSpec::Affine { clamp: Some(rng.random_range(0.5..1.5)) },
        symmetry: [Symmetry::None, Symmetry::Z2][rng.random_range(0..2)],
        ..Default::default()
    }
}

/// x and log|det| of a flow, and of its inverse, at `z`, shape `[batch, dof]`.
fn apply<T: Real>(flow: &Flow<T>, theta: &[T], z: &Array2<T>) -> [(Array2<T>, Vec<f64>); 2] {
    let (here, inverse) = (Cpu::here(), flow.inverse());
    let there = Runner::new(&here, flow, theta).forward(z);
    let back = Runner::new(&here, &*inverse, theta).forward(z);
    [there, back].map(|Mapped { y, log_det }| (y, log_det))
}

fn samples<T: Real>(rng: &mut Rng, batch: usize, dof: usize) -> Array2<T> {
    draw::normal(rng, batch, dof, 1.0).mapv(T::of)
}

fn is_odd<T: Real>(nvp: &ConvNvp, seed: u64, batch: usize) {
    let rng = &mut Rng::seed_from_u64(seed);
    let flow = nvp.build::<T>().unwrap();
    let theta: Vec<T> = draw::cast(&draw::parameters(rng, &Layer::<Cpu<T>>::params(&flow)));
    let z = samples::<T>(rng, batch, nvp.lattice.iter().product());
    let mirrored = apply(&flow, &theta, &z.mapv(|z| -z));
    for ((x, log_det), (mirrored, log_det_mirrored)) in apply(&flow, &theta, &z).into_iter().zip(mirrored) {
        assert_eq!(x.mapv(|x| -x), mirrored, "T(−z) of {nvp:?}");
        assert_eq!(log_det, log_det_mirrored, "log|det| of {nvp:?}");
        assert!(log_det.iter().any(|&l| l != 0.0) || nvp.transform == TransformSpec::Additive);
    }
}

/// The flow on samples moved by so many sites along each of two axes, and the moved results of the flow; log-dets too.
fn moved(nvp: &ConvNvp, seed: u64, by: [usize; 2]) -> [(Array2<f32>, Vec<f64>); 2] {
    let rng = &mut Rng::seed_from_u64(seed);
    let flow = nvp.build::<f32>().unwrap();
    let theta: Vec<f32> = Layer::params(&flow).initialise(rng);
    let [rows, columns] = nvp.lattice[..] else { panic!("two extents") };
    let z = samples::<f32>(rng, 19, rows * columns);
    let moved = |z: &Array2<f32>| {
        Array2::from_shape_fn(z.dim(), |(b, site)| {
            let [x, y] = [site / columns + by[0], site % columns + by[1]];
            z[(b, x % rows * columns + y % columns)]
        })
    };
    let [(x, log_det), _] = apply(&flow, &theta, &z);
    let [of_moved, _] = apply(&flow, &theta, &moved(&z));
    [of_moved, (moved(&x), log_det)]
}

/// All that may be part of an odd coupling.
fn any_odd_transform() -> impl Strategy<Value = TransformSpec> {
    prop_oneof![
        Just(TransformSpec::Additive),
        (0.5..2.0).prop_map(|clamp| TransformSpec::Affine { clamp: Some(clamp) }),
        (2_usize..6, 0.5..4.0).prop_map(|(bins, interval)| TransformSpec::OddSpline { bins, interval }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// T(−z) = −T(z) to the bit, in both precisions and directions, whatever the batch, and log|det| is the same. (Without a hidden layer an
    /// unbounded log-scale is a square of x, and soon infinite.)
    #[test]
    fn z2_symmetry_holds_to_the_bit(
        seed in any::<u64>(),
        hidden in prop::collection::vec(1_usize..10, 0..3),
        batch in 1_usize..40,
        lattice in prop_oneof![Just(vec![6]), Just(vec![4, 6]), Just(vec![4, 4, 4])],
        transform in any_odd_transform(),
    ) {
        let nvp = ConvNvp { lattice, couplings: 3, hidden, transform, symmetry: Symmetry::Z2, ..Default::default() };
        is_odd::<f32>(&nvp, seed, batch);
        is_odd::<f64>(&nvp, seed, batch);
    }

    /// Translations that keep the mask commute with the flow to the bit where they keep the pairs of neighbours that Winograd's algorithm
    /// takes, too, else (here: by an odd number of sites along the last axis) to round-off. log|det| is summed in another order.
    #[test]
    fn translations_commute_with_the_flow(
        seed in any::<u64>(),
        kernel in prop_oneof![Just(3_usize), Just(5)],
        by in prop::array::uniform2(0_usize..6).prop_filter("keeps the mask", |by| (by[0] + by[1]).is_multiple_of(2)),
    ) {
        let nvp = ConvNvp { lattice: vec![6, 8], couplings: 4, hidden: vec![8, 7], kernel, ..Default::default() };
        let [(x, log_det), (expected, log_det_expected)] = moved(&nvp, seed, by);
        if kernel == 5 || by[1].is_multiple_of(2) {
            prop_assert_eq!(&x, &expected);
        }
        let largest = |errors: &mut dyn Iterator<Item = f64>| errors.map(f64::abs).fold(0.0, f64::max);
        let of_x = largest(&mut x.iter().zip(&expected).map(|(a, b)| f64::from(a - b)));
        let of_log_det = largest(&mut log_det.iter().zip(&log_det_expected).map(|(a, b)| a - b));
        prop_assert!(of_x < 1e-5 && of_log_det < 1e-5, "{of_x} {of_log_det}");
    }
}

/// Only what a symmetry asks for: without it the flow isn't odd, nor is a translation that exchanges the two colours a symmetry.
#[test]
fn what_is_no_symmetry_is_broken() {
    let nvp = ConvNvp { lattice: vec![6, 8], couplings: 2, hidden: vec![4], ..Default::default() };
    let [(x, _), (expected, _)] = moved(&nvp, 1, [1, 0]);
    assert!((&x - &expected).iter().any(|e| e.abs() > 1e-3));
    let flow = nvp.build::<f64>().unwrap();
    let theta: Vec<f64> = Layer::params(&flow).initialise(&mut Rng::seed_from_u64(2));
    let z = samples::<f64>(&mut Rng::seed_from_u64(3), 3, 48);
    let [(x, _), _] = apply(&flow, &theta, &z);
    let [(mirrored, _), _] = apply(&flow, &theta, &z.mapv(|z| -z));
    assert!((&x + &mirrored).iter().any(|e| e.abs() > 1e-3));
}

#[test]
fn parameters_have_the_names_and_shapes_of_the_convention() {
    let names = |nvp: ConvNvp| -> Vec<String> {
        let flow = nvp.build::<f32>().unwrap();
        Layer::<Cpu<f32>>::params(&flow).tensors().iter().map(|t| format!("{} {:?}", t.name, t.shape)).collect()
    };
    let nvp = ConvNvp { lattice: vec![6, 4, 4], couplings: 1, hidden: vec![5], ..Default::default() };
    let biased = [
        "layers.0.net.0.weight [5, 1, 3, 3, 3]",
        "layers.0.net.0.bias [5]",
        "layers.0.net.1.weight [2, 5, 3, 3, 3]",
        "layers.0.net.1.bias [2]",
    ];
    assert_eq!(names(nvp.clone()), biased);
    let odd = ConvNvp { symmetry: Symmetry::Z2, ..nvp };
    assert_eq!(names(odd.clone()), [biased[0], biased[2], "layers.0.net.1.bias [1]"]);
    let transform = TransformSpec::OddSpline { bins: 3, interval: 2.0 };
    let spline = ["layers.0.net.1.weight [10, 5, 3, 3, 3]", "layers.0.net.1.bias [9]"];
    assert_eq!(names(ConvNvp { transform, ..odd.clone() })[1..], spline);
    assert_eq!(names(ConvNvp { transform: TransformSpec::Additive, lattice: vec![4], ..odd }).len(), 2);
}

#[test]
fn descriptions_that_make_no_flow_are_refused_by_field() {
    let good = ConvNvp { lattice: vec![4, 6], ..Default::default() };
    assert!(good.build::<f32>().is_ok());
    let odd = ConvNvp { symmetry: Symmetry::Z2, ..good.clone() };
    assert!(odd.build::<f32>().is_ok());
    let mixture = TransformSpec::LogisticMixture { mixtures: 2 };
    assert!(ConvNvp { transform: mixture, ..good.clone() }.build::<f32>().is_ok());
    for (message, bad) in [
        ("lattice = []: accepted is at least one extent", ConvNvp { lattice: vec![], ..good.clone() }),
        ("lattice = [4, 4, 4, 4, 4]: accepted is one to four", ConvNvp { lattice: vec![4; 5], ..good.clone() }),
        ("lattice = [4, 5]: accepted is even extents", ConvNvp { lattice: vec![4, 5], ..good.clone() }),
        ("couplings = 0", ConvNvp { couplings: 0, ..good.clone() }),
        ("hidden = [8, 0]", ConvNvp { hidden: vec![8, 0], ..good.clone() }),
        ("kernel = 4: accepted is an odd number, 3 to 63", ConvNvp { kernel: 4, ..good.clone() }),
        ("kernel = 1: accepted is an odd number", ConvNvp { kernel: 1, ..good.clone() }),
        ("kernel = 5: accepted is at most the smallest extent", ConvNvp { kernel: 5, ..good.clone() }),
        ("activation = LeakyRelu(0.0)", ConvNvp { activation: Activation::LeakyRelu(0.0), ..good.clone() }),
        ("activation = Silu: accepted is an odd", ConvNvp { activation: Activation::Silu, ..odd.clone() }),
        ("transform = LogisticMixture", ConvNvp { transform: mixture, ..odd.clone() }),
        ("transform = Spline", ConvNvp { transform: TransformSpec::Spline { bins: 3, interval: 2.0 }, ..odd.clone() }),
        (
            "transform.bins = 1",
            ConvNvp { transform: TransformSpec::OddSpline { bins: 1, interval: 2.0 }, ..odd.clone() },
        ),
        ("base = DiagonalNormal: accepted is an even", ConvNvp { base: BaseSpec::DiagonalNormal, ..odd }),
        ("base = UniformTorus", ConvNvp { base: BaseSpec::UniformTorus, ..good.clone() }),
        ("hidden = [9999999]", ConvNvp { hidden: vec![9_999_999], lattice: vec![4, 4], ..good }),
    ] {
        let error = bad.build::<f32>().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.starts_with(message), "{error} should start with {message}");
        assert_eq!(bad.errors().len(), 1);
    }
}

#[test]
fn couplings_of_angles_have_no_convolutional_net() {
    let LayerSpec::Coupling(CouplingSpec { mask, net, .. }) = odd_spline(&mut draw::rng(1)) else { unreachable!() };
    let transform = AngleTransformSpec::CircularSpline { bins: 3 };
    let layer = LayerSpec::AngleCoupling(AngleCouplingSpec { mask, net, transform });
    let error = layer.build::<f32>(&[4, 4]).err().map(|e| e.to_string());
    assert_eq!(error.as_deref(), Some("net = Cnn(...): accepted is Mlp(...) in a coupling of angles"));
    let flow = FlowSpec { shape: vec![4, 4], base: BaseSpec::UniformTorus, layers: vec![layer] };
    assert_eq!(flow.errors().len(), 1);
}
