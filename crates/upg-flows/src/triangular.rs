//! Triangular matrices applied to a batch and solved for one, in panels, so that matrix products do the work.
//!
//! T is a triangle `[n, n]`, x and y are `[n, samples]`. I runs over panels of rows, `< I` stands for the rows before it. For a lower T
//!
//! - y = T x: y_I = T_{I,≤I} x_{≤I};
//! - T y = x: y_I = T_II⁻¹ (x_I − T_{I,<I} y_{<I}), from the first panel to the last, in place;
//! - the part of v xᵀ that T has: v_I x_{≤I}ᵀ.
//!
//! For an upper T, and so for the transpose of a lower one, the panels after I take the place of those before it, and the order is the other one.
//! The inverses of the blocks T_II are computed once, in double precision. Each is n²/2 multiply-adds a sample, and half of the blocks on the
//! diagonal besides, which are multiplied with their zeros.

use crate::matmul::{Mat, Tile, product};
use std::ops::Range;
use upg_core::{Accum, Batch, Real};

/// Tiles of the products, whose rows are those of a panel.
const TILE: Tile = Tile { rows: usize::MAX, cols: 256 };

/// Most rows of a panel.
const WIDEST: usize = 64;

/// On which side of the diagonal a triangle lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Below, with the diagonal.
    #[default]
    Lower,
    /// Above, with the diagonal.
    Upper,
}

/// The matrix as it is, or its transpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// T.
    Plain,
    /// Tᵀ.
    Transposed,
}

/// A triangular matrix, ready to be applied and solved.
#[derive(Clone, Debug, Default)]
pub struct Triangle<T> {
    side: Side,
    n: usize,
    /// T, zeros included, `[n, n]`.
    matrix: Vec<T>,
    /// T_II⁻¹ in the blocks on the diagonal, −T elsewhere.
    solver: Vec<T>,
}

/// The panels of n rows: few for small matrices, narrow enough that the blocks on the diagonal are a small part.
fn panels(n: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let most = (n / 8).next_multiple_of(16).clamp(16, WIDEST);
    (0..n.div_ceil(most)).map(move |panel| panel * most..((panel + 1) * most).min(n))
}

impl Side {
    fn opposite(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }

    /// The columns of a panel of rows, those of its block on the diagonal included.
    fn columns(self, panel: &Range<usize>, n: usize) -> Range<usize> {
        match self {
            Self::Lower => 0..panel.end,
            Self::Upper => panel.start..n,
        }
    }
}

impl<T: Real> Triangle<T> {
    /// Becomes the triangle with the elements `at(i, j)`, asked for on its side and on the diagonal alone.
    pub fn fill(&mut self, side: Side, n: usize, at: impl Fn(usize, usize) -> T) {
        (self.side, self.n) = (side, n);
        self.matrix.clear();
        self.matrix.resize(n * n, T::zero());
        for i in 0..n {
            let columns = side.columns(&(i..i + 1), n);
            columns.for_each(|j| self.matrix[i * n + j] = at(i, j));
        }
        self.solver.clear();
        self.solver.extend(self.matrix.iter().map(|&t| -t));
        panels(n).for_each(|panel| self.invert(panel));
    }

    /// T_II⁻¹, column by column.
    fn invert(&mut self, panel: Range<usize>) {
        let (n, side, first) = (self.n, self.side, panel.start);
        let mut column = [0.0; WIDEST];
        for j in panel.clone() {
            for step in 0..panel.len() {
                let (i, solved) = match side {
                    Side::Lower => (first + step, first..first + step),
                    Side::Upper => (panel.end - 1 - step, panel.end - step..panel.end),
                };
                let known: f64 = solved.map(|k| self.matrix[i * n + k].wide() * column[k - first]).sum();
                let unit = if i == j { 1.0 } else { 0.0 };
                column[i - first] = (unit - known) / self.matrix[i * n + i].wide();
                self.solver[i * n + j] = T::of(column[i - first]);
            }
        }
    }

    /// The element of a row and a column.
    pub fn at(&self, i: usize, j: usize) -> T {
        self.matrix[i * self.n + j]
    }

