//! Rational-quadratic splines: a naive spline beside them, their inverse, and what they promise.

mod dual;
mod naive;

use dual::{Dual, Way};
use naive::Knots;
use ndarray::{Array1, Array2, Axis};
use rand::RngExt;
use std::f64::consts::TAU;
use upg_core::{Batch, Cpu, Cut, ForwardKl, Invertible, Layer, Real, ReverseKl, Rng};
use upg_flows::elementwise::{Covector, Elementwise, Partials, PartialsRef, Phi, PhiMut};
use upg_flows::spec::{AngleCouplingSpec, AngleTransformSpec, LayerSpec, MlpSpec, NetSpec};
use upg_flows::spline::{Form, Spline, SplineInverse};
use upg_flows::{Activation, Bias, Coupling, Mask, MaskSpec, Mlp, Parity, SplineNvp, StartAt, TorusSpline};
use upg_testkit::{
    dense::Oracle,
    domain::Domain,
    draw, finite,
    flow::{Estimator, Parts},
    flow_battery, layer_battery, target,
    tolerance::{Tolerance, norm_wise_error},
};

layer_battery! {
    spline(rng) => coupling::<T>(Form::Line { interval: rng.random_range(1.0..5.0) }, rng);
    odd_spline(rng) => coupling::<T>(Form::Odd { interval: rng.random_range(1.0..5.0) }, rng);
    lift_of_a_circular_spline(rng) => coupling::<T>(Form::Circle, rng);
    spline_the_other_way_round(rng) => coupling::<T>(Form::Line { interval: rng.random_range(1.0..5.0) }, rng).inverse();
    odd_spline_the_other_way_round(rng) => coupling::<T>(Form::Odd { interval: rng.random_range(1.0..5.0) }, rng).inverse();
    coupling_of_angles(rng) on Domain::Circle => on_torus(rng, 1).build::<T>().unwrap();
    coupling_of_angles_by_tan_mixtures(rng) on Domain::Circle => tan_on_torus(rng).build::<T>(&[5]).unwrap();
}

flow_battery! {
    spline_nvp(rng) => Parts::on_line(any_spline_nvp(rng).build::<T>().unwrap(), rng);
    torus_spline(rng) => Parts::on_circle(any_torus_spline(rng).build::<T>().unwrap(), rng);
    torus_spline_of_linear_nets(rng) => Parts::on_circle(with_linear_nets(rng).build::<T>().unwrap(), rng);
}

/// Its nets are bounded: the slopes of a spline whose φ grows with a normal number make gradients so heavy-tailed that means tell nothing.
fn any_spline_nvp(rng: &mut Rng) -> SplineNvp {
    SplineNvp {
        lattice: vec![rng.random_range(2..5)],
        couplings: rng.random_range(2..5),
        hidden: (0..rng.random_range(1..3)).map(|_| rng.random_range(4..10)).collect(),
        bins: rng.random_range(2..5),
        interval: rng.random_range(2.0..4.0),
        start: StartAt::Random,
        ..Default::default()
    }
}

fn on_torus(rng: &mut Rng, couplings: usize) -> TorusSpline {
    let (sites, hidden, bins) = (rng.random_range(3..6), rng.random_range(4..10), rng.random_range(2..5));
    TorusSpline { lattice: vec![sites], couplings, hidden: vec![hidden], bins, ..Default::default() }
}

fn any_torus_spline(rng: &mut Rng) -> TorusSpline {
    let couplings = rng.random_range(3..7);
    let hidden = (0..rng.random_range(1..3)).map(|_| rng.random_range(3..7)).collect();
    TorusSpline { lattice: vec![rng.random_range(2..5)], hidden, ..on_torus(rng, couplings) }
}

/// With more couplings of this kind the Jacobians are so ill-conditioned that f32 tells nothing.
fn with_linear_nets(rng: &mut Rng) -> TorusSpline {
    TorusSpline { lattice: vec![rng.random_range(2..4)], hidden: vec![], ..on_torus(rng, 3) }
}

fn tan_on_torus(rng: &mut Rng) -> LayerSpec {
    let net = MlpSpec { hidden: vec![7], activation: Activation::Tanh, bias: Bias::Yes, start: StartAt::Random };
    let transform = AngleTransformSpec::TanMixture { mixtures: rng.random_range(1..4) };
    let mask = MaskSpec::Alternating(Parity::Odd);
    LayerSpec::AngleCoupling(AngleCouplingSpec { mask, net: NetSpec::Mlp(net), transform })
}

