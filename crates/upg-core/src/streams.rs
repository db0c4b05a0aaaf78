//! Random numbers that are drawn one after the other: HMC chains, initial weights, Metropolis. Base samples have a generator each, see
//! [`random`](crate::random).

use rand_xoshiro::rand_core::SeedableRng;

/// The generator of one stream, xoshiro256++.
pub type Rng = rand_xoshiro::Xoshiro256PlusPlus;

/// A sequence of non-overlapping random streams, 2¹²⁸ numbers apart (xoshiro jumps).
///
/// The state is a clone of the generator: saving it continues the sequence exactly.
///
/// ```
/// let mut a = upg_core::Streams::new(7);
/// let mut b = a.clone();
/// assert_eq!(a.next_stream(), b.next_stream());
/// assert_ne!(a.next_stream(), upg_core::Streams::new(7).next_stream());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streams {
    next: Rng,
}

impl Streams {
    /// The sequence of streams of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { next: Rng::seed_from_u64(seed) }
    }

    /// The sequence of one purpose among many: of step `path[1]` of purpose `path[0]`, say.
    ///
    /// It depends on `seed` and the numbers alone, so a run that knows its step knows its random numbers. Sequences of different
    /// paths start at independent places of the generator's period of 2²⁵⁶.
    ///
    /// ```
    /// use upg_core::Streams;
    /// assert_eq!(Streams::derived(7, &[1, 20]), Streams::derived(7, &[1, 20]));
    /// assert_ne!(Streams::derived(7, &[1, 20]), Streams::derived(7, &[20, 1]));
    /// ```
    pub fn derived(seed: u64, path: &[u64]) -> Self {
        Self::new(mix(mixed(seed, path))) // once more than a SampleStream, so that no sample has this generator
    }

    /// The next stream.
    pub fn next_stream(&mut self) -> Rng {
        let stream = self.next.clone();
        self.next.jump();
        stream
    }
}

/// One number from a seed and a path, by mixing alone: sums of them would start sequences that overlap.
pub(crate) fn mixed(seed: u64, path: &[u64]) -> u64 {
    path.iter().fold(mix(seed), |state, &number| mix(state ^ number))
}

/// By how much the state of SplitMix64 grows from one output to the next.
pub(crate) const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output of SplitMix64 in state x, a bijection of the 64-bit numbers (G. Steele, D. Lea, C. Flood, OOPSLA 2014).
#[inline(always)]
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(INCREMENT);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::rand_core::Rng as _;
    use std::collections::BTreeSet;

    #[test]
    fn derived_sequences_differ() {
        let paths =
            (0..8).flat_map(|a| (0..40).map(move |b| vec![a, b])).chain((0..8).map(|a| vec![a])).chain([vec![]]);
        let first = |path: Vec<u64>| Streams::derived(3, &path).next_stream().next_u64();
        assert_eq!(paths.map(first).collect::<BTreeSet<_>>().len(), 8 * 40 + 8 + 1);
        assert_ne!(Streams::derived(3, &[1]), Streams::derived(1, &[3]));
        assert_ne!(Streams::derived(3, &[1, 2]).next_stream(), crate::SampleStream::new(3, 1, 2).generator(0));
    }
}
