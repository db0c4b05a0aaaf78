//! Moments, distributions and correlations of what is drawn, at fixed seeds.
//!
//! Every z-score is held below 5. There are some 700 of them, so that right code would fail for 1 in 2500 choices of the seeds; the
//! distances of Kolmogorov and Smirnov are held below what right code exceeds for 1 choice in 10⁵.

use std::f64::consts::TAU;
use upg_core::{Batch, SampleStream};

/// Samples of every test.
const SAMPLES: usize = 1_000_000;

/// What a correlation is sought in, as series of mean 0 and variance 1.
fn series(normals: &Batch<f64>, angles: &Batch<f64>, row: usize) -> [Vec<f64>; 4] {
    let of = |batch: &Batch<f64>, f: fn(f64) -> f64| batch.row(row).iter().map(|&x| f(x)).collect();
    let uniform = |x: f64| (x / TAU - 0.5) * 12_f64.sqrt();
    [
        of(normals, |z| z),
        of(normals, |z| (z * z - 1.0) / 2_f64.sqrt()),
        of(angles, uniform),
        of(angles, |x| 2_f64.sqrt() * x.cos()),
    ]
}

fn drawn(stream: SampleStream, first: u64, dof: usize, samples: usize) -> [Batch<f64>; 2] {
    let [mut normals, mut angles] = [0, 1].map(|_| Batch::zeros(dof, samples));
    stream.fill_normals(first, &mut normals);
    stream.fill_uniform_angles(first, &mut angles);
    [normals, angles]
}

/// |Σ a b|/√N for two series of mean 0 and variance 1, at most 5 if they are independent.
#[track_caller]
fn assert_uncorrelated(what: &str, a: &[f64], b: &[f64]) {
    let score = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (a.len() as f64).sqrt();
    assert!(score.abs() < 5.0, "{what}: z-score {score} of a correlation");
}

/// |mean − expected| in standard errors is at most 5.
#[track_caller]
fn assert_mean(what: &str, values: impl Iterator<Item = f64> + Clone, expected: f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let error = (values.map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
    assert!((mean - expected).abs() < 5.0 * error, "{what}: {mean} ± {error}, expected {expected}");
}

/// √N times the largest distance between the distribution function of `values` and `exact`: above 2.47 with probability 10⁻⁵.
fn assert_distribution(what: &str, values: &[f64], exact: fn(f64) -> f64) {
    let n = values.len() as f64;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let distance = sorted.iter().enumerate().map(|(i, &x)| {
        let (below, at) = (i as f64 / n, exact(x));
        (at - below).abs().max((at - below - 1.0 / n).abs())
    });
    let statistic = distance.fold(0.0, f64::max) * n.sqrt();
    assert!(statistic < 2.47, "{what}: {statistic}");
}

/// The distribution function of N(0, 1): ½ + φ(x) Σ x^{2k+1}/(2k+1)!!.
fn normal_distribution(x: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (x, 0.0_f64, 1.0);
    while (sum + term).abs() > sum.abs() {
        sum += term;
        odd += 2.0;
        term *= x * x / odd;
    }
    0.5 + (-0.5 * x * x).exp() / TAU.sqrt() * sum
}

#[test]
fn normal_distribution_from_outside() {
    for (x, expected) in
        [(1.0, 0.841_344_746_068_543), (-2.0, 0.022_750_131_948_179), (0.0, 0.5), (4.5, 0.999_996_602_326_875)]
    {
        assert!((normal_distribution(x) - expected).abs() < 1e-14, "Φ({x}) = {}", normal_distribution(x));
    }
}

#[test]
fn normals_have_the_normal_distribution() {
    let [z, _] = drawn(SampleStream::new(11, 0, 0), 0, 3, SAMPLES);
    for row in 0..3 {
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (5, 0.0), (6, 15.0)] {
            assert_mean(&format!("⟨z_{row}^{power}⟩"), z.row(row).iter().map(|z| z.powi(power)), expected);
        }
        assert_distribution(&format!("z_{row}"), z.row(row), normal_distribution);
        for beyond in [3.0, 4.0] {
            let tail = 2.0 * normal_distribution(-beyond);
            assert_mean("in the tails", z.row(row).iter().map(|z| f64::from(z.abs() > beyond)), tail);
        }
    }
}

