//! A batch in tiles of samples, each as many as there are lanes.

use crate::simd::lanes;
use std::ops::Range;
use upg_core::{Batch, Real};

/// A tile of samples: `lanes` of them, fewer at the end of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile {
    /// Number of the tile.
    pub index: usize,
    /// First sample.
    pub first: usize,
    /// Number of samples.
    pub samples: usize,
}

impl Tile {
    /// The tiles of a batch.
    pub fn all<T: Real>(samples: usize) -> impl Iterator<Item = Self> {
        let tile = move |(index, first)| Self { index, first, samples: lanes::<T>().min(samples - first) };
        (0..samples).step_by(lanes::<T>()).enumerate().map(tile)
    }

    /// Its samples.
    pub fn range(self) -> Range<usize> {
        self.first..self.first + self.samples
    }

    /// Adds the rows of `numbers`, `[site][lane]`, to the sums of the samples.
    pub fn add_rows<T: Real>(self, numbers: &[T], sums: &mut [f64]) {
        for row in numbers.chunks_exact(lanes::<T>()) {
            sums[self.range()].iter_mut().zip(row).for_each(|(sum, number)| *sum += number.wide());
        }
    }

    /// Sets `numbers`, `[site][lane]`, to zero in lanes without a sample.
    pub fn clear_rest<T: Real>(self, numbers: &mut [T]) {
        if self.samples < lanes::<T>() {
            numbers.chunks_exact_mut(lanes::<T>()).for_each(|row| row[self.samples..].fill(T::zero()));
        }
    }

    /// Fills `numbers`, `[row][lane]`, with the rows of a batch; zero in lanes without a sample.
    pub fn take<T: Real>(self, batch: &Batch<T>, numbers: &mut [T]) {
        for (row, to) in numbers.chunks_exact_mut(lanes::<T>()).enumerate() {
            to[..self.samples].copy_from_slice(&batch.row(row)[self.range()]);
            to[self.samples..].fill(T::zero());
        }
    }

    /// Writes `numbers`, `[row][lane]`, to the rows of a batch.
    pub fn put<T: Real>(self, numbers: &[T], batch: &mut Batch<T>) {
        for (row, from) in numbers.chunks_exact(lanes::<T>()).enumerate() {
            batch.row_mut(row)[self.range()].copy_from_slice(&from[..self.samples]);
        }
    }
}
