//! The unbiased Markov chain: independence Metropolis with the samples of the flow as proposals, in the order they were drawn.

use super::extent::Extent;
use crate::stats::interval::{Influences, Refined};
use crate::stats::jackknife::slopes;
use crate::stats::metropolis::ChainVariance;
use crate::stats::{Autocorrelation, IndependenceChain, Moments, Move, autocorrelation};
use upg_core::Rng;

/// Fewest moves of a chain with an error.
const FEW_MOVES: u64 = 100;
/// Autocorrelation times that a chain must have.
const LONG: f64 = 50.0;

/// A chain under way. Of its states it keeps means, and the proposals of its beginning with what became of them.
pub(super) struct Walk {
    chain: IndependenceChain,
    rng: Rng,
    /// Number of the present state among the proposals, and its primaries.
    state: (usize, Vec<f64>),
    offered: usize,
    states: u64,
    means: Vec<Moments>,
    begun: Beginning,
    most: usize,
}

/// The beginning of a chain.
struct Beginning {
    /// log w of the proposals.
    log_weights: Vec<f64>,
    /// Their primaries, `[primary][proposal]`.
    primaries: Vec<Vec<f64>>,
    /// The states, by the number of the proposal.
    states: Vec<usize>,
}

impl Walk {
    /// A chain with so many primaries.
    pub fn new(extent: &Extent, primaries: usize, rng: Rng) -> Self {
        Self {
            chain: IndependenceChain::default(),
            rng,
            state: (0, vec![]),
            offered: 0,
            states: 0,
            means: vec![Moments::default(); primaries],
            begun: Beginning { log_weights: vec![], primaries: vec![vec![]; primaries], states: vec![] },
            most: extent.proposals(primaries),
        }
    }

    /// Offers a sample.
    pub fn offer(&mut self, log_weight: f64, primaries: &[f64]) {
        let (is_kept, number) = (self.offered < self.most, self.offered);
        self.offered += 1;
        if is_kept {
            self.begun.log_weights.push(log_weight);
            self.begun.primaries.iter_mut().zip(primaries).for_each(|(kept, &a)| kept.push(a));
        }
        if self.chain.offer(log_weight, &mut self.rng) == Move::Accepted {
            self.state.0 = number;
            self.state.1.clear();
            self.state.1.extend_from_slice(primaries);
        }
        if self.chain.state().is_none() {
            return;
        }
        self.states += 1;
        self.means.iter_mut().zip(&self.state.1).for_each(|(mean, &a)| mean.push(a));
        if is_kept {
            self.begun.states.push(self.state.0);
        }
    }

