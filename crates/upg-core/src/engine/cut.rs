//! How a batch is cut.

/// How a batch is cut. It decides speed and memory, and results only up to round-off; threads don't enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Samples processed at a time, at most. Wide nets: enough to feed the matrix products; small nets: few enough to stay in cache.
    pub micro_batch: usize,
    /// Number of parts of the batch that may run at the same time, each with buffers and a gradient of its own.
    /// 1 for wide nets, whose layers split their matrix products over the threads; about 8 for small ones.
    pub lanes: usize,
}

/// Samples that are worth a micro-batch of their own: one SIMD register of single precision.
const FEWEST: usize = 16;
/// Samples beyond which a micro-batch isn't cut for the sake of more lanes: each packs all weights anew, and has a gradient of its own to be added.
const ENOUGH: usize = 64;

impl Cut {
    /// The cut of a batch of `batch` samples: smaller micro-batches where there would be less than one for every lane, as long as each
    /// has 64 samples; and half as many lanes get one where it would have less, as long as each has 16.
    pub(super) fn of_batch(self, batch: usize) -> Self {
        let of_half_the_lanes = batch.div_ceil(self.lanes.div_ceil(2));
        let share = batch.div_ceil(self.lanes).max(of_half_the_lanes.min(ENOUGH)).next_multiple_of(FEWEST);
        Self { micro_batch: self.micro_batch.min(share), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_of_a_small_net_gets_work() {
        let small = Cut { micro_batch: 512, lanes: 8 };
        for (batch, micro_batch) in
            [(1, 16), (64, 16), (100, 32), (128, 32), (256, 64), (500, 64), (600, 80), (4096, 512), (100_000, 512)]
        {
            assert_eq!(small.of_batch(batch), Cut { micro_batch, lanes: 8 }, "batch {batch}");
        }
    }

    #[test]
    fn wide_nets_and_given_cuts_keep_their_micro_batches() {
        let wide = Cut { micro_batch: 1024, lanes: 1 };
        assert_eq!((wide.of_batch(2000), wide.of_batch(1024)), (wide, wide));
        let given = Cut { micro_batch: 3, lanes: 2 };
        assert_eq!(given.of_batch(100), given);
    }
}
