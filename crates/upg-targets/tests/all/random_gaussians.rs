//! Random Gaussians: naive formula, numbers from outside, quadrature, the sampler, inputs that must fail.

use crate::simple::{actions, refused};
use ndarray::{Array2, arr2};
use rand::{RngExt, SeedableRng};
use std::f64::consts::{E, TAU};
use upg_core::{Batch, Cpu, Real, Rng};
use upg_targets::{Exact, ExactSampler, Observables, RandomGaussians};
use upg_testkit::target::Evaluated;

/// The 40 modes of the paper.
fn forty(seed: u64) -> RandomGaussians {
    RandomGaussians::new(40, 2, 40.0, RandomGaussians::SCALE, seed).expect("the paper's")
}

/// N(x; m_k, σ²) for every k.
fn densities(target: &RandomGaussians, scale: f64, x: &[f64]) -> Vec<f64> {
    let density = |k: usize| {
        let square: f64 = x.iter().zip(target.mean(k)).map(|(x, m)| (x - m).powi(2)).sum();
        (-0.5 * square / (scale * scale)).exp() * (TAU * scale * scale).powf(-0.5 * x.len() as f64)
    };
    (0..target.modes()).map(density).collect()
}

#[test]
fn the_action_is_minus_the_logarithm_of_the_definition() {
    let mut rng = Rng::seed_from_u64(91);
    for (modes, dim, samples) in [(1, 1, 1), (3, 2, 131), (40, 2, 64), (7, 6, 65)] {
        let scale = rng.random_range(0.5..2.0);
        let target = RandomGaussians::new(modes, dim, 5.0, scale, rng.random_range(0..99)).expect("valid");
        let x = Array2::from_shape_simple_fn((samples, dim), || f64::from(rng.random_range(-6.0_f32..6.0)));
        let (double, single) = (actions::<f64>(&target, &x), actions::<f32>(&target, &x));
        for (b, x) in x.rows().into_iter().enumerate() {
            let sum: f64 = densities(&target, scale, &x.to_vec()).iter().sum();
            let expected = (modes as f64).ln() - sum.ln();
            assert!((double[b] - expected).abs() < 1e-13 * (1.0 + expected.abs()), "{} for {expected}", double[b]);
            assert_eq!(double[b], single[b], "what f32 holds is computed in f64");
        }
    }
}

/// Worked out in Python with its whole numbers and NumPy, from the definition of the means and of S.
#[test]
fn means_and_actions_are_those_from_outside() {
    let close =
        |got: f64, expected: f64| assert!((got - expected).abs() < 1e-13 * expected.abs(), "{got} for {expected}");
    assert!((RandomGaussians::SCALE - (1.0 + E).ln()).abs() < 1e-15);
    for (seed, first, last, action, moments) in [
        (
            0,
            [-14.033978557487465, -9.420856279066125],
            [11.332339848208886, 15.82122663036305],
            29.464542154270003,
            [-3.0750774035399946, 492.4581206258145, -9.441620313436044, 545.7987660865115],
        ),
        (
            7,
            [-35.571165081733355, -26.23073164415058],
            [-3.552466531220082, -22.106325415045916],
            38.435476899037134,
            [-2.8276903104894626, 615.1977460015587, -3.4824654184507744, 562.793731107773],
        ),
    ] {
        let target = forty(seed);
        assert_eq!((target.mean(0), target.mean(39)), (&first[..], &last[..]));
        close(actions::<f64>(&target, &arr2(&[[3.5, -7.25]]))[0], action);
        for (observable, expected) in Observables::<f64>::observables(&target).iter().zip(moments) {
            close(observable.exact.expect("a number"), expected);
        }
    }
}

#[test]
fn its_sum_over_a_grid_is_one_and_has_the_exact_moments() {
    let (target, step, n) = (forty(3), 0.5, 220);
    let x = Array2::from_shape_fn((n * n, 2), |(k, i)| step * (if i == 0 { k / n } else { k % n }) as f64 - 55.0);
    let p: Vec<f64> = actions::<f64>(&target, &x).into_iter().map(|s| step * step * (-s).exp()).collect();
    let close =
        |got: f64, expected: f64| assert!((got - expected).abs() < 1e-10 * expected.abs(), "{got} for {expected}");
    close(p.iter().sum(), 1.0);
    let mut measured = Batch::default();
    target.measure(&Batch::from_samples(x.view()), &mut measured);
    let means: Vec<f64> =
        (0..measured.rows()).map(|i| measured.row(i).iter().zip(&p).map(|(a, p)| a * p).sum()).collect();
    for observable in Observables::<f64>::observables(&target) {
        close(observable.value(&means), observable.exact.expect("a number"));
    }
    means[4..].iter().for_each(|&share| close(share, 1.0 / 40.0));
    assert_eq!(target.log_z(), Some(0.0));
}

