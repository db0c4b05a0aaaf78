//! Triangular matrices T `[n, n]` as products have them, and their inverses: L lower, U upper. Kernels: `lu.cu`.
//!
//! Samples come in any number that n times fills the batch: x is `[n, cells·samples]`. Products go in panels of rows, which meet only the columns
//! that aren't zero.

use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Gpu, Matrix};
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params};
use std::ops::Range;
use upg_core::{Memory, Real};

/// Rows of a panel, at least, and panels, at most.
const NARROWEST: usize = 128;
const MOST_PANELS: usize = 4;

/// Which triangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// L.
    Lower,
    /// U.
    Upper,
}

/// The matrix as it is, or its transpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Transposed,
}

/// L then U, and L⁻¹ then U⁻¹, shape `[2n, n]` both.
pub(super) struct Triangles<T, G: Gpu> {
    matrices: Batch<T, G>,
    inverses: Batch<T, G>,
}

impl<T: Real, G: Gpu> Default for Triangles<T, G> {
    fn default() -> Self {
        Self { matrices: Batch::default(), inverses: Batch::default() }
    }
}

impl<T: Real, G: Gpu> Triangles<T, G> {
    /// Becomes the triangles of θ.
    pub fn prepare(
        &mut self,
        device: &Cuda<T, G>,
        kernels: &Kernels<G>,
        n: usize,
        theta: Params<'_, T>,
        is_negative: &Table<G>,
    ) {
        device.reshape(&mut self.matrices, 2 * n, n);
        device.reshape(&mut self.inverses, 2 * n, n);
        let (lower, upper) = (self.matrices.row(0), self.matrices.row(n));
        let arguments = arguments![theta.at(), is_negative.at(), lower, upper, n];
        device.launch(kernels, "lu_fill", Spread::elements(n * n), arguments);
        let spread = Spread { grid: [n as u32, 2, 1], block: [256, 1], shared: (n * size_of::<f64>()) as u32 };
        device.launch(kernels, "lu_invert", spread, arguments![self.matrices.at(), self.inverses.at(), n]);
    }

    /// U.
    pub fn upper(&self) -> Address {
        self.matrices.row(self.matrices.samples())
    }

    /// to ← T from.
    pub fn apply(&self, device: &Cuda<T, G>, which: (Side, Form), from: &Batch<T, G>, to: &mut Batch<T, G>) {
        multiply(device, &self.matrices, which, from, to);
    }

    /// to ← T⁻¹ from.
    pub fn solve(&self, device: &Cuda<T, G>, which: (Side, Form), from: &Batch<T, G>, to: &mut Batch<T, G>) {
        multiply(device, &self.inverses, which, from, to);
    }
}

/// The panels of n rows.
fn panels(n: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = n.div_ceil(MOST_PANELS).max(NARROWEST);
    (0..n.div_ceil(rows)).map(move |panel| panel * rows..((panel + 1) * rows).min(n))
}

/// The columns that these rows of a triangle have.
fn columns(side: Side, rows: &Range<usize>, n: usize) -> Range<usize> {
    match side {
        Side::Lower => 0..rows.end,
        Side::Upper => rows.start..n,
    }
}

/// to ← one of the two matrices times from.
fn multiply<T: Real, G: Gpu>(
    device: &Cuda<T, G>,
    pair: &Batch<T, G>,
    (side, form): (Side, Form),
    from: &Batch<T, G>,
    to: &mut Batch<T, G>,
) {
    let n = pair.samples();
    let (samples, first) = (from.len() / n, if side == Side::Lower { 0 } else { n });
    device.reshape(to, from.rows(), from.samples());
    let at = |at: Address, elements: usize| at.offset(elements * size_of::<T>());
    for rows in panels(n) {
        let (columns, part) = match (side, form) {
            (side, Form::Plain) => {
                let columns = columns(side, &rows, n);
                let part = Matrix::new(at(pair.row(first + rows.start), columns.start), n);
                (columns, part)
            }
            (side, Form::Transposed) => {
                let opposite = if side == Side::Lower { Side::Upper } else { Side::Lower };
                let columns = columns(opposite, &rows, n);
                let part = Matrix::new(at(pair.row(first + columns.start), rows.start), n).t();
                (columns, part)
            }
        };
        let from = Matrix::new(at(from.at(), columns.start * samples), samples);
        let to = (at(to.at(), rows.start * samples), samples);
        device.product([rows.len(), samples, columns.len()], 1.0, [part, from], 0.0, to);
    }
}

/// into ← v xᵀ, summed over samples, where the triangle has elements; elsewhere it may be anything.
pub(super) fn gradient<T: Real, G: Gpu>(
    device: &Cuda<T, G>,
    side: Side,
    n: usize,
    v: &Batch<T, G>,
    x: &Batch<T, G>,
    into: &mut Batch<T, G>,
) {
    device.reshape(into, n, n);
    let samples = v.len() / n;
    let rows_of =
        |batch: &Batch<T, G>, first: usize| Matrix::new(batch.at().offset(first * samples * size_of::<T>()), samples);
    for rows in panels(n) {
        let columns = columns(side, &rows, n);
        let (v, x) = (rows_of(v, rows.start), rows_of(x, columns.start).t());
        let to = into.row(rows.start).offset(columns.start * size_of::<T>());
        device.product([rows.len(), columns.len(), samples], 1.0, [v, x], 0.0, (to, n));
    }
}
