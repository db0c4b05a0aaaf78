//! Functions of weighted means, with errors from the jackknife over blocks.
//!
//! Primary quantities a = (a_1 … a_P) of samples with weights w have the means ⟨a⟩ = Σ w a / Σ w. An observable is a function
//! f(⟨a⟩): the mean itself, a susceptibility ⟨a²⟩ − ⟨a⟩², a ratio of correlators. Samples lie in K blocks; f_k is f without block k, and
//!
//! ```text
//! f ± √( (K − 1)/K Σ_k (f_k − f̄)² ),   f̄ = (1/K) Σ_k f_k .
//! ```
//!
//! (B. Efron, *The Jackknife, the Bootstrap and Other Resampling Plans*, SIAM 1982.) Blocks of a chain have to be much longer than its
//! autocorrelation time. Each block keeps its sums relative to its largest weight, and f_k is made of sums over the other blocks,
//! not of a difference, so one block that holds nearly all of the weight does no harm.

/// A number and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error, at least 0.
    pub error: f64,
}

/// Which block a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deal {
    /// To each block in turn: for independent samples, of any number.
    RoundRobin {
        /// Number of blocks, K.
        blocks: usize,
    },
    /// Samples in a row share a block, and lengths of blocks differ by one at most: for chains.
    Contiguous {
        /// Number of blocks, K.
        blocks: usize,
        /// Number of samples to come, in total.
        total: u64,
    },
}

impl Deal {
    fn blocks(self) -> usize {
        match self {
            Self::RoundRobin { blocks } | Self::Contiguous { blocks, .. } => blocks,
        }
    }

    /// The block of sample number `sample`.
    #[track_caller]
    fn block_of(self, sample: u64) -> usize {
        match self {
            Self::RoundRobin { blocks } => (sample % blocks as u64) as usize,
            Self::Contiguous { blocks, total } => {
                assert!(sample < total, "sample number {sample}, but the blocks are for {total} samples");
                (u128::from(sample) * blocks as u128 / u128::from(total)) as usize
            }
        }
    }
}

/// Blocks of weighted sums of primary quantities; see the [module documentation](self).
///
/// ```
/// use upg_train::stats::{Blocks, Deal};
///
/// let mut blocks = Blocks::new(Deal::RoundRobin { blocks: 100 }, 2);
/// for k in 0..1000 {
///     let a = f64::from(k).sin();
///     blocks.push(0.0, &[a, a * a]);
/// }
/// let susceptibility = blocks.estimate(&|mean| mean[1] - mean[0] * mean[0]).unwrap();
/// assert!((susceptibility.value - 0.5).abs() < 0.01);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Blocks {
    deal: Deal,
    primaries: usize,
    /// Samples dealt out here.
    dealt: u64,
    not_finite: u64,
    /// First those dealt to here, then those merged.
    blocks: Vec<Block>,
}

impl Blocks {
    /// Empty blocks for `primaries` quantities.
    ///
    /// # Panics
    /// If there are no blocks.
    #[track_caller]
    pub fn new(deal: Deal, primaries: usize) -> Self {
        assert!(deal.blocks() > 0, "{deal:?}: number of blocks 0, needed at least 1");
        Self { deal, primaries, dealt: 0, not_finite: 0, blocks: vec![Block::new(primaries); deal.blocks()] }
    }

    /// Takes in one sample of weight e^`log_weight` (0 for a state of a Markov chain) with its `primaries`, shape \[P\].
    ///
    /// A log-weight of −∞ is a weight of zero: primaries don't matter then. A log-weight or primary that is not finite otherwise is
    /// remembered, and there will be no estimate.
    ///
    /// # Panics
    /// If the number of primaries is another one, or if [`Deal::Contiguous`] has had all its samples.
    #[track_caller]
    pub fn push(&mut self, log_weight: f64, primaries: &[f64]) {
        assert_eq!(primaries.len(), self.primaries, "primary quantities of a sample, and of the blocks");
        let block = &mut self.blocks[self.deal.block_of(self.dealt)];
        self.dealt += 1;
        block.samples += 1;
        if log_weight == f64::NEG_INFINITY {
            return;
        }
        if log_weight.is_finite() && primaries.iter().all(|a| a.is_finite()) {
            block.sums.add(log_weight, 1.0, primaries);
        } else {
            self.not_finite += 1;
        }
    }

