//! Jackknife errors: the textbook, the spread of repetitions, merging, edge cases.

use super::{Shifted, assert_close, assert_covers, generator, normal};
use crate::stats::{Blocks, Deal, Estimate, Moments};

const INFINITE: f64 = f64::INFINITY;

fn susceptibility(mean: &[f64]) -> f64 {
    mean[1] - mean[0] * mean[0]
}

#[test]
fn error_of_a_mean_is_that_of_the_textbook() {
    let mut rng = generator(1);
    for (samples, deal) in [
        (37, Deal::RoundRobin { blocks: 37 }),
        (37, Deal::RoundRobin { blocks: 100 }), // the others stay empty
        (2, Deal::Contiguous { blocks: 2, total: 2 }),
    ] {
        let mut blocks = Blocks::new(deal, 1);
        let mut moments = Moments::default();
        for _ in 0..samples {
            let x = 5.0 + normal(&mut rng);
            blocks.push(123.0, &[x]);
            moments.push(x);
        }
        let Estimate { value, error } = blocks.estimate(&|mean| mean[0]).unwrap();
        assert_close(value, moments.mean().unwrap(), 1e-13);
        assert_close(error, moments.standard_error().unwrap(), 1e-13);
        assert_eq!(blocks.samples(), samples);
    }
}

/// Jackknife written out: means over lists of samples without those of a block, `block_of` by index.
fn naive(samples: &[(f64, [f64; 2])], block_of: impl Fn(usize) -> usize, blocks: usize) -> Estimate {
    let f = |without: Option<usize>| {
        let kept = || samples.iter().enumerate().filter(|&(i, _)| Some(block_of(i)) != without).map(|(_, s)| s);
        let total = |g: &dyn Fn(&[f64; 2]) -> f64| kept().map(|(log_w, a)| log_w.exp() * g(a)).sum::<f64>();
        let weight = total(&|_| 1.0);
        susceptibility(&[total(&|a| a[0]) / weight, total(&|a| a[1]) / weight])
    };
    let without: Vec<f64> = (0..blocks).map(|k| f(Some(k))).collect();
    let k = blocks as f64;
    let mean = without.iter().sum::<f64>() / k;
    let squares = without.iter().map(|f| (f - mean).powi(2)).sum::<f64>();
    Estimate { value: f(None), error: ((k - 1.0) / k * squares).sqrt() }
}

#[test]
fn weighted_blocks_are_those_of_the_plain_formula() {
    let mut rng = generator(2);
    let samples: Vec<(f64, [f64; 2])> =
        (0..53).map(|_| (2.0 * normal(&mut rng), [normal(&mut rng), 1.0 + normal(&mut rng)])).collect();
    let contiguous = Deal::Contiguous { blocks: 7, total: 53 };
    for (deal, expected) in [
        (Deal::RoundRobin { blocks: 7 }, naive(&samples, |i| i % 7, 7)),
        (contiguous, naive(&samples, |i| [8, 16, 23, 31, 38, 46, 53].iter().position(|&end| i < end).unwrap(), 7)),
    ] {
        for shift in [0.0, -900.0, 1e5] {
            let mut blocks = Blocks::new(deal, 2);
            samples.iter().for_each(|(log_w, a)| blocks.push(log_w + shift, a));
            let found = blocks.estimate(&susceptibility).unwrap();
            assert_close(found.value, expected.value, 1e-9);
            assert_close(found.error, expected.error, 1e-9);
        }
    }
}

#[test]
fn merged_blocks_are_one_set_of_blocks() {
    let mut rng = generator(3);
    let samples: Vec<(f64, [f64; 2])> =
        (0..60).map(|_| (normal(&mut rng), [normal(&mut rng), normal(&mut rng)])).collect();
    let mut parts = samples.chunks(20).map(|part| {
        let mut blocks = Blocks::new(Deal::RoundRobin { blocks: 5 }, 2);
        part.iter().for_each(|(log_w, a)| blocks.push(log_w - 1e4, a));
        blocks
    });
    let mut whole = parts.next_back().unwrap(); // order doesn't matter
    parts.for_each(|part| whole.merge(&part));
    let found = whole.estimate(&susceptibility).unwrap();
    let expected = naive(&samples, |i| 5 * (i / 20) + i % 5, 15);
    assert_close(found.value, expected.value, 1e-10);
    assert_close(found.error, expected.error, 1e-10);
    assert_eq!(whole.samples(), 60);
}

