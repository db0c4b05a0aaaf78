//! Properties of the ready-made flows beyond the batteries.

use ndarray::{Array1, Array2};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use upg_core::{Cpu, Cut, Engine, Invertible, Layer, Real, Rng, StandardNormal};
use upg_flows::{Activation, Flow, MaskPattern, RealNvp, StartAt, Z2Nice};
use upg_targets::{Gaussian, Gmm, Phi4};
use upg_testkit::flow::{AnyEngine, agreement::assert_paths_agree, zero::assert_zero_for_every_sample};
use upg_testkit::runner::{Mapped, Runner};
use upg_testkit::{draw, tolerance::Tolerance};

/// x and log|det| of a flow at base samples `z`, shape `[batch, dof]`.
fn apply<T: Real>(flow: &Flow<T>, theta: &[T], z: &Array2<T>) -> (Array2<T>, Vec<f64>) {
    let Mapped { y, log_det } = Runner::new(&Cpu::here(), flow, theta).forward(z);
    (y, log_det)
}

fn samples<T: Real>(rng: &mut Rng, batch: usize, dof: usize) -> Array2<T> {
    draw::normal(rng, batch, dof, 1.0).mapv(T::of)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// path-fast = path-two-pass = lean, and forward path-fast = gdreg, to 4096 ε = 9.1e-13 norm-wise per tensor, weights in the
    /// default initialisation range, data from the exact sampler or the flow itself.
    #[test]
    fn path_gradients_agree_to_1e_12(
        seed in any::<u64>(),
        couplings in 1_usize..6,
        hidden in prop::collection::vec(4_usize..40, 1..4),
        lattice in prop::sample::select(vec![vec![4, 4], vec![9], vec![3, 5], vec![2, 2, 3]]),
        checkerboard in any::<bool>(),
        affine in any::<bool>(),
        batch in 1_usize..40,
        micro_batch in 1_usize..50,
        lanes in 1_usize..4,
    ) {
        let rng = &mut Rng::seed_from_u64(seed);
        let dof: usize = lattice.iter().product();
        let mask = if checkerboard { MaskPattern::Checkerboard } else { MaskPattern::Alternating };
        let flow: Flow<f64> = match affine {
            true => RealNvp { lattice: lattice.clone(), couplings, hidden, mask, ..Default::default() }.build().unwrap(),
            false => Z2Nice { lattice: lattice.clone(), couplings, hidden, mask, ..Default::default() }.build().unwrap(),
        };
        let theta: Vec<f64> = Layer::params(&flow).initialise(rng);
        let z = samples(rng, batch, dof);
        let (x, _) = apply(&flow, &theta, &samples(rng, batch, dof));
        let (kappa, lambda) = (rng.random_range(0.0..0.3), rng.random_range(0.01..0.5));
        let target = Phi4::new(&lattice, kappa, lambda).unwrap();
        let cut = Cut { micro_batch, lanes };
        let mut engine: AnyEngine<f64> = Engine::new(Cpu::here(), Box::new(flow), StandardNormal::new(dof), target, cut);
        assert_paths_agree("random flow", &mut engine, &theta, &z, &x, Tolerance::theorem::<f64>());
    }

    /// T(−z) = −T(z) to the bit, in both precisions and for any net size, tiles and micro-kernel edges included.
    #[test]
    fn z2_nice_is_equivariant_to_the_bit(
        seed in any::<u64>(),
        hidden in prop::collection::vec(1_usize..150, 0..4),
        batch in 1_usize..150,
    ) {
        let nice = Z2Nice { lattice: vec![3, 5], couplings: 4, hidden, ..Default::default() };
        let rng = &mut Rng::seed_from_u64(seed);
        let flow = nice.build::<f32>().unwrap();
        let theta: Vec<f32> = Layer::params(&flow).initialise(rng);
        let z = samples::<f32>(rng, batch, 15);
        let (x, log_det) = apply(&flow, &theta, &z);
        let (mirrored, log_det_mirrored) = apply(&flow, &theta, &z.mapv(|z| -z));
        prop_assert_eq!(x.mapv(|x| -x), mirrored);
        prop_assert_eq!(log_det, log_det_mirrored);
    }
}

/// An affine flow whose log-scales don't depend on x carries N(0, 1) to N(m, A Aᵀ) exactly: there q = p.
#[test]
fn path_gradients_vanish_for_every_sample_when_q_is_p() {
    let rng = &mut Rng::seed_from_u64(5);
    for hidden in [vec![], vec![5, 4]] {
        let nvp =
            RealNvp { lattice: vec![5], couplings: 4, hidden, activation: Activation::Identity, ..Default::default() };
        let flow = nvp.build::<f64>().unwrap();
        let layout = Layer::params(&flow);
        let mut theta: Vec<f64> = layout.initialise(rng);
        for (tensor, range) in
            layout.ranges().filter(|(t, _)| t.name.contains(&format!("net.{}.weight", nvp.hidden.len())))
        {
            let scales = tensor.size() / 2; // rows [n, 2n): the log-scales
            theta[range][scales..].fill(0.0);
        }
        let (mean, _) = apply(&flow, &theta, &Array2::zeros((1, 5)));
        let (images, _) = apply(&flow, &theta, &Array2::eye(5));
        let a = &images - &mean; // row j: A e_j
        let target = Gaussian::new(&mean.row(0).to_vec(), a.t().dot(&a).view()).unwrap();

        let z = samples(rng, 30, 5);
        let (x, _) = apply(&flow, &theta, &samples(rng, 30, 5));
        let cut = Cut { micro_batch: 7, lanes: 1 };
        let mut engine: AnyEngine<f64> = Engine::new(Cpu::here(), Box::new(flow), StandardNormal::new(5), target, cut);
        assert_zero_for_every_sample("Gaussian", &mut engine, &theta, &z, &x, Tolerance::theorem::<f64>());
    }
}

