//! Weights and moments: Gaussian pairs, shifts, merging, edge cases.

use super::{Shifted, assert_close, assert_covers, assert_standard, generator, log_normal_density, normal, up_to};
use crate::stats::{DataWeightSums, Moments, WeightSums};
use upg_core::Rng;

fn sums_of(log_w: &[f64]) -> WeightSums {
    let mut sums = WeightSums::default();
    sums.extend(log_w);
    sums
}

fn data_sums_of(log_w: &[f64]) -> DataWeightSums {
    let mut sums = DataWeightSums::default();
    sums.extend(log_w);
    sums
}

/// ESS, log mean, its error, largest share.
fn estimates(sums: &WeightSums) -> [Option<f64>; 4] {
    [sums.ess(), sums.log_mean(), sums.log_mean_error(), sums.largest_share()]
}

#[track_caller]
fn assert_same(a: &WeightSums, b: &WeightSums, shift: f64, tolerance: f64) {
    assert_eq!((a.samples(), a.not_finite()), (b.samples(), b.not_finite()));
    for (k, (a, b)) in estimates(a).into_iter().zip(estimates(b)).enumerate() {
        assert_close(a.unwrap() - if k == 1 { shift } else { 0.0 }, b.unwrap(), tolerance);
    }
}

#[test]
fn shifted_gaussian_has_its_ess_both_ways() {
    // log w is normal of variance s², so by the delta method N var(log ESS) = e^{4s²} − 4 e^{2s²} + 4 e^{s²} − 1, forward 2 e^{s²} + 2 e^{−s²} − 4.
    let mut rng = generator(1);
    for (s, dof, log_z) in [(0.3, 1, -3.0), (0.5, 7, 400.0), (0.65, 3, 0.5)] {
        let pair = Shifted::new(s, dof, log_z, &mut rng);
        let (samples, e) = (60_000, |k: f64| (k * s * s).exp());
        let ess = sums_of(&pair.log_weights_q(samples, &mut rng)).ess().unwrap();
        let forward = data_sums_of(&pair.log_weights_p(samples, &mut rng)).ess().unwrap();
        let error = |variance: f64| (variance / samples as f64).sqrt();
        assert_covers(ess.ln(), error(e(4.0) - 4.0 * e(2.0) + 4.0 * e(1.0) - 1.0), -s * s);
        assert_covers(forward.ln(), error(2.0 * e(1.0) + 2.0 * e(-1.0) - 4.0), -s * s);
    }
}

#[test]
fn log_z_is_covered_as_often_as_its_error_says() {
    let mut rng = generator(2);
    let pair = Shifted::new(0.4, 2, 71.5, &mut rng);
    let (mut pulls, mut data_pulls) = (vec![], vec![]);
    for _ in 0..1500 {
        let sums = sums_of(&pair.log_weights_q(300, &mut rng));
        pulls.push((sums.log_mean().unwrap() - pair.log_z) / sums.log_mean_error().unwrap());
        let sums = data_sums_of(&pair.log_weights_p(300, &mut rng));
        data_pulls.push((sums.log_z().unwrap() - pair.log_z) / sums.log_z_error().unwrap());
    }
    assert_standard(&pulls, 0.02);
    assert_standard(&data_pulls, 0.02);
}

#[test]
fn wide_and_narrow_gaussians_have_their_ess() {
    let mut rng = generator(3);
    for (s, dof) in [(1.4_f64, 3), (0.9, 5)] {
        let exact = ((2.0 * s * s - 1.0).sqrt() / (s * s)).powi(dof);
        let log_weight = |rng: &mut Rng| {
            let x = s * normal(rng);
            log_normal_density(x, 0.0, 1.0) - log_normal_density(x, 0.0, s)
        };
        let (mut ess, mut log_z, mut whole) = (Moments::default(), Moments::default(), WeightSums::default());
        for _ in 0..40 {
            let log_w: Vec<f64> = (0..1000).map(|_| (0..dof).map(|_| log_weight(&mut rng)).sum()).collect();
            let sums = sums_of(&log_w);
            ess.push(sums.ess().unwrap());
            log_z.push(sums.log_mean().unwrap());
            whole.merge(&sums);
        }
        assert_covers(whole.ess().unwrap(), ess.standard_error().unwrap(), exact);
        assert_covers(whole.log_mean().unwrap(), whole.log_mean_error().unwrap(), 0.0);
        let spread = log_z.standard_error().unwrap() / whole.log_mean_error().unwrap();
        assert!((spread - 1.0).abs() < 5.0 / 80_f64.sqrt(), "{spread}");
    }
}

