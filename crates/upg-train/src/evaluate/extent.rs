//! How much of an evaluation is kept: sums over all samples, and numbers one by one of those at the beginning alone.

/// The extent of an evaluation and of what is kept of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Samples of the flow.
    pub samples: usize,
    /// Blocks of the jackknife.
    pub blocks: usize,
    /// Log-weights kept at most.
    pub log_weights: usize,
    /// Numbers kept at most along the chain, over all primaries.
    pub along_chain: usize,
}

impl Extent {
    /// Of so many samples in so many blocks: a million log-weights and 16 million numbers along the chain are kept, 140 MB.
    pub fn new(samples: usize, blocks: usize) -> Self {
        Self { samples, blocks, log_weights: 1 << 20, along_chain: 1 << 24 }
    }

    /// States of the chain whose primaries are kept.
    pub fn states(&self, primaries: usize) -> usize {
        (self.along_chain / primaries.max(1)).max(1)
    }
}
