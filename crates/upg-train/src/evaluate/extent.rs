//! How much of an evaluation is kept: sums over all samples, and numbers one by one of those at the beginning alone.

/// Sums that all blocks have at most.
const FITTING: usize = 1 << 23;
/// Blocks there may be anyway.
const FEWEST: usize = 100;

/// The extent of an evaluation and of what is kept of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Samples of the flow.
    pub samples: usize,
    /// Blocks of the jackknife at most.
    pub blocks: usize,
    /// Log-weights kept at most.
    pub log_weights: usize,
    /// Primaries kept at most of the beginning of the chain.
    pub along_chain: usize,
}

impl Extent {
    /// Of so many samples in so many blocks: a million log-weights and 16 million primaries are kept, 140 MB.
    pub fn new(samples: usize, blocks: usize) -> Self {
        Self { samples, blocks, log_weights: 1 << 20, along_chain: 1 << 24 }
    }

    /// Blocks of the jackknife: those of 16,000 samples with 512 primaries take 64 MB.
    pub fn blocks(&self, primaries: usize) -> usize {
        let fitting = (FITTING / primaries.max(1)).max(FEWEST);
        self.blocks.min(self.samples).min(fitting)
    }

    /// Proposals of the chain that are kept with their primaries; none where there is nothing to know of them.
    pub fn proposals(&self, primaries: usize) -> usize {
        self.along_chain.checked_div(primaries).map_or(0, |fitting| fitting.clamp(1, self.log_weights))
    }
}
