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
//! autocorrelation time. Each block keeps its sums relative to its largest weight, and where a block holds most of the weight f_k is made of sums
//! over the other blocks, not of a difference.
//!
//! Independent samples want many small blocks, at best one of each: then f − f_k is the influence of sample k, and the numbers are known to second order
//! ([`interval`](super::interval)).

use super::interval::{Estimate, Influences, Refined};

/// f: a number from the means of the primaries.
pub(crate) type Function<'f> = dyn Fn(&[f64]) -> f64 + 'f;

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
    pub fn estimate(&self, f: &Function<'_>) -> Option<Estimate> {
        let [influence] = &self.influences([f])[..] else { unreachable!("one function") };
        let Influence { value, terms } = influence.as_ref()?;
        let count = terms.len() as f64;
        let squares: f64 = centred(terms).map(|term| term * term).sum();
        Some(Estimate { value: *value, error: ((count - 1.0) / count * squares).sqrt() })
    }

    /// The same of functions of the means of independent samples, to second order.
    pub fn refine<'f>(&self, functions: impl IntoIterator<Item = &'f Function<'f>>) -> Vec<Option<Refined>> {
        let functions: Vec<_> = functions.into_iter().collect();
        let influences = self.influences(functions.iter().copied());
        let centre = self.centre();
        let refine = |f: &Function<'_>, influence: Option<Influence>| {
            let Influence { value, terms } = influence?;
            let count = terms.len() as f64;
            let moment = |power| centred(&terms).map(|term| term.powi(power)).sum::<f64>();
            let influences = Influences {
                variance: (count - 1.0) / count * moment(2),
                tie: moment(3),
                fourth: moment(4),
                // (K − 1)(f̄ − f)
                bias: -(count - 1.0) / count * terms.iter().sum::<f64>(),
                curvature: self.curvature(f, value, &centred(&terms).collect::<Vec<_>>(), centre.as_ref()?)?,
            };
            Some(influences.refine(value))
        };
        functions.iter().zip(influences).map(|(f, influence)| refine(f, influence)).collect()
    }

    /// f of all, and f − f_k of every block with samples.
    fn influences<'f>(&self, functions: impl IntoIterator<Item = &'f Function<'f>>) -> Vec<Option<Influence>> {
        let functions: Vec<_> = functions.into_iter().collect();
        let blocks: Vec<&Sums> = self.filled().collect();
        let whole = self.sum_of(&blocks, None);
        let (Some(means), true) = (whole.means(), self.not_finite == 0 && blocks.len() > 1) else {
            return vec![None; functions.len()];
        };
        let mut all: Vec<_> = functions.iter().map(|f| Influence::at(f(&means), blocks.len())).collect();
        let mut without = vec![0.0; self.primaries];
        for (k, block) in blocks.iter().enumerate() {
            let share = whole.share_of(block);
            if share > 0.5 {
                let Some(others) = self.sum_of(&blocks, Some(k)).means() else { return vec![None; functions.len()] };
                without.copy_from_slice(&others);
            } else {
                let pull = share / (1.0 - share);
                let others = |i: usize| means[i] - pull * block.away(i, means[i]);
                without.iter_mut().enumerate().for_each(|(i, mean)| *mean = others(i));
            }
            for (influence, f) in all.iter_mut().zip(&functions) {
                let Some(of_one) = influence else { continue };
                let value = f(&without);
                if value.is_finite() { of_one.terms.push(of_one.value - value) } else { *influence = None }
            }
        }
        all
    }

    /// Σ_{kl} ψ_k ψ_l ∂²f/∂k∂l: the second derivative of f along weights that change by the factor 1 + ε ψ_k.
    fn curvature(&self, f: &Function<'_>, value: f64, terms: &[f64], centre: &Centre) -> Option<f64> {
        /// Largest change of a weight.
        const STEP: f64 = 0.1;
        let largest = terms.iter().fold(0.0_f64, |largest, term| largest.max(term.abs()));
        if largest == 0.0 {
            return Some(0.0);
        }
        let Centre { whole, means, spreads } = centre;
        let slopes = slopes(f, means, spreads)?;
        let used: Vec<usize> = (0..means.len()).filter(|&i| slopes[i] != 0.0).collect();
        let (mut weight, mut along) = (0.0, vec![0.0; means.len()]);
        for (block, term) in self.filled().zip(terms) {
            let factor = term * whole.share_of(block);
            weight += factor;
            used.iter().for_each(|&i| along[i] += factor * block.away(i, means[i]));
        }
        let at = |step: f64| {
            let move_on = |(mean, along): (&f64, &f64)| mean + step * along / (1.0 + step * weight);
            f(&means.iter().zip(&along).map(move_on).collect::<Vec<_>>())
        };
        let step = STEP / largest;
        let curvature = (at(step) - 2.0 * value + at(-step)) / (step * step);
        curvature.is_finite().then_some(curvature)
    }

    /// Standard errors of the weighted means, shape \[P\]; `None` where there are none.
    pub(crate) fn spreads(&self) -> Option<Vec<f64>> {
        Some(self.centre()?.spreads)
    }

    fn centre(&self) -> Option<Centre> {
        let whole = self.sum_of(&self.filled().collect::<Vec<_>>(), None);
        let means = whole.means()?;
        let mut squares = vec![0.0; means.len()];
        for block in self.filled() {
            let share = whole.share_of(block);
            let away = |i: usize| share * block.away(i, means[i]);
            squares.iter_mut().enumerate().for_each(|(i, sum)| *sum += away(i) * away(i));
        }
        Some(Centre { whole, means, spreads: squares.into_iter().map(f64::sqrt).collect() })
    }

    /// Blocks with samples.
    fn filled(&self) -> impl Iterator<Item = &Sums> {
        self.blocks.iter().filter(|block| block.samples > 0).map(|block| &block.sums)
    }

    /// The sum of all but one.
    fn sum_of(&self, blocks: &[&Sums], but: Option<usize>) -> Sums {
        let mut sum = Sums::new(self.primaries);
        let wanted = blocks.iter().enumerate().filter(|&(k, _)| Some(k) != but);
        wanted.for_each(|(_, block)| sum.merge(block));
        sum
    }
}

