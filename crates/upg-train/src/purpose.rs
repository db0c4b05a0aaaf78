//! Every random number of an experiment, from its seed: a sequence of streams for each purpose.
//!
//! The sequence of a training step depends on the seed and the number of the step alone. A checkpoint therefore holds the
//! state of all random numbers when it holds these two, and a resumed run draws what it would have drawn.

use upg_core::{SampleStream, Streams};

/// A purpose of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The initial weights.
    Weights,
    /// The training data.
    TrainData,
    /// The test data.
    TestData,
    /// The base samples of a training step.
    Step(u64),
    /// The order of the data in an epoch.
    Epoch(u64),
    /// The samples of the test after a training step.
    Validation(u64),
    /// The samples of an evaluation.
    Evaluation,
    /// The decisions of a Markov chain.
    Metropolis,
    /// The samples of `upg sample`.
    Samples,
    /// The samples of a repetition of `upg variance`.
    Variance(u64),
    /// The chains of `upg hmc`.
    Hmc,
}

impl Purpose {
    /// The streams for this purpose in an experiment with `seed`, for what is drawn one after the other.
    pub fn streams(self, seed: u64) -> Streams {
        Streams::derived(seed, &self.path())
    }

    /// The samples for this purpose in an experiment with `seed`.
    pub fn samples(self, seed: u64) -> SampleStream {
        let [purpose, step] = self.path();
        SampleStream::new(seed, purpose, step)
    }

    fn path(self) -> [u64; 2] {
        match self {
            Self::Weights => [0, 0],
            Self::TrainData => [1, 0],
            Self::TestData => [2, 0],
            Self::Step(step) => [3, step],
            Self::Epoch(epoch) => [4, epoch],
            Self::Validation(step) => [5, step],
            Self::Evaluation => [6, 0],
            Self::Metropolis => [7, 0],
            Self::Samples => [8, 0],
            Self::Variance(repetition) => [9, repetition],
            Self::Hmc => [10, 0],
        }
    }
}
