//! Draws from a base: what they depend on, and how they are distributed.

use super::{Trial, flat};
use crate::{
    domain::Domain,
    runner::BaseRunner,
    tolerance::{Tolerance, assert_close, assert_same_bits},
};
use ndarray::{Array2, s};
use upg_core::{Real, SampleStream};

pub(super) fn check(trial: &mut Trial) {
    let stream = SampleStream::new(trial.round, 5, 1);
    check_cuts(trial, &mut trial.runner(), stream);
    check_cuts(trial, &mut trial.single_runner(), stream);
    let (z, narrow) = (trial.runner().sample(stream, 2, 57), trial.single_runner().sample(stream, 2, 57));
    let what = trial.label("draws in f32 and f64", 57);
    let near = trial.domain.all_near(&narrow, &z);
    assert_close(&what, flat(&near), flat(&z), Tolerance::round_off::<f32>());
    check_distribution(trial);
}

/// Which samples are drawn together makes no difference to the bit.
fn check_cuts<T: Real>(trial: &Trial, runner: &mut BaseRunner<'_, T>, stream: SampleStream) {
    let all = runner.sample(stream, 5, 101);
    for (first, samples) in [(0, 1), (17, 1), (3, 64), (64, 37), (100, 1)] {
        let part = runner.sample(stream, 5 + first as u64, samples);
        let expected = all.slice(s![first..first + samples, ..]).to_owned();
        assert_same_bits(&trial.label("draws by themselves", samples), flat(&part), flat(&expected));
    }
    let other = runner.sample(SampleStream::new(trial.round, 5, 2), 5, 101);
    assert_ne!(all, other, "{}", trial.label("draws of another stream", 101));
}

/// Most deviations of a mean from its expectation, in standard errors.
const DEVIATIONS: f64 = 5.0;

/// ⟨s_i⟩ = 0 and ⟨z_i s_j⟩ = −δ_ij within five standard errors. On the circle ⟨sin(z_i) s_j⟩ = −δ_ij ⟨cos z_i⟩.
fn check_distribution(trial: &Trial) {
    let mut runner = trial.runner();
    let z = runner.sample(SampleStream::new(trial.round, 6, 0), 0, 20_000);
    let score = runner.log_density_and_score(&z).1;
    let [value, slope]: [fn(f64) -> f64; 2] = match trial.domain {
        Domain::Line => [|z| z, |_| 1.0],
        Domain::Circle => [f64::sin, f64::cos],
    };
    for j in 0..z.ncols() {
        assert_zero(trial, &format!("⟨s_{j}⟩"), score.column(j).iter().copied());
        for i in 0..z.ncols() {
            let own = f64::from(u8::from(i == j));
            let terms = z.column(i).into_iter().zip(score.column(j)).map(|(&z, s)| value(z) * s + own * slope(z));
            assert_zero(trial, &format!("⟨z_{i} s_{j}⟩ + δ"), terms);
        }
    }
    assert_in_domain(trial, &z);
}

#[track_caller]
fn assert_zero(trial: &Trial, what: &str, values: impl Iterator<Item = f64>) {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
    let what = trial.label(what, values.len());
    assert!(mean.abs() <= DEVIATIONS * error + f64::EPSILON, "{what}: {mean} ± {error}, expected 0");
}

#[track_caller]
fn assert_in_domain(trial: &Trial, z: &Array2<f64>) {
    let outside = z.iter().find(|&&z| !trial.domain.contains(z));
    assert!(outside.is_none(), "{}: {outside:?}", trial.label("draws outside of the domain", z.nrows()));
}
