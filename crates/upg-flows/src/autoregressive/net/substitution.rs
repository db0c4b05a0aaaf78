//! The masked net step by step: forward with x_p known only after φ_p, and backward with the cotangent of φ_p known only after that of x_p.
//!
//! Steps are taken in panels. What a panel reads of all steps before it (backward: after it) goes in by matrix products, what it reads of
//! itself step by step. Every weight is used once, so either way costs F. No masked entry is read.
//!
//! | | before a panel | in step s |
//! |---|---|---|
//! | forward | [`begin`](MaskedMlp::begin) | [`units`](MaskedMlp::units): hidden units of step s, then φ_s; then the caller finds x_s |
//! | backward | [`begin_back`](MaskedMlp::begin_back) | [`input_back`](MaskedMlp::input_back): the cotangent of x_s; then the caller finds that of φ_s; then [`units_back`](MaskedMlp::units_back) |

use super::{Cotangents, Linear, MaskedMlp, Tape};
use crate::{
    linear::matrix,
    matmul::{Tile, product},
};
use std::ops::Range;
use upg_core::{Accum, Batch, Real};

/// Steps of a panel: few, as the products of single steps are small; not fewer, as those between panels should be large.
const PANEL: usize = 16;
/// How the products are dealt out to threads.
const TILE: Tile = Tile { rows: 256, cols: 512 };

/// The panels of all steps, in order.
pub fn panels(steps: usize) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
    (0..steps.div_ceil(PANEL)).map(move |panel| panel * PANEL..(panel * PANEL + PANEL).min(steps))
}

impl MaskedMlp {
    /// Starts the units of the steps in `panel` with what they read of lower steps.
    pub fn begin<T: Real>(&self, theta: &[T], x: &Batch<T>, tape: &mut Tape<T>, panel: Range<usize>) {
        self.reshape(x.samples(), tape);
        for (k, linear) in self.linears.iter().enumerate() {
            let rows = linear.mask.rows.within(panel.clone());
            let columns = 0..linear.mask.columns.before(panel.start);
            let (h, to, _) = self.around(k, x, tape);
            linear.multiply(theta, [rows, columns], h, to, Accum::Replace);
        }
    }

    /// Completes the units of `step` in the panel that starts with `first`, φ of that position among them.
    pub fn units<T: Real>(&self, theta: &[T], x: &Batch<T>, tape: &mut Tape<T>, first: usize, step: usize) {
        for (k, linear) in self.linears.iter().enumerate() {
            let rows = linear.mask.rows.within(step..step + 1);
            let columns = linear.mask.columns.within(first..step + 1);
            let (h, to, derivative) = self.around(k, x, tape);
            linear.multiply(theta, [rows.clone(), columns], h, to, Accum::Add);
            self.activate(linear, theta, rows, to, derivative);
        }
    }

    /// Starts the cotangents of the units and inputs that belong to the steps in `panel` with what higher steps give; `a` is added to.
    pub fn begin_back<T: Real>(&self, theta: &[T], v: &mut Cotangents<T>, a: &mut Batch<T>, panel: Range<usize>) {
        self.reshape_cotangents(a.samples(), v);
        for (k, linear) in self.linears.iter().enumerate().rev() {
            let rows = linear.mask.rows.before(panel.end)..linear.mask.rows.count;
            let met = if k == 0 { panel.start + 1..panel.end + 1 } else { panel.clone() };
            let accum = if k == 0 { Accum::Add } else { Accum::Replace };
            let (v, to) = self.around_back(k, v, a);
            linear.multiply_transposed(theta, [rows, linear.mask.columns.within(met)], v, to, accum);
        }
    }

    /// Completes the cotangent of x at position `step`, in the panel that ends before `end`.
    pub fn input_back<T: Real>(&self, theta: &[T], v: &mut Cotangents<T>, a: &mut Batch<T>, end: usize, step: usize) {
        let linear = &self.linears[0];
        let [rows, columns] = [linear.mask.rows.within(step + 1..end), step..step + 1];
        let (v, to) = self.around_back(0, v, a);
        linear.multiply_transposed(theta, [rows, columns], v, to, Accum::Add);
    }

    /// Completes the cotangents of the hidden units of `step`, once that of φ is there.
    pub fn units_back<T: Real>(
        &self,
        theta: &[T],
        tape: &Tape<T>,
        v: &mut Cotangents<T>,
        a: &mut Batch<T>,
        end: usize,
        step: usize,
    ) {
        for (k, linear) in self.linears.iter().enumerate().skip(1).rev() {
            let [rows, columns] = [linear.mask.rows.within(step..end), linear.mask.columns.within(step..step + 1)];
            let (v, to) = self.around_back(k, v, a);
            linear.multiply_transposed(theta, [rows, columns.clone()], v, to, Accum::Add);
            let from = self.derivative_source(tape, k - 1);
            columns.for_each(|unit| self.activation.pull_back(from.row(unit), to.row_mut(unit)));
        }
    }

    /// What linear map `k` reads, where it writes, and where the derivative goes.
    fn around<'t, T: Real>(
        &self,
        k: usize,
        x: &'t Batch<T>,
        tape: &'t mut Tape<T>,
    ) -> (&'t Batch<T>, &'t mut Batch<T>, Option<&'t mut Batch<T>>) {
        let Tape { hidden, derivatives, output } = tape;
        let (before, after) = hidden[..self.last()].split_at_mut(k);
        let h = before.last().unwrap_or(x);
        match after.first_mut() {
            Some(to) => (h, to, Some(&mut derivatives[k])),
            None => (h, output, None),
        }
    }

    /// The cotangent that the transpose of linear map `k` reads, and the one that it writes.
    fn around_back<'t, T: Real>(
        &self,
        k: usize,
        v: &'t mut Cotangents<T>,
        a: &'t mut Batch<T>,
    ) -> (&'t Batch<T>, &'t mut Batch<T>) {
        let (below, above) = v.hidden[..self.last()].split_at_mut(k);
        (above.first().unwrap_or(&v.output), below.last_mut().unwrap_or(a))
    }
}

impl Linear {
    /// to[rows] (+)= W[rows, columns] h[columns].
    fn multiply<T: Real>(
        &self,
        theta: &[T],
        [rows, columns]: [Range<usize>; 2],
        h: &Batch<T>,
        to: &mut Batch<T>,
        accum: Accum,
    ) {
        let samples = h.samples();
        let to = &mut to.as_mut_slice()[rows.start * samples..rows.end * samples];
        let (weight, h) = (self.weight(theta).part(rows, columns.clone()), matrix(h).part(columns, 0..samples));
        product(to, weight, h, accum, TILE, |_, _, _| ());
    }

    /// to[columns] (+)= W[rows, columns]ᵀ v[rows].
    fn multiply_transposed<T: Real>(
        &self,
        theta: &[T],
        [rows, columns]: [Range<usize>; 2],
        v: &Batch<T>,
        to: &mut Batch<T>,
        accum: Accum,
    ) {
        let samples = v.samples();
        let to = &mut to.as_mut_slice()[columns.start * samples..columns.end * samples];
        let (weight, v) = (self.weight(theta).part(rows.clone(), columns), matrix(v).part(rows, 0..samples));
        product(to, weight.t(), v, accum, TILE, |_, _, _| ());
    }
}
