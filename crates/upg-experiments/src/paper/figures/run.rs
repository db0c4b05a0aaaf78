//! One training with its tests.

use serde::Serialize;
use upg_core::Cpu;
use upg_train::method::Estimator;
use upg_train::trainer::MOST_SKIPPED;
use upg_train::{Tested, Trainer};

/// The precision of the comparison.
pub(super) type T = f32;

/// A test during a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moment {
    /// Steps made.
    pub step: u64,
    /// The steps times the cost of a step.
    pub seconds: f64,
    /// The outcome of the test.
    pub tested: Tested,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// The estimator of its gradient.
    pub estimator: Estimator,
    /// Its tests, the first one before any step.
    pub course: Vec<Moment>,
    /// The tests of a second training, of the seconds of the run with path gradients, if its learning rate falls more slowly, to the end of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stretched: Option<Vec<Moment>>,
    /// The test after the steps of the problem; none if the run had diverged by then.
    pub at_steps: Option<Moment>,
    /// The test after the seconds of the run with path gradients; none if the run had diverged by then.
    pub at_seconds: Option<Moment>,
    /// The step after which the run was given up, if it was: that and those before it, [`MOST_SKIPPED`] in all, had no finite gradient.
    pub given_up: Option<u64>,
}

impl Run {
    /// Whether it diverged before both ends.
    pub fn diverged(&self) -> bool {
        self.at_steps.is_none() || self.at_seconds.is_none()
    }
}

/// When a run is tested and where it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// The steps of the problem.
    pub steps: u64,
    /// The steps that take the seconds of the run with path gradients.
    pub equal_seconds: u64,
    /// Steps from one test to the next.
    pub every: u64,
    /// The seconds of a step.
    pub cost: f64,
}

impl Course {
    fn last(self) -> u64 {
        self.steps.max(self.equal_seconds)
    }

    fn is_tested(self, step: u64) -> bool {
        step.is_multiple_of(self.every) || [self.steps, self.equal_seconds].contains(&step)
    }
}

/// Makes the steps of `course` with `estimator`, which the trainer has, unless the run diverges; `watch` sees the trainer before the first step
/// and after every one.
pub(super) fn run(
    mut trainer: Trainer<Cpu<T>>,
    course: Course,
    estimator: Estimator,
    mut watch: impl FnMut(&Trainer<Cpu<T>>),
) -> Run {
    let test = |trainer: &mut Trainer<Cpu<T>>| {
        let tested = trainer.validate().expect("the processor doesn't fail");
        let step = trainer.progress().step;
        Moment { step, seconds: step as f64 * course.cost, tested }
    };
    watch(&trainer);
    let (mut tests, mut given_up) = (vec![test(&mut trainer)], None);
    for step in 1..=course.last() {
        trainer.step().expect("the processor doesn't fail");
        watch(&trainer);
        if trainer.progress().skipped_in_a_row >= MOST_SKIPPED {
            given_up = Some(step);
            break;
        }
        if course.is_tested(step) {
            tests.push(test(&mut trainer));
        }
    }
    let after = |step| tests.iter().find(|moment| moment.step == step).copied();
    let (at_steps, at_seconds) = (after(course.steps), after(course.equal_seconds));
    Run { estimator, course: tests, stretched: None, at_steps, at_seconds, given_up }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_tested_whichever_comes_first() {
        for (steps, equal_seconds) in [(10, 13), (13, 10), (10, 10)] {
            let course = Course { steps, equal_seconds, every: 4, cost: 0.1 };
            let tested: Vec<u64> = (1..=course.last()).filter(|&step| course.is_tested(step)).collect();
            assert!(tested.contains(&steps) && tested.contains(&equal_seconds) && tested.contains(&4), "{tested:?}");
            assert_eq!(tested.last(), Some(&steps.max(equal_seconds)));
        }
    }
}
