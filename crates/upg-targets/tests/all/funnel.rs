//! The funnel: naive formula, quadrature, the sampler, extremes in f32, inputs that must fail.

use crate::simple::{actions, assert_normal, refused, unbent_draws};
use ndarray::{Array2, arr2};
use rand::{RngExt, SeedableRng};
use std::f64::consts::{PI, TAU};
use upg_core::{Batch, Cpu, Rng, Target};
use upg_targets::{Exact, ExactSampler, Funnel};
use upg_testkit::target::Evaluated;

/// log N(x; 0, variance).
fn log_normal(x: f64, variance: f64) -> f64 {
    -0.5 * (x * x / variance + variance.ln() + TAU.ln())
}

#[test]
fn the_action_is_minus_the_logarithm_of_its_factors() {
    let mut rng = Rng::seed_from_u64(61);
    for (dim, samples) in [(2, 1), (2, 131), (5, 64), (10, 65)] {
        let sigma = rng.random_range(0.3..4.0);
        let target = Funnel::new(dim, sigma).expect("a valid funnel");
        let x = Array2::from_shape_simple_fn((samples, dim), || f64::from(rng.random_range(-4.0_f32..4.0)));
        let (double, single) = (actions::<f64>(&target, &x), actions::<f32>(&target, &x));
        for (b, x) in x.rows().into_iter().enumerate() {
            let others = x.iter().skip(1).map(|&xi| log_normal(xi, x[0].exp())).sum::<f64>();
            let expected = -log_normal(x[0], sigma * sigma) - others;
            let size = 10.0 * dim as f64 + expected;
            assert!((double[b] - expected).abs() < 1e-14 * size, "{} for {expected}", double[b]);
            assert!((single[b] - expected).abs() < 1e-6 * size, "{} for {expected}", single[b]);
        }
    }
}

/// At x = (0, 1, …, 1), in Neal's ten dimensions with σ = 3: log 3 + 9/2 + 5 log 2π.
#[test]
fn at_one_point_it_is_the_number_worked_out_by_hand() {
    let mut x = Array2::ones((1, 10));
    x[(0, 0)] = 0.0;
    let action = actions::<f64>(&Funnel::new(10, 3.0).expect("Neal's"), &x)[0];
    assert!((action - 14.787_997_620_714_837).abs() < 1e-14, "{action}");
}

/// In two dimensions: ∫ over x_1 at a fixed x_0 leaves N(0, σ²), by a trapezoidal sum in units of the width.
#[test]
fn what_is_left_without_the_others_is_a_normal_density() {
    let (sigma, target) = (3.0, Funnel::new(2, 3.0).expect("a valid funnel"));
    let step = 1.0 / 16.0;
    for x0 in [-25.0, -3.0, 0.0, 0.7, 11.0] {
        let width = f64::exp(0.5 * x0);
        let x = Array2::from_shape_fn((385, 2), |(k, i)| if i == 0 { x0 } else { width * step * (k as f64 - 192.0) });
        let integral: f64 = actions::<f64>(&target, &x).into_iter().map(|s| step * width * (-s).exp()).sum();
        let expected = log_normal(x0, sigma * sigma);
        assert!((integral.ln() - expected).abs() < 1e-12, "{} for {expected}", integral.ln());
    }
    assert_eq!(target.log_z(), Some(0.0));
}

/// For |x_0| up to 80 and x_i up to six widths action and force are finite in f32, and those of f64 to round-off.
#[test]
fn extremes_are_finite_in_f32() {
    let (dim, target) = (10, Funnel::new(10, 3.0).expect("Neal's"));
    for x0 in [-80.0, -60.0, -30.0, -12.5, 12.5, 30.0, 60.0, 80.0_f32] {
        let x = Array2::from_shape_fn((13, dim), |(k, i)| {
            if i == 0 { x0 } else { (0.5 * x0).exp() * (k as f32 - 6.0) * if i % 2 == 0 { 1.0 } else { -0.9 } }
        });
        let single = Evaluated::of(&Cpu::here(), &target, &x);
        let double = Evaluated::of(&Cpu::here(), &target, &x.mapv(f64::from));
        for b in 0..13 {
            let (got, expected) = (single.action[b], double.action[b]);
            assert!((got - expected).abs() < 1e-6 * (400.0 + expected.abs()), "x_0 = {x0}: {got} for {expected}");
            for i in 0..dim {
                let (got, expected) = (f64::from(single.force[(b, i)]), double.force[(b, i)]);
                let size = if i == 0 { 400.0 } else { expected.abs() }; // Y is up to 320, and may cancel
                assert!((got - expected).abs() <= 1e-6 * size, "x_0 = {x0}: {got} for {expected}");
            }
        }
    }
    // Where x_i doesn't know of the neck: as large as it is, but finite for |x_0| ≤ 30.
    let x = arr2(&[[-30.0_f32, 3.0], [30.0, 3.0], [-30.0, 0.0]]);
    let force = Evaluated::of(&Cpu::here(), &Funnel::new(2, 3.0).expect("a valid funnel"), &x).force;
    assert!(force.iter().all(|f| f.is_finite()), "{force}");
}

/// x_0/σ and all x_i e^{−x_0/2} are independent and N(0, 1).
#[test]
fn the_sampler_draws_what_is_normal_in_units_of_the_width() {
    let target = Funnel::new(4, 1.7).expect("a valid funnel");
    let unbent = |x: &[f64]| {
        let narrow = (-0.5 * x[0]).exp();
        [x[0] / 1.7, x[1] * narrow, x[2] * narrow, x[3] * narrow]
    };
    assert_normal(&unbent_draws::<f64>(&target, 62, unbent));
    assert_normal(&unbent_draws::<f32>(&target, 63, unbent));
}

/// Φ(−1) by a sum over the normal density.
#[test]
fn the_neck_has_its_part() {
    let step = 1e-4;
    let sum: f64 = (0..110_000).map(|k| (-0.5 * (1.0 + step * (f64::from(k) + 0.5)).powi(2)).exp()).sum();
    let target = Funnel::new(3, 2.0).expect("a valid funnel");
    let observables = upg_targets::Observables::<f64>::observables(&target);
    let exact = observables[2].exact.expect("a number");
    assert_eq!(observables[2].name, "neck_fraction");
    assert!((exact - step * sum / (2.0 * PI).sqrt()).abs() < 1e-9, "{exact}");
}

#[test]
fn wrong_parameters_are_refused() {
    refused(Funnel::new(1, 3.0), "dim = 1: accepted is at least 2");
    for sigma in ["0", "-3", "NaN", "inf", "11"] {
        let accepted = format!("sigma = {sigma}: accepted is a number from 0.001 to 10");
        refused(Funnel::new(10, sigma.parse().expect("a number")), &accepted);
    }
}

#[test]
#[should_panic(expected = "rows of x, and dimensions of the funnel")]
fn a_batch_of_the_wrong_width_is_a_panic() {
    let target = Funnel::new(3, 1.0).expect("a valid funnel");
    target.action_and_force(&Cpu::here(), &Batch::<f64>::zeros(2, 4), &mut vec![], None);
}

#[test]
#[should_panic(expected = "rows of x, and dimensions of the funnel")]
fn sampling_into_the_wrong_width_is_a_panic() {
    let target = Funnel::new(3, 1.0).expect("a valid funnel");
    target.sample(&mut Rng::seed_from_u64(1), &mut Batch::<f32>::zeros(2, 4));
}