    /// Appends the blocks of `other`.
    ///
    /// # Panics
    /// If the numbers of primary quantities differ.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.primaries, other.primaries, "primary quantities of blocks to be merged");
        self.not_finite += other.not_finite;
        self.blocks.extend_from_slice(&other.blocks);
    }

    /// Longer blocks, each of `factor` of these in a row (the last of what is left), once all samples are in.
    ///
    /// # Panics
    /// If `factor` is 0.
    #[track_caller]
    pub fn coarsened(&self, factor: usize) -> Self {
        let blocks: Vec<Block> = self.blocks.chunks(factor).map(|of_one| Block::sum(self.primaries, of_one)).collect();
        let deal = Deal::Contiguous { blocks: blocks.len(), total: self.dealt };
        Self { deal, blocks, ..*self }
    }

    /// Number of samples taken in.
    pub fn samples(&self) -> u64 {
        self.blocks.iter().map(|block| block.samples).sum()
    }

    /// f of the weighted means of all samples, shape \[P\], and its error.
    ///
    /// `None` for fewer than two blocks with samples, if all of the weight lies in one block, if anything taken in was not finite, or
    /// if f isn't.
    ///
    /// Costs K P operations and K + 1 calls of f.
    pub fn estimate(&self, f: &dyn Fn(&[f64]) -> f64) -> Option<Estimate> {
        let blocks: Vec<&Sums> =
            self.blocks.iter().filter(|block| block.samples > 0).map(|block| &block.sums).collect();
        if self.not_finite > 0 {
            return None;
        }
        let value_of = |sums: &Sums| sums.means().map(|means| f(&means)).filter(|value| value.is_finite());
        let value = value_of(&self.sum_of(&blocks))?;
        let without: Vec<f64> = self.leave_one_out(&blocks).iter().map(value_of).collect::<Option<_>>()?;
        Some(Estimate { value, error: jackknife_error(&without) })
    }

    fn sum_of(&self, blocks: &[&Sums]) -> Sums {
        let mut sum = Sums::new(self.primaries);
        blocks.iter().for_each(|block| sum.merge(block));
        sum
    }

    /// For each block the sum of all others: of those before it and those behind it.
    fn leave_one_out(&self, blocks: &[&Sums]) -> Vec<Sums> {
        let mut without = vec![Sums::new(self.primaries); blocks.len()];
        let (mut before, mut behind) = (Sums::new(self.primaries), Sums::new(self.primaries));
        for (sum, block) in without.iter_mut().zip(blocks) {
            sum.merge(&before);
            before.merge(block);
        }
        for (sum, block) in without.iter_mut().zip(blocks).rev() {
            sum.merge(&behind);
            behind.merge(block);
        }
        without
    }
}

/// √((K − 1)/K Σ (f_k − f̄)²).
fn jackknife_error(without: &[f64]) -> f64 {
    let blocks = without.len() as f64;
    let mean = without.iter().sum::<f64>() / blocks;
    let squares: f64 = without.iter().map(|f| (f - mean) * (f - mean)).sum();
    ((blocks - 1.0) / blocks * squares).sqrt()
}

#[derive(Clone, Debug, PartialEq)]
struct Block {
    samples: u64,
    sums: Sums,
}

impl Block {
    fn new(primaries: usize) -> Self {
        Self { samples: 0, sums: Sums::new(primaries) }
    }

    fn sum(primaries: usize, blocks: &[Self]) -> Self {
        let mut sum = Self::new(primaries);
        for block in blocks {
            sum.samples += block.samples;
            sum.sums.merge(&block.sums);
        }
        sum
    }
}

/// Σ w and Σ w a, both divided by e^`log_scale`, the largest weight (−∞ while all weights are zero).
#[derive(Clone, Debug, PartialEq)]
struct Sums {
    log_scale: f64,
    weight: f64,
    weighted: Vec<f64>,
}

impl Sums {
    fn new(primaries: usize) -> Self {
        Self { log_scale: f64::NEG_INFINITY, weight: 0.0, weighted: vec![0.0; primaries] }
    }

    fn merge(&mut self, other: &Self) {
        if other.weight > 0.0 {
            self.add(other.log_scale, other.weight, &other.weighted);
        }
    }

    /// Adds sums that are relative to e^`log_scale`, which is finite.
    fn add(&mut self, log_scale: f64, weight: f64, weighted: &[f64]) {
        let top = self.log_scale.max(log_scale);
        let (old, new) = ((self.log_scale - top).exp(), (log_scale - top).exp());
        self.log_scale = top;
        self.weight = old * self.weight + new * weight;
        self.weighted.iter_mut().zip(weighted).for_each(|(sum, other)| *sum = old * *sum + new * other);
    }

    /// Σ w a / Σ w.
    fn means(&self) -> Option<Vec<f64>> {
        (self.weight > 0.0).then(|| self.weighted.iter().map(|sum| sum / self.weight).collect())
    }
}