/// A coupling that transforms every second of some degrees of freedom.
fn coupling<T: Real>(form: Form, rng: &mut Rng) -> Box<dyn Invertible<Cpu<T>>> {
    let spline = Spline { form, bins: rng.random_range(2..7) };
    let (dof, odd) = (rng.random_range(2..6), rng.random_range(0..2));
    let mask = Mask::new(dof, |i| i % 2 == odd);
    let outputs = spline.width_of() * mask.transformed().len();
    let hidden = [rng.random_range(4..12)];
    let net = Mlp::new(mask.kept().len(), &hidden, outputs, Activation::Tanh, Bias::Yes, StartAt::Random).unwrap();
    Box::new(Coupling::new::<T>(mask, net, spline))
}

const INTERVAL: f64 = 3.0;

fn forms() -> [Form; 3] {
    [Form::Line { interval: INTERVAL }, Form::Odd { interval: INTERVAL }, Form::Circle]
}

/// Arguments inside and outside, and φ of size `bound`, all exact in f32; slopes reach from 10⁻³ to `steepest`.
struct Arguments {
    t: Vec<f64>,
    phi: Vec<f64>,
}

impl Arguments {
    fn draw(rng: &mut Rng, spline: Spline, samples: usize, bound: f64, steepest: f64) -> Self {
        let mut single = |low: f64, high: f64| f64::from(rng.random_range(low..high) as f32);
        let t = (0..samples).map(|_| single(-1.5 * INTERVAL, 1.5 * INTERVAL)).collect();
        let bins = spline.bins;
        let phi = (0..spline.width_of()).flat_map(|row| {
            let slope = row >= 2 * bins && row < 3 * bins && Some(row) != shift_row(spline);
            let high = if slope { steepest } else { bound };
            (0..samples).map(|_| single(-bound, high)).collect::<Vec<_>>()
        });
        Self { t, phi: phi.collect() }
    }

    fn phi_of(&self, sample: usize) -> Vec<f64> {
        self.phi.iter().skip(sample).step_by(self.t.len()).copied().collect()
    }
}

fn shift_row(spline: Spline) -> Option<usize> {
    (!matches!(spline.form, Form::Line { .. })).then_some(3 * spline.bins)
}

/// Value, λ, g', ∂λ/∂t, then α a ∂g/∂φ + β ∂λ/∂φ for (α, β) = (1, 0) and (0, 1).
struct Evaluated<T> {
    value: Vec<T>,
    lambda: Vec<T>,
    dg_dt: Vec<T>,
    dlambda_dt: Vec<T>,
    dphi: [Vec<T>; 2],
}

fn evaluate<T: Real>(transform: &impl Elementwise<T>, t: &[T], phi: &[T]) -> Evaluated<T> {
    let (samples, ones) = (t.len(), vec![T::one(); t.len()]);
    let (mut value, mut block) = (t.to_vec(), vec![T::nan(); transform.kept_rows() * samples]);
    transform.evaluate(&mut value, Phi::of(phi, 0, 1, samples), Partials::of(&mut block, samples));
    let rows = PartialsRef::of(&block, samples);
    let dphi = [(T::one(), T::zero()), (T::zero(), T::one())].map(|(alpha, beta)| {
        let mut v = vec![T::nan(); transform.width() * samples];
        transform.vjp(Covector { a: &ones, alpha, beta }, rows, PhiMut::of(&mut v, 0, 1, samples));
        v
    });
    let [lambda, dg_dt, dlambda_dt] = [rows.lambda(), rows.dg_dt(), rows.dlambda_dt()].map(<[T]>::to_vec);
    Evaluated { value, lambda, dg_dt, dlambda_dt, dphi }
}

fn inverse<T: Real>(spline: Spline) -> SplineInverse {
    Elementwise::<T>::inverse(&spline)
}

