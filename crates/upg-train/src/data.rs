//! Samples of the target: to train the forward KL on, and to test on.
//!
//! Batches go through the training data epoch by epoch, each in an order of its own that depends on the seed and the epoch alone.

use crate::purpose::Purpose;
use ndarray::{Array2, ArrayView2, Axis};
use rand::seq::SliceRandom;
use upg_core::Real;
use xxhash_rust::xxh3::Xxh3;

/// Samples of the target, shape `[samples, dof]` each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSets<T> {
    /// To train on, if the objective needs them.
    pub train: Option<Array2<T>>,
    /// To test on.
    pub test: Option<Array2<T>>,
}

impl<T: Real> DataSets<T> {
    /// Numbers that change with any change of the data.
    pub fn fingerprints(&self) -> Fingerprints {
        Fingerprints { train: self.train.as_ref().map(fingerprint), test: self.test.as_ref().map(fingerprint) }
    }
}

/// Fingerprints of samples to train on and to test on, where there are some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Fingerprints {
    /// Of those to train on.
    pub train: Option<u64>,
    /// Of those to test on.
    pub test: Option<u64>,
}

/// A number that changes with any change of samples.
pub fn fingerprint<T: Real>(samples: &Array2<T>) -> u64 {
    let mut hash = Xxh3::new();
    samples.iter().for_each(|x| hash.update(&x.wide().to_le_bytes()));
    hash.digest()
}

/// Batches of the training data.
#[derive(Clone, Debug)]
pub struct Batches<T> {
    data: Array2<T>,
    seed: u64,
    /// The epoch that `order` belongs to.
    epoch: Option<u64>,
    order: Vec<usize>,
    batch: Array2<T>,
}

impl<T: Real> Batches<T> {
    /// Batches of `size` samples of `data`, shape `[samples, dof]`, at least one sample.
    pub fn new(data: Array2<T>, size: usize, seed: u64) -> Self {
        let (order, batch) = ((0..data.nrows()).collect(), Array2::default((size, data.ncols())));
        Self { data, seed, epoch: None, order, batch }
    }

    /// The batch of step number `step`, shape `[size, dof]`: the samples number step·size and following of all epochs in a row.
    pub fn of_step(&mut self, step: u64) -> ArrayView2<'_, T> {
        let (size, samples) = (self.batch.nrows() as u64, self.data.nrows() as u64);
        for i in 0..self.batch.nrows() {
            let at = u128::from(step) * u128::from(size) + i as u128;
            let (epoch, place) = ((at / u128::from(samples)) as u64, (at % u128::from(samples)) as usize);
            self.shuffle(epoch);
            let row = self.data.index_axis(Axis(0), self.order[place]);
            self.batch.row_mut(i).assign(&row);
        }
        self.batch.view()
    }

    fn shuffle(&mut self, epoch: u64) {
        if self.epoch != Some(epoch) {
            (0..).zip(&mut self.order).for_each(|(i, place)| *place = i);
            self.order.shuffle(&mut Purpose::Epoch(epoch).streams(self.seed).next_stream());
            self.epoch = Some(epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(batch: ArrayView2<'_, f64>) -> Vec<f64> {
        batch.column(0).to_vec()
    }

    #[test]
    fn an_epoch_shows_every_sample_once_in_an_order_of_its_own() {
        let data = Array2::from_shape_fn((12, 2), |(i, j)| (i + 100 * j) as f64);
        let mut batches = Batches::new(data, 4, 3);
        let epoch = |batches: &mut Batches<f64>, epoch: u64| -> Vec<f64> {
            (3 * epoch..3 * epoch + 3).flat_map(|step| numbers(batches.of_step(step))).collect()
        };
        let (first, second) = (epoch(&mut batches, 0), epoch(&mut batches, 1));
        for order in [&first, &second] {
            let mut sorted = order.clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(sorted, (0..12).map(f64::from).collect::<Vec<_>>());
        }
        assert_ne!(first, second);
        assert_eq!(epoch(&mut batches, 0), first, "whatever was asked for before");
        assert_eq!(batches.of_step(0)[(2, 1)], first[2] + 100.0);
    }

    #[test]
    fn batches_go_over_the_ends_of_epochs() {
        let data = Array2::from_shape_fn((3, 1), |(i, _)| i as f64);
        let mut batches = Batches::new(data, 7, 1);
        let mut all: Vec<f64> = (0..3).flat_map(|step| numbers(batches.of_step(step))).collect();
        assert_eq!(all.len(), 21);
        for epoch in all.chunks_mut(3) {
            epoch.sort_by(f64::total_cmp);
            assert_eq!(epoch, [0.0, 1.0, 2.0]);
        }
    }

    #[test]
    fn the_fingerprint_sees_every_number() {
        let data = |x: f64| DataSets { train: Some(Array2::from_elem((2, 2), x)), test: None };
        let mut other = data(0.5);
        other.train.as_mut().unwrap()[(1, 1)] = 0.25;
        assert_ne!(data(0.5).fingerprints(), other.fingerprints());
        let moved = DataSets { train: None, test: data(0.5).train };
        assert_ne!(data(0.5).fingerprints(), moved.fingerprints());
        assert_eq!(DataSets::<f64>::default().fingerprints(), Fingerprints::default());
    }
}
