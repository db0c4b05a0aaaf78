//! How continuous flows are spread over a device.

use crate::launch::Spread;

/// How samples are spread over blocks and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiling {
    /// Degrees of freedom.
    pub dof: usize,
    /// Samples of a block.
    pub samples: usize,
    /// Threads of each of them.
    pub threads: usize,
    /// Bytes of shared memory of a block.
    pub shared: usize,
}

/// Coordinates that a thread may own before a sample gets more of them.
const MOST_OWN: usize = 4;
/// Threads of a block, and at most.
const THREADS: usize = 256;
const MOST_THREADS: usize = 512;
/// Samples of a block, at most.
const MOST_SAMPLES: usize = 16;

impl Tiling {
    /// For samples of `dof` coordinates, shared memory not yet counted.
    pub fn new(dof: usize) -> Self {
        let limit = if dof > MOST_OWN * THREADS { MOST_THREADS } else { THREADS };
        let threads = dof.div_ceil(dof.div_ceil(limit));
        Self { dof, samples: (THREADS / threads).clamp(1, MOST_SAMPLES), threads, shared: 0 }
    }

    /// With at least so many threads a sample.
    pub fn of_threads(self, threads: usize) -> Self {
        let threads = threads.max(self.threads);
        Self { threads, samples: (THREADS / threads).clamp(1, MOST_SAMPLES), ..self }
    }

    /// Threads of a block.
    pub fn block(self) -> usize {
        self.samples * self.threads
    }

    /// What specialises continuous.cu.
    pub fn defines(self) -> Vec<(&'static str, String)> {
        let own = self.dof.div_ceil(self.threads);
        let numbers = [("SAMPLES", self.samples), ("THREADS_OF_SAMPLE", self.threads), ("OWN", own)];
        numbers.map(|(name, number)| (name, number.to_string())).into()
    }

    /// Blocks of so many samples.
    pub fn groups(self, samples: usize) -> usize {
        samples.div_ceil(self.samples)
    }

    /// So many blocks.
    pub fn spread(self, blocks: usize) -> Spread {
        Spread { grid: [blocks as u32, 1, 1], block: [self.block() as u32, 1], shared: self.shared as u32 }
    }
}
