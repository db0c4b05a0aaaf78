//! What a spline is: its form and its bins, and the rows of φ and of what is kept.

use std::{f64::consts::TAU, ops::Range};
use upg_core::Real;

/// The least share of a bin in the interval, and the least slope at a knot.
pub const LEAST: f64 = 1e-3;

/// The most bins: their least shares leave something to be shared out.
pub const MOST_BINS: usize = 999;

/// A rational-quadratic spline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spline {
    /// Where the bins are, and what is around them.
    pub form: Form,
    /// K, from 2 to [`MOST_BINS`].
    pub bins: usize,
}

/// The domain and the symmetry of a spline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// On [−B, B], the identity outside.
    Line {
        /// B.
        interval: f64,
    },
    /// An odd function on [−B, B], the identity outside, and a shift.
    Odd {
        /// B.
        interval: f64,
    },
    /// A map of angles, and a shift.
    Circle,
}

/// What the bins of a spline divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    /// The interval of t.
    Widths,
    /// That of g.
    Heights,
}

/// Rows behind λ, ∂g/∂t and ∂λ/∂t beside those of p and q: the bin and the eight numbers.
pub(super) const KEPT: usize = 9;

/// Elements that are worked on together: what belongs to them stays in the first cache.
pub(super) const CHUNK: usize = 64;

/// The ranges of at most [`CHUNK`] elements that make up a row of `len`.
#[inline(always)]
pub(super) fn chunks(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(CHUNK).map(move |first| first..len.min(first + CHUNK))
}

impl Spline {
    /// φ per degree of freedom.
    pub const fn width_of(self) -> usize {
        match self.form {
            Form::Line { .. } => self.bins.saturating_mul(3).saturating_sub(1),
            Form::Odd { .. } | Form::Circle => self.bins.saturating_mul(3).saturating_add(1),
        }
    }

    /// Rows of a block: λ, ∂g/∂t, ∂λ/∂t, the bin, eight numbers, p and q as exponentials and the inverse of their sums.
    pub const fn rows_of(self) -> usize {
        self.rows_of_shares().saturating_add(3 + KEPT)
    }

    pub(super) const fn rows_of_shares(self) -> usize {
        self.bins.saturating_mul(2).saturating_add(2)
    }

    /// Where the bins begin, and L.
    pub(super) fn interval(self) -> [f64; 2] {
        match self.form {
            Form::Line { interval } => [-interval, 2.0 * interval],
            Form::Odd { interval } => [0.0, interval],
            Form::Circle => [0.0, TAU],
        }
    }

    /// L m and L (1 − mK).
    pub(super) fn shares<T: Real>(self) -> [T; 2] {
        let [_, length] = self.interval();
        [T::of(length * LEAST), T::of(length * (1.0 - LEAST * self.bins as f64))]
    }

    /// The rows of φ with the logits of the shares on an axis; p and q are kept in the same order.
    pub(super) fn rows_of_axis(self, axis: Axis) -> Range<usize> {
        match axis {
            Axis::Widths => 0..self.bins,
            Axis::Heights => self.bins..2 * self.bins,
        }
    }

    /// The row behind p and q with the inverse of the sum of their exponentials.
    pub(super) fn row_of_sum(self, axis: Axis) -> usize {
        match axis {
            Axis::Widths => 2 * self.bins,
            Axis::Heights => 2 * self.bins + 1,
        }
    }

    /// The row of φ with the slope at a knot, if it is free.
    pub(super) fn slope_row(self, knot: usize) -> Option<usize> {
        let first = 2 * self.bins;
        match self.form {
            Form::Line { .. } if knot == 0 || knot == self.bins => None,
            Form::Line { .. } => Some(first + knot - 1),
            Form::Odd { .. } if knot == self.bins => None,
            Form::Odd { .. } => Some(first + knot),
            Form::Circle => Some(first + knot % self.bins),
        }
    }

    /// The row of φ with the slope at a knot, or where it isn't free, at one beside it.
    pub(super) fn slope_row_near(self, knot: usize) -> usize {
        let first = 2 * self.bins;
        match self.form {
            Form::Line { .. } => first + knot.clamp(1, self.bins - 1) - 1,
            Form::Odd { .. } => first + knot.min(self.bins - 1),
            Form::Circle => first + knot % self.bins,
        }
    }

    /// The row of φ with the shift, if there is one.
    pub(super) fn shift_row(self) -> Option<usize> {
        match self.form {
            Form::Line { .. } => None,
            Form::Odd { .. } | Form::Circle => Some(3 * self.bins),
        }
    }
}