#[test]
fn error_is_the_spread_of_repetitions() {
    // A susceptibility of reweighted samples: q = N(0, I), p = N(a, I), x_0 has variance 1 under p.
    let mut rng = generator(4);
    let pair = Shifted::new(0.6, 3, 20.0, &mut rng);
    for deal in [Deal::RoundRobin { blocks: 40 }, Deal::Contiguous { blocks: 40, total: 800 }] {
        let (mut values, mut variances) = (Moments::default(), Moments::default());
        for _ in 0..400 {
            let mut blocks = Blocks::new(deal, 2);
            for _ in 0..800 {
                let x = pair.draw_q(&mut rng);
                blocks.push(pair.log_weight(&x), &[x[0], x[0] * x[0]]);
            }
            let Estimate { value, error } = blocks.estimate(&susceptibility).unwrap();
            values.push(value);
            variances.push(error * error);
        }
        assert_covers(values.mean().unwrap() + 2.0 / 800.0, values.standard_error().unwrap(), 1.0); // bias of order 1/N
        let ratio = (variances.mean().unwrap() / values.variance().unwrap()).sqrt();
        assert!((ratio - 1.0).abs() < 5.0 / 800_f64.sqrt(), "{ratio}");
    }
}

#[test]
fn a_block_with_nearly_all_weight_leaves_the_others_whole() {
    let mut blocks = Blocks::new(Deal::RoundRobin { blocks: 3 }, 1);
    blocks.push(5000.0, &[1.0]);
    blocks.push(0.0, &[2.0]);
    blocks.push(0.0, &[4.0]);
    let Estimate { value, error } = blocks.estimate(&|mean| mean[0]).unwrap();
    // Without blocks 0, 1, 2: 3, 1, 1.
    assert_close(value, 1.0, 1e-14);
    assert_close(error, (2.0 / 3.0 * 8.0 / 3.0_f64).sqrt(), 1e-14);
}

#[test]
fn what_cannot_be_estimated_is_none() {
    let estimate = |samples: &[(f64, f64)], f: &dyn Fn(&[f64]) -> f64| {
        let mut blocks = Blocks::new(Deal::RoundRobin { blocks: 3 }, 1);
        samples.iter().for_each(|&(log_w, a)| blocks.push(log_w, &[a]));
        blocks.estimate(f)
    };
    let mean = |mean: &[f64]| mean[0];
    assert_eq!(estimate(&[], &mean), None);
    assert_eq!(estimate(&[(0.0, 1.0)], &mean), None);
    assert_eq!(estimate(&[(0.0, 1.0), (-INFINITE, 1.0)], &mean), None); // all of the weight in one block
    assert_eq!(estimate(&[(0.0, 1.0), (0.0, f64::NAN)], &mean), None);
    assert_eq!(estimate(&[(0.0, 1.0), (0.0, 2.0), (0.0, INFINITE)], &mean), None);
    assert_eq!(estimate(&[(0.0, 1.0), (0.0, 2.0), (INFINITE, 3.0)], &mean), None);
    assert_eq!(estimate(&[(0.0, 1.0), (0.0, 2.0), (f64::NAN, 3.0)], &mean), None);
    assert_eq!(estimate(&[(0.0, 1.0), (0.0, -1.0)], &|mean| mean[0].ln()), None);
    let some = estimate(&[(0.0, 1.0), (0.0, 3.0), (-INFINITE, INFINITE)], &mean).unwrap();
    assert_close(some.value, 2.0, 1e-15); // a weight of zero is a sample, whatever its field
    assert_close(some.error, (2.0 / 3.0 * 2.0_f64).sqrt(), 1e-15); // without blocks 0, 1, 2: 3, 1, 2

    let mut fewer = Blocks::new(Deal::Contiguous { blocks: 5, total: 3 }, 1);
    (0..3).for_each(|k| fewer.push(0.0, &[f64::from(k)]));
    assert_close(fewer.estimate(&mean).unwrap().error, (1.0_f64 / 3.0).sqrt(), 1e-15);
    let mut bad = Blocks::new(Deal::RoundRobin { blocks: 2 }, 1);
    bad.push(0.0, &[f64::NAN]);
    fewer.merge(&bad);
    assert_eq!(fewer.estimate(&mean), None);
}

#[test]
#[should_panic(expected = "sample number 3, but the blocks are for 3 samples")]
fn more_samples_than_announced_are_refused() {
    let mut blocks = Blocks::new(Deal::Contiguous { blocks: 2, total: 3 }, 0);
    (0..4).for_each(|_| blocks.push(0.0, &[]));
}

#[test]
#[should_panic(expected = "primary quantities of a sample")]
fn another_number_of_primaries_is_refused() {
    Blocks::new(Deal::RoundRobin { blocks: 2 }, 3).push(0.0, &[1.0, 2.0]);
}

#[test]
#[should_panic(expected = "number of blocks 0")]
fn no_blocks_are_refused() {
    Blocks::new(Deal::RoundRobin { blocks: 0 }, 3);
}
