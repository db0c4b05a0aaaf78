//! The unbiased Markov chain: independence Metropolis with the samples of the flow as proposals, in the order they were drawn.

use super::collect::Collected;
use crate::stats::{Autocorrelation, Blocks, Deal, autocorrelation, independence_chain};
use upg_core::Rng;

/// Fewest moves of a chain with an error.
const FEW_MOVES: usize = 100;
/// Autocorrelation times that a chain must have.
const LONG: f64 = 50.0;

/// A chain and how long it remembers.
pub(super) struct Chain {
    /// Fraction of the proposals that were accepted.
    pub acceptance: Option<f64>,
    /// The sample the chain is at, step by step.
    pub path: Vec<usize>,
    names: Vec<String>,
    /// Of each primary; `None` where it never changed.
    autocorrelation: Vec<Option<Autocorrelation>>,
}

impl Chain {
    /// Runs the chain over all samples.
    pub fn run(collected: &Collected, rng: &mut Rng) -> Self {
        let (path, acceptance) = independence_chain(&collected.log_weights, rng);
        let series = |i: usize| -> Vec<f64> { path.iter().map(|&sample| collected.primaries(sample)[i]).collect() };
        let names = collected.names.clone();
        let autocorrelation = (0..names.len()).map(|i| autocorrelation(&series(i))).collect();
        Self { acceptance, path, names, autocorrelation }
    }

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
        let (states, mut warnings) = (self.path.len(), vec![]);
        let moves = self.path.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if moves < FEW_MOVES {
            warnings.push(format!("the chain moved {moves} times in {states} states, at least {FEW_MOVES} are needed"));
        }
        if let Some(tau) = self.slowest().map(|slowest| slowest.tau)
            && (states as f64) < LONG * tau
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

    /// The states in blocks: `blocks` of them, fewer where they would be shorter than 20 autocorrelation times, at least ten.
    pub fn blocks(&self, collected: &Collected, blocks: usize) -> Blocks {
        let tau = self.slowest().map_or(0.5, |slowest| slowest.tau);
        let longest = (self.path.len() as f64 / (20.0 * tau)) as usize;
        let total = self.path.len() as u64;
        let deal = Deal::Contiguous { blocks: blocks.min(longest).max(10.min(blocks)), total: total.max(1) };
        let mut sums = Blocks::new(deal, collected.names.len());
        self.path.iter().for_each(|&sample| sums.push(0.0, collected.primaries(sample)));
        sums
    }
}
