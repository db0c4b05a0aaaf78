//! The unbiased Markov chain: independence Metropolis with the samples of the flow as proposals, in the order they were drawn.

use super::extent::Extent;
use crate::stats::{Autocorrelation, Blocks, Deal, IndependenceChain, Move, autocorrelation};
use upg_core::Rng;

/// Fewest moves of a chain with an error.
const FEW_MOVES: u64 = 100;
/// Autocorrelation times that a chain must have.
const LONG: f64 = 50.0;
/// Autocorrelation times that a block must have.
const BLOCK: f64 = 20.0;
/// Fewest blocks that are made longer.
const FEW_BLOCKS: usize = 10;

/// A chain under way. Of its states it keeps sums, and the primaries of those at its beginning.
pub(super) struct Walk {
    chain: IndependenceChain,
    rng: Rng,
    /// Primaries of the present state.
    state: Vec<f64>,
    states: u64,
    sums: Blocks,
    /// Primaries along the beginning of the chain.
    series: Vec<Vec<f64>>,
    most: usize,
}

impl Walk {
    /// A chain of at most `extent.samples` states with so many primaries.
    pub fn new(extent: &Extent, primaries: usize, rng: Rng) -> Self {
        let deal = Deal::Contiguous { blocks: extent.blocks, total: extent.samples as u64 };
        let (sums, series) = (Blocks::new(deal, primaries), vec![vec![]; primaries]);
        Self {
            chain: IndependenceChain::default(),
            rng,
            state: vec![],
            states: 0,
            sums,
            series,
            most: extent.states(primaries),
        }
    }

    /// Offers a sample.
    pub fn offer(&mut self, log_weight: f64, primaries: &[f64]) {
        if self.chain.offer(log_weight, &mut self.rng) == Move::Accepted {
            self.state.clear();
            self.state.extend_from_slice(primaries);
        }
        if self.chain.state().is_none() {
            return;
        }
        self.states += 1;
        self.sums.push(0.0, &self.state);
        if self.states as usize <= self.most {
            self.series.iter_mut().zip(&self.state).for_each(|(series, &a)| series.push(a));
        }
    }

    /// The chain at its end.
    pub fn finish(self, names: Vec<String>) -> Chain {
        let autocorrelation = self.series.iter().map(|series| autocorrelation(series)).collect();
        Chain {
            acceptance: self.chain.acceptance(),
            moves: self.chain.accepted(),
            states: self.states,
            sums: self.sums,
            names,
            autocorrelation,
        }
    }
}

/// A chain and how long it remembers.
pub(super) struct Chain {
    /// Fraction of the proposals that were accepted.
    pub acceptance: Option<f64>,
    moves: u64,
    states: u64,
    sums: Blocks,
    names: Vec<String>,
    /// Of each primary; `None` where it never changed.
    autocorrelation: Vec<Option<Autocorrelation>>,
}

impl Chain {
    /// The longest autocorrelation time among the primaries.
    pub fn slowest(&self) -> Option<&Autocorrelation> {
        self.autocorrelation.iter().flatten().max_by(|a, b| a.tau.total_cmp(&b.tau))
    }

    /// The autocorrelation of primary `i`.
    pub fn of_primary(&self, i: usize) -> Option<&Autocorrelation> {
        self.autocorrelation[i].as_ref()
    }

    /// All that speaks against numbers along the chain: that it is short, or hardly moves.
    pub fn warnings(&self) -> Vec<String> {
        let Self { moves, states, .. } = self;
        let mut warnings = vec![];
        if *moves < FEW_MOVES {
            warnings.push(format!("the chain moved {moves} times in {states} states, at least {FEW_MOVES} are needed"));
        }
        if let Some(tau) = self.slowest().map(|slowest| slowest.tau)
            && (*states as f64) < LONG * tau
        {
            warnings.push(format!(
                "the chain has {states} states, fewer than {LONG} times its autocorrelation time of {tau:.0}"
            ));
        }
        warnings
    }

    /// ρ(t) of every primary that changes.
    pub fn rho(&self) -> Vec<(String, Vec<f64>)> {
        let named = self.names.iter().zip(&self.autocorrelation);
        named.filter_map(|(name, of)| Some((name.clone(), of.as_ref()?.rho.clone()))).collect()
    }

    /// The states in blocks: as many as asked for, or fewer where they would be shorter than 20 autocorrelation times, at least ten.
    pub fn blocks(&self, blocks: usize) -> Blocks {
        let tau = self.slowest().map_or(0.5, |slowest| slowest.tau);
        let longest = (self.states as f64 / (BLOCK * tau)) as usize;
        let factor = blocks.div_ceil(longest.max(1)).min(blocks / FEW_BLOCKS);
        self.sums.coarsened(factor.max(1))
    }
}
