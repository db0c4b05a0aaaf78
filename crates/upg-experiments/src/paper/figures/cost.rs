//! What a step of training costs with each estimator: they take turns, so that a change of the machine's clock hits all of them alike.

use super::run::T;
use crate::paper::table2::Seconds;
use serde::Serialize;
use std::time::{Duration, Instant};
use upg_core::Cpu;
use upg_train::Trainer;
use upg_train::method::{Divergence, Estimator};

/// Counted rounds, at least.
pub const LEAST_ROUNDS: usize = 15;

/// The cost of a step of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The divergence.
    pub divergence: Divergence,
    /// The estimator of its gradient.
    pub estimator: Estimator,
    /// Times of single steps.
    pub seconds: Seconds,
    /// Steps that were timed.
    pub rounds: usize,
}

/// Times the steps of all `trainers` in turn, in an order that rotates from round to round, for at least [`LEAST_ROUNDS`] rounds and
/// `at_least` as long. The first round warms up and isn't counted, nor is a step that was skipped, if there are others.
pub(super) fn calibrate(trainers: &mut [Trainer<Cpu<T>>], at_least: Duration) -> Vec<Vec<f64>> {
    let (begin, number) = (Instant::now(), trainers.len());
    let mut times = vec![vec![]; number];
    for round in 0.. {
        for turn in 0..number {
            let which = (turn + round) % number;
            let begin = Instant::now();
            let step = trainers[which].step().expect("the processor doesn't fail");
            if round > 0 && (step.fault.is_none() || times[which].is_empty()) {
                times[which].push(begin.elapsed().as_secs_f64());
            }
        }
        if round >= LEAST_ROUNDS && begin.elapsed() >= at_least {
            break;
        }
    }
    times
}

/// Steps with costs of `other` that take as long as `steps` with those of `cost`; at least one.
pub(super) fn equal_seconds(steps: u64, cost: &Cost, other: &Cost) -> u64 {
    let steps = steps as f64 * cost.seconds.median / other.seconds.median;
    steps.round().max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(seconds: f64) -> Cost {
        let (divergence, estimator) = (Divergence::Reverse, Estimator::PathFast);
        Cost { divergence, estimator, seconds: Seconds::of(&[seconds]), rounds: 1 }
    }

    #[test]
    fn cheap_steps_are_made_more_often() {
        assert_eq!(equal_seconds(300, &cost(0.4), &cost(0.3)), 400);
        assert_eq!(equal_seconds(300, &cost(0.3), &cost(0.4)), 225);
        assert_eq!(equal_seconds(1, &cost(1e-3), &cost(1.0)), 1);
    }
}
