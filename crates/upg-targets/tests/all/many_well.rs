//! Many wells: naive formula, numbers from outside, the sampler against its distribution function, inputs that must fail.

use crate::simple::{actions, refused};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use std::f64::consts::TAU;
use upg_core::{Batch, Real, Rng};
use upg_targets::{Exact, ExactSampler, ManyWell};

#[test]
fn the_action_is_that_of_the_definition() {
    let mut rng = Rng::seed_from_u64(41);
    for (dim, samples) in [(2, 1), (2, 131), (6, 64), (32, 7)] {
        let target = ManyWell::new(dim).expect("an even number");
        let x = Array2::from_shape_simple_fn((samples, dim), || f64::from(rng.random_range(-4.0_f32..4.0)));
        let (double, single) = (actions::<f64>(&target, &x), actions::<f32>(&target, &x));
        for (b, x) in x.rows().into_iter().enumerate() {
            let pair = |j: usize| {
                let (x, y) = (x[2 * j], x[2 * j + 1]);
                -0.5 * x - 6.0 * x.powi(2) + x.powi(4) + 0.5 * y.powi(2)
            };
            let (expected, size): (f64, f64) = ((0..dim / 2).map(pair).sum(), 350.0 * dim as f64);
            assert!((double[b] - expected).abs() < 1e-15 * size, "{} for {expected}", double[b]);
            assert!((single[b] - expected).abs() < 1e-7 * size, "{} for {expected}", single[b]);
        }
    }
}

/// By NumPy, a trapezoidal sum of step 1/256 over [−6, 6]; log Z of 32 dimensions is that of arXiv:2208.01893's own code.
#[test]
fn exact_values_are_those_from_outside() {
    let target = ManyWell::new(32).expect("an even number");
    let close = |got: f64, expected: f64, error: f64| assert!((got - expected).abs() < error, "{got} for {expected}");
    close(target.log_z().expect("a number"), 164.695_675_313_181_88, 2e-12);
    let well = target.well();
    close(well.log_z, 9.374_541_173_869_195, 1e-13);
    close(well.x, 1.187_960_983_376_146_4, 1e-13);
    close(well.x2, 2.959_806_090_488_936_3, 1e-13);
    close(well.right, 0.844_307_096_211_139_2, 1e-13);
}

/// The distribution function of x at its nodes, by a trapezoidal sum of the target's own action.
struct Distribution {
    step: f64,
    below: Vec<f64>,
}

impl Distribution {
    fn new() -> Self {
        let step = 1.0 / 1024.0;
        let x = Array2::from_shape_fn((8193, 2), |(k, i)| if i == 0 { step * k as f64 - 4.0 } else { 0.0 });
        let density = actions::<f64>(&ManyWell::new(2).expect("an even number"), &x).into_iter().map(|s| (-s).exp());
        let mut below: Vec<f64> =
            density.scan(0.0, |sum, p| Some(std::mem::replace(sum, *sum + p) + 0.5 * p)).collect();
        let all = below[8192];
        below.iter_mut().for_each(|p| *p /= all);
        Self { step, below }
    }

    fn at(&self, x: f64) -> f64 {
        let place = ((x + 4.0) / self.step).clamp(0.0, 8191.0);
        let (k, rest) = (place as usize, place.fract());
        self.below[k] + rest * (self.below[k + 1] - self.below[k])
    }
}

/// F(x) is uniform: the largest distance from its empirical distribution, by Kolmogorov; neighbours and pairs are independent.
fn check_sampler<T: Real>(seed: u64) {
    const SAMPLES: usize = 1_000_000;
    let mut x = Batch::<T>::zeros(4, SAMPLES);
    ManyWell::new(4).expect("an even number").sample(&mut Rng::seed_from_u64(seed), &mut x);
    let distribution = Distribution::new();
    let root = (SAMPLES as f64).sqrt();
    let uniform = |i: usize| -> Vec<f64> { x.row(i).iter().map(|x| distribution.at(x.wide())).collect() };
    let (first, second) = (uniform(0), uniform(2));
    for values in [&first, &second] {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let distance = |(k, u): (usize, &f64)| (u - (k as f64 + 0.5) / SAMPLES as f64).abs();
        let largest = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
        assert!(largest * root < 2.2, "Kolmogorov's {}: above with a probability of 1e-4", largest * root);
    }
    let covariance =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - 0.5) * (b - 0.5)).sum::<f64>() * 12.0 / root;
    assert!(covariance(&first, &second).abs() < 5.0 && covariance(&first, &first[1..]).abs() < 5.0);
    let y = |k: f64| x.row(1).iter().map(|y| (k * y.wide()).cos()).sum::<f64>() / SAMPLES as f64;
    for k in [0.5, 1.0, 2.0] {
        assert!((y(k) - (-0.5 * k * k).exp()).abs() < 5.0 / root, "k = {k}");
    }
}

#[test]
fn the_sampler_draws_from_the_wells() {
    check_sampler::<f64>(42);
    check_sampler::<f32>(43);
}

#[test]
fn one_pair_has_the_normalisation_of_its_factors() {
    let target = ManyWell::new(2).expect("an even number");
    assert_eq!(target.log_z(), Some(target.well().log_z + 0.5 * TAU.ln()));
}

#[test]
fn odd_numbers_and_none_are_refused() {
    refused(ManyWell::new(0), "dim = 0: accepted is an even number, at least 2");
    refused(ManyWell::new(7), "dim = 7: accepted is an even number, at least 2");
}

#[test]
#[should_panic(expected = "rows of x, and dimensions of the wells")]
fn sampling_into_the_wrong_width_is_a_panic() {
    ManyWell::new(4).expect("an even number").sample(&mut Rng::seed_from_u64(1), &mut Batch::<f32>::zeros(2, 4));
}
