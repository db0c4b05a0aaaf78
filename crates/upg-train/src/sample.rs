//! Samples of a trained flow: independent with weights, or as an unbiased Markov chain.
//!
//! The chain is that of independence Metropolis with the samples of the flow as proposals: state n is sample n, or state n − 1 again where it
//! was rejected. Samples come piece by piece; memory doesn't grow with their number.

use crate::purpose::Purpose;
use crate::stats::{IndependenceChain, Move};
use crate::trained::{PIECE, Trained};
use ndarray::{Array2, ArrayView2};
use upg_core::{Device, DeviceError, Real, Rng, Start};

/// The kind of samples to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Independent samples of the flow, with their weights.
    Independent,
    /// States of an independence Metropolis chain: unbiased samples of the target, correlated.
    Metropolis,
}

/// The outcome when all samples are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Fraction of the proposals that were accepted; `None` without a chain.
    pub acceptance: Option<f64>,
    /// Number of log-weights that are not finite.
    pub not_finite: usize,
}

impl<D: Device + Clone> Trained<D> {
    /// Draws `samples` samples, decided by `seed`; `take` gets them piece by piece, shape `[piece, dof]`, with their log-weights −S − log q.
    ///
    /// # Errors
    /// If the device fails, or `take` does.
    pub fn sample<E: From<DeviceError>>(
        &mut self,
        seed: u64,
        samples: usize,
        how: Draw,
        mut take: impl FnMut(ArrayView2<'_, D::Real>, &[f64]) -> Result<(), E>,
    ) -> Result<Drawn, E> {
        let stream = Purpose::Samples.samples(seed);
        let mut walk = match how {
            Draw::Independent => None,
            Draw::Metropolis => Some(Walk::new(Purpose::Metropolis.streams(seed).next_stream())),
        };
        let mut not_finite = 0;
        for first in (0..samples).step_by(PIECE) {
            let start = Start::Draw { stream, first: first as u64, samples: PIECE.min(samples - first) };
            let drawn = self.engine.sample(&self.theta, start)?;
            not_finite += drawn.log_weights.iter().filter(|weight| !weight.is_finite()).count();
            match &mut walk {
                None => take(drawn.end, drawn.log_weights)?,
                Some(walk) => {
                    let (mut rows, mut weights) = (drawn.end.to_owned(), drawn.log_weights.to_vec());
                    walk.over(&mut rows, &mut weights);
                    take(rows.view(), &weights)?;
                }
            }
        }
        Ok(Drawn { acceptance: walk.and_then(|walk| walk.chain.acceptance()), not_finite })
    }

    /// All samples at once, shape `[samples, dof]`, with their log-weights.
    ///
    /// # Errors
    /// If the device fails.
    pub fn samples(
        &mut self,
        seed: u64,
        samples: usize,
        how: Draw,
    ) -> Result<(Array2<D::Real>, Vec<f64>), DeviceError> {
        let (mut all, mut log_weights) = (Array2::default((samples, self.dof())), vec![]);
        self.sample(seed, samples, how, |piece, weights| {
            let first = log_weights.len();
            all.slice_mut(ndarray::s![first..first + weights.len(), ..]).assign(&piece);
            log_weights.extend_from_slice(weights);
            Ok::<_, DeviceError>(())
        })?;
        Ok((all, log_weights))
    }
}

/// The chain and the state it is at.
struct Walk<T> {
    chain: IndependenceChain,
    rng: Rng,
    state: Vec<T>,
    log_weight: f64,
}

impl<T: Real> Walk<T> {
    fn new(rng: Rng) -> Self {
        Self { chain: IndependenceChain::default(), rng, state: vec![], log_weight: f64::NEG_INFINITY }
    }

    /// Puts the states of the chain in the place of its proposals.
    fn over(&mut self, proposals: &mut Array2<T>, log_weights: &mut [f64]) {
        for (mut proposal, log_weight) in proposals.rows_mut().into_iter().zip(log_weights) {
            self.offer(proposal.as_slice_mut().expect("rows are contiguous"), log_weight);
        }
    }

    /// Takes the proposal, or puts the present state in its place.
    fn offer(&mut self, proposal: &mut [T], log_weight: &mut f64) {
        // Before the first proposal with a weight there is no state to stay at.
        let move_made = self.chain.offer(*log_weight, &mut self.rng);
        if move_made == Move::Accepted || self.state.is_empty() {
            self.state.clear();
            self.state.extend_from_slice(proposal);
            self.log_weight = *log_weight;
        } else {
            proposal.copy_from_slice(&self.state);
            *log_weight = self.log_weight;
        }
    }
}
