//! The Γ method: autoregressive series, the formulas written out, edge cases.

use super::{assert_close, assert_covers, assert_standard, generator, normal};
use crate::stats::{autocorrelation, autocorrelation_of_replicas};
use upg_core::Rng;

/// x_{i+1} = a x_i + √(1 − a²) η, stationary, of variance 1; ρ(t) = a^t, τ_int = ½ (1 + a)/(1 − a).
fn autoregressive(a: f64, length: usize, rng: &mut Rng) -> Vec<f64> {
    let noise = (1.0 - a * a).sqrt();
    let mut x = normal(rng);
    (0..length)
        .map(|_| {
            x = a * x + noise * normal(rng);
            x
        })
        .collect()
}

#[test]
fn autoregressive_series_have_their_time() {
    let mut rng = generator(1);
    for (a, length) in [(0.0, 20_001), (0.5, 30_000), (0.9, 65_536), (0.98, 100_003), (-0.1, 20_000)] {
        let found = autocorrelation(&autoregressive(a, length, &mut rng)).unwrap();
        let exact = 0.5 * (1.0 + a) / (1.0 - a);
        assert_covers(found.tau, found.tau_error, exact);
        assert!(found.tau_error < 0.25 * exact, "{a}: {} ± {}", found.tau, found.tau_error);
        assert_covers(found.mean, found.mean_error, 0.0);
        assert_close(found.mean_error, (2.0 * found.tau * found.variance / length as f64).sqrt(), 1e-12);
        assert_covers(found.variance, (2.0 * (1.0 + a * a) / (1.0 - a * a) / length as f64).sqrt(), 1.0);
        assert_eq!((found.rho[0], found.rho.len()), (1.0, 1 + (2 * found.window).max(20)));
        // Bartlett: var ρ(t) ≤ (1 + 2 Σ ρ²)/N.
        let error = (2.0 * (1.0 + a * a) / (1.0 - a * a) / length as f64).sqrt();
        found.rho.iter().enumerate().skip(1).for_each(|(t, &rho)| assert_covers(rho, error, a.powi(t as i32)));
    }
}

#[test]
fn errors_are_the_spread_of_repetitions() {
    let mut rng = generator(2);
    let a = 0.7;
    let exact = 0.5 * (1.0 + a) / (1.0 - a);
    let (mut means, mut taus) = (vec![], vec![]);
    for _ in 0..300 {
        let found = autocorrelation(&autoregressive(a, 4000, &mut rng)).unwrap();
        means.push(found.mean / found.mean_error);
        taus.push((found.tau - exact) / found.tau_error);
    }
    assert_standard(&means, 0.03);
    assert_standard(&taus, 0.1); // the cut-off tail, a fraction of the error by construction
}

/// Series far shorter than their time tell it together; one alone is the series itself.
#[test]
fn replicas_share_their_mean_and_their_time() {
    let mut rng = generator(8);
    let a: f64 = 0.8;
    let series: Vec<_> = (0..400).map(|_| autoregressive(a, 150, &mut rng)).collect();
    let replicas: Vec<&[f64]> = series.iter().map(|series| &series[..]).collect();
    let found = autocorrelation_of_replicas(&replicas).unwrap();
    assert_covers(found.tau, found.tau_error, 4.5);
    assert_covers(found.mean, found.mean_error, 0.0);
    assert!(found.tau_error < 0.5 && found.mean_error < 0.02, "{found:?}");
    assert_eq!(autocorrelation_of_replicas(&replicas[..1]), autocorrelation(replicas[0]));
    // Chains that never move, each somewhere else, remember as long as they were watched.
    let still: Vec<[f64; 100]> = (0..30).map(|i| [f64::from(i).sin(); 100]).collect();
    let still: Vec<&[f64]> = still.iter().map(|series| &series[..]).collect();
    assert!(autocorrelation_of_replicas(&still).unwrap().tau > 20.0);
    assert_eq!((autocorrelation_of_replicas(&[]), autocorrelation_of_replicas(&[&[], &[]])), (None, None));
}

