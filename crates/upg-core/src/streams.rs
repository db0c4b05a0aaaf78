//! Random numbers: one stream per micro-batch.

use rand_xoshiro::rand_core::SeedableRng;

/// The generator of one stream, xoshiro256++.
pub type Rng = rand_xoshiro::Xoshiro256PlusPlus;

/// A sequence of non-overlapping random streams, 2¹²⁸ numbers apart (xoshiro jumps).
///
/// Every micro-batch takes the next stream, so what it draws depends on the seed and its place in the sequence,
/// not on threads. The state is a clone of the generator: saving it continues the sequence exactly.
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

    /// The next stream.
    pub fn next_stream(&mut self) -> Rng {
        let stream = self.next.clone();
        self.next.jump();
        stream
    }
}