#[test]
fn it_is_the_spline_of_the_papers() {
    let rng = &mut draw::rng(1);
    for form in forms() {
        for bins in [2, 3, 8, 17] {
            let spline = Spline { form, bins };
            let at = Arguments::draw(rng, spline, 300, 2.0, 3.0);
            let got = evaluate::<f64>(&spline, &at.t, &at.phi);
            for i in 0..at.t.len() {
                let (g, slope) = naive::value(spline, at.t[i], &at.phi_of(i));
                assert!(
                    (got.value[i] - g).abs() < 1e-13 * (1.0 + slope),
                    "{spline:?} at {}: {} {g}",
                    at.t[i],
                    got.value[i]
                );
                assert!((got.dg_dt[i] - slope).abs() < 1e-10 * slope, "{spline:?}: g' {} {slope}", got.dg_dt[i]);
                assert!((got.lambda[i] - slope.ln()).abs() < 1e-10, "{spline:?}: λ {} {}", got.lambda[i], slope.ln());
            }
        }
    }
}

/// ∂/∂t and ∂/∂φ of g and of λ against finite differences, where no kink is near; of the inverse too.
#[test]
fn partials_are_finite_differences() {
    let rng = &mut draw::rng(2);
    for form in forms() {
        for bins in [2, 5] {
            let spline = Spline { form, bins };
            let at = Arguments::draw(rng, spline, 40, 1.5, 1.5);
            let y = evaluate::<f64>(&spline, &at.t, &at.phi).value;
            let there = assert_differences(&spline, &at.t, &at);
            let back = assert_differences(&inverse::<f64>(spline), &y, &at);
            assert!(there >= 35 && back >= 35, "{spline:?}: {there} and {back} of 40 away from knots");
        }
    }
}

/// Returns how many were compared.
fn assert_differences(transform: &impl Elementwise<f64>, t: &[f64], at: &Arguments) -> usize {
    let all = evaluate::<f64>(transform, t, &at.phi);
    let bound = Tolerance::differences().bound();
    let compared = (0..t.len()).filter(|&i| {
        let arguments: Vec<f64> = [t[i]].into_iter().chain(at.phi_of(i)).collect();
        let of = |x: &[f64]| {
            let here = evaluate::<f64>(transform, &x[..1], &x[1..]);
            vec![here.value[0], here.lambda[0]]
        };
        let numeric = finite::jacobian(of, &arguments);
        if numeric.error.iter().any(|&error| error > bound) {
            return false;
        }
        for (row, first) in [all.dg_dt[i], all.dlambda_dt[i]].into_iter().enumerate() {
            let of_phi = all.dphi[row].iter().skip(i).step_by(t.len()).copied();
            for (column, analytic) in [first].into_iter().chain(of_phi).enumerate() {
                let numeric = numeric.value[[row, column]];
                let error = (analytic - numeric).abs() / numeric.abs().max(1.0);
                assert!(error < bound, "row {row}, column {column} at {arguments:?}: {analytic} {numeric}");
            }
        }
        true
    });
    compared.count()
}

