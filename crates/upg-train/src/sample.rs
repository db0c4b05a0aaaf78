//! Samples of a trained flow: independent with weights, or as an unbiased Markov chain.
//!
//! The chain is that of independence Metropolis with the samples of the flow as proposals: state n is sample n, or state n − 1 again where it
//! was rejected. Samples come piece by piece; memory doesn't grow with their number.

use crate::base::with_base;
use crate::peers::By;
use crate::purpose::Purpose;
use crate::stats::{IndependenceChain, Move};
use crate::trained::{PIECE, Trained};
use ndarray::{Array2, ArrayView2, Axis, s};
use upg_core::{Device, DeviceError, Real, Rng, SampleStream, Start};

/// The kind of samples to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Independent samples of the flow, with their weights.
    Independent,
    /// States of an independence Metropolis chain: unbiased samples of the target, correlated.
    Metropolis,
}

/// Which samples are to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplePlan {
    /// Decides all of them: sample n of a seed is the same whatever it is drawn together with.
    pub seed: u64,
    /// The number of the first; a chain that begins there.
    pub first: u64,
    /// How many.
    pub samples: usize,
    /// Of which kind.
    pub draw: Draw,
    /// Whether the samples of the base that they are made of are handed out too.
    pub latent: bool,
}

/// Some samples.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a, T> {
    /// The samples x, shape `[piece, dof]`.
    pub x: ArrayView2<'a, T>,
    /// The samples z of the base with x = T(z), shape `[piece, dof]`; empty unless asked for.
    pub latent: ArrayView2<'a, T>,
    /// Their log-weights −S − log q.
    pub log_weights: &'a [f64],
}

/// The outcome when all samples are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Fraction of the proposals that were accepted; `None` without a chain.
    pub acceptance: Option<f64>,
    /// Number of log-weights that are not finite.
    pub not_finite: usize,
}

/// Samples all at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples<T> {
    /// The samples x, shape `[samples, dof]`.
    pub x: Array2<T>,
    /// Their log-weights −S − log q.
    pub log_weights: Vec<f64>,
    /// How it went.
    pub drawn: Drawn,
}

impl<D: Device + Clone> Trained<D> {
    /// Draws samples; `take` gets them piece by piece.
    ///
    /// # Errors
    /// If the device fails, or `take` does.
    pub fn sample<E: From<DeviceError>>(
        &mut self,
        plan: SamplePlan,
        mut take: impl FnMut(Piece<'_, D::Real>) -> Result<(), E>,
    ) -> Result<Drawn, E> {
        let SamplePlan { seed, first, samples, draw, latent } = plan;
        let stream = Purpose::Samples.samples(seed);
        let mut walk = match draw {
            Draw::Independent => None,
            Draw::Metropolis => Some(Walk::new(Purpose::Metropolis.streams(seed).next_stream())),
        };
        let (mut not_finite, dof, peers) = (0, self.dof(), self.peers.clone());
        let samples_of = |piece: usize| PIECE.min(samples - piece * PIECE);
        let width = if latent { 2 * dof } else { dof };
        let see = |piece| {
            let (first, samples) = (first + (piece * PIECE) as u64, samples_of(piece));
            let z = if latent { self.latent(stream, first, samples) } else { Array2::default((samples, 0)) };
            let drawn = self.engine.sample(&self.theta, Start::Draw { stream, first, samples })?;
            let rows = drawn.end.rows().into_iter().zip(z.rows());
            let numbers = rows.flat_map(|(x, z)| x.into_iter().chain(z)).map(|number| number.wide());
            Ok(drawn.log_weights.iter().copied().chain(numbers).collect())
        };
        let take_piece = |piece, numbers: &[f64]| {
            let (log_weights, numbers) = numbers.split_at(samples_of(piece));
            not_finite += log_weights.iter().filter(|weight| !weight.is_finite()).count();
            let mut rows =
                Array2::from_shape_fn((log_weights.len(), width), |(i, j)| D::Real::of(numbers[i * width + j]));
            let mut log_weights = log_weights.to_vec();
            if let Some(walk) = &mut walk {
                walk.over(&mut rows, &mut log_weights);
            }
            let (x, latent) = rows.view().split_at(Axis(1), dof);
            take(Piece { x, latent, log_weights: &log_weights })
        };
        peers.in_turn(By::First, samples.div_ceil(PIECE), |piece| samples_of(piece) * (1 + width), see, take_piece)?;
        Ok(Drawn { acceptance: walk.and_then(|walk| walk.chain.acceptance()), not_finite })
    }

    /// Samples of the base, shape `[samples, dof]`.
    fn latent(&self, stream: SampleStream, first: u64, samples: usize) -> Array2<D::Real> {
        let (mut z, mut on_host) = (D::Batch::default(), Array2::default((samples, self.dof())));
        self.device.reshape(&mut z, self.dof(), samples);
        with_base(&self.engine, &self.theta, |pass| self.engine.base().sample(pass, stream, first, &mut z));
        self.device.download(&z, on_host.view_mut());
        on_host
    }

    /// All samples at once.
    ///
    /// # Errors
    /// If the device fails.
    pub fn samples(&mut self, seed: u64, samples: usize, draw: Draw) -> Result<Samples<D::Real>, DeviceError> {
        let (mut x, mut log_weights) = (Array2::default((samples, self.dof())), vec![]);
        let plan = SamplePlan { seed, first: 0, samples, draw, latent: false };
        let drawn = self.sample(plan, |piece| {
            let first = log_weights.len();
            x.slice_mut(s![first..first + piece.log_weights.len(), ..]).assign(&piece.x);
            log_weights.extend_from_slice(piece.log_weights);
            Ok::<_, DeviceError>(())
        })?;
        Ok(Samples { x, log_weights, drawn })
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
