//! The independence chain: exact acceptance, exact means, counting.

use super::{Shifted, assert_close, assert_covers, erfc, generator, normal, up_to};
use crate::stats::metropolis::ChainVariance;
use crate::stats::{Blocks, Deal, IndependenceChain, Moments, Move, autocorrelation, independence_chain};

const ZERO: f64 = f64::NEG_INFINITY;

#[test]
fn stationary_acceptance_of_a_shifted_gaussian() {
    let mut rng = generator(1);
    for (s, dof) in [(0.3, 1), (1.0, 3), (1.5, 2)] {
        let pair = Shifted::new(s, dof, 1e4, &mut rng);
        let mut acceptance = Moments::default();
        for _ in 0..40 {
            let mut chain = IndependenceChain::default();
            chain.offer(pair.log_weights_p(1, &mut rng)[0], &mut rng); // a sample of p: stationary from the start
            for log_weight in pair.log_weights_q(1000, &mut rng) {
                chain.offer(log_weight, &mut rng);
            }
            acceptance.push(chain.acceptance().unwrap());
        }
        assert_covers(acceptance.mean().unwrap(), acceptance.standard_error().unwrap(), erfc(s / 2.0));
    }
}

#[test]
fn chain_and_reweighting_agree_with_the_target() {
    // ⟨x_0⟩ = a_0, ⟨x_0²⟩ = 1 + a_0².
    let mut rng = generator(2);
    let pair = Shifted::new(0.5, 3, -50.0, &mut rng);
    let a = pair.a[0];
    let samples: Vec<Vec<f64>> = (0..40_000).map(|_| pair.draw_q(&mut rng)).collect();
    let log_weights: Vec<f64> = samples.iter().map(|x| pair.log_weight(x)).collect();
    let (states, acceptance) = independence_chain(&log_weights, &mut rng);
    assert_eq!(states.len(), samples.len());
    for (power, exact) in [(1, a), (2, 1.0 + a * a)] {
        let series: Vec<f64> = states.iter().map(|&i| samples[i][0].powi(power)).collect();
        let found = autocorrelation(&series).unwrap();
        assert_covers(found.mean, found.mean_error, exact);
        let mut chain = Blocks::new(Deal::Contiguous { blocks: 200, total: states.len() as u64 }, 1);
        series.iter().for_each(|&x| chain.push(0.0, &[x]));
        let jackknife = chain.estimate(&|mean| mean[0]).unwrap();
        assert_covers(jackknife.value, jackknife.error, exact);
        assert!((jackknife.error / found.mean_error - 1.0).abs() < 5.0 / 400_f64.sqrt(), "{}", jackknife.error);
        let mut weighted = Blocks::new(Deal::RoundRobin { blocks: 100 }, 1);
        samples.iter().zip(&log_weights).for_each(|(x, &log_w)| weighted.push(log_w, &[x[0].powi(power)]));
        let reweighted = weighted.estimate(&|mean| mean[0]).unwrap();
        assert_covers(reweighted.value, reweighted.error, exact);
    }
    let moves = states.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_close(acceptance.unwrap(), moves as f64 / 39_999.0, 1e-15);
}

#[test]
fn visits_go_by_the_weights() {
    // Three kinds of proposals, equally frequent, with weights 0, 1, 3: p of the kinds is 0, ¼, ¾, and ¼ → ¾ is always accepted.
    let mut rng = generator(3);
    let log_weights: Vec<f64> = (0..30_000).map(|_| [ZERO, 700.0, 700.0 + 3_f64.ln()][up_to(2, &mut rng)]).collect();
    let (states, acceptance) = independence_chain(&log_weights, &mut rng);
    assert_eq!(states[0], log_weights.iter().position(|log_w| log_w.is_finite()).unwrap());
    let heavy: Vec<f64> = states.iter().map(|&i| f64::from(log_weights[i] > 700.5)).collect();
    let found = autocorrelation(&heavy).unwrap();
    assert_covers(found.mean, found.mean_error, 0.75);
    // Light → heavy with ⅓, heavy → light with ⅓·⅓, hence ρ(t) = (1 − ⅓ − 1/9)^t.
    assert_covers(found.tau, found.tau_error, 1.75);
    // ¼ (⅓ + ⅓) + ¾ (⅓·⅓ + ⅓)
    assert!((acceptance.unwrap() - 0.5).abs() < 5.0 * (0.25_f64 / 30_000.0).sqrt() * 2.0, "{acceptance:?}");
}