#[test]
fn identity_flow_on_the_mixture() {
    // Per dimension p = ½N(−1, ½) + ½N(1, ½), q = N(0, 1): reverse ESS 0.8314897576.
    let mut rng = generator(4);
    let deviation = 0.5_f64.sqrt();
    let log_weight = |x: f64| {
        let mode = |mean| log_normal_density(x, mean, deviation).exp();
        (0.5 * mode(-1.0) + 0.5 * mode(1.0)).ln() - log_normal_density(x, 0.0, 1.0)
    };
    let (mut ess, mut whole) = (Moments::default(), WeightSums::default());
    for _ in 0..40 {
        let sums = sums_of(&(0..1000).map(|_| log_weight(normal(&mut rng))).collect::<Vec<_>>());
        ess.push(sums.ess().unwrap());
        whole.merge(&sums);
    }
    assert_covers(whole.ess().unwrap(), ess.standard_error().unwrap(), 0.8314897576);
    assert_covers(whole.log_mean().unwrap(), whole.log_mean_error().unwrap(), 0.0);
}

#[test]
fn sums_are_those_of_the_plain_formula() {
    let mut rng = generator(5);
    for samples in [1, 2, 17] {
        let log_w: Vec<f64> = (0..samples).map(|_| 3.0 * normal(&mut rng)).collect();
        let w: Vec<f64> = log_w.iter().map(|log_w| log_w.exp()).collect();
        let mean = |f: fn(f64) -> f64| w.iter().map(|&w| f(w)).sum::<f64>() / f64::from(samples);
        let sums = sums_of(&log_w);
        let ess = mean(|w| w).powi(2) / mean(|w| w * w);
        assert_close(sums.ess().unwrap(), ess, 1e-13);
        assert_close(sums.log_mean().unwrap(), mean(|w| w).ln(), 1e-13);
        let largest = w.iter().fold(0.0_f64, |a, &b| a.max(b));
        assert_close(sums.largest_share().unwrap(), largest / w.iter().sum::<f64>(), 1e-13);
        // The error is that of a mean, over the mean: population variance / N.
        let error =
            (samples > 1).then(|| (mean(|w| w * w) / mean(|w| w).powi(2) - 1.0).sqrt() / f64::from(samples).sqrt());
        assert_eq!(sums.log_mean_error().is_some(), error.is_some());
        assert_close(sums.log_mean_error().unwrap_or(0.0), error.unwrap_or(0.0), 1e-13);
        let data = data_sums_of(&log_w);
        // Of one number nothing can be told: it always is as large as its mean.
        let ess = (samples > 1).then(|| 1.0 / (mean(|w| w) * mean(|w| 1.0 / w)));
        assert_eq!(data.ess().is_some(), ess.is_some());
        assert_close(data.ess().unwrap_or(0.0), ess.unwrap_or(0.0), 1e-13);
        assert_close(data.log_z().unwrap(), -mean(|w| 1.0 / w).ln(), 1e-13);
    }
}

#[test]
fn a_shift_of_all_log_weights_changes_only_log_z() {
    let mut rng = generator(6);
    let log_w: Vec<f64> = (0..501).map(|_| 4.0 * normal(&mut rng)).collect();
    for shift in [1000.0, -1000.0, 1e5, -1e5] {
        let shifted: Vec<f64> = log_w.iter().map(|log_w| log_w + shift).collect();
        let tolerance = 100.0 * f64::EPSILON * shift.abs();
        assert_same(&sums_of(&shifted), &sums_of(&log_w), shift, tolerance);
        let (a, b) = (data_sums_of(&shifted), data_sums_of(&log_w));
        assert_close(a.ess().unwrap(), b.ess().unwrap(), tolerance);
        assert_close(a.log_z().unwrap() - shift, b.log_z().unwrap(), tolerance);
        assert_close(a.log_z_error().unwrap(), b.log_z_error().unwrap(), tolerance);
    }
    let spread = sums_of(&[-1e308, 1e308, -5.0]);
    assert_eq!(estimates(&spread), [Some(1.0 / 3.0), Some(1e308), Some((2.0_f64 / 3.0).sqrt()), Some(1.0)]);
}

/// Sums of `parts`, merged two by two in random order.
fn merged<T>(mut parts: Vec<T>, merge: impl Fn(&mut T, &T), rng: &mut Rng) -> T {
    while parts.len() > 1 {
        let other = parts.swap_remove(up_to(parts.len() - 1, rng));
        let k = up_to(parts.len() - 1, rng);
        merge(&mut parts[k], &other);
    }
    parts.pop().unwrap()
}

