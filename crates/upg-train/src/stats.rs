//! Statistics of samples with weights and of Markov chains, in f64.
//!
//! | module | question |
//! |---|---|
//! | [`weights`] | how good are independent samples with log-weights log w = log p̃ − log q: effective sample size, log Z |
//! | [`tail`] | whether the weights that were seen say how far those that weren't can lie: the Pareto tail index; the largest of them smoothed by it |
//! | [`moments`] | mean and variance of independent numbers |
//! | [`jackknife`] | a function of (weighted) means, with its error |
//! | [`interval`] | the same to second order: skewness, how well the error itself is known |
//! | [`autocorrelation`](mod@autocorrelation) | the integrated autocorrelation time of a chain, and the error of its mean |
//! | [`metropolis`] | a Markov chain from independent proposals, and the variance of its means |
//!
//! p̃ = e^{−S} is the target density without its normalisation Z = ∫ p̃, q the normalised density the samples were drawn from.
//! Accumulators merge: what several lanes have gathered may be added up in any order, with the same result up to round-off.
//! A number that can't be computed is `None`, never 0.

pub mod autocorrelation;
mod autocovariance;
pub mod interval;
pub mod jackknife;
pub mod metropolis;
pub mod moments;
pub mod tail;
pub mod weights;

pub use autocorrelation::{Autocorrelation, autocorrelation, autocorrelation_of_replicas};
pub use interval::{Estimate, Refined, student};
pub use jackknife::{Blocks, Deal};
pub use metropolis::{IndependenceChain, Move, independence_chain};
pub use moments::Moments;
pub use tail::{TailIndex, smoothed, tail_index};
pub use weights::{DataWeightSums, WeightSums};

#[cfg(test)]
mod tests;
