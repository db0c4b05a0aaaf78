//! Independence Metropolis: a Markov chain with the stationary density p from independent proposals of q.
//!
//! A proposal x' ~ q replaces the state x with probability min(1, w(x')/w(x)), w = p̃/q; otherwise the chain stays for another step
//! (L. Tierney, Ann. Stat. 22 (1994) 1701). Only log-weights are needed. A state of large weight is left rarely:
//! what weights do to the error of a reweighted mean, the autocorrelation time does to that of the chain.

use rand::RngExt;
use upg_core::Rng;

/// The fate of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// It is the state now.
    Accepted,
    /// The state is the one before.
    Rejected,
}

/// The state of a chain, by its log-weight, and counts.
///
/// The first proposal of finite log-weight is the start: it and those before it aren't counted. Later a log-weight of −∞ (weight zero) is
/// rejected, and so is one that is NaN or +∞, as the chain would never leave it. Every proposal after the start takes one number
/// from the generator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndependenceChain {
    state: Option<f64>,
    offered: u64,
    accepted: u64,
}

impl IndependenceChain {
    /// Offers the next proposal, by its log w = log p̃ − log q.
    pub fn offer(&mut self, log_weight: f64, rng: &mut Rng) -> Move {
        let verdict = match self.state {
            None => judge(log_weight.is_finite()),
            Some(state) => self.decide(log_weight, state, rng.random()),
        };
        if verdict == Move::Accepted {
            self.state = Some(log_weight);
        }
        verdict
    }

    /// One counted step from `state`; `uniform` is from [0, 1).
    fn decide(&mut self, log_weight: f64, state: f64, uniform: f64) -> Move {
        self.offered += 1;
        let verdict = judge(log_weight.is_finite() && uniform < (log_weight - state).exp());
        self.accepted += u64::from(verdict == Move::Accepted);
        verdict
    }

    /// Log-weight of the state; `None` before the start.
    pub fn state(&self) -> Option<f64> {
        self.state
    }

    /// Proposals after the start.
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// Accepted proposals after the start.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Fraction of the proposals after the start that were accepted; `None` if there were none.
    pub fn acceptance(&self) -> Option<f64> {
        (self.offered > 0).then(|| self.accepted as f64 / self.offered as f64)
    }
}

fn judge(accept: bool) -> Move {
    if accept { Move::Accepted } else { Move::Rejected }
}

/// The chain that is offered samples with these log-weights in turn: the index of its state at every time from the start on, and
/// the acceptance.
///
/// If the first k log-weights are not finite the chain starts at index k and has k states less; it is empty if none is finite.
pub fn independence_chain(log_weights: &[f64], rng: &mut Rng) -> (Vec<usize>, Option<f64>) {
    let mut chain = IndependenceChain::default();
    let mut states = Vec::with_capacity(log_weights.len());
    for (index, &log_weight) in log_weights.iter().enumerate() {
        match (chain.offer(log_weight, rng), states.last()) {
            (Move::Accepted, _) => states.push(index),
            (Move::Rejected, Some(&state)) => states.push(state),
            (Move::Rejected, None) => {}
        }
    }
    (states, chain.acceptance())
}

/// The variance of means along the chain, from the weights of its proposals alone, MATH (44).
///
/// Let M proposals have weights w_1 ≤ … ≤ w_M of mean 1, p_k = w_k/M and S_k = p_1 + … + p_k. From state k the chain moves on with the probability
/// 1 − λ_k, λ_k = k/M − S_k/w_k, and the λ are the eigenvalues of its kernel (J. Liu, Stat. Comput. 6 (1996) 113). In its eigenvectors,
///
/// ```text
/// N · variance of a mean over N states = Σ_k (1 + λ_k)/(1 − λ_k) p_k (S_{k−1}/S_k) (f_k − f̄_{k−1})² ,
/// ```
///
/// with f̄_k the mean of f over the states up to k, by their weights. A series of states would have to be watched through many visits to its
/// heaviest ones to say the same.
#[derive(Clone, Debug)]
pub(crate) struct ChainVariance {
    /// Proposals of positive weight, the lightest first.
    order: Vec<usize>,
    /// p_k.
    shares: Vec<f64>,
    /// (1 + λ_k)/(1 − λ_k).
    slowness: Vec<f64>,
}

impl ChainVariance {
    /// That of a chain with such proposals; a log-weight that isn't finite is never accepted.
    pub fn new(log_weights: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..log_weights.len()).filter(|&i| log_weights[i].is_finite()).collect();
        order.sort_by(|&a, &b| log_weights[a].total_cmp(&log_weights[b]));
        let never = (log_weights.len() - order.len()) as f64;
        let top = order.last().map_or(0.0, |&i| log_weights[i]);
        let weights: Vec<f64> = order.iter().map(|&i| (log_weights[i] - top).exp()).collect();
        let (total, count) = (weights.iter().sum::<f64>(), log_weights.len() as f64);
        let mut sum = 0.0;
        let slowness = weights.iter().enumerate().map(|(k, weight)| {
            sum += weight / count;
            let stays = (never + k as f64 + 1.0) / count - sum / weight;
            (1.0 + stays) / (1.0 - stays)
        });
        Self { slowness: slowness.collect(), shares: weights.iter().map(|weight| weight / total).collect(), order }
    }

    /// The terms of the sum above for f, given by the proposal, and its value for that proposal: in the order of [`proposals`](Self::proposals).
    pub fn terms<'a>(&'a self, f: &'a dyn Fn(usize) -> f64) -> impl Iterator<Item = f64> + 'a {
        let (mut below, mut mean) = (0.0, 0.0);
        self.order.iter().zip(&self.shares).zip(&self.slowness).map(move |((&proposal, share), slowness)| {
            let upto = below + share;
            let away = f(proposal) - mean;
            let term = if upto > 0.0 { slowness * share * (below / upto) * away * away } else { 0.0 };
            if upto > 0.0 {
                mean += share / upto * away;
            }
            below = upto;
            term
        })
    }

    /// Proposals of positive weight with their shares of it, the lightest first.
    pub fn proposals(&self) -> impl Iterator<Item = (usize, f64)> {
        self.order.iter().copied().zip(self.shares.iter().copied())
    }
}
