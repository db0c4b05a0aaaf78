//! What a spline is: its form and its bins, and the rows of φ and of what is kept.

use std::{f64::consts::TAU, hint::select_unpredictable, ops::Range};
use upg_core::{Real, vmath::MulAdd};

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

/// Rows of a tile beside those of p, q: the bin and the eight numbers.
pub(super) const KEPT: usize = 9;

/// What is kept of a chunk behind λ, ∂g/∂t and ∂λ/∂t, or room for it: rows of its elements, one after the other. Chunks follow each other, so that it is
/// written and read in one stream however long the rows of a batch are; these, often a power of two apart, would fall on the same few lines of the first cache.
pub(super) struct Tile<R> {
    /// The bin and eight numbers.
    pub numbers: R,
    /// The exponentials e^{θ − max θ} of the widths and of the heights.
    pub w: R,
    pub h: R,
    /// The inverses of their sums.
    pub inverse_sums: R,
}

impl<'a, T> Tile<&'a [T]> {
    #[inline(always)]
    pub fn of(spline: Spline, numbers: &'a [T], range: Range<usize>) -> Self {
        let (rows, [first, second, third]) = (spline.rows_of_tile(), spline.ends(range.len()));
        let tile = &numbers[rows * range.start..rows * range.end];
        let ((tile, inverse_sums), (numbers, _)) = (tile.split_at(third), tile.split_at(first));
        Self { numbers, w: &tile[first..second], h: &tile[second..], inverse_sums }
    }
}

impl<'a, T> Tile<&'a mut [T]> {
    #[inline(always)]
    pub fn of_mut(spline: Spline, numbers: &'a mut [T], range: Range<usize>) -> Self {
        let (rows, [first, second, third]) = (spline.rows_of_tile(), spline.ends(range.len()));
        let tile = &mut numbers[rows * range.start..rows * range.end];
        let (tile, inverse_sums) = tile.split_at_mut(third);
        let (tile, h) = tile.split_at_mut(second);
        let (numbers, w) = tile.split_at_mut(first);
        Self { numbers, w, h, inverse_sums }
    }
}

/// Elements that are worked on together, in registers from end to end: 64 bytes in f32.
pub(super) const CHUNK: usize = 16;

/// The numbers of a chunk.
pub(super) type Chunk<T> = [T; CHUNK];

/// Work on rows, chunk after chunk.
pub(super) trait InChunks {
    /// Elements of a row.
    fn samples(&self) -> usize;

    /// The work on a chunk that is `WHOLE`, or on the shorter one at the end.
    fn chunk<M: MulAdd, const WHOLE: bool>(&mut self, range: Range<usize>);

    /// All chunks.
    #[inline(always)]
    fn chunks<M: MulAdd>(&mut self) {
        let samples = self.samples();
        let whole = samples - samples % CHUNK;
        for first in (0..whole).step_by(CHUNK) {
            self.chunk::<M, true>(first..first + CHUNK);
        }
        if whole < samples {
            self.chunk::<M, false>(whole..samples);
        }
    }
}

/// Elements of a row of a chunk.
#[inline(always)]
pub(super) fn elements<const WHOLE: bool>(row: &[impl Real]) -> usize {
    if WHOLE { CHUNK } else { row.len() }
}

/// The numbers of a row of [`CHUNK`], or if it isn't `WHOLE`, of a shorter one and zeros behind them.
#[inline(always)]
pub(super) fn load<T: Real, const WHOLE: bool>(row: &[T]) -> Chunk<T> {
    if WHOLE {
        return *row.first_chunk().expect("a row of a whole chunk");
    }
    let mut numbers = [T::zero(); CHUNK];
    copy::<T, 8>(row, &mut numbers, row.len());
    copy::<T, 4>(row, &mut numbers, row.len());
    copy::<T, 2>(row, &mut numbers, row.len());
    copy::<T, 1>(row, &mut numbers, row.len());
    numbers
}

/// Fills a row like that.
#[inline(always)]
pub(super) fn store<T: Real, const WHOLE: bool>(row: &mut [T], numbers: Chunk<T>) {
    if WHOLE {
        *row.first_chunk_mut().expect("a row of a whole chunk") = numbers;
        return;
    }
    let len = row.len();
    copy::<T, 8>(&numbers, row, len);
    copy::<T, 4>(&numbers, row, len);
    copy::<T, 2>(&numbers, row, len);
    copy::<T, 1>(&numbers, row, len);
}

/// Of `len` numbers the S that this power of two in `len` stands for: copies of constant sizes take no calls.
#[inline(always)]
fn copy<T: Real, const S: usize>(from: &[T], to: &mut [T], len: usize) {
    if len & S != 0 {
        let first = len & !(2 * S - 1);
        to[first..][..S].copy_from_slice(&from[first..][..S]);
    }
}

/// `new` or `old`: a choice of numbers that are there, not of addresses.
#[inline(always)]
pub(super) fn select<T: Real>(takes: bool, new: T, old: T) -> T {
    select_unpredictable(takes, new, old)
}

impl Spline {
    /// φ per degree of freedom.
    pub const fn width_of(self) -> usize {
        match self.form {
            Form::Line { .. } => self.bins.saturating_mul(3).saturating_sub(1),
            Form::Odd { .. } | Form::Circle => self.bins.saturating_mul(3).saturating_add(1),
        }
    }

    /// Rows of a block: λ, ∂g/∂t, ∂λ/∂t, and those of a tile.
    pub const fn rows_of(self) -> usize {
        self.rows_of_tile().saturating_add(3)
    }

    pub(super) const fn rows_of_tile(self) -> usize {
        self.bins.saturating_mul(2).saturating_add(KEPT + 2)
    }

    /// The ends of the parts of a tile of `samples` elements.
    #[inline(always)]
    fn ends(self, samples: usize) -> [usize; 3] {
        [KEPT, KEPT + self.bins, KEPT + 2 * self.bins].map(|rows| rows * samples)
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

    /// The rows of φ with the logits of the shares on an axis.
    pub(super) fn rows_of_axis(self, axis: Axis) -> Range<usize> {
        match axis {
            Axis::Widths => 0..self.bins,
            Axis::Heights => self.bins..2 * self.bins,
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

    /// The rows of φ with the slopes at the knots 0, 1 and K, or where they aren't free, at one beside them; the inner knots follow that of knot 1.
    pub(super) fn slope_rows_near(self) -> [usize; 3] {
        let first = 2 * self.bins;
        match self.form {
            Form::Line { .. } => [first, first, first + self.bins - 2],
            Form::Odd { .. } => [first, first + 1, first + self.bins - 1],
            Form::Circle => [first, first + 1, first],
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
