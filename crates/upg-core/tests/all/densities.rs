//! Base densities and the density of a target.

use ndarray::Array2;
use rand::RngExt;
use std::f64::consts::TAU;
use upg_core::{
    Base, BasePass, Batch, Cpu, Prepared, Real, SampleStream, StandardNormal, Target, UniformTorus, Workspace,
};
use upg_testkit::{
    base_battery,
    domain::Domain,
    draw,
    runner::BaseRunner,
    target_battery,
    tolerance::{Tolerance, assert_close, assert_close_number},
};

/// S = −log density, so that the battery of targets checks scores, precisions, batches.
struct AsTarget<P>(P);

impl<T: Real, P: Base<Cpu<T>>> Target<Cpu<T>> for AsTarget<P> {
    fn dof(&self) -> usize {
        self.0.dof()
    }

    fn action_and_force(&self, device: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        let (prepared, mut scratch) = (Prepared::default(), Workspace::default());
        let mut pass = BasePass { device, theta: &[][..], prepared: &prepared, scratch: &mut scratch };
        self.0.log_density_and_score(&mut pass, x, action, force);
        action.iter_mut().for_each(|s| *s = -*s);
    }
}

base_battery! {
    base_standard_normal(rng) => StandardNormal::new(rng.random_range(1..5));
    base_uniform_torus(rng) on Domain::Circle => UniformTorus::new(rng.random_range(1..5));
}

target_battery! {
    standard_normal(rng) => AsTarget(StandardNormal::new(rng.random_range(1..9)));
    uniform_torus(rng) on Domain::Circle => AsTarget(UniformTorus::new(rng.random_range(1..9)));
}

fn log_density(base: &dyn Base<Cpu<f64>>, x: &Array2<f64>) -> Vec<f64> {
    let mut out = vec![f64::NAN; 2];
    let (device, prepared, mut scratch) = (Cpu::here(), Prepared::default(), Workspace::default());
    let mut pass = BasePass { device: &device, theta: &[][..], prepared: &prepared, scratch: &mut scratch };
    base.log_density_and_score(&mut pass, &Batch::from_samples(x.view()), &mut out, None);
    out
}

/// ∫ q₀ dz = 1 in one dimension, by the trapezoidal rule (spectrally accurate here).
#[test]
fn bases_are_normalised() {
    let step = 0.05;
    let line = Array2::from_shape_fn((400, 1), |(i, _)| (i as f64 - 200.0) * step);
    let sum: f64 = log_density(&StandardNormal::new(1), &line).iter().map(|l| l.exp() * step).sum();
    assert_close_number("∫ N(0, 1)", sum, 1.0, Tolerance::round_off::<f64>());
    let circle = Array2::from_shape_fn((8, 1), |(i, _)| i as f64 * TAU / 8.0);
    let sum: f64 = log_density(&UniformTorus::new(1), &circle).iter().map(|l| l.exp() * TAU / 8.0).sum();
    assert_close_number("∫ uniform", sum, 1.0, Tolerance::round_off::<f64>());
}

/// log q₀(z_1, …, z_n) = Σ log q₀(z_i).
#[test]
fn bases_are_products() {
    let mut rng = draw::rng(5);
    let x = draw::points(&mut rng, Domain::Circle, 9, 7);
    let pairs: [[Box<dyn Base<Cpu<f64>>>; 2]; 2] = [
        [Box::new(StandardNormal::new(7)), Box::new(StandardNormal::new(1))],
        [Box::new(UniformTorus::new(7)), Box::new(UniformTorus::new(1))],
    ];
    for [all, one] in pairs {
        let singles =
            |x: &Array2<f64>| log_density(&*one, &x.to_shape((7, 1)).expect("one sample").to_owned()).iter().sum();
        let sums: Vec<f64> = (0..9).map(|b| singles(&x.slice(ndarray::s![b..=b, ..]).to_owned())).collect();
        assert_close(
            "product of one-dimensional densities",
            &log_density(&*all, &x),
            &sums,
            Tolerance::round_off::<f64>(),
        );
    }
}

fn drawn<T: Real>(base: impl Base<Cpu<T>> + 'static, seed: u64, samples: usize) -> Array2<T> {
    BaseRunner::new(&Cpu::here(), &base, &[]).sample(SampleStream::new(seed, 0, 0), 0, samples)
}

/// |mean of `values` − expected| within five standard errors.
#[track_caller]
fn assert_mean(what: &str, values: impl Iterator<Item = f64>, expected: f64) {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
    assert!((mean - expected).abs() <= 5.0 * error, "{what}: {mean} ± {error}, expected {expected}");
}

#[test]
fn normal_draws_have_normal_moments_and_are_independent() {
    let z = drawn::<f64>(StandardNormal::new(3), 1, 100_000);
    for i in 0..3 {
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0)] {
            assert_mean(&format!("⟨z_{i}^{power}⟩"), z.column(i).iter().map(|z| z.powi(power)), expected);
        }
        let other = z.column((i + 1) % 3);
        assert_mean("⟨z_i² z_j²⟩", z.column(i).iter().zip(other).map(|(a, b)| (a * b).powi(2)), 1.0);
        assert_mean("⟨z_i z_j⟩", z.column(i).iter().zip(other).map(|(a, b)| a * b), 0.0);
        let next = z.column(i).into_iter().skip(1);
        assert_mean("⟨z z'⟩ of two samples", z.column(i).iter().zip(next).map(|(a, b)| a * b), 0.0);
    }
}

#[test]
fn torus_draws_are_uniform_and_independent() {
    let z = drawn::<f64>(UniformTorus::new(2), 2, 100_000);
    for n in 1..6 {
        assert_mean("⟨cos n z⟩", z.column(0).iter().map(|z| (f64::from(n) * z).cos()), 0.0);
        assert_mean("⟨sin n z⟩", z.column(1).iter().map(|z| (f64::from(n) * z).sin()), 0.0);
        assert_mean("⟨cos n(z₀ − z₁)⟩", z.rows().into_iter().map(|z| (f64::from(n) * (z[0] - z[1])).cos()), 0.0);
    }
    assert_mean("⟨z⟩", z.iter().copied(), 0.5 * TAU);
    assert_mean("⟨z²⟩", z.iter().map(|z| z * z), TAU * TAU / 3.0);
}

/// `log_density_and_score` refuses batches of another number of rows.
#[test]
fn wrong_rows_are_refused_with_both_numbers() {
    for base in [Box::new(StandardNormal::new(3)) as Box<dyn Base<Cpu<f64>>>, Box::new(UniformTorus::new(3))] {
        let refused =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| log_density(&*base, &Array2::zeros((2, 4)))));
        let message = refused.expect_err("4 rows for 3 degrees of freedom").downcast::<String>().expect("a message");
        assert!(message.contains("rows of z") && message.contains('4') && message.contains('3'), "{message}");
    }
}
