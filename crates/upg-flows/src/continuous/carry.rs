//! A covector carried along the stages of a step: MATH (31) with them, (32) against them.
//!
//! Both have one form: κ = α a_0 + β ξ of the stage before, ξ = (∂f/∂x)ᵀ κ + α w ∇div f, a ← a + ξ, where a_0 is a at the beginning of the step.
//!
//! | | α | β | so that |
//! |---|---|---|---|
//! | push | −h b_i | −h b_i c_i/b_{i−1} | ξ = h b_i k_i, with k_i the velocity of a, and −κ/(h b_i) = a_0 + h c_i k_{i−1} its input |
//! | pull back | h b_i | h c_{i+1} | κ is the cotangent of k_i |

use super::{
    field::Covector,
    memory::Carried,
    steps::{Stage, Stages, add_scaled, combine},
};
use upg_core::{Batch, Real};

/// Which way a covector goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Push,
    PullBack,
}

impl Verb {
    /// The stages in the order in which they are met.
    pub fn order(self) -> [usize; Stage::IN_A_STEP] {
        match self {
            Self::Push => [0, 1, 2, 3],
            Self::PullBack => [3, 2, 1, 0],
        }
    }

    /// The n-th step that is met.
    pub fn step(self, n: usize, steps: usize) -> usize {
        match self {
            Self::Push => n,
            Self::PullBack => steps - 1 - n,
        }
    }

    /// α of stage i.
    fn alpha(self, stage: &Stage) -> f64 {
        match self {
            Self::Push => -stage.weight,
            Self::PullBack => stage.weight,
        }
    }

    /// β of stage i; none where no stage comes before.
    fn beta(self, stages: &Stages, i: usize) -> Option<f64> {
        match self {
            Self::Push => Some(-stages[i].weight * stages[i.checked_sub(1)?].reach / stages[i - 1].weight),
            Self::PullBack => (i + 1 < stages.len()).then_some(stages[i].reach),
        }
    }
}

impl<T: Real> Carried<T> {
    /// At the beginning of a step.
    pub fn begin_step(&mut self) {
        self.start.copy_from(&self.a);
    }

    /// κ with its weights α w, and the place for ξ, at stage i.
    pub fn aim(&mut self, verb: Verb, stages: &Stages, i: usize, weight: f64) -> (Covector<'_, T>, &mut Batch<T>) {
        let Self { start, xi, kappa, weights, samples, .. } = self;
        let alpha = verb.alpha(&stages[i]);
        match verb.beta(stages, i) {
            Some(beta) => combine(alpha, start, beta, xi, kappa),
            None => combine(alpha, start, 0.0, start, kappa),
        }
        weights.clear();
        weights.resize(*samples, T::of(alpha * weight));
        weights.resize(start.samples(), T::zero());
        xi.reshape(start.rows(), start.samples());
        (Covector { a: kappa, weights }, xi)
    }

    /// a ← a + ξ.
    pub fn end_stage(&mut self) {
        add_scaled(1.0, &self.xi, &mut self.a);
    }
}
