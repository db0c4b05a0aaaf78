//! Primaries of many chains: sums of each, and series of some.

use crate::stats::{Blocks, Deal, Estimate, autocorrelation_of_replicas};
use std::collections::BTreeMap;
use upg_core::Batch;

/// Fewest blocks.
const BLOCKS: usize = 20;
/// Numbers of series that are kept.
const KEPT: usize = 1 << 26;

/// What was measured so far.
pub(super) struct Series {
    names: Vec<String>,
    /// Of each chain.
    sums: Vec<Blocks>,
    /// Primaries in the order of time, of the first chains: `kept[chain][primary]`.
    kept: Vec<Vec<Vec<f64>>>,
    measured: usize,
    /// The primaries of one state.
    state: Vec<f64>,
}

impl Series {
    /// Nothing yet, of so many chains that will make so many sweeps.
    pub fn new(names: Vec<String>, chains: usize, sweeps: usize) -> Self {
        let pieces = if chains < BLOCKS { BLOCKS.div_ceil(chains.max(1)) } else { 1 };
        let deal = Deal::Contiguous { blocks: pieces, total: sweeps as u64 };
        let fitting = (KEPT / (sweeps * names.len()).max(1)).max(1);
        let kept = vec![vec![vec![]; names.len()]; chains.min(fitting)];
        Self { sums: vec![Blocks::new(deal, names.len()); chains], names, kept, measured: 0, state: vec![] }
    }

    /// Takes in the primaries of all chains after a sweep, shape `[primaries, chains]`.
    pub fn push(&mut self, measured: &Batch<f64>) {
        self.measured += measured.samples();
        for (chain, sums) in self.sums.iter_mut().enumerate() {
            self.state.clear();
            self.state.extend((0..measured.rows()).map(|i| measured.row(i)[chain]));
            sums.push(0.0, &self.state);
            if let Some(kept) = self.kept.get_mut(chain) {
                kept.iter_mut().zip(&self.state).for_each(|(series, &value)| series.push(value));
            }
        }
    }

    /// Names of the primaries.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of states.
    pub fn measured(&self) -> usize {
        self.measured
    }

    /// The blocks of all chains; `None` without chains.
    pub fn blocks(&self) -> Option<Blocks> {
        let (first, others) = self.sums.split_first()?;
        let mut all = first.clone();
        others.iter().for_each(|other| all.merge(other));
        Some(all)
    }

    /// τ_int of each primary, in sweeps.
    pub fn times(&self) -> BTreeMap<String, Option<Estimate>> {
        let time = |i: usize| {
            let replicas: Vec<&[f64]> = self.kept.iter().map(|chain| &chain[i][..]).collect();
            let found = autocorrelation_of_replicas(&replicas)?;
            Some(Estimate { value: found.tau, error: found.tau_error })
        };
        self.names.iter().enumerate().map(|(i, name)| (name.clone(), time(i))).collect()
    }
}
