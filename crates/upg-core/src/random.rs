//! Random numbers of samples: each sample has its own generator, so its numbers depend on (seed, purpose, step, its index) alone.
//!
//! MATH (16) defines them. [`SampleStream::generator`] is the definition of the words in code; the other functions compute the same words
//! for many samples at once, one SIMD lane a sample, and what is made of them: normals and uniform angles.
//!
//! ```
//! use upg_core::{Batch, random::SampleStream};
//! let stream = SampleStream::new(7, 3, 20);
//! let (mut all, mut piece) = (Batch::<f64>::zeros(5, 100), Batch::<f64>::zeros(5, 9));
//! stream.fill_normals(0, &mut all);
//! stream.fill_normals(40, &mut piece);
//! assert_eq!(piece.row(4), &all.row(4)[40..49]);
//! ```

mod angles;
mod lanes;
mod normals;
#[cfg(test)]
mod tests;

use crate::{batch::Batch, real::Real, streams, vmath::dispatch};
use rand_xoshiro::rand_core::SeedableRng;
use std::ops::Range;

pub use crate::streams::Rng;
pub use normals::box_muller;

/// The random numbers of the samples of one step of one purpose: sample n has a generator of its own, MATH (16).
///
/// Which samples are drawn together, where and in what order makes no difference. Sample n + 2⁶² has the numbers of sample n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleStream {
    start: u64,
}

impl SampleStream {
    /// The samples of `step` of `purpose` under `seed`.
    ///
    /// The three are mixed, so any two streams, of neighbouring steps or of small seeds too, start far apart; they are also apart from
    /// those of [`Streams::derived`](crate::Streams::derived).
    pub fn new(seed: u64, purpose: u64, step: u64) -> Self {
        /// Keeps these starts apart from those of `Streams::derived(seed, &[purpose, step])`.
        const SAMPLES: u64 = u64::from_be_bytes(*b"samples ");
        Self { start: streams::mixed(seed, &[purpose, step, SAMPLES]) }
    }

    /// The state in which the SplitMix64 sequence of MATH (16) starts: all that a device needs to know.
    pub fn start(self) -> u64 {
        self.start
    }

    /// The generator of sample n: its state is outputs 4n … 4n + 3 of the SplitMix64 sequence that starts at [`start`](Self::start).
    pub fn generator(self, n: u64) -> Rng {
        let mut seed = [0; 32];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(lanes::state(self.start, n)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Rng::from_seed(seed)
    }

    /// Fills `out`, shape `[words.len(), samples]`, with the words number `words` of the samples from `first` on.
    ///
    /// The words a base needs besides its normals or angles begin at [`words_of_normals`] and [`words_of_angles`].
    ///
    /// # Panics
    /// If `out` isn't that many rows of one length.
    #[track_caller]
    pub fn fill_words(self, first: u64, words: Range<usize>, out: &mut [u64]) {
        assert!(!words.is_empty(), "no words: {words:?}");
        assert_eq!(out.len() % words.len(), 0, "{} numbers in {} rows", out.len(), words.len());
        dispatch(lanes::Words { start: self.start, first, words, out });
    }

    /// Fills `z`, whose shape `[dof, samples]` is already set, with the standard normals of the samples from `first` on.
    pub fn fill_normals<T: Real>(self, first: u64, z: &mut Batch<T>) {
        dispatch(normals::Normals { start: self.start, first, z });
    }

    /// Fills `z`, whose shape `[dof, samples]` is already set, with the uniform angles in [0, 2π) of the samples from `first` on.
    pub fn fill_uniform_angles<T: Real>(self, first: u64, z: &mut Batch<T>) {
        dispatch(angles::Angles { start: self.start, first, z });
    }
}

/// How many words the normals of a sample with `dof` degrees of freedom take: two to a pair of normals.
pub fn words_of_normals(dof: usize) -> usize {
    dof.next_multiple_of(2)
}

/// How many words the uniform angles of a sample with `dof` degrees of freedom take: one each.
pub fn words_of_angles(dof: usize) -> usize {
    dof
}
