//! The three products of a linear map with weights W `[outputs, inputs]` over a batch, and how they are cut into tiles.
//!
//! Shapes: inputs h `[inputs, samples]`, outputs and their cotangents v `[outputs, samples]`.

use crate::matmul::{Mat, Tile, product, transpose};
use upg_core::vmath::{Kernel, MulAdd, dispatch};
use upg_core::{Accum, Batch, Real};

/// Tiles of the products with W: large enough that packing is cheap, and four of them in a product of 1000 × 1000 × 1024.
const TILE: Tile = Tile { rows: 512, cols: 512 };
/// Up to this many samples a product is bound by reading W from memory, if it lies there.
const NARROW: usize = 128;
/// Up to this many weights W lies in cache.
const CACHED: usize = 1 << 17;

/// to ← W h, with `finish(row, first sample, part of the row)` as in [`product`].
///
/// # Panics
/// If the shapes don't fit.
#[track_caller]
pub fn apply<T: Real>(
    to: &mut Batch<T>,
    weight: Mat<'_, T>,
    h: &Batch<T>,
    finish: impl Fn(usize, usize, &mut [T]) + Sync + Send,
) {
    let tile = if h.samples() <= NARROW { Tile { rows: 256, ..TILE } } else { TILE };
    product(to.as_mut_slice(), weight, matrix(h), Accum::Replace, tile, finish);
}

/// to ← Wᵀ v, with `finish` as in [`apply`].
///
/// Where W isn't in cache, for few samples as (vᵀ W)ᵀ, by way of `transposed`: W is then read along its rows, as it lies in memory, which is
/// twice as fast. The sums are the same, to the bit.
///
/// # Panics
/// If the shapes don't fit.
#[track_caller]
pub fn apply_transposed<T: Real>(
    to: &mut Batch<T>,
    weight: Mat<'_, T>,
    v: &Batch<T>,
    transposed: &mut Batch<T>,
    finish: impl Fn(usize, usize, &mut [T]) + Sync + Send,
) {
    if v.samples() > NARROW || weight.shape().iter().product::<usize>() <= CACHED {
        return product(to.as_mut_slice(), weight.t(), matrix(v), Accum::Replace, TILE, finish);
    }
    transposed.reshape(v.samples(), to.rows());
    let tile = Tile { rows: NARROW, cols: 128 };
    product(transposed.as_mut_slice(), matrix(v).t(), weight, Accum::Replace, tile, |_, _, _| ());
    let inputs = to.rows();
    transpose(to.as_mut_slice(), transposed.as_slice(), inputs, |row, part| finish(row, 0, part));
}

/// ∂W (+)= v hᵀ.
///
/// # Panics
/// If the shapes don't fit.
#[track_caller]
pub fn gradient<T: Real>(into: &mut [T], v: &Batch<T>, h: &Batch<T>, accum: Accum) {
    // hᵀ is the operand that is costly to pack: cut so that no two tiles pack the same part of it, unless it is small.
    let narrow = v.samples() <= NARROW;
    let tile = if narrow { Tile { rows: 256, cols: usize::MAX } } else { Tile { rows: usize::MAX, cols: 256 } };
    product(into, matrix(v), matrix(h).t(), accum, tile, |_, _, _| ());
}

/// ∂b (+)= Σ_samples v.
pub fn bias_gradient<T: Real>(into: &mut [T], v: &Batch<T>, accum: Accum) {
    for (row, db) in into.iter_mut().enumerate() {
        let sum = dispatch(Sum(v.row(row)));
        *db = if accum == Accum::Add { *db + sum } else { sum };
    }
}

/// The batch as a matrix of shape `[rows, samples]`.
pub fn matrix<T: Real>(batch: &Batch<T>) -> Mat<'_, T> {
    Mat::new(batch.as_slice(), batch.rows(), batch.samples())
}

/// The sum of a row, in 16 interleaved partial sums.
pub fn sum<T: Real>(row: &[T]) -> T {
    dispatch(Sum(row))
}

struct Sum<'a, T>(&'a [T]);

impl<T: Real> Kernel for Sum<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<M: MulAdd>(self) -> T {
        let mut partial = [T::zero(); 16];
        let chunks = self.0.chunks_exact(16);
        let rest: T = chunks.remainder().iter().copied().sum();
        for chunk in chunks {
            for (sum, &x) in partial.iter_mut().zip(chunk) {
                *sum += x;
            }
        }
        partial.iter().copied().sum::<T>() + rest
    }
}
