//! Staircases: which entries of a matrix of weights are there, where units are met one step after the other.
//!
//! Unit j of n has step first + ⌊j·steps/n⌋, so steps never fall. Row r reads column c if the step of the column is at most that of the row:
//! the first [`visible`](Staircase::visible) entries of a row are there, all others are masked.

use std::ops::Range;

/// Units in the order of their steps: unit j of `count` has step `first` + ⌊j·`steps`/`count`⌋.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Number of units.
    pub count: usize,
    /// Step of the first unit.
    pub first: usize,
    /// Number of steps that the units are dealt out to, at least 1.
    pub steps: usize,
}

impl Steps {
    /// The step of a unit.
    pub fn of(self, unit: usize) -> usize {
        self.first + unit * self.steps / self.count
    }

    /// Number of units of a lower step.
    pub fn before(self, step: usize) -> usize {
        let steps = step.saturating_sub(self.first);
        steps.saturating_mul(self.count).div_ceil(self.steps).min(self.count)
    }

    /// Number of units of this step or a lower one.
    pub fn through(self, step: usize) -> usize {
        self.before(step + 1)
    }

    /// The units of these steps.
    pub fn within(self, steps: Range<usize>) -> Range<usize> {
        self.before(steps.start)..self.before(steps.end)
    }
}

/// The mask of a matrix of shape `[rows, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staircase {
    /// Steps of the rows.
    pub rows: Steps,
    /// Steps of the columns.
    pub columns: Steps,
}

impl Staircase {
    /// Number of entries that a row has: its first ones.
    pub fn visible(self, row: usize) -> usize {
        self.columns.through(self.rows.of(row))
    }

    /// The first row that reads a column; the number of rows if none does.
    pub fn first_row(self, column: usize) -> usize {
        self.rows.before(self.columns.of(column))
    }

    /// Number of entries that are there; at a cost that grows with the number of steps.
    pub fn entries(self) -> u64 {
        let at = |step| self.rows.within(step..step + 1).len() as u64 * self.columns.through(step) as u64;
        (self.rows.first..self.rows.first + self.rows.steps).map(at).sum()
    }
}