/// θ = 0 is the identity, to round-off.
#[test]
fn zero_is_the_identity() {
    fn check<T: Real>() {
        let epsilon = T::epsilon().wide();
        for form in forms() {
            for bins in [2, 7, 8, 50] {
                let spline = Spline { form, bins };
                let t: Vec<T> = (-400..400).map(|i| T::of(f64::from(i) * 0.013)).collect();
                let phi = vec![T::zero(); spline.width_of() * t.len()];
                let got = evaluate::<T>(&spline, &t, &phi);
                for (i, t) in t.iter().enumerate() {
                    let error = (got.value[i] - *t).wide().abs() / (TAU * epsilon);
                    let slope = got.lambda[i].wide().abs() / epsilon;
                    assert!(error <= 2.0 && slope <= 4.0, "{spline:?} at {t}: off by {error} and {slope} ε");
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// |g(g⁻¹(y)) − y| is at most 4 ε of the terms that it sums up, at ordinary parameters and at extreme ones: slopes and sizes from 10⁻³ to 10³.
#[test]
fn the_inverse_is_one() {
    fn check<T: Real>(spline: Spline, at: &Arguments, bound: f64) -> f64 {
        let (y, phi) = (draw::cast::<T>(&at.t), draw::cast::<T>(&at.phi));
        let solved = evaluate::<T>(&inverse::<T>(spline), &y, &phi);
        let again = evaluate::<T>(&spline, &solved.value, &phi);
        let mut worst = 0.0_f64;
        for i in 0..y.len() {
            let residual = (again.value[i] - y[i]).wide().abs();
            let shift = shift_row(spline).map_or(0.0, |row| phi[row * y.len() + i].wide().abs());
            let (largest, slope) = (INTERVAL.max(y[i].wide().abs()), again.dg_dt[i].wide());
            let terms = (largest + shift) * (1.0 + slope);
            worst = worst.max(residual / terms / T::epsilon().wide());
            if bound > 4.0 {
                continue; // λ moves by more than its size between neighbouring numbers
            }
            let of_t = again.dlambda_dt[i].wide().abs() * largest + slope;
            let off = (again.lambda[i] + solved.lambda[i]).wide().abs() / T::epsilon().wide();
            assert!(off < 32.0 * (8.0 + of_t), "{spline:?} at {}: λ off by {off} ε", y[i]);
        }
        worst
    }
    let rng = &mut draw::rng(3);
    for form in forms() {
        for bins in [2, 8, 16] {
            for (bound, steepest) in [(1.0, 1.0), (4.0, 4.0), (9.0, 1e3), (30.0, 1e3)] {
                let spline = Spline { form, bins };
                let at = Arguments::draw(rng, spline, 2000, bound, steepest);
                let (single, double) = (check::<f32>(spline, &at, bound), check::<f64>(spline, &at, bound));
                println!("{spline:?}, {bound}: {single:.2} and {double:.2} ε");
                assert!(single <= 4.0 && double <= 4.0, "{spline:?}, |θ| < {bound}: {single} and {double} ε");
            }
        }
    }
}

/// g takes every knot to its knot with its slope, from both sides; so does the inverse.
#[test]
fn a_knot_may_be_hit() {
    let rng = &mut draw::rng(4);
    for form in forms() {
        let spline = Spline { form, bins: 6 };
        let at = Arguments::draw(rng, spline, 1, 1.0, 1.0);
        let knots = Knots::of(spline, &at.phi);
        let shift = shift_row(spline).map_or(0.0, |row| at.phi[row]);
        for (k, &x) in knots.x.iter().enumerate() {
            for t in [x.next_down(), x, x.next_up()] {
                let there = evaluate::<f64>(&spline, &[t], &at.phi);
                assert!(
                    (there.value[0] - knots.y[k] - shift).abs() < 1e-13,
                    "{spline:?}, knot {k}: {}",
                    there.value[0]
                );
                assert!((there.dg_dt[0] - knots.slopes[k]).abs() < 1e-11, "{spline:?}, knot {k}: {}", there.dg_dt[0]);
                let back = evaluate::<f64>(&inverse::<f64>(spline), &there.value, &at.phi);
                assert!((back.value[0] - t).abs() < 1e-13, "{spline:?}, knot {k}: {} and {t}", back.value[0]);
            }
        }
    }
}

/// T(−t; −shift) = −T(t; shift), to the bit, there and back.
#[test]
fn odd_splines_are_odd_to_the_bit() {
    fn check<T: Real>(rng: &mut Rng) {
        let spline = Spline { form: Form::Odd { interval: INTERVAL }, bins: 5 };
        let at = Arguments::draw(rng, spline, 301, 2.0, 2.0);
        let (t, phi) = (draw::cast::<T>(&at.t), draw::cast::<T>(&at.phi));
        let turned = |all: &[T]| all.iter().map(|&x| -x).collect::<Vec<T>>();
        let (same, shift) = phi.split_at(15 * t.len());
        let opposite = [same, &turned(shift)[..]].concat();
        for (plus, minus) in [
            (evaluate(&spline, &t, &phi), evaluate(&spline, &turned(&t), &opposite)),
            (evaluate(&inverse::<T>(spline), &t, &phi), evaluate(&inverse::<T>(spline), &turned(&t), &opposite)),
        ] {
            assert_eq!(turned(&plus.value), minus.value);
            assert_eq!(plus.lambda, minus.lambda);
            assert_eq!(turned(&plus.dlambda_dt), minus.dlambda_dt);
        }
    }
    let rng = &mut draw::rng(5);
    check::<f64>(rng);
    check::<f32>(rng);
}

/// g(t + 2π) = g(t) + 2π, continuous at 0 with one slope, and increasing.
#[test]
fn circular_splines_are_lifts() {
    let rng = &mut draw::rng(6);
    let spline = Spline { form: Form::Circle, bins: 5 };
    let at = Arguments::draw(rng, spline, 1, 2.0, 2.0);
    let phi = |n: usize| at.phi.iter().flat_map(|&phi| vec![phi; n]).collect::<Vec<f64>>();
    let t: Vec<f64> = (-9000..9000).map(|i| f64::from(i) * 1e-3).collect();
    let here = evaluate::<f64>(&spline, &t, &phi(t.len()));
    let next = evaluate::<f64>(&spline, &t.iter().map(|t| t + TAU).collect::<Vec<_>>(), &phi(t.len()));
    for (here, next) in here.value.iter().zip(&next.value) {
        assert!((here + TAU - next).abs() < 1e-12, "{here} {next}");
    }
    assert!(here.value.windows(2).all(|pair| pair[0] < pair[1]));
    let around = evaluate::<f64>(&spline, &[-1e-12, 1e-12], &phi(2));
    assert!((around.dg_dt[0] - around.dg_dt[1]).abs() < 1e-9);
    assert!((around.value[0] - around.value[1]).abs() < 1e-10);
}

/// An element's results don't depend, by a bit, on its neighbours, nor on whether partials are wanted.
#[test]
fn elements_are_on_their_own() {
    fn check<T: Real>(rng: &mut Rng) {
        for form in forms() {
            let spline = Spline { form, bins: 4 };
            let at = Arguments::draw(rng, spline, 165, 2.0, 2.0);
            let (t, phi) = (draw::cast::<T>(&at.t), draw::cast::<T>(&at.phi));
            same_alone(&spline, &t, &phi, &at);
            same_alone(&inverse::<T>(spline), &t, &phi, &at);
        }
    }
    fn same_alone<T: Real>(transform: &impl Elementwise<T>, t: &[T], phi: &[T], at: &Arguments) {
        let all = evaluate(transform, t, phi);
        let (mut value, mut lambda) = (t.to_vec(), vec![T::nan(); t.len()]);
        transform.value(&mut value, Phi::of(phi, 0, 1, t.len()), &mut lambda, &mut Batch::default());
        assert_eq!((&value, &lambda), (&all.value, &all.lambda));
        for i in 0..t.len() {
            let alone = evaluate(transform, &t[i..=i], &draw::cast::<T>(&at.phi_of(i)));
            assert_eq!(alone.value[0], all.value[i]);
            assert_eq!(
                (alone.lambda[0], alone.dg_dt[0], alone.dlambda_dt[0]),
                (all.lambda[i], all.dg_dt[i], all.dlambda_dt[i])
            );
            for (alone, all) in alone.dphi.iter().zip(&all.dphi) {
                assert!(alone.iter().zip(all.iter().skip(i).step_by(t.len())).all(|(a, b)| a == b));
            }
        }
    }
    let rng = &mut draw::rng(7);
    check::<f64>(rng);
    check::<f32>(rng);
}

/// Path gradients of flows of many couplings of angles are (1) to (3) in dual numbers: J, ∇ℓ and ∂T/∂θ of a flow that shares no line with the crate's,
/// exact to round-off.
#[test]
fn path_gradients_are_those_of_dual_numbers() {
    let rng = &mut draw::rng(8);
    for round in 0..6 {
        let hidden = (0..round % 3).map(|_| rng.random_range(3..7)).collect();
        let spec = TorusSpline { hidden, ..on_torus(rng, 2 + round) };
        for way in [Way::There, Way::Back] {
            let (error, tolerance) = (error_of_path_gradient(&spec, way, rng), Tolerance::theorem::<f64>());
            assert!(error <= tolerance.bound(), "{way:?}, {spec:?}: off by {error:.1e}, allowed {tolerance}");
        }
    }
}

/// The largest error of `path-fast` on the scale of its largest element, for single samples.
fn error_of_path_gradient(spec: &TorusSpline, way: Way, rng: &mut Rng) -> f64 {
    let here = Cpu::here();
    let flow = spec.build::<f64>().unwrap();
    let theta = draw::parameters(rng, &flow.params());
    let parts = Parts::<f64>::on_circle(flow, rng);
    let samples = draw::points(rng, Domain::Circle, 5, parts.flow.dof());
    let force = |x: &Array2<f64>| target::Evaluated::of(&here, &*parts.target, x).force;
    let of_sample = |x: &Array2<f64>| path_gradient(spec, way, &theta, &x.iter().copied().collect::<Vec<_>>(), force);
    let rows: Vec<Array2<f64>> = samples.axis_chunks_iter(Axis(0), 1).map(|x| x.to_owned()).collect();
    let expected: Vec<Vec<f64>> = rows.iter().map(of_sample).collect();
    let estimator = match way {
        Way::There => Estimator::Reverse(ReverseKl::PathFast),
        Way::Back => Estimator::Forward(ForwardKl::PathFast),
    };
    let mut engine = parts.engine(Cpu::here(), Cut { micro_batch: 64, lanes: 1 });
    let pairs = rows.iter().zip(&expected);
    let errors = pairs.map(|(x, grad)| norm_wise_error(estimator.run(&mut engine, &theta, x.view()).grad, grad));
    errors.fold(0.0, f64::max)
}

/// MATH (1) to (3) at one sample, whose base is uniform.
fn path_gradient(
    spec: &TorusSpline,
    way: Way,
    theta: &[f64],
    x: &[f64],
    force: impl Fn(&Array2<f64>) -> Array2<f64>,
) -> Vec<f64> {
    let along = |of_theta: Option<usize>, of_x: Option<usize>| {
        let seed = |values: &[f64], at: Option<usize>| {
            let mut all: Vec<Dual> = values.iter().map(|&v| v.into()).collect();
            at.into_iter().for_each(|i| all[i].slope = 1.0);
            all
        };
        dual::flow(spec, &seed(theta, of_theta), &seed(x, of_x), way)
    };
    let row = |x: &[f64]| Array2::from_shape_vec((1, x.len()), x.to_vec()).unwrap();
    let columns: Vec<(Vec<Dual>, Dual)> = (0..x.len()).map(|j| along(None, Some(j))).collect();
    let jacobian = Array2::from_shape_fn((x.len(), x.len()), |(i, j)| columns[j].0[i].slope);
    let end: Vec<f64> = columns[0].0.iter().map(|y| y.value.rem_euclid(TAU)).collect();
    let at_target = force(&row(if way == Way::There { &end } else { x })).into_raw_vec_and_offset().0;
    let zero = vec![0.0; x.len()];
    let (start_score, end_score) = if way == Way::There { (&zero, &at_target) } else { (&at_target, &zero) };
    let reduced: Vec<f64> = start_score.iter().zip(&columns).map(|(s, (_, log_det))| s - log_det.slope).collect();
    let pushed = Oracle::Nalgebra.solve(jacobian.t(), Array1::from(reduced).view());
    let cotangent: Vec<f64> = pushed.iter().zip(end_score).map(|(s, end)| s - end).collect();
    let of_parameter = |p: usize| along(Some(p), None).0.iter().zip(&cotangent).map(|(y, a)| y.slope * a).sum();
    (0..theta.len()).map(of_parameter).collect()
}

/// Widths and heights depend on differences of their θ alone, to the bit, however large these are.
#[test]
fn shares_are_of_differences() {
    fn check<T: Real>(rng: &mut Rng) {
        for form in forms() {
            let spline = Spline { form, bins: 5 };
            let at = Arguments::draw(rng, spline, 67, 2.0, 2.0);
            let (t, coarse) = (draw::cast::<T>(&at.t), at.phi.iter().map(|phi| (64.0 * phi).round() / 64.0));
            let phi: Vec<f64> = coarse.collect();
            let shares = 2 * spline.bins * t.len();
            let moved =
                |by: f64| phi.iter().enumerate().map(move |(i, &phi)| T::of(if i < shares { phi + by } else { phi }));
            let here = evaluate(&spline, &t, &moved(0.0).collect::<Vec<T>>());
            for by in [1024.0, -1024.0] {
                let there = evaluate(&spline, &t, &moved(by).collect::<Vec<T>>());
                assert_eq!((&here.value, &here.lambda), (&there.value, &there.lambda), "{spline:?} moved by {by}");
                assert_eq!(here.dphi, there.dphi, "{spline:?} moved by {by}");
            }
        }
    }
    let rng = &mut draw::rng(9);
    check::<f64>(rng);
    check::<f32>(rng);
}

/// NaN in t or φ is NaN in the result.
#[test]
fn nothing_is_made_of_nan() {
    for form in forms() {
        let spline = Spline { form, bins: 3 };
        for (t, wrong) in [(f64::NAN, None), (0.5, Some(1)), (0.5, Some(4))] {
            let mut phi = vec![0.1; spline.width_of()];
            wrong.into_iter().for_each(|row: usize| phi[row] = f64::NAN);
            assert!(evaluate::<f64>(&spline, &[t], &phi).value[0].is_nan(), "{spline:?} {t} {wrong:?}");
            assert!(evaluate::<f64>(&inverse::<f64>(spline), &[t], &phi).value[0].is_nan(), "{spline:?} {t} {wrong:?}");
        }
    }
}
