//! A trained flow that is seen by several processes, which are threads here.

use super::*;
use crate::peers::tests::together;
use crate::sample::Piece;

fn data() -> Array2<f64> {
    Array2::from_shape_fn((PIECE + 100, 2), |(i, j)| (0.7 * i as f64 + 1.9 * j as f64).sin())
}

/// A piece is one process's: to the bit that of one process, on all of them.
#[test]
fn an_evaluation_does_not_depend_on_the_number_of_processes() {
    let plan = EvaluationPlan { samples: 3 * PIECE + 7, blocks: 30, seed: 3 };
    let alone = wrong::<f64>().evaluate(plan, Some(&data())).unwrap();
    for size in 2..=4 {
        let all = together(size, |peers| wrong::<f64>().with_peers(peers).evaluate(plan, Some(&data())).unwrap());
        assert_eq!(all[0], alone, "{size} processes");
        for other in &all[1..] {
            assert_eq!((&other.summary, &other.log_weights), (&alone.summary, &alone.log_weights), "{size} processes");
        }
    }
}

#[test]
fn samples_and_chains_do_not_depend_on_the_number_of_processes() {
    let samples = 2 * PIECE + 11;
    for draw in [Draw::Independent, Draw::Metropolis] {
        let alone = wrong::<f32>().samples(5, samples, draw).unwrap();
        for size in 2..=4 {
            let all = together(size, |peers| wrong::<f32>().with_peers(peers).samples(5, samples, draw).unwrap());
            assert_eq!(all[0], alone, "{draw:?}, {size} processes");
        }
    }
    let plan = SamplePlan { seed: 5, first: 3, samples, draw: Draw::Independent, latent: true };
    let latent = |mut trained: Trained<Cpu<f64>>| {
        let mut latent = vec![];
        let take = |piece: Piece<'_, f64>| {
            latent.extend(piece.latent.iter().copied());
            Ok::<_, DeviceError>(())
        };
        trained.sample(plan, take).unwrap();
        latent
    };
    let all = together(3, |peers| latent(wrong().with_peers(peers)));
    assert_eq!(all[0], latent(wrong()));
    assert_eq!(all[1], [0.0; 0], "the first alone hands them out");
}

/// Sums over repetitions: to round-off.
#[test]
fn the_variance_does_not_depend_on_the_number_of_processes() {
    let (plan, data) = (Repetitions { number: 23, batch: 7 }, data());
    let alone = wrong::<f64>().variance(plan, 4, Some(&data)).unwrap();
    for size in 2..=4 {
        let all = together(size, |peers| wrong::<f64>().with_peers(peers).variance(plan, 4, Some(&data)).unwrap());
        assert!(all.iter().all(|noise| *noise == all[0]));
        for (found, expected) in all[0].iter().zip(&alone) {
            let off = (found.variance.value / expected.variance.value - 1.0).abs();
            assert!(off < 1e-12 && (found.squared_norm.value - expected.squared_norm.value).abs() < 1e-12, "{off}");
        }
    }
}
