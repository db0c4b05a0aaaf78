//! The mixture: naive formula, numbers from outside, the sampler.

use rand::{RngExt, SeedableRng};
use std::f64::consts::PI;
use upg_core::{Batch, Cpu, Real, Rng, Target};
use upg_targets::{Exact, ExactSampler, Gmm};

fn action<T: Real>(dim: usize, x: &Batch<T>) -> Vec<f64> {
    let (target, mut action) = (Gmm::new(dim).expect("at least one dimension"), vec![]);
    target.action_and_force(&Cpu::here(), x, &mut action, None);
    action
}

/// p(x) in one dimension, straight from its definition.
fn density(x: f64) -> f64 {
    let mode = |m: f64| (-(x - m).powi(2)).exp() / PI.sqrt();
    0.5 * mode(-1.0) + 0.5 * mode(1.0)
}

#[test]
fn the_action_is_minus_the_logarithm_of_the_definition() {
    let mut rng = Rng::seed_from_u64(21);
    for (dim, samples) in [(1, 1), (1, 131), (5, 64), (12, 7)] {
        let x = ndarray::Array2::from_shape_simple_fn((samples, dim), || f64::from(rng.random_range(-4.0_f32..4.0)));
        let double = action::<f64>(dim, &Batch::from_samples(x.view()));
        let single = action::<f32>(dim, &Batch::from_samples(x.mapv(|x| x as f32).view()));
        for (b, x) in x.rows().into_iter().enumerate() {
            let expected: f64 = x.iter().map(|&x| -density(x).ln()).sum();
            let size = 10.0 * dim as f64 + expected;
            assert!((double[b] - expected).abs() < 1e-15 * size, "{} for {expected}", double[b]);
            assert!((single[b] - expected).abs() < 1e-6 * size, "{} for {expected}", single[b]);
        }
    }
}

#[test]
fn far_out_it_is_a_parabola() {
    let x = [-1e15, -300.0, 300.0, 1e15];
    let batch = Batch::from_samples(ndarray::ArrayView2::from_shape((4, 1), &x).expect("four samples"));
    for (action, x) in action::<f64>(1, &batch).into_iter().zip(x) {
        let expected = (x.abs() - 1.0).powi(2) + 2.0_f64.ln() + 0.5 * PI.ln();
        assert!((action / expected - 1.0).abs() < 1e-15);
    }
}

/// Sums over a grid with the target's own action: exact to round-off for these integrands.
struct Grid {
    x: Vec<f64>,
    log_p: Vec<f64>,
}

impl Grid {
    const STEP: f64 = 1.0 / 64.0;

    fn new() -> Self {
        let x: Vec<f64> = (-1280..=1280).map(|k| Self::STEP * f64::from(k)).collect();
        let batch = Batch::from_samples(ndarray::ArrayView2::from_shape((x.len(), 1), &x).expect("a column"));
        Self { log_p: action(1, &batch).into_iter().map(|s| -s).collect(), x }
    }

    /// ∫ f(x, log p(x), log q(x)) dx with q = N(0, 1).
    fn integral(&self, f: impl Fn(f64, f64, f64) -> f64) -> f64 {
        let log_q = |x: f64| -0.5 * x * x - 0.5 * (2.0 * PI).ln();
        self.x.iter().zip(&self.log_p).map(|(&x, &log_p)| Self::STEP * f(x, log_p, log_q(x))).sum()
    }
}

#[test]
fn per_dimension_it_has_the_known_values() {
    let grid = Grid::new();
    let close = |got: f64, expected: f64, digits: f64| assert!((got - expected).abs() < digits, "{got} for {expected}");
    close(grid.integral(|_, p, _| p.exp()), 1.0, 1e-14);
    close(grid.integral(|x, p, _| x * x * p.exp()), 1.5, 1e-14);
    close(grid.integral(|_, p, _| -p * p.exp()), 1.5724370789915463, 1e-14);
    // The identity flow from N(0, 1): mean w² = ∫ p²/q.
    close(1.0 / grid.integral(|_, p, q| (2.0 * p - q).exp()), 0.8314897576, 1e-10);
    close(grid.integral(|_, p, q| q.exp() * (q - p)), 0.0967668435, 1e-10);
    close(grid.integral(|_, p, q| p.exp() * (p - q)), 0.0965014542, 1e-10);
}

#[test]
fn what_it_says_of_itself() {
    let target = Gmm::new(7).expect("seven dimensions");
    assert_eq!((target.dim(), target.x2(), target.log_z()), (7, 1.5, Some(0.0)));
    assert!((target.entropy() / 7.0 - 1.5724370789915463).abs() < 1e-14);
}

/// The draws have the characteristic function cos k · e^{−k²/4} in every dimension and are independent.
fn check_sampler<T: Real>() {
    const SAMPLES: usize = 200_000;
    let (dim, mut rng) = (3, Rng::seed_from_u64(22));
    let mut x = Batch::<T>::zeros(dim, SAMPLES);
    Gmm::new(dim).expect("three dimensions").sample(&mut rng, &mut x);
    let mean = |f: &dyn Fn(usize) -> f64| (0..SAMPLES).map(f).sum::<f64>() / SAMPLES as f64;
    let five_sigma = 5.0 / (SAMPLES as f64).sqrt();
    for i in 0..dim {
        let row = x.row(i);
        for k in [0.5, 1.0, 2.0, 3.0] {
            let cosine = mean(&|b| (k * row[b].wide()).cos());
            assert!((cosine - f64::cos(k) * (-0.25 * k * k).exp()).abs() < five_sigma, "dimension {i}, k = {k}");
            assert!(mean(&|b| (k * row[b].wide()).sin()).abs() < five_sigma, "dimension {i}, k = {k}");
        }
        let next = x.row((i + 1) % dim);
        assert!(mean(&|b| row[b].wide() * next[b].wide()).abs() < 1.5 * five_sigma);
        assert!(mean(&|b| row[b].wide() * row[(b + 1) % SAMPLES].wide()).abs() < 1.5 * five_sigma);
    }
}

#[test]
fn the_sampler_draws_from_the_mixture() {
    check_sampler::<f64>();
    check_sampler::<f32>();
}

#[test]
fn no_dimension_is_refused() {
    let error = Gmm::new(0).expect_err("must be refused");
    assert_eq!(error.to_string(), "dim = 0: accepted is at least 1");
}

#[test]
#[should_panic(expected = "rows of x, and dimensions of the mixture")]
fn sampling_into_the_wrong_width_is_a_panic() {
    Gmm::new(3).expect("three dimensions").sample(&mut Rng::seed_from_u64(1), &mut Batch::<f32>::zeros(2, 4));
}
