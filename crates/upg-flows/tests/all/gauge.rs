//! The U(1) gauge coupling: batteries, gauge equivariance, refusals.

use ndarray::Array2;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use std::f64::consts::TAU;
use upg_core::{Cpu, Cut, Engine, Invertible, Layer, Real, Rng, UniformTorus};
use upg_flows::spec::AngleTransformSpec;
use upg_flows::{Flow, StartAt, U1Flow};
use upg_targets::U1;
use upg_testkit::flow::{AnyEngine, Parts, agreement::assert_paths_agree};
use upg_testkit::runner::{Mapped, Runner};
use upg_testkit::tolerance::{Tolerance, norm_wise_error};
use upg_testkit::{domain::Domain, draw, flow_battery, layer_battery};

layer_battery! {
    gauge_coupling(rng) on Domain::Circle => U1Flow { layers: rng.random_range(1..3), ..any_flow(rng, 4) }.build::<T>().unwrap();
    gauge_coupling_of_the_usual_shape(rng) on Domain::Circle => usual_coupling(rng).build::<T>().unwrap();
    gauge_coupling_with_splines(rng) on Domain::Circle => U1Flow { layers: 1, ..any_spline_flow(rng, 1) }.build::<T>().unwrap();
    gauge_coupling_wide_kernel(rng) on Domain::Circle => U1Flow { layers: 1, kernel: 5, ..any_flow(rng, 4) }.build::<T>().unwrap();
}

flow_battery! {
    u1_flow(rng) => Parts::on_circle(any_flow(rng, 5).build::<T>().unwrap(), rng);
    u1_flow_with_splines(rng) => Parts::on_circle(any_spline_flow(rng, 3).build::<T>().unwrap(), rng);
}

/// One coupling of a flow on 8×8 as it is trained.
fn usual_coupling(rng: &mut Rng) -> U1Flow {
    let (lattice, hidden, slope) = (vec![8, 8], vec![8, 8], rng.random_range(0.01..0.5));
    U1Flow { lattice, layers: 1, mixtures: 6, hidden, slope, ..U1Flow::default() }
}

/// The same with circular splines.
fn any_spline_flow(rng: &mut Rng, layers: usize) -> U1Flow {
    let transform = Some(AngleTransformSpec::CircularSpline { bins: rng.random_range(2..5) });
    U1Flow { lattice: vec![4, 4], mixtures: 0, transform, ..any_flow(rng, layers) }
}

/// A flow on 4×4 or 4×8 with a small network.
fn any_flow(rng: &mut Rng, layers: usize) -> U1Flow {
    let lattices = [vec![4, 4], vec![4, 8]];
    let depth = rng.random_range(0..3);
    U1Flow {
        lattice: lattices[rng.random_range(0..2)].clone(),
        layers,
        mixtures: rng.random_range(1..5),
        transform: None,
        hidden: (0..depth).map(|_| rng.random_range(1..6)).collect(),
        kernel: [1, 3][rng.random_range(0..2)],
        slope: rng.random_range(0.01..0.5),
        start: StartAt::Random,
    }
}

/// Links at the end of the flow and log|det|, from links `z` of shape `[batch, 2V]`.
fn apply<T: Real>(flow: &Flow<T>, theta: &[T], z: &Array2<T>) -> (Array2<T>, Vec<f64>) {
    let Mapped { y, log_det } = Runner::new(&Cpu::here(), flow, theta).forward(z);
    (y, log_det)
}

/// u_μ(x) → α(x) + u_μ(x) − α(x+ê_μ), wrapped.
fn gauge_transform(links: &Array2<f64>, alpha: &Array2<f64>, [rows, columns]: [usize; 2]) -> Array2<f64> {
    let volume = rows * columns;
    Array2::from_shape_fn(links.dim(), |(b, link)| {
        let (direction, site) = (link / volume, link % volume);
        let (x0, x1) = (site / columns, site % columns);
        let next = if direction == 0 { ((x0 + 1) % rows) * columns + x1 } else { x0 * columns + (x1 + 1) % columns };
        (links[(b, link)] + alpha[(b, site)] - alpha[(b, next)]).rem_euclid(TAU)
    })
}