/// At the identity the flow is the base: log-weights are those of the target against N(0, 1).
#[test]
fn identity_start_is_the_identity() {
    let rng = &mut Rng::seed_from_u64(6);
    let spec =
        RealNvp { lattice: vec![6], couplings: 3, hidden: vec![8], start: StartAt::Identity, ..Default::default() };
    let flow = spec.build::<f64>().unwrap();
    let theta: Vec<f64> = Layer::params(&flow).initialise(rng);
    assert!(theta.iter().any(|&t| t != 0.0), "hidden layers are random");
    let z = samples(rng, 9, 6);
    let (x, log_det) = apply(&flow, &theta, &z);
    assert_eq!(x, z);
    assert!(log_det.iter().all(|&l| l == 0.0));

    let mut engine = Engine::new(Cpu::here(), flow, StandardNormal::new(6), Gmm::new(6).unwrap(), spec.cut());
    let gradient = engine.reverse_kl(upg_core::ReverseKl::PathFast, &theta, upg_core::Start::Given(z.view())).unwrap();
    let log_ratio = |z: f64| {
        let mixture =
            0.5 * ((-(z - 1.0) * (z - 1.0)).exp() + (-(z + 1.0) * (z + 1.0)).exp()) / std::f64::consts::PI.sqrt();
        mixture.ln() + 0.5 * z * z + 0.5 * std::f64::consts::TAU.ln()
    };
    let expected: Array1<f64> = z.rows().into_iter().map(|z| z.iter().map(|&z| log_ratio(z)).sum()).collect();
    for (got, expected) in gradient.log_weights.iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }
}

/// Parameters are named as the files of weights name them, shifts before log-scales.
#[test]
fn parameters_have_the_names_and_shapes_of_the_convention() {
    let names = |flow: &dyn Layer<Cpu<f32>>| -> Vec<String> {
        flow.params().tensors().iter().map(|t| format!("{} {:?}", t.name, t.shape)).collect()
    };
    let nvp = RealNvp { lattice: vec![5], couplings: 2, hidden: vec![7], ..Default::default() };
    let expected = [
        "layers.0.net.0.weight [7, 2]",
        "layers.0.net.0.bias [7]",
        "layers.0.net.1.weight [6, 7]",
        "layers.0.net.1.bias [6]",
        "layers.1.net.0.weight [7, 3]",
        "layers.1.net.0.bias [7]",
        "layers.1.net.1.weight [4, 7]",
        "layers.1.net.1.bias [4]",
    ];
    assert_eq!(names(&nvp.build().unwrap()), expected);
    let nice = Z2Nice { lattice: vec![4], couplings: 1, hidden: vec![3], ..Default::default() };
    assert_eq!(
        names(&nice.build().unwrap()),
        ["layers.0.net.0.weight [3, 2]", "layers.0.net.1.weight [2, 3]", "layers.1.log_scale [1]"]
    );
}

#[test]
fn descriptions_that_make_no_flow_are_refused_by_field() {
    let good = RealNvp { lattice: vec![4], couplings: 2, hidden: vec![3], ..Default::default() };
    assert!(good.build::<f32>().is_ok());
    for (field, bad) in [
        ("lattice", RealNvp { lattice: vec![], ..good.clone() }),
        ("lattice", RealNvp { lattice: vec![0, 3], ..good.clone() }),
        ("couplings", RealNvp { couplings: 0, ..good.clone() }),
        ("hidden", RealNvp { hidden: vec![3, 0], ..good.clone() }),
        ("clamp", RealNvp { clamp: Some(0.0), ..good.clone() }),
        ("clamp", RealNvp { clamp: Some(f64::NAN), ..good.clone() }),
        ("activation", RealNvp { activation: Activation::LeakyRelu(-0.1), ..good.clone() }),
        ("mask", RealNvp { mask: MaskPattern::Custom(vec![vec![9]]), ..good.clone() }),
    ] {
        assert_eq!(bad.build::<f32>().err().map(|e| e.field), Some(field));
    }
    let odd =
        Z2Nice { lattice: vec![4], couplings: 1, hidden: vec![3], activation: Activation::Silu, ..Default::default() };
    assert_eq!(odd.build::<f32>().err().map(|e| e.field), Some("activation"));
}

/// The inverse of the inverse is not needed, but that of the flow undoes it in both precisions.
#[test]
fn wide_nets_invert_in_both_precisions() {
    fn check<T: Real>(bound: f64) {
        let rng = &mut Rng::seed_from_u64(8);
        let spec = RealNvp { lattice: vec![4, 4], couplings: 4, hidden: vec![300, 300], ..Default::default() };
        let flow = spec.build::<T>().unwrap();
        let theta: Vec<T> = Layer::params(&flow).initialise(rng);
        let z = samples::<T>(rng, 130, 16);
        let (x, log_det) = apply(&flow, &theta, &z);
        let inverse = flow.inverse();
        let back = Runner::new(&Cpu::here(), &*inverse, &theta).forward(&x);
        let sum: Vec<f64> = back.log_det.iter().zip(&log_det).map(|(back, there)| back + there).collect();
        let error = (&back.y - &z).iter().map(|e| e.wide().abs()).fold(0.0, f64::max);
        assert!(error < bound, "{}: error {error}", T::NAME);
        assert!(sum.iter().all(|s| s.abs() < bound), "{}: log-dets cancel", T::NAME);
    }
    check::<f64>(1e-13);
    check::<f32>(1e-4);
}