/// `values` in random places of 1 to 12 lists; some may be empty.
fn split(values: &[f64], rng: &mut Rng) -> Vec<Vec<f64>> {
    let mut parts = vec![vec![]; 1 + up_to(11, rng)];
    let last = parts.len() - 1;
    values.iter().for_each(|&value| parts[up_to(last, rng)].push(value));
    parts
}

#[test]
fn any_split_merges_to_the_whole() {
    let mut rng = generator(7);
    for round in 0..60 {
        let mut log_w: Vec<f64> = (0..1 + up_to(200, &mut rng)).map(|_| 30.0 * normal(&mut rng) - 700.0).collect();
        let data: Vec<DataWeightSums> = split(&log_w, &mut rng).iter().map(|part| data_sums_of(part)).collect();
        let (data, whole) = (merged(data, DataWeightSums::merge, &mut rng), data_sums_of(&log_w));
        assert_eq!(data.samples(), whole.samples());
        assert_close(data.ess().unwrap(), whole.ess().unwrap(), 1e-12);
        assert_close(data.log_z().unwrap(), whole.log_z().unwrap(), 1e-12);

        log_w.extend(vec![f64::NEG_INFINITY; 1 + round]);
        let parts: Vec<WeightSums> = split(&log_w, &mut rng).iter().map(|part| sums_of(part)).collect();
        assert_same(&merged(parts, WeightSums::merge, &mut rng), &sums_of(&log_w), 0.0, 1e-12);

        let moments = |values: &Vec<f64>| {
            let mut moments = Moments::default();
            moments.extend(values);
            moments
        };
        let values: Vec<f64> = (0..2 + round).map(|_| 50.0 + normal(&mut rng)).collect();
        let parts = split(&values, &mut rng).iter().map(moments).collect();
        let (parts, whole) = (merged(parts, Moments::merge, &mut rng), moments(&values));
        assert_eq!(parts.count(), whole.count());
        assert_close(parts.mean().unwrap(), whole.mean().unwrap(), 1e-12);
        assert_close(parts.standard_error().unwrap(), whole.standard_error().unwrap(), 1e-12);
    }
}

#[test]
fn moments_are_those_of_the_plain_formula() {
    let mut rng = generator(8);
    let x: Vec<f64> = (0..101).map(|_| 1e6 + normal(&mut rng)).collect();
    let mut moments = Moments::default();
    moments.extend(&x);
    let mean = x.iter().sum::<f64>() / 101.0;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 100.0;
    assert_close(moments.mean().unwrap(), mean, 1e-13);
    assert_close(moments.variance().unwrap(), variance, 1e-8);
    assert_close(moments.standard_error().unwrap(), (variance / 101.0).sqrt(), 1e-8);
}

#[test]
fn what_cannot_be_estimated_is_none() {
    const ZERO: f64 = f64::NEG_INFINITY;
    for log_w in [&[][..], &[ZERO], &[ZERO, ZERO], &[0.0, f64::NAN], &[f64::INFINITY, 1.0]] {
        assert_eq!(estimates(&sums_of(log_w)), [None; 4], "{log_w:?}");
        let data = data_sums_of(log_w);
        assert_eq!([data.ess(), data.log_z(), data.log_z_error()], [None; 3], "{log_w:?}");
    }
    assert_eq!(sums_of(&[0.0, f64::NAN, f64::INFINITY, ZERO]).not_finite(), 2);
    // A weight of zero counts as a sample of q, but there is no 1/w in the data.
    assert_eq!(estimates(&sums_of(&[3.0, ZERO])), [Some(0.5), Some(3.0 - 2_f64.ln()), Some(0.5_f64.sqrt()), Some(1.0)]);
    assert_eq!(data_sums_of(&[3.0, ZERO]).log_z(), None);
    assert_eq!(data_sums_of(&[3.0]).log_z(), Some(3.0));
    assert_eq!(estimates(&sums_of(&[5.0])), [Some(1.0), Some(5.0), None, Some(1.0)]);

    let mut moments = Moments::default();
    assert_eq!(moments.mean(), None);
    moments.push(2.0);
    assert_eq!((moments.mean(), moments.variance(), moments.standard_error()), (Some(2.0), None, None));
    moments.extend(&[4.0, f64::NAN]);
    assert_eq!((moments.count(), moments.mean(), moments.variance()), (3, None, None));
}

#[cfg(feature = "serde")]
#[test]
fn sums_survive_a_file() {
    for log_w in [&[][..], &[f64::NEG_INFINITY], &[-0.25, 1e5, f64::NAN]] {
        let sums = data_sums_of(log_w);
        let text = serde_json::to_string(&sums).unwrap();
        assert_eq!(serde_json::from_str::<DataWeightSums>(&text).unwrap(), sums, "{text}");
    }
}