fn angles(rng: &mut Rng, shape: (usize, usize)) -> Array2<f64> {
    Array2::from_shape_simple_fn(shape, || rng.random_range(0.0..TAU))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Transforming the links before or after the flow gives the same links, and the same log-det.
    #[test]
    fn flow_is_gauge_equivariant(seed in any::<u64>(), layers in 1_usize..10, batch in 1_usize..20, tall in any::<bool>()) {
        let rng = &mut Rng::seed_from_u64(seed);
        let lattice = if tall { [8, 4] } else { [4, 12] };
        let flow = U1Flow { lattice: lattice.to_vec(), layers, ..U1Flow::default() }.build::<f64>().unwrap();
        let theta: Vec<f64> = Layer::params(&flow).initialise(rng);
        let volume = lattice[0] * lattice[1];
        let (z, alpha) = (angles(rng, (batch, 2 * volume)), angles(rng, (batch, volume)));
        let (x, log_det) = apply(&flow, &theta, &z);
        let (moved, log_det_moved) = apply(&flow, &theta, &gauge_transform(&z, &alpha, lattice));
        for (a, b) in gauge_transform(&x, &alpha, lattice).iter().zip(&moved) {
            let distance = (a - b).rem_euclid(TAU);
            prop_assert!(distance.min(TAU - distance) < 1e-10, "{a} {b}");
        }
        for (a, b) in log_det.iter().zip(&log_det_moved) {
            prop_assert!((a - b).abs() < 1e-10, "{a} {b}");
        }
    }

    /// path-fast = path-two-pass = lean, and forward path-fast = gdreg, to 1e-10 norm-wise per tensor, weights in the default range.
    #[test]
    fn path_gradients_agree(
        seed in any::<u64>(),
        layers in 1_usize..10,
        mixtures in 1_usize..7,
        hidden in prop::collection::vec(1_usize..10, 0..3),
        batch in 1_usize..30,
        micro_batch in 1_usize..40,
        slope in 0.0_f64..0.5,
    ) {
        let rng = &mut Rng::seed_from_u64(seed);
        let flow = U1Flow { lattice: vec![4, 8], layers, mixtures, hidden, slope, ..U1Flow::default() }.build::<f64>().unwrap();
        let theta: Vec<f64> = Layer::params(&flow).initialise(rng);
        let z = angles(rng, (batch, 64));
        let (x, _) = apply(&flow, &theta, &angles(rng, (batch, 64)));
        let target = U1::new(&[4, 8], rng.random_range(0.5..4.0)).unwrap();
        let cut = Cut { micro_batch, lanes: 3 };
        let mut engine: AnyEngine<f64> = Engine::new(Cpu::here(), Box::new(flow), UniformTorus::new(64), target, cut);
        // 4096 ε times a condition of 100: 9.1e-11.
        assert_paths_agree("random U(1) flow", &mut engine, &theta, &z, &x, Tolerance::theorem::<f64>().times(100.0));
    }

    /// What comes out lies in [0, 2π), in f32 too, where x mod 2π can round to 2π.
    #[test]
    fn links_stay_in_the_half_open_interval(seed in any::<u64>()) {
        let rng = &mut Rng::seed_from_u64(seed);
        let flow = U1Flow { layers: 16, ..U1Flow::default() }.build::<f32>().unwrap();
        let theta: Vec<f32> = Layer::params(&flow).initialise(rng);
        let z = angles(rng, (40, 128)).mapv(|a| if a < 1.0 { 1e-9 } else { a as f32 });
        let (x, _) = apply(&flow, &theta, &z);
        prop_assert!(x.iter().all(|&u| (0.0..std::f32::consts::TAU).contains(&u)));
    }
}

