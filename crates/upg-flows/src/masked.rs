//! The three products of a linear map whose weights W `[outputs, inputs]` form a [`Staircase`], at the cost of the entries that are there.
//!
//! W h and Wᵀ v are cut into panels, of outputs or inputs; a panel reads only what some of its rows reads. Where a row of a panel reads
//! less than the others, W must hold zeros: [`clean`] makes such a copy. ∂W = v hᵀ is computed where there are entries, and is zero elsewhere.
//!
//! Shapes: inputs h `[inputs, samples]`, outputs and their cotangents v `[outputs, samples]`.

use crate::{
    linear::matrix,
    matmul::{Mat, Tile, product, product_within},
};
use rayon::prelude::*;
use upg_core::{Accum, Batch, Real, Staircase};

/// Rows of a panel: few, so that little is computed in vain, and the other operand needn't be packed.
const PANEL: usize = 32;
/// How a panel is dealt out to threads.
const TILE: Tile = Tile { rows: PANEL, cols: 512 };
/// Up to this many samples packing costs little.
const NARROW: usize = 128;
/// Multiply-adds below which a product isn't worth handing to several threads.
const SMALLEST: usize = 1 << 20;

/// to ← W, zero where it is masked. Of earlier calls with the same mask, zeros are there already.
pub fn clean<T: Real>(to: &mut [T], weight: &[T], mask: Staircase) {
    let columns = mask.columns.count;
    for (row, (to, from)) in to.chunks_exact_mut(columns).zip(weight.chunks_exact(columns)).enumerate() {
        let visible = mask.visible(row);
        to[..visible].copy_from_slice(&from[..visible]);
    }
}

/// to ← W h, with `finish(row, first sample, part of the row)` as in [`product`].
pub fn apply<T: Real>(
    to: &mut Batch<T>,
    mask: Staircase,
    weight: Mat<'_, T>,
    h: &Batch<T>,
    finish: impl Fn(usize, usize, &mut [T]) + Sync + Send,
) {
    let (rows, samples) = (to.rows(), to.samples());
    panels(to.as_mut_slice(), samples, mask.columns.count, |first, to| {
        let panel = first..(first + PANEL).min(rows);
        let read = 0..mask.visible(panel.end - 1);
        let (weight, h) = (weight.part(panel, read.clone()), matrix(h).part(read, 0..samples));
        product(to, weight, h, Accum::Replace, TILE, |row, j, part| finish(first + row, j, part));
    });
}

/// to (+)= Wᵀ v, with `finish` as in [`apply`].
pub fn apply_transposed<T: Real>(
    to: &mut Batch<T>,
    mask: Staircase,
    weight: Mat<'_, T>,
    v: &Batch<T>,
    accum: Accum,
    finish: impl Fn(usize, usize, &mut [T]) + Sync + Send,
) {
    let (columns, samples) = (to.rows(), to.samples());
    panels(to.as_mut_slice(), samples, v.rows(), |first, to| {
        let panel = first..(first + PANEL).min(columns);
        let read = mask.first_row(first)..v.rows();
        let (weight, v) = (weight.part(read.clone(), panel), matrix(v).part(read, 0..samples));
        product(to, weight.t(), v, accum, TILE, |row, j, part| finish(first + row, j, part));
    });
}

/// ∂W (+)= v hᵀ where W has entries; with `Replace` zero elsewhere.
pub fn gradient<T: Real>(
    into: &mut [T],
    mask: Staircase,
    v: &Batch<T>,
    h: &Batch<T>,
    accum: Accum,
    corner: &mut Batch<T>,
) {
    let (rows, columns, samples) = (v.rows(), h.rows(), v.samples());
    if accum == Accum::Replace {
        for (row, into) in into.chunks_exact_mut(columns).enumerate() {
            into[mask.visible(row)..].fill(T::zero());
        }
    }
    // Large tiles, as each packs its part of hᵀ anew; small ones where that is little.
    let tile = Tile { rows: if samples > NARROW { 512 } else { 256 }, cols: usize::MAX };
    for first in (0..columns).step_by(PANEL) {
        let panel = first..(first + PANEL).min(columns);
        let h = matrix(h).part(panel.clone(), 0..samples).t();
        let all = mask.first_row(panel.end - 1);
        if all < rows {
            let v = matrix(v).part(all..rows, 0..samples);
            product_within(&mut into[all * columns + first..], columns, v, h, accum, tile, |_, _, _| ());
        }
        let some = mask.first_row(first)..all;
        corner.reshape(some.len(), panel.len());
        product(corner.as_mut_slice(), matrix(v).part(some.clone(), 0..samples), h, Accum::Replace, tile, |_, _, _| ());
        for (i, row) in some.enumerate() {
            let reads = mask.visible(row) - first;
            put(&mut into[row * columns + first..][..reads], &corner.row(i)[..reads], accum);
        }
    }
}

fn put<T: Real>(to: &mut [T], from: &[T], accum: Accum) {
    match accum {
        Accum::Replace => to.copy_from_slice(from),
        Accum::Add => to.iter_mut().zip(from).for_each(|(to, &from)| *to += from),
    }
}

/// Calls `work(first row, rows)` for every panel of `to`; a row takes up to `depth`·`samples` multiply-adds.
fn panels<T: Real>(to: &mut [T], samples: usize, depth: usize, work: impl Fn(usize, &mut [T]) + Sync + Send) {
    let together = SMALLEST / (PANEL * samples * depth).max(1) + 1;
    let panels = to.par_chunks_mut(PANEL * samples).with_min_len(together);
    panels.enumerate().for_each(|(panel, to)| work(panel * PANEL, to));
}