#[test]
fn the_start_and_what_is_before_it_are_not_counted() {
    let mut rng = generator(4);
    let untouched = rng.clone();
    let mut chain = IndependenceChain::default();
    for bad in [ZERO, f64::NAN, f64::INFINITY] {
        assert_eq!(chain.offer(bad, &mut rng), Move::Rejected);
    }
    assert_eq!((chain.state(), chain.acceptance()), (None, None));
    assert_eq!(chain.offer(-1e5, &mut rng), Move::Accepted);
    assert_eq!((chain.state(), chain.offered(), chain.acceptance()), (Some(-1e5), 0, None));
    assert_eq!(rng, untouched);
    for bad in [ZERO, f64::NAN, f64::INFINITY] {
        assert_eq!(chain.offer(bad, &mut rng), Move::Rejected);
    }
    assert_eq!(chain.offer(1e5, &mut rng), Move::Accepted);
    assert_eq!((chain.state(), chain.offered(), chain.accepted()), (Some(1e5), 4, 1));
    assert_eq!(chain.acceptance(), Some(0.25));
    assert_eq!(chain.offer(1e5, &mut rng), Move::Accepted); // a tie

    assert_eq!(independence_chain(&[], &mut rng), (vec![], None));
    assert_eq!(independence_chain(&[ZERO, f64::NAN], &mut rng), (vec![], None));
    assert_eq!(independence_chain(&[ZERO, 2.0], &mut rng), (vec![1], None));
    assert_eq!(independence_chain(&[ZERO, 2.0, ZERO, 1e4, 0.0], &mut rng), (vec![1, 1, 3, 3], Some(1.0 / 3.0)));
}

/// The kernel of the chain written out, and Σ_t cov(f_0, f_t) by its powers.
fn variance_by_powers(weights: &[f64], f: &[f64]) -> f64 {
    let count = weights.len();
    let mut kernel = vec![vec![0.0; count]; count];
    for (from, row) in kernel.iter_mut().enumerate() {
        for to in (0..count).filter(|&to| to != from && weights[from] > 0.0) {
            row[to] = (weights[to] / weights[from]).min(1.0) / count as f64;
        }
        row[from] = 1.0 - row.iter().sum::<f64>();
    }
    let total: f64 = weights.iter().sum();
    let mean = weights.iter().zip(f).map(|(w, f)| w / total * f).sum::<f64>();
    let mut moved: Vec<f64> = f.iter().map(|f| f - mean).collect();
    let start = moved.clone();
    let covariance = |moved: &[f64]| (0..count).map(|i| weights[i] / total * start[i] * moved[i]).sum::<f64>();
    let mut sum = covariance(&moved);
    for _ in 0..3000 {
        moved = kernel.iter().map(|row| row.iter().zip(&moved).map(|(k, m)| k * m).sum()).collect();
        sum += 2.0 * covariance(&moved);
    }
    sum
}

#[test]
fn variance_of_a_mean_is_that_of_the_kernel() {
    let mut rng = generator(11);
    for count in [1, 2, 5, 12] {
        let mut weights: Vec<f64> = (0..count).map(|_| (1.5 * normal(&mut rng)).exp()).collect();
        if count > 4 {
            weights[2] = 0.0;
            weights[4] = weights[1]; // a tie
        }
        let f: Vec<f64> = (0..count).map(|_| 5.0 + normal(&mut rng)).collect();
        let log_weights: Vec<f64> = weights.iter().map(|w| w.ln() + 500.0).collect();
        let found: f64 = ChainVariance::new(&log_weights).terms(&|i| f[i]).sum();
        assert_close(found, variance_by_powers(&weights, &f), 1e-9);
    }
    // 2 τ var of the kinds above
    let found: f64 = ChainVariance::new(&[ZERO, 0.0, 3_f64.ln()]).terms(&|i| [7.0, 0.0, 1.0][i]).sum();
    assert_close(found, 2.0 * 1.75 * 3.0 / 16.0, 1e-13);
}