/// Norm-wise errors in f32, against f64, of x and of ∂θ.
fn errors_in_f32(
    single: &dyn Layer<Cpu<f32>>,
    double: &dyn Layer<Cpu<f64>>,
    theta: &[f64],
    x: &Array2<f64>,
) -> [f64; 2] {
    fn results<T: Real>(layer: &dyn Layer<Cpu<T>>, theta: &[f64], x: &Array2<f64>) -> [Vec<f64>; 2] {
        let here = Cpu::here();
        let mut runner = Runner::new(&here, layer, &draw::cast::<T>(theta));
        let y = runner.forward(&x.mapv(T::of)).y;
        let cotangent = draw::normal(&mut draw::rng(4), x.nrows(), x.ncols(), 1.0).mapv(T::of);
        let grad = runner.pull_back(&cotangent, 0.7).grad;
        [y.into_iter().map(T::wide).collect(), grad.into_iter().map(T::wide).collect()]
    }
    let ([y, grad], [y_f64, grad_f64]) = (results(single, theta, x), results(double, theta, x));
    let y: Vec<f64> = y.iter().zip(&y_f64).map(|(&y, &near)| Domain::Circle.near(y, near)).collect();
    [norm_wise_error(&y, &y_f64), norm_wise_error(&grad, &grad_f64)]
}

/// The numerical inverse is as accurate as the map: the solver doesn't stop before f32 is exhausted. The net is linear: at a
/// kink f32 and f64 may be on different sides.
#[test]
fn the_inverse_is_as_accurate_as_the_map() {
    let (lattice, hidden) = (vec![8, 8], vec![8, 8]);
    let flow = U1Flow { lattice, layers: 1, mixtures: 6, hidden, slope: 1.0, ..U1Flow::default() };
    let (single, double) = (flow.build::<f32>().unwrap(), flow.build::<f64>().unwrap());
    let (back_single, back_double) = (single.inverse(), double.inverse());
    let (mut there, mut back) = ([0.0_f64; 2], [0.0_f64; 2]);
    for seed in 0..20 {
        let rng = &mut draw::rng(seed);
        let theta = draw::parameters(rng, &Layer::<Cpu<f64>>::params(&double));
        let x = draw::points(rng, Domain::Circle, 63, 128);
        let y = apply(&double, &theta, &x).0.mapv(|y| draw::single(Domain::Circle, y));
        let larger = |a: [f64; 2], b: [f64; 2]| [a[0].max(b[0]), a[1].max(b[1])];
        there = larger(there, errors_in_f32(&single, &double, &theta, &x));
        back = larger(back, errors_in_f32(&*back_single, &*back_double, &theta, &y));
    }
    println!("x and ∂θ: {there:?} of the map, {back:?} of its inverse");
    for (there, back) in there.into_iter().zip(back) {
        assert!(back <= 2.0 * there, "error {back:e} of the inverse, {there:e} of the map");
    }
}

#[test]
fn eight_layers_move_every_link() {
    let flow = U1Flow { lattice: vec![8, 4], layers: 8, ..U1Flow::default() }.build::<f64>().unwrap();
    let rng = &mut Rng::seed_from_u64(3);
    let theta: Vec<f64> = Layer::params(&flow).initialise(rng);
    let z = angles(rng, (1, 64));
    let (x, _) = apply(&flow, &theta, &z);
    assert!(x.iter().zip(&z).all(|(x, z)| x != z));
}

#[test]
fn descriptions_that_make_no_flow_are_refused_by_field() {
    let spline = |bins| Some(AngleTransformSpec::CircularSpline { bins });
    let good = U1Flow::default();
    assert!(good.build::<f32>().is_ok());
    for (field, bad) in [
        ("lattice", U1Flow { lattice: vec![8], ..good.clone() }),
        ("lattice", U1Flow { lattice: vec![8, 6], ..good.clone() }),
        ("lattice", U1Flow { lattice: vec![0, 4], ..good.clone() }),
        ("layers", U1Flow { layers: 0, ..good.clone() }),
        ("mixtures", U1Flow { mixtures: 0, ..good.clone() }),
        ("mixtures", U1Flow { transform: spline(8), ..good.clone() }),
        ("transform.bins", U1Flow { mixtures: 0, transform: spline(1), ..good.clone() }),
        ("hidden", U1Flow { hidden: vec![8, 0], ..good.clone() }),
        ("kernel", U1Flow { kernel: 4, ..good.clone() }),
        ("slope", U1Flow { slope: f64::NAN, ..good.clone() }),
    ] {
        assert_eq!(bad.build::<f32>().err().map(|e| e.field), Some(field));
    }
}