/// Forces are finite and right wherever a sample may be, between modes and far away from all of them.
#[test]
fn far_out_it_is_the_parabola_of_the_nearest_mode() {
    let target = forty(0);
    let x = arr2(&[[1e3_f32, 0.0], [-1e6, 1e6], [0.0, -4e4], [1e15, 1.0]]);
    let Evaluated { action, force } = Evaluated::of(&Cpu::here(), &target, &x);
    for (b, x) in x.rows().into_iter().enumerate() {
        let x = [f64::from(x[0]), f64::from(x[1])];
        let square = |k: usize| target.mean(k).iter().zip(x).map(|(m, x)| (x - m).powi(2)).sum::<f64>();
        let nearest = (0..40).min_by(|&a, &b| square(a).total_cmp(&square(b))).expect("forty modes");
        let variance = RandomGaussians::SCALE.powi(2);
        let expected = 0.5 * square(nearest) / variance + (40.0 * TAU * variance).ln();
        assert!((action[b] / expected - 1.0).abs() < 1e-6, "{} for {expected}", action[b]);
        let size = square(nearest).sqrt() / variance;
        for i in 0..2 {
            let expected = (target.mean(nearest)[i] - x[i]) / variance;
            assert!((f64::from(force[(b, i)]) - expected).abs() < 1e-6 * size, "{} for {expected}", force[(b, i)]);
        }
    }
}

/// Of the samples near mode k there are as many as of any other, and they are normal about m_k.
fn check_sampler<T: Real>(seed: u64) {
    const SAMPLES: usize = 200_000;
    let (scale, target) = (0.5, RandomGaussians::new(5, 3, 40.0, 0.5, 1).expect("valid"));
    let mut x = Batch::<T>::zeros(3, SAMPLES);
    target.sample(&mut Rng::seed_from_u64(seed), &mut x);
    let x = x.to_samples().mapv(Real::wide);
    for k in 0..5 {
        let away = |x: ndarray::ArrayView1<'_, f64>| [0, 1, 2].map(|i| (x[i] - target.mean(k)[i]) / scale);
        let near: Vec<[f64; 3]> = x.rows().into_iter().map(away).filter(|y| y.iter().all(|y| y.abs() < 8.0)).collect();
        let n = near.len() as f64;
        assert!((n / SAMPLES as f64 - 0.2).abs() < 5.0 * (0.16 / SAMPLES as f64).sqrt(), "mode {k}: {n}");
        for i in 0..3 {
            let mean = |f: &dyn Fn(&[f64; 3]) -> f64| near.iter().map(f).sum::<f64>() / n;
            for frequency in [0.5, 1.0, 2.0_f64] {
                let cosine = mean(&|y| (frequency * y[i]).cos());
                assert!((cosine - (-0.5 * frequency * frequency).exp()).abs() < 5.0 / n.sqrt(), "{cosine}");
                assert!(mean(&|y| (frequency * y[i]).sin()).abs() < 5.0 / n.sqrt());
            }
            assert!(mean(&|y| y[i] * y[(i + 1) % 3]).abs() < 5.0 / n.sqrt());
        }
    }
}

#[test]
fn the_sampler_draws_from_the_mixture() {
    check_sampler::<f64>(92);
    check_sampler::<f32>(93);
}

/// A mode that has lost nine tenths of its samples and more is missing.
#[test]
fn modes_without_samples_are_not_found() {
    let target = RandomGaussians::new(4, 2, 100.0, 1.0, 2).expect("valid");
    let found = Observables::<f64>::observables(&target).pop().expect("modes_found");
    let counts = |counts: [usize; 4]| {
        let rows: Vec<f64> = (0..4).flat_map(|k| target.mean(k).repeat(counts[k])).collect();
        let x = Array2::from_shape_vec((counts.iter().sum(), 2), rows).expect("two numbers a sample");
        let mut measured = Batch::default();
        target.measure(&Batch::from_samples(x.view()), &mut measured);
        let mean = |i: usize| measured.row(i).iter().sum::<f64>() / measured.samples() as f64;
        found.value(&(0..measured.rows()).map(mean).collect::<Vec<_>>())
    };
    assert_eq!(found.name, "modes_found");
    assert_eq!([[1, 1, 1, 1], [7, 0, 0, 0], [1, 1, 0, 1], [60, 30, 1, 60]].map(counts), [1.0, 0.25, 0.75, 0.75]);
    assert_eq!(counts([9, 9, 1, 9]), 1.0);
    assert!(found.value(&[f64::NAN; 8]).is_nan());
}

#[test]
fn wrong_parameters_are_refused() {
    let new = RandomGaussians::new;
    for (modes, text) in [(0, "0"), (1001, "1001")] {
        refused(new(modes, 2, 1.0, 1.0, 0), &format!("modes = {text}: accepted is a whole number from 1 to 1000"));
    }
    for (dim, text) in [(0, "0"), (25_001, "25001")] {
        let message = format!("dim = {text}: accepted is at least 1, and at most 10^6 numbers in all means");
        refused(new(40, dim, 1.0, 1.0, 0), &message);
    }
    refused(new(4, 2, f64::NAN, 1.0, 0), "box = NaN: accepted is a number from 1e-6 to 1e6");
    refused(new(4, 2, -1.0, 1.0, 0), "box = -1: accepted is a number from 1e-6 to 1e6");
    refused(new(4, 2, 1.0, 0.0, 0), "scale = 0: accepted is a number from 1e-6 to 1e6");
    refused(new(4, 2, 1.0, f64::INFINITY, 0), "scale = inf: accepted is a number from 1e-6 to 1e6");
}

#[test]
#[should_panic(expected = "rows of x, and dimensions of the mixture")]
fn sampling_into_the_wrong_width_is_a_panic() {
    forty(0).sample(&mut Rng::seed_from_u64(1), &mut Batch::<f32>::zeros(3, 4));
}