#[test]
fn white_noise_has_one_half() {
    let mut rng = generator(3);
    let pulls: Vec<f64> = (0..200)
        .map(|_| {
            let found = autocorrelation(&autoregressive(0.0, 1000, &mut rng)).unwrap();
            assert!(found.window < 10, "{}", found.window);
            (found.tau - 0.5) * (1000_f64 / found.window as f64).sqrt()
        })
        .collect();
    assert_standard(&pulls, 0.05); // τ − ½ is a sum of W numbers of variance 1/N
}

/// The method as the paper writes it: Γ by its sum, S/τ̂ = log((2τ + 1)/(2τ − 1)), the first W with g(W) < 0; τ and C.
fn naive(series: &[f64]) -> (usize, f64, f64, Vec<f64>) {
    let count = series.len();
    let n = count as f64;
    let mean = series.iter().sum::<f64>() / n;
    let lag = |t: usize| {
        (0..count - t).map(|i| (series[i] - mean) * (series[i + t] - mean)).sum::<f64>() / (count - t) as f64
    };
    let gamma: Vec<f64> = (0..=count / 2).map(lag).collect();
    let c = |window: usize| gamma[0] + 2.0 * gamma[1..=window].iter().sum::<f64>();
    let stops = |&window: &usize| {
        let tau = c(window) / (2.0 * gamma[0]);
        let decay = if tau <= 0.5 { 1e-9 } else { 1.5 / ((2.0 * tau + 1.0) / (2.0 * tau - 1.0)).ln() };
        let w = window as f64;
        (-w / decay).exp() - decay / (w * n).sqrt() < 0.0
    };
    let window = (1..=count / 2).find(stops).unwrap();
    let corrected: Vec<f64> = gamma.iter().map(|g| g + c(window) / n).collect();
    let c = corrected[0] + 2.0 * corrected[1..=window].iter().sum::<f64>();
    (window, c / (2.0 * corrected[0]), c, corrected.iter().map(|g| g / corrected[0]).collect())
}

#[test]
fn all_is_as_the_paper_writes_it() {
    let mut rng = generator(4);
    for (a, length) in [(0.3, 10), (0.8, 11), (0.0, 64), (0.5, 127), (0.9, 513), (0.995, 1000), (0.8, 1023)] {
        let mut series = autoregressive(a, length, &mut rng);
        series.iter_mut().for_each(|x| *x = 30.0 - 5.0 * *x);
        let (window, tau, c, rho) = naive(&series);
        let Some(found) = autocorrelation(&series) else {
            assert!(c <= 0.0 && length < 20, "{a}, {length}: {c}");
            continue;
        };
        assert_eq!(found.window, window, "{a}, {length}");
        assert_close(found.tau, tau, 1e-11);
        assert_close(found.mean_error, (c / length as f64).sqrt(), 1e-11);
        let error = 2.0 * tau * ((window as f64 + 0.5 - tau).max(0.0) / length as f64).sqrt();
        assert_close(found.tau_error, error, 1e-11);
        assert_eq!(found.rho.len(), 1 + (2 * window).max(20).min(length / 2));
        found.rho.iter().zip(&rho).for_each(|(&found, &rho)| assert_close(found, rho, 1e-11));
    }
}

#[test]
fn a_chain_that_moves_once_has_a_window_all_the_same() {
    // As slow as a series can be: the window ends before N/e², τ_int is of the order of N.
    let series: Vec<f64> = (0..6000).map(|i| if i < 2000 { 1.0 } else { 2.0 }).collect();
    let found = autocorrelation(&series).unwrap();
    assert!((400..=813).contains(&found.window) && found.tau > 300.0, "{} {}", found.window, found.tau);
    assert_eq!(found.rho.len(), 1001);
}

#[test]
fn what_cannot_be_estimated_is_none() {
    let good: Vec<f64> = (0..10).map(f64::from).collect();
    assert!(autocorrelation(&good).is_some());
    assert_eq!(autocorrelation(&good[1..]), None);
    assert_eq!(autocorrelation(&[]), None);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for place in [0, 7] {
            let mut series = good.clone();
            series[place] = bad;
            assert_eq!(autocorrelation(&series), None);
        }
    }
    assert_eq!(autocorrelation(&[f64::INFINITY; 20]), None);
    assert_eq!(autocorrelation(&[0.1; 1000]), None); // whose mean is not 0.1 to the last bit
    let alternating: Vec<f64> = (0..1000).map(|i| f64::from(i % 2)).collect();
    assert_eq!(autocorrelation(&alternating), None);
}