    /// A matrix of the triangle in this form, and the side that it is on.
    fn in_form<'a>(&self, matrix: &'a [T], form: Form) -> (Mat<'a, T>, Side) {
        let matrix = Mat::new(matrix, self.n, self.n);
        match form {
            Form::Plain => (matrix, self.side),
            Form::Transposed => (matrix.t(), self.side.opposite()),
        }
    }

    /// to ← T from, both `[n, samples]`; then `finish(row, part of the row)`, row by row.
    ///
    /// # Panics
    /// If the shapes don't fit.
    #[track_caller]
    pub fn apply(&self, form: Form, from: &[T], to: &mut [T], finish: impl Fn(usize, &mut [T]) + Sync + Send) {
        assert_eq!(from.len(), to.len(), "elements of both sides");
        let (samples, (matrix, side)) = (from.len() / self.n, self.in_form(&self.matrix, form));
        for panel in panels(self.n) {
            let columns = side.columns(&panel, self.n);
            let from = rows(from, columns.clone(), samples);
            let to = &mut to[panel.start * samples..panel.end * samples];
            let part = matrix.part(panel.clone(), columns);
            product(to, part, from, Accum::Replace, TILE, |i, _, part| finish(panel.start + i, part));
        }
    }

    /// x ← T⁻¹ x, `[n, samples]`; `own` is memory for a panel.
    ///
    /// # Panics
    /// If the shapes don't fit.
    #[track_caller]
    pub fn solve(&self, form: Form, x: &mut [T], own: &mut Batch<T>) {
        let samples = x.len() / self.n;
        assert_eq!(x.len(), self.n * samples, "elements of x, and rows·samples");
        let (_, side) = self.in_form(&self.solver, form);
        match side {
            Side::Lower => panels(self.n).for_each(|panel| self.solve_panel(form, panel, x, own)),
            Side::Upper => panels(self.n).rev().for_each(|panel| self.solve_panel(form, panel, x, own)),
        }
    }

    /// Solves for one panel, after all those on its side.
    fn solve_panel(&self, form: Form, panel: Range<usize>, x: &mut [T], own: &mut Batch<T>) {
        let (n, samples, (solver, side)) = (self.n, x.len() / self.n, self.in_form(&self.solver, form));
        let (before, rest) = x.split_at_mut(panel.start * samples);
        let (x, after) = rest.split_at_mut(panel.len() * samples);
        let (solved, columns) = match side {
            Side::Lower => (before, 0..panel.start),
            Side::Upper => (after, panel.end..n),
        };
        if !columns.is_empty() {
            let solved = Mat::new(solved, columns.len(), samples);
            product(x, solver.part(panel.clone(), columns), solved, Accum::Add, TILE, |_, _, _| ());
        }
        own.reshape(panel.len(), samples);
        own.as_mut_slice().copy_from_slice(x);
        let own = Mat::new(own.as_slice(), panel.len(), samples);
        product(x, solver.part(panel.clone(), panel), own, Accum::Replace, TILE, |_, _, _| ());
    }

    /// The part of v xᵀ that T has, both `[n, samples]`, row by row: `take(row, first column, elements)`. `block` is memory for a panel.
    ///
    /// # Panics
    /// If the shapes don't fit.
    #[track_caller]
    pub fn gradient(&self, v: &[T], x: &[T], block: &mut Batch<T>, mut take: impl FnMut(usize, usize, &[T])) {
        assert_eq!(v.len(), x.len(), "elements of both factors");
        let samples = v.len() / self.n;
        for panel in panels(self.n) {
            let columns = self.side.columns(&panel, self.n);
            block.reshape(panel.len(), columns.len());
            let (v, x) = (rows(v, panel.clone(), samples), rows(x, columns.clone(), samples));
            product(block.as_mut_slice(), v, x.t(), Accum::Replace, TILE, |_, _, _| ());
            for (i, row) in panel.enumerate() {
                let of_row = self.side.columns(&(row..row + 1), self.n);
                let elements = &block.row(i)[of_row.start - columns.start..of_row.end - columns.start];
                take(row, of_row.start, elements);
            }
        }
    }
}

/// These rows of a matrix with so many columns.
fn rows<T: Real>(matrix: &[T], rows: Range<usize>, columns: usize) -> Mat<'_, T> {
    Mat::new(&matrix[rows.start * columns..rows.end * columns], rows.len(), columns)
}
