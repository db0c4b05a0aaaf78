//! The Gaussian: naive formula, quadrature, the sampler, inputs that must fail.

use ndarray::{Array2, arr2};
use rand::{RngExt, SeedableRng};
use std::f64::consts::TAU;
use upg_core::{Batch, Cpu, Real, Rng, Target};
use upg_targets::{Exact, ExactSampler, Gaussian};

fn action<T: Real>(target: &Gaussian, x: &Array2<f64>) -> Vec<f64> {
    let mut action = vec![];
    target.action_and_force(&Cpu::here(), &Batch::from_samples(x.mapv(T::of).view()), &mut action, None);
    action
}

/// C = A Aᵀ + ½, with C⁻¹ (x−m) found by elimination in the test.
fn random(dim: usize, rng: &mut Rng) -> (Vec<f64>, Array2<f64>) {
    let a = Array2::from_shape_simple_fn((dim, dim), || rng.random_range(-1.0..1.0));
    let mean = (0..dim).map(|_| rng.random_range(-2.0..2.0)).collect();
    (mean, a.dot(&a.t()) + 0.5 * Array2::<f64>::eye(dim))
}

/// Solves C y = d by Gauss–Jordan elimination without pivoting; returns y and det C.
fn eliminate(c: &Array2<f64>, d: &[f64]) -> (Vec<f64>, f64) {
    let (mut c, mut d, mut det) = (c.clone(), d.to_vec(), 1.0);
    for k in 0..d.len() {
        let pivot = c[(k, k)];
        det *= pivot;
        for i in (0..d.len()).filter(|&i| i != k) {
            let factor = c[(i, k)] / pivot;
            for j in k..d.len() {
                c[(i, j)] -= factor * c[(k, j)];
            }
            d[i] -= factor * d[k];
        }
    }
    ((0..d.len()).map(|k| d[k] / c[(k, k)]).collect(), det)
}

#[test]
fn action_and_log_z_are_those_of_the_formula() {
    let mut rng = Rng::seed_from_u64(31);
    for (dim, samples) in [(1, 1), (2, 130), (5, 63), (9, 65)] {
        let (mean, covariance) = random(dim, &mut rng);
        let target = Gaussian::new(&mean, covariance.view()).expect("a valid Gaussian");
        let x = Array2::from_shape_simple_fn((samples, dim), || f64::from(rng.random_range(-4.0_f32..4.0)));
        let (double, single) = (action::<f64>(&target, &x), action::<f32>(&target, &x));
        for (b, x) in x.rows().into_iter().enumerate() {
            let away: Vec<f64> = x.iter().zip(&mean).map(|(x, m)| x - m).collect();
            let (solved, det) = eliminate(&covariance, &away);
            let expected: f64 = 0.5 * away.iter().zip(&solved).map(|(a, s)| a * s).sum::<f64>();
            // The smallest eigenvalue of C is at least ½, so C⁻¹ is at most 2.
            let size = away.iter().map(|a| 2.0 * a * a).sum::<f64>();
            assert!((double[b] - expected).abs() < 1e-13 * size, "{} for {expected}", double[b]);
            assert!((single[b] - expected).abs() < 2e-6 * size, "{} for {expected}", single[b]);
            let log_z = 0.5 * (dim as f64 * TAU.ln() + det.ln());
            assert!((target.log_z().expect("always known") - log_z).abs() < 1e-12);
        }
    }
}

#[test]
fn log_z_is_the_integral() {
    let target = Gaussian::new(&[0.3, -0.4], arr2(&[[0.7, -0.35], [-0.35, 0.4]]).view()).expect("a valid Gaussian");
    let axis: Vec<f64> = (-80..=80).map(|k| 0.1 * f64::from(k)).collect();
    let x = Array2::from_shape_fn((161 * 161, 2), |(b, i)| if i == 0 { axis[b / 161] } else { axis[b % 161] });
    let z: f64 = action::<f64>(&target, &x).into_iter().map(|s| 0.01 * (-s).exp()).sum();
    assert!((target.log_z().expect("always known") - z.ln()).abs() < 1e-12);
}

fn check_sampler<T: Real>() {
    const SAMPLES: usize = 200_000;
    let mut rng = Rng::seed_from_u64(32);
    let (mean, covariance) = random(4, &mut rng);
    let target = Gaussian::new(&mean, covariance.view()).expect("a valid Gaussian");
    let mut x = Batch::<T>::zeros(4, SAMPLES);
    target.sample(&mut rng, &mut x);
    let five_sigma = 5.0 / (SAMPLES as f64).sqrt();
    let away = |i: usize, b: usize| x.row(i)[b].wide() - mean[i];
    for i in 0..4 {
        let found = (0..SAMPLES).map(|b| away(i, b)).sum::<f64>() / SAMPLES as f64;
        assert!(found.abs() < five_sigma * covariance[(i, i)].sqrt(), "mean {i} is off by {found}");
        for j in 0..4 {
            let found = (0..SAMPLES).map(|b| away(i, b) * away(j, b)).sum::<f64>() / SAMPLES as f64;
            let variance = covariance[(i, i)] * covariance[(j, j)] + covariance[(i, j)].powi(2);
            assert!(
                (found - covariance[(i, j)]).abs() < five_sigma * variance.sqrt(),
                "covariance ({i}, {j}) is {found}"
            );
        }
    }
}

#[test]
fn the_sampler_has_the_mean_and_the_covariance() {
    check_sampler::<f64>();
    check_sampler::<f32>();
}

#[test]
fn wrong_parameters_are_refused_by_name() {
    let identity = Array2::<f64>::eye(2);
    for (mean, covariance, message) in [
        (&[][..], Array2::eye(0), "mean = []: accepted is at least one element"),
        (&[0.0, f64::NAN], identity.clone(), "mean = NaN at 1: accepted is a finite number each"),
        (
            &[0.0, 0.0, 0.0],
            identity,
            "covariance = an array of shape [2, 2] for a mean of length 3: accepted is a square matrix with one row per element of the mean",
        ),
        (
            &[0.0, 0.0],
            Array2::ones((2, 3)),
            "covariance = an array of shape [2, 3] for a mean of length 2: accepted is a square matrix with one row per element of the mean",
        ),
        (
            &[0.0, 0.0],
            arr2(&[[1.0, f64::INFINITY], [0.0, 1.0]]),
            "covariance = inf at (0, 1): accepted is a finite number each",
        ),
        (
            &[0.0, 0.0],
            arr2(&[[1.0, 0.5], [0.4, 1.0]]),
            "covariance = 0.5 at (0, 1) and 0.4 at (1, 0): accepted is a symmetric matrix",
        ),
        (
            &[0.0, 0.0],
            arr2(&[[1.0, 2.0], [2.0, 1.0]]),
            "covariance = not positive definite: accepted is a positive definite matrix",
        ),
        (
            &[0.0, 0.0],
            arr2(&[[1.0, 0.0], [0.0, 0.0]]),
            "covariance = not positive definite: accepted is a positive definite matrix",
        ),
        (&[0.0], arr2(&[[-1.0]]), "covariance = not positive definite: accepted is a positive definite matrix"),
    ] {
        let error = Gaussian::new(mean, covariance.view()).expect_err("must be refused");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
#[should_panic(expected = "rows of x, and degrees of freedom of the target")]
fn a_batch_of_the_wrong_width_is_a_panic() {
    let target = Gaussian::new(&[0.0, 1.0], Array2::eye(2).view()).expect("a valid Gaussian");
    action::<f64>(&target, &Array2::zeros((3, 3)));
}