    /// The chain at its end.
    pub fn finish(self, names: Vec<String>) -> Chain {
        let series = |of: &Vec<f64>| self.begun.states.iter().map(|&state| of[state]).collect::<Vec<_>>();
        let autocorrelation = self.begun.primaries.iter().map(|of| autocorrelation(&series(of))).collect();
        Chain {
            acceptance: self.chain.acceptance(),
            moves: self.chain.accepted(),
            states: self.states,
            variance: ChainVariance::new(&self.begun.log_weights),
            means: self.means.iter().map(Moments::mean).collect(),
            begun: self.begun,
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
    /// Of the primaries; `None` where one of them is not finite.
    means: Option<Vec<f64>>,
    begun: Beginning,
    variance: ChainVariance,
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

    /// f of the means along the chain, to second order; `spreads` are the standard errors of the weighted means of the primaries, the scale on which f
    /// is linear. `None` where f isn't finite, or for a chain that never moved.
    ///
    /// The influence of a proposal on the weighted mean, ψ, and its term of the variance of the chain, v, tie value and error to each other by
    /// Σ ψ v: what the chain adds to the error of the weighted mean goes up and down with it.
    pub fn refine(&self, f: &dyn Fn(&[f64]) -> f64, spreads: &[f64]) -> Option<Refined> {
        let means = self.means.as_ref().filter(|_| self.moves > 0)?;
        let plain = Some(f(means)).filter(|value| value.is_finite())?;
        let slopes = slopes(f, means, spreads)?;
        let mut values = vec![0.0; self.begun.log_weights.len()];
        for (slope, primary) in slopes.iter().zip(&self.begun.primaries).filter(|(slope, _)| **slope != 0.0) {
            values.iter_mut().zip(primary).for_each(|(value, a)| *value += slope * a);
        }
        let mean: f64 = self.variance.proposals().map(|(i, share)| share * values[i]).sum();
        // of one state; those of many are independent parts
        let fraction = 1.0 / self.states as f64;
        let count = self.begun.log_weights.len() as f64;
        let mut influences = Influences::default();
        for ((i, share), term) in self.variance.proposals().zip(self.variance.terms(&|i| values[i])) {
            influences.variance += fraction * term;
            influences.tie += fraction * fraction * count * share * (values[i] - mean) * term;
            influences.fourth += fraction * fraction * fraction * count * term * term;
        }
        Some(influences.refine(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Estimate;
    use crate::stats::jackknife::Function;
    use rand_distr::{Distribution, StandardNormal};

    /// p = N(0.7, 1), q = N(0, 1): an ESS of 0.61. Of x and x².
    fn walk(samples: usize, rng: &mut Rng) -> Chain {
        let extent = Extent::new(samples, 2);
        let mut walk = Walk::new(&extent, 2, rng.clone());
        for _ in 0..samples {
            let x: f64 = StandardNormal.sample(rng);
            walk.offer(0.7 * x - 0.245, &[x, x * x]);
        }
        walk.finish(vec!["x".into(), "x2".into()])
    }

    #[test]
    fn numbers_along_the_chain_are_calibrated() {
        let mut rng = upg_core::Streams::new(5).next_stream();
        let susceptibility = |means: &[f64]| means[1] - means[0] * means[0];
        let functions: [(&Function<'_>, f64); 2] = [(&|means| means[0], 0.7), (&susceptibility, 1.0)];
        let (mut pulls, mut held) = ([Moments::default(), Moments::default()], [0; 2]);
        for _ in 0..600 {
            let chain = walk(2000, &mut rng);
            for (k, (f, exact)) in functions.into_iter().enumerate() {
                let Refined { estimate: Estimate { value, error }, interval: [low, high], .. } =
                    chain.refine(f, &[0.03, 0.1]).unwrap();
                pulls[k].push((value - exact) / error);
                held[k] += u32::from((low..=high).contains(&exact));
            }
        }
        for (pulls, held) in pulls.iter().zip(held) {
            let (mean, width) = (pulls.mean().unwrap(), pulls.variance().unwrap().sqrt());
            assert!(mean.abs() < 0.13 && (width - 1.0).abs() < 0.1, "mean {mean}, width {width}");
            assert!(held > 555, "{held} of 600 intervals hold the number");
        }
    }

    /// Where a part of the proposals is kept, it stands for all.
    #[test]
    fn errors_from_the_beginning_are_those_of_all() {
        let mut rng = upg_core::Streams::new(6).next_stream();
        let [mut part, mut all] = [4000, 1 << 20]
            .map(|log_weights| Extent { log_weights, ..Extent::new(40_000, 2) })
            .map(|extent| Walk::new(&extent, 1, upg_core::Streams::new(7).next_stream()));
        for _ in 0..40_000 {
            let x: f64 = StandardNormal.sample(&mut rng);
            [&mut part, &mut all].into_iter().for_each(|walk: &mut Walk| walk.offer(0.6 * x, &[x]));
        }
        let [part, all] =
            [part, all].map(|walk| walk.finish(vec!["x".into()]).refine(&|means| means[0], &[0.01]).unwrap());
        let ratio = |of: &dyn Fn(Refined) -> f64| of(part) / of(all);
        let shift = |of: Refined| of.interval[0] + of.interval[1] - 2.0 * of.estimate.value;
        assert!((ratio(&|of| of.estimate.error) - 1.0).abs() < 0.15, "{part:?} {all:?}");
        assert!((ratio(&shift) - 1.0).abs() < 0.5, "{part:?} {all:?}");
        assert!((0.3..3.0).contains(&(part.rests_on / all.rests_on)), "{part:?} {all:?}");
    }

    #[test]
    fn a_chain_that_never_moved_has_no_error() {
        let mut walk = Walk::new(&Extent::new(3, 2), 1, upg_core::Streams::new(1).next_stream());
        [300.0, 0.0, 0.0].into_iter().for_each(|log_weight| walk.offer(log_weight, &[1.0]));
        assert_eq!(walk.finish(vec!["x".into()]).refine(&|means| means[0], &[0.1]), None);
    }
}