#[test]
fn angles_are_uniform() {
    let [_, x] = drawn(SampleStream::new(12, 0, 0), 0, 3, SAMPLES);
    for row in 0..3 {
        assert_distribution(&format!("x_{row}"), x.row(row), |x| x / TAU);
        for n in 1..7 {
            assert_mean("⟨cos n x⟩", x.row(row).iter().map(|x| (f64::from(n) * x).cos()), 0.0);
            assert_mean("⟨sin n x⟩", x.row(row).iter().map(|x| (f64::from(n) * x).sin()), 0.0);
        }
    }
}

/// Samples n and n + lag of one stream.
#[test]
fn neighbouring_samples_are_uncorrelated() {
    let [normals, angles] = drawn(SampleStream::new(13, 0, 0), 0, 3, SAMPLES);
    for row in 0..3 {
        for (which, series) in series(&normals, &angles, row).into_iter().enumerate() {
            for lag in 1..=8 {
                assert_uncorrelated(&format!("series {which} of row {row}, lag {lag}"), &series, &series[lag..]);
            }
        }
    }
}

/// Sample n of two streams whose step, purpose or seed differ by a lag.
#[test]
fn neighbouring_streams_are_uncorrelated() {
    let streams: [fn(u64) -> SampleStream; 3] = [
        |lag| SampleStream::new(14, 3, 20 + lag),
        |lag| SampleStream::new(14, 3 + lag, 20),
        |lag| SampleStream::new(14 + lag, 3, 20),
    ];
    for (which, stream) in streams.into_iter().enumerate() {
        let series_at = |lag| {
            let [normals, angles] = drawn(stream(lag), 0, 1, SAMPLES);
            series(&normals, &angles, 0)
        };
        let start = series_at(0);
        for lag in 1..=8 {
            for (kind, (a, b)) in start.iter().zip(series_at(lag)).enumerate() {
                assert_uncorrelated(&format!("argument {which}, series {kind}, lag {lag}"), a, &b);
            }
        }
    }
}

/// Degrees of freedom i and i + lag of a sample, cosine and sine of one pair among them.
#[test]
fn degrees_of_freedom_are_uncorrelated() {
    let [normals, angles] = drawn(SampleStream::new(15, 0, 0), 0, 12, SAMPLES / 5);
    let all: Vec<_> = (0..12).map(|row| series(&normals, &angles, row)).collect();
    for (row, a) in all.iter().enumerate() {
        for (other, b) in all.iter().enumerate().skip(row + 1).take(8) {
            for (kind, (a, b)) in a.iter().zip(b).enumerate() {
                assert_uncorrelated(&format!("rows {row} and {other}, series {kind}"), a, b);
            }
        }
    }
}

/// Every bit of the words is fair, and independent of itself in the next sample and in the next word.
#[test]
fn bits_are_fair() {
    let mut words = vec![0; 2 * SAMPLES];
    SampleStream::new(16, 0, 0).fill_words(0, 0..2, &mut words);
    let (first, second) = words.split_at(SAMPLES);
    let score = |ones: usize, of: usize| (ones as f64 - 0.5 * of as f64) / (0.25 * of as f64).sqrt();
    for bit in 0..64 {
        let is_set = |word: u64| word >> bit & 1 == 1;
        let fair = score(first.iter().filter(|&&w| is_set(w)).count(), SAMPLES);
        let next_sample = score(first.windows(2).filter(|w| is_set(w[0] ^ w[1])).count(), SAMPLES - 1);
        let next_word = score(first.iter().zip(second).filter(|(a, b)| is_set(*a ^ *b)).count(), SAMPLES);
        assert!(
            [fair, next_sample, next_word].iter().all(|z| z.abs() < 5.0),
            "bit {bit}: {fair} {next_sample} {next_word}"
        );
    }
}