/// All blocks together: their sums, the weighted means, and the standard errors of these.
struct Centre {
    whole: Sums,
    means: Vec<f64>,
    spreads: Vec<f64>,
}

/// f, and f − f_k for each block.
#[derive(Clone)]
struct Influence {
    value: f64,
    terms: Vec<f64>,
}

impl Influence {
    fn at(value: f64, blocks: usize) -> Option<Self> {
        value.is_finite().then(|| Self { value, terms: Vec::with_capacity(blocks) })
    }
}

/// Numbers less their mean.
fn centred(terms: &[f64]) -> impl Iterator<Item = f64> {
    let mean = terms.iter().sum::<f64>() / terms.len() as f64;
    terms.iter().map(move |term| term - mean)
}

/// ∂f at these means, by differences over a tenth of their standard errors; `None` where f isn't finite.
pub(crate) fn slopes(f: &Function<'_>, means: &[f64], spreads: &[f64]) -> Option<Vec<f64>> {
    const STEP: f64 = 0.1;
    let mut at = means.to_vec();
    let slope = |(i, spread): (usize, &f64)| {
        let step = STEP * spread;
        if step == 0.0 {
            return Some(0.0); // a primary that is the same everywhere
        }
        let mut of = |step: f64| {
            at[i] = means[i] + step;
            f(&at)
        };
        let slope = (of(step) - of(-step)) / (2.0 * step);
        at[i] = means[i];
        slope.is_finite().then_some(slope)
    };
    spreads.iter().enumerate().map(slope).collect()
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

    /// How far the mean of primary `i` is from `mean`; 0 without a weight.
    fn away(&self, i: usize, mean: f64) -> f64 {
        if self.weight > 0.0 { self.weighted[i] / self.weight - mean } else { 0.0 }
    }

    /// The share of `part` in the weight.
    fn share_of(&self, part: &Self) -> f64 {
        (part.log_scale - self.log_scale).exp() * part.weight / self.weight
    }
}
