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
