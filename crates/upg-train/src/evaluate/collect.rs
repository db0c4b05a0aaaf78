//! Samples of the flow and of the target, seen piece by piece: memory doesn't grow with their number.

use super::chain::{Chain, Walk};
use super::extent::Extent;
use crate::peers::By;
use crate::purpose::Purpose;
use crate::round_trip;
use crate::stats::tail::{Largest, index_of_tenth};
use crate::stats::{Blocks, DataWeightSums, Deal, Moments, TailIndex, WeightSums};
use crate::trained::{PIECE, Trained};
use ndarray::{Array2, s};
use upg_core::{Batch, Device, DeviceError, Real, Start};

/// Samples of the flow by their sums.
pub(super) struct Collected {
    /// Number of samples.
    pub samples: usize,
    /// Names of the primaries.
    pub names: Vec<String>,
    /// Their weights.
    pub weights: WeightSums,
    /// log q + S.
    pub losses: Moments,
    /// Primaries with their weights.
    pub reweighted: Blocks,
    /// log w of the samples at the beginning.
    pub log_weights: Vec<f64>,
    /// The index of the tail of the weights.
    pub tail: Option<TailIndex>,
    /// The same of the weights times the size of each primary, from the few largest.
    pub tails: Vec<Option<f64>>,
    /// The chain that takes the samples as proposals.
    pub chain: Chain,
    /// Some samples themselves, shape `[shown, dof]`.
    pub shown: Array2<f64>,
}

/// Numbers shown of samples: 10,000 samples of 8 degrees of freedom at most, or a single one of more.
const SHOWN: usize = 10_000;
/// Most degrees of freedom of which distributions are shown.
pub const FEW: usize = 8;

/// The sums under way.
struct Collector {
    extent: Extent,
    weights: WeightSums,
    losses: Moments,
    reweighted: Blocks,
    log_weights: Vec<f64>,
    largest: Largest,
    largest_of_primaries: Vec<Largest>,
    walk: Walk,
    /// Primaries of a sample.
    primaries: Vec<f64>,
}

impl Collector {
    fn new(extent: Extent, primaries: usize, seed: u64) -> Self {
        let largest = Largest::of(extent.samples);
        Self {
            weights: WeightSums::default(),
            losses: Moments::default(),
            reweighted: Blocks::new(Deal::RoundRobin { blocks: extent.blocks(primaries) }, primaries),
            log_weights: vec![],
            largest_of_primaries: vec![largest.clone(); primaries],
            largest,
            walk: Walk::new(&extent, primaries, Purpose::Metropolis.streams(seed).next_stream()),
            primaries: vec![0.0; primaries],
            extent,
        }
    }

    /// Takes in samples with their primaries, shape `[primaries, samples]`.
    fn take(&mut self, log_weights: &[f64], measured: &Batch<f64>) {
        self.weights.extend(log_weights);
        let room = self.extent.log_weights - self.log_weights.len();
        self.log_weights.extend(log_weights.iter().take(room));
        for (sample, &log_weight) in log_weights.iter().enumerate() {
            (0..measured.rows()).for_each(|i| self.primaries[i] = measured.row(i)[sample]);
            self.losses.push(-log_weight);
            self.reweighted.push(log_weight, &self.primaries);
            self.largest.push(log_weight);
            for (largest, primary) in self.largest_of_primaries.iter_mut().zip(&self.primaries) {
                largest.push(log_weight + primary.abs().ln());
            }
            self.walk.offer(log_weight, &self.primaries);
        }
    }

    fn finish(self, names: Vec<String>, shown: Array2<f64>) -> Collected {
        let of_tenth = index_of_tenth(&self.log_weights);
        let index = self.largest.index();
        Collected {
            samples: self.extent.samples,
            weights: self.weights,
            losses: self.losses,
            reweighted: self.reweighted,
            log_weights: self.log_weights,
            tail: index.zip(of_tenth).map(|(index, of_tenth)| TailIndex { index, of_tenth }),
            tails: self.largest_of_primaries.into_iter().map(Largest::index).collect(),
            chain: self.walk.finish(names.clone()),
            names,
            shown,
        }
    }
}

/// Samples of the target as the flow sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Weighed {
    /// Their weights.
    pub weights: DataWeightSums,
    /// −log q.
    pub nll: Moments,
    /// How many the inverse misses.
    pub missed: u64,
}

