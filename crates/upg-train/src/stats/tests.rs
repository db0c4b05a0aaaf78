//! The statistics against exact results: Gaussian pairs of p and q, autoregressive series, textbook errors.

mod autocorrelation;
mod interval;
mod jackknife;
mod metropolis;
mod weights;

use super::Moments;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use upg_core::{Rng, Streams};

fn generator(seed: u64) -> Rng {
    Streams::new(seed).next_stream()
}

fn normal(rng: &mut Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// log N(x; mean, deviation²).
fn log_normal_density(x: f64, mean: f64, deviation: f64) -> f64 {
    let z = (x - mean) / deviation;
    -0.5 * z * z - deviation.ln() - 0.5 * std::f64::consts::TAU.ln()
}

/// q = N(0, I), p̃ = Z N(a, I).
struct Shifted {
    a: Vec<f64>,
    log_z: f64,
}

impl Shifted {
    /// Random direction, |a| = `s`.
    fn new(s: f64, dof: usize, log_z: f64, rng: &mut Rng) -> Self {
        let direction: Vec<f64> = (0..dof).map(|_| normal(rng)).collect();
        let norm = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        Self { a: direction.iter().map(|d| s * d / norm).collect(), log_z }
    }

    fn log_weight(&self, x: &[f64]) -> f64 {
        let difference = |(&x, &a): (&f64, &f64)| log_normal_density(x, a, 1.0) - log_normal_density(x, 0.0, 1.0);
        self.log_z + x.iter().zip(&self.a).map(difference).sum::<f64>()
    }

    fn draw_q(&self, rng: &mut Rng) -> Vec<f64> {
        self.a.iter().map(|_| normal(rng)).collect()
    }

    fn draw_p(&self, rng: &mut Rng) -> Vec<f64> {
        self.a.iter().map(|a| a + normal(rng)).collect()
    }

    fn log_weights_q(&self, samples: usize, rng: &mut Rng) -> Vec<f64> {
        (0..samples).map(|_| self.log_weight(&self.draw_q(rng))).collect()
    }

    fn log_weights_p(&self, samples: usize, rng: &mut Rng) -> Vec<f64> {
        (0..samples).map(|_| self.log_weight(&self.draw_p(rng))).collect()
    }
}

/// Asserts |value − exact| < 5 error.
#[track_caller]
fn assert_covers(value: f64, error: f64, exact: f64) {
    assert!(error > 0.0 && (value - exact).abs() < 5.0 * error, "{value} ± {error}, exact {exact}");
}

/// Asserts that pulls (value − exact)/error have mean 0 and standard deviation 1, up to 5 standard errors and `bias`.
#[track_caller]
fn assert_standard(pulls: &[f64], bias: f64) {
    let mut moments = Moments::default();
    moments.extend(pulls);
    let (mean, deviation) = (moments.mean().unwrap(), moments.variance().unwrap().sqrt());
    let count = pulls.len() as f64;
    assert!(mean.abs() < 5.0 / count.sqrt() + bias, "mean of {count} pulls {mean}");
    assert!((deviation - 1.0).abs() < 5.0 / (2.0 * count).sqrt() + bias, "deviation of {count} pulls {deviation}");
}

#[track_caller]
fn assert_close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} and {b}");
}

/// erfc(x) = 1 − (2/√π) ∫_0^x e^{−t²} dt by Simpson's rule.
fn erfc(x: f64) -> f64 {
    let (steps, weight) = (200, |k: usize| if k.is_multiple_of(2) { 2.0 } else { 4.0 });
    let h = x / steps as f64;
    let f = |k: usize| (-(k as f64 * h).powi(2)).exp();
    let integral = h / 3.0 * (f(0) + f(steps) + (1..steps).map(|k| weight(k) * f(k)).sum::<f64>());
    1.0 - 2.0 / std::f64::consts::PI.sqrt() * integral
}

/// A number from 0 to `largest`.
fn up_to(largest: usize, rng: &mut Rng) -> usize {
    rng.random_range(0..=largest)
}

#[test]
fn erfc_is_that_of_the_tables() {
    assert_close(erfc(0.5), 0.479_500_122_186_953_5, 1e-9);
    assert_close(erfc(1.0), 0.157_299_207_050_285_13, 1e-9);
}
