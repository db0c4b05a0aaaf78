//! The banana: naive formula, quadrature, the sampler, inputs that must fail.

use crate::simple::{actions, refused, unbent_draws};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use std::f64::consts::TAU;
use upg_core::{Batch, Rng};
use upg_targets::{Banana, Exact, ExactSampler, Observables};

/// log N(x; mean, deviation²).
fn log_normal(x: f64, mean: f64, deviation: f64) -> f64 {
    -0.5 * ((x - mean) / deviation).powi(2) - deviation.ln() - 0.5 * TAU.ln()
}

#[test]
fn the_action_is_minus_the_logarithm_of_its_factors() {
    let mut rng = Rng::seed_from_u64(51);
    for (dim, samples) in [(2, 1), (2, 131), (3, 64), (7, 65)] {
        let (b, s) = (rng.random_range(-0.5..0.5), rng.random_range(0.3..5.0));
        let target = Banana::new(dim, b, s).expect("a valid banana");
        let x = Array2::from_shape_simple_fn((samples, dim), || f64::from(rng.random_range(-4.0_f32..4.0)));
        let (double, single) = (actions::<f64>(&target, &x), actions::<f32>(&target, &x));
        for (n, x) in x.rows().into_iter().enumerate() {
            let bent = log_normal(x[0], 0.0, s) + log_normal(x[1], b * x[0] * x[0] - b * s * s, 1.0);
            let expected = -bent - x.iter().skip(2).map(|&x| log_normal(x, 0.0, 1.0)).sum::<f64>();
            let size = 100.0 + expected;
            assert!((double[n] - expected).abs() < 1e-14 * size, "{} for {expected}", double[n]);
            assert!((single[n] - expected).abs() < 1e-6 * size, "{} for {expected}", single[n]);
        }
    }
}

/// x_0²/2s² = 9/8, r = 1 − 0.1·(9 − 4) = ½: S = 9/8 + 1/8 + log 2 + log 2π.
#[test]
fn at_one_point_it_is_the_number_worked_out_by_hand() {
    let target = Banana::new(2, 0.1, 2.0).expect("a valid banana");
    let action = actions::<f64>(&target, &ndarray::arr2(&[[3.0, 1.0]]))[0];
    assert!((action - (1.25 + 2.0_f64.ln() + TAU.ln())).abs() < 1e-15, "{action}");
}

#[test]
fn its_sum_over_a_grid_is_one_and_has_the_exact_moments() {
    let (b, s, step) = (0.3, 1.4, 1.0 / 16.0);
    let target = Banana::new(2, b, s).expect("a valid banana");
    let (columns, rows) = (401, 801); // |x_0| ≤ 12.5, −12.5 ≤ x_1 ≤ 37.5
    let x = Array2::from_shape_fn((columns * rows, 2), |(n, i)| {
        let k = if i == 0 { n / rows } else { n % rows };
        step * k as f64 - 12.5
    });
    let p: Vec<f64> = actions::<f64>(&target, &x).into_iter().map(|s| step * step * (-s).exp()).collect();
    let integral =
        |f: &dyn Fn(f64, f64) -> f64| x.rows().into_iter().zip(&p).map(|(x, p)| p * f(x[0], x[1])).sum::<f64>();
    let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-11, "{got} for {expected}");
    close(integral(&|_, _| 1.0), 1.0);
    close(integral(&|x, _| x * x), s * s);
    close(integral(&|_, y| y), 0.0);
    close(integral(&|_, y| y * y), 1.0 + 2.0 * b * b * s.powi(4));
    close(integral(&|x, y| (x * x - s * s) * y) / (2.0 * s.powi(4)), b);
    let means = [integral(&|x, _| x), integral(&|x, _| x * x), integral(&|_, y| y), integral(&|_, y| y * y), b];
    for observable in Observables::<f64>::observables(&target) {
        close(observable.value(&means), observable.exact.expect("a number"));
    }
    assert_eq!(target.log_z(), Some(0.0));
}

/// x_0/s, x_1 − b (x_0² − s²) and all others are independent and N(0, 1).
#[test]
fn the_sampler_draws_what_is_normal_when_it_is_unbent() {
    let (b, s) = (-0.7, 1.5);
    let target = Banana::new(4, b, s).expect("a valid banana");
    let unbent = |x: &[f64]| [x[0] / s, x[1] - b * (x[0] * x[0] - s * s), x[2], x[3]];
    crate::simple::assert_normal(&unbent_draws::<f64>(&target, 52, unbent));
    crate::simple::assert_normal(&unbent_draws::<f32>(&target, 53, unbent));
}

#[test]
fn wrong_parameters_are_refused() {
    refused(Banana::new(1, 0.1, 1.0), "dim = 1: accepted is at least 2");
    refused(Banana::new(2, f64::NAN, 1.0), "curvature = NaN: accepted is a number from -1000 to 1000");
    refused(Banana::new(2, 1e4, 1.0), "curvature = 10000: accepted is a number from -1000 to 1000");
    refused(Banana::new(2, 0.1, 0.0), "scale = 0: accepted is a number from 0.001 to 1000");
    refused(Banana::new(2, 0.1, -1.0), "scale = -1: accepted is a number from 0.001 to 1000");
}

#[test]
#[should_panic(expected = "rows of x, and dimensions of the banana")]
fn sampling_into_the_wrong_width_is_a_panic() {
    let target = Banana::new(3, 0.1, 1.0).expect("a valid banana");
    target.sample(&mut Rng::seed_from_u64(1), &mut Batch::<f32>::zeros(2, 4));
}