impl<D: Device + Clone> Trained<D> {
    /// Draws samples and measures them.
    pub(super) fn collect<E: From<DeviceError>>(
        &mut self,
        extent: Extent,
        seed: u64,
        go_on: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Collected, E> {
        let names = self.known.primaries();
        let mut collector = Collector::new(extent, names.len(), seed);
        let mut of_piece = Batch::default();
        let shown = self.draw(extent, seed, |log_weights, primaries| {
            of_piece.reshape(names.len(), log_weights.len());
            of_piece.as_mut_slice().copy_from_slice(primaries);
            collector.take(log_weights, &of_piece);
            go_on()
        })?;
        Ok(collector.finish(names, shown))
    }

    /// Draws samples, of which a piece is one process's, and has their log-weights and primaries, shape `[primaries, samples]`, taken in their order.
    /// Returns those that are shown, shape `[shown, dof]`, which the first process has.
    pub(super) fn draw<E: From<DeviceError>>(
        &mut self,
        extent: Extent,
        seed: u64,
        mut take: impl FnMut(&[f64], &[f64]) -> Result<(), E>,
    ) -> Result<Array2<f64>, E> {
        let stream = Purpose::Evaluation.samples(seed);
        let primaries = self.known.primaries().len();
        let (mut x, mut measured, mut shown) = (Batch::default(), Batch::default(), Array2::zeros((0, 0)));
        let samples_of = |piece: usize| PIECE.min(extent.samples - piece * PIECE);
        let Self { engine, theta, known, peers, .. } = self;
        let see = |piece| {
            let (first, samples) = ((piece * PIECE) as u64, samples_of(piece));
            let drawn = engine.sample(theta, Start::Draw { stream, first, samples })?;
            x.assign_samples(drawn.end);
            known.measure(&x, &mut measured);
            if piece == 0 {
                let number = if x.rows() <= FEW { samples.min(SHOWN) } else { 1 };
                shown = drawn.end.slice(s![..number, ..]).mapv(Real::wide);
            }
            Ok([drawn.log_weights, measured.as_slice()].concat())
        };
        let take_piece = |piece, numbers: &[f64]| {
            let (log_weights, primaries) = numbers.split_at(samples_of(piece));
            take(log_weights, primaries)
        };
        let numbers_of = |piece: usize| samples_of(piece) * (1 + primaries);
        peers.in_turn(By::All, extent.samples.div_ceil(PIECE), numbers_of, see, take_piece)?;
        Ok(shown)
    }

    /// Weighs `data`, shape `[samples, dof]`.
    pub(super) fn weigh<E: From<DeviceError>>(
        &mut self,
        data: &Array2<D::Real>,
        go_on: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Weighed, E> {
        let mut weighed = Weighed::default();
        let (mut x, mut sums) = (D::Batch::default(), D::PerSample::default());
        let samples_of = |piece: usize| PIECE.min(data.nrows() - piece * PIECE);
        let Self { device, engine, theta, peers, .. } = self;
        let see = |piece| {
            let (first, samples) = (piece * PIECE, samples_of(piece));
            let rows = data.slice(s![first..first + samples, ..]);
            let seen = engine.weigh(theta, rows)?;
            let (mut numbers, latent) = (seen.log_weights.to_vec(), seen.end.to_owned());
            device.upload(rows, &mut x);
            engine.target().action_and_force(device, &x, &mut sums, None);
            numbers.resize(2 * samples, 0.0);
            device.read(&sums, &mut numbers[samples..]);
            numbers.push(round_trip::missed(engine, theta, rows, latent.view())? as f64);
            device.status()?;
            engine.target().status()?;
            Ok(numbers)
        };
        let take = |piece, numbers: &[f64]| {
            let (log_weights, rest) = numbers.split_at(samples_of(piece));
            let (actions, missed) = rest.split_at(log_weights.len());
            weighed.weights.extend(log_weights);
            // −log q = log w + S
            log_weights.iter().zip(actions).for_each(|(log_weight, action)| weighed.nll.push(log_weight + action));
            weighed.missed += missed[0] as u64;
            go_on()
        };
        peers.in_turn(By::All, data.nrows().div_ceil(PIECE), |piece| 2 * samples_of(piece) + 1, see, take)?;
        Ok(weighed)
    }
}
