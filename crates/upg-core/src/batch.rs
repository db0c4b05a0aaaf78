//! A batch on the host: site-major, `[dof, samples]`, samples contiguous.

use crate::real::Real;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use std::fmt;

/// A matrix of shape `[rows, samples]` in main memory; a row holds one degree of freedom of every sample, contiguous.
///
/// A mask is then a choice of rows, a log-det a sum of rows, and `W·X` feeds a matrix product without a transpose.
/// Memory is aligned to 64 bytes; it grows and is kept: [`reshape`](Self::reshape) to a smaller or equal size never allocates.
///
/// ```
/// use upg_core::Batch;
/// let samples = ndarray::array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]; // [batch, dof]
/// let batch = Batch::from_samples(samples.view());
/// assert_eq!((batch.rows(), batch.samples()), (3, 2));
/// assert_eq!(batch.row(1), [2.0, 5.0]);
/// ```
#[derive(Clone)]
pub struct Batch<T> {
    store: Aligned<T>,
    rows: usize,
    samples: usize,
}

impl<T: Real> Default for Batch<T> {
    fn default() -> Self {
        Self { store: Aligned::default(), rows: 0, samples: 0 }
    }
}

impl<T: Real> fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch[{} rows, {} samples] of {}", self.rows, self.samples, T::NAME)
    }
}

impl<T: Real> Batch<T> {
    /// Zeros, shape `[rows, samples]`.
    pub fn zeros(rows: usize, samples: usize) -> Self {
        let mut batch = Self::default();
        batch.reshape(rows, samples);
        batch
    }

    /// The transpose of what users hold: `samples` has shape `[batch, dof]`.
    pub fn from_samples(samples: ArrayView2<'_, T>) -> Self {
        let mut batch = Self::default();
        batch.assign_samples(samples);
        batch
    }

    /// Takes over `samples`, shape `[batch, dof]`, and their shape.
    pub fn assign_samples(&mut self, samples: ArrayView2<'_, T>) {
        self.reshape(samples.ncols(), samples.nrows());
        self.as_array_mut().assign(&samples.t());
    }

    /// Writes the batch to `out`, shape `[batch, dof]`.
    pub fn write_samples(&self, mut out: ArrayViewMut2<'_, T>) {
        out.assign(&self.as_array().t());
    }

    /// The batch as users hold it, shape `[batch, dof]`.
    pub fn to_samples(&self) -> Array2<T> {
        self.as_array().t().as_standard_layout().into_owned()
    }

    /// Number of rows: degrees of freedom.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Gives the batch the shape `[rows, samples]`. The content is unspecified afterwards (old values or zeros).
    pub fn reshape(&mut self, rows: usize, samples: usize) {
        self.store.grow_to(rows * samples);
        (self.rows, self.samples) = (rows, samples);
    }

    /// Sets every element.
    pub fn fill(&mut self, value: T) {
        self.as_mut_slice().fill(value);
    }

    /// Row `i`: one degree of freedom of every sample, length `samples`.
    #[track_caller]
    pub fn row(&self, i: usize) -> &[T] {
        &self.as_slice()[i * self.samples..][..self.samples]
    }

    /// Row `i`, to be written.
    #[track_caller]
    pub fn row_mut(&mut self, i: usize) -> &mut [T] {
        let samples = self.samples;
        &mut self.as_mut_slice()[i * samples..][..samples]
    }

    /// All elements, row after row.
    pub fn as_slice(&self) -> &[T] {
        &self.store.as_slice()[..self.rows * self.samples]
    }

    /// All elements, row after row, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        let len = self.rows * self.samples;
        &mut self.store.as_mut_slice()[..len]
    }

    /// View of shape `[rows, samples]`.
    pub fn as_array(&self) -> ArrayView2<'_, T> {
        ArrayView2::from_shape((self.rows, self.samples), self.as_slice()).expect("a batch fills its shape")
    }

    /// View of shape `[rows, samples]`, to be written.
    pub fn as_array_mut(&mut self) -> ArrayViewMut2<'_, T> {
        let shape = (self.rows, self.samples);
        ArrayViewMut2::from_shape(shape, self.as_mut_slice()).expect("a batch fills its shape")
    }

    /// Becomes a copy of `other`, without a new allocation where the memory suffices.
    pub fn copy_from(&mut self, other: &Self) {
        self.reshape(other.rows, other.samples);
        self.as_mut_slice().copy_from_slice(other.as_slice());
    }

    /// Fills this batch with the rows `indices` of `from`, in that order; shape `[indices.len(), samples]`.
    pub fn gather(&mut self, from: &Self, indices: &[usize]) {
        self.reshape(indices.len(), from.samples);
        for (to, &i) in indices.iter().enumerate() {
            self.row_mut(to).copy_from_slice(from.row(i));
        }
    }

    /// Writes the rows of this batch to the rows `indices` of `to`.
    pub fn scatter(&self, to: &mut Self, indices: &[usize]) {
        assert_eq!(self.rows, indices.len(), "rows of the batch, and places to put them");
        for (from, &i) in indices.iter().enumerate() {
            to.row_mut(i).copy_from_slice(self.row(from));
        }
    }
}

/// One cache line; a vector of them is aligned as SIMD loads like it.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Growing memory aligned to 64 bytes, zeroed when new.
#[derive(Clone)]
struct Aligned<T> {
    lines: Vec<Line>,
    number: std::marker::PhantomData<T>,
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), number: std::marker::PhantomData }
    }
}

impl<T: Real> Aligned<T> {
    fn grow_to(&mut self, len: usize) {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        if lines > self.lines.len() {
            // Fresh zero pages, rather than a copy of what is unspecified anyway.
            self.lines = vec![Line([0; 64]); lines];
        }
    }

    fn len(&self) -> usize {
        self.lines.len() * size_of::<Line>() / size_of::<T>()
    }

    fn as_slice(&self) -> &[T] {
        // SAFETY: the lines are initialised, aligned to 64 ≥ align_of::<T>(), hold len() numbers, and every bit
        // pattern is an f32 or f64 (Real is sealed to these two).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len()) }
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as in as_slice, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_kept() {
        let mut batch = Batch::<f32>::zeros(7, 5);
        let at = batch.as_slice().as_ptr();
        assert_eq!(at.align_offset(64), 0);
        batch.reshape(5, 7);
        batch.reshape(1, 1);
        assert_eq!(at, batch.as_slice().as_ptr());
    }

    #[test]
    fn scatter_undoes_gather() {
        let samples = Array2::from_shape_fn((4, 6), |(b, i)| (10 * b + i) as f64);
        let batch = Batch::from_samples(samples.view());
        let mut odd = Batch::default();
        odd.gather(&batch, &[5, 1, 3]);
        assert_eq!(odd.row(0), [5.0, 15.0, 25.0, 35.0]);
        let mut copy = batch.clone();
        for i in [1, 3, 5] {
            copy.row_mut(i).fill(0.0);
        }
        odd.scatter(&mut copy, &[5, 1, 3]);
        assert_eq!(copy.to_samples(), samples);
    }
}
