//! Weight gradients for pairs: ∂U_c of every row, source channel and target channel, and sums of v per class.
//!
//! As in the gradient tap by tap, samples are in lanes, and a block of channels of v and of *columns* (here a row of the window of an input
//! channel) is kept in registers over a run of pairs, one component after the other, for which v is combined first. A factor of 1, −1 or 0
//! in the place of a sum, a difference or a choice is exact, and one loop serves all components.

#![expect(clippy::needless_range_loop, reason = "loops over constant extents become registers")]

use super::{COMPONENTS, RECIPES, Recipe};
use crate::cnn::geometry::Field;
use crate::cnn::gradient::{load, store, sums_of};
use crate::cnn::pairs::{PairGroup, Pairs};
use crate::cnn::product::{Groups, blocks};
use crate::simd::{Task, Vector, lanes};
use std::ops::Range;
use upg_core::Real;

/// Pairs of a run: the combination of v of eight channels is then 8 kB.
const RUN: usize = 16;

/// Adds one tile's weight gradient to the sums.
pub(in crate::cnn) struct PairGradient<'a, T> {
    pairs: &'a Pairs,
    /// h, the input of the convolution.
    input: &'a [T],
    input_field: &'a Field,
    /// v, the cotangent of its output.
    v: &'a [T],
    v_field: &'a Field,
    /// Vectors `[input channel][component][row][output channel]`, then `[class][output channel]`.
    sums: &'a mut [T],
}

impl<'a, T: Real> PairGradient<'a, T> {
    /// The gradient from `input` and `v`, each with its field; `pairs` are those of the forward convolution.
    ///
    /// # Panics
    /// If a slice doesn't have the length of its field.
    #[track_caller]
    pub fn new(
        pairs: &'a Pairs,
        (input, input_field): (&'a [T], &'a Field),
        (v, v_field): (&'a [T], &'a Field),
        sums: &'a mut [T],
    ) -> Self {
        assert_eq!(input.len(), input_field.len::<T>(), "numbers in the input, and in a tile of its field");
        assert_eq!(v.len(), v_field.len::<T>(), "numbers in the cotangent, and in a tile of its field");
        assert_eq!(v_field.channel_stride(), 1, "vectors from one channel of the cotangent to the next");
        let vectors = sums_of(input_field.channels, pairs.slots(), v_field.channels, pairs.classes);
        assert_eq!(sums.len(), vectors * lanes::<T>(), "numbers in the sums, and sums × lanes");
        Self { pairs, input, input_field, v, v_field, sums }
    }
}

impl<T: Real> Task<T> for PairGradient<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let widest = if V::MANY { 8 } else { 4 };
        let sums = self.sums.as_mut_ptr();
        for part in (0..lanes::<T>()).step_by(V::LANES) {
            for group in &self.pairs.groups {
                let pairs = group.pairs;
                for first in (0..pairs).step_by(RUN) {
                    let pairs = first..pairs.min(first + RUN);
                    for channels in blocks(self.v_field.channels, widest) {
                        let run = Run::new(&self, group, sums, part, channels.start, pairs.clone());
                        // SAFETY: lengths were checked in new, addresses are those of the fields; the caller has V's instruction set.
                        unsafe { run.add::<V>(channels.len()) }
                    }
                }
            }
        }
    }
}

/// A run of pairs of a group and a block of channels of v: pointers to what is read and written, on its lanes and channels.
struct Run<'a, T> {
    group: &'a PairGroup,
    pairs: Range<usize>,
    input: *const T,
    input_channels: usize,
    input_stride: usize,
    v: *const T,
    /// Sums of input channel 0, component 0, row 0.
    sums: *mut T,
    /// From one row to the next: the output channels of all blocks.
    row_stride: usize,
}

impl<'a, T: Real> Run<'a, T> {
    /// The block that starts at channel `first`, on the lanes from `part` on.
    #[inline(always)]
    fn new(
        gradient: &PairGradient<'a, T>,
        group: &'a PairGroup,
        sums: *mut T,
        part: usize,
        first: usize,
        pairs: Range<usize>,
    ) -> Self {
        Self {
            group,
            pairs,
            input: gradient.input.as_ptr().wrapping_add(part),
            input_channels: gradient.input_field.channels,
            input_stride: gradient.input_field.channel_stride() * lanes::<T>(),
            v: gradient.v.as_ptr().wrapping_add(first * lanes::<T>() + part),
            sums: sums.wrapping_add(first * lanes::<T>() + part),
            row_stride: gradient.v_field.channels * lanes::<T>(),
        }
    }

    /// Adds the run for a block of `channels` channels.
    ///
    /// # Safety
    /// The pointers must be valid for the addresses of the group, and the processor must have V's instruction set.
    #[inline(always)]
    unsafe fn add<V: Vector<T>>(&self, channels: usize) {
        // SAFETY: as for this function.
        unsafe {
            match channels {
                2 => self.block::<V, 2, 3>(),
                3 => self.block::<V, 3, 3>(),
                4 if V::MANY => self.block::<V, 4, 3>(),
                4 => self.block::<V, 4, 2>(),
                5 if V::MANY => self.block::<V, 5, 3>(),
                6 if V::MANY => self.block::<V, 6, 3>(),
                7 if V::MANY => self.block::<V, 7, 3>(),
                8 if V::MANY => self.block::<V, 8, 3>(),
                _ => unreachable!("blocks of MANY_CHANNELS have at least 2, and at most 8, or 4 with few registers"),
            }
        }
    }

    #[inline(always)]
    unsafe fn block<V: Vector<T>, const CHANNELS: usize, const COLUMNS: usize>(&self) {
        // SAFETY: as for add.
        unsafe {
            self.total::<V, CHANNELS>();
            let mut v = [[V::splat(T::zero()); CHANNELS]; RUN];
            for component in 0..COMPONENTS {
                self.combine(RECIPES[component].factors, &mut v);
                self.component::<V, CHANNELS, COLUMNS>(component, &v);
            }
        }
    }

    /// v ← the combination of v_0 and v_1 of every pair.
    #[inline(always)]
    unsafe fn combine<V: Vector<T>, const CHANNELS: usize>(&self, factors: [f64; 2], v: &mut [[V; CHANNELS]; RUN]) {
        // SAFETY: as for add.
        unsafe {
            let (zero, factors) = (V::splat(T::zero()), [V::splat(T::of(factors[0])), V::splat(T::of(factors[1]))]);
            for (v, targets) in v.iter_mut().zip(self.group.targets.get_unchecked(self.pairs.clone())) {
                let first = load::<T, V, CHANNELS>(self.v.byte_add(targets[0] as usize));
                let second = load::<T, V, CHANNELS>(self.v.byte_add(targets[1] as usize));
                for o in 0..CHANNELS {
                    v[o] = second[o].mul_add(factors[1], first[o].mul_add(factors[0], zero));
                }
            }
        }
    }

    /// All columns of a component, from the combinations of v that belong to it.
    #[inline(always)]
    unsafe fn component<V: Vector<T>, const CHANNELS: usize, const COLUMNS: usize>(
        &self,
        component: usize,
        v: &[[V; CHANNELS]; RUN],
    ) {
        let columns = self.input_channels * self.group.rows.len();
        let mut next = Column { component, channel: 0, row: 0 };
        // SAFETY: as for add.
        unsafe {
            for _ in 0..columns / COLUMNS {
                next = self.columns::<V, CHANNELS, COLUMNS>(next, v);
            }
            for _ in 0..columns % COLUMNS {
                next = self.columns::<V, CHANNELS, 1>(next, v);
            }
        }
    }

    /// Adds Σ (v_0 + v_1) to the sums of the class.
    #[inline(always)]
    unsafe fn total<V: Vector<T>, const CHANNELS: usize>(&self) {
        let before = (self.input_channels * COMPONENTS * self.group.window_rows + self.group.class) * self.row_stride;
        // SAFETY: as for add; the sums of the classes lie behind those of the weights.
        unsafe {
            let sums = self.sums.add(before);
            let mut totals = load::<T, V, CHANNELS>(sums);
            for targets in self.group.targets.get_unchecked(self.pairs.clone()) {
                for &target in targets {
                    let v = load::<T, V, CHANNELS>(self.v.byte_add(target as usize));
                    for o in 0..CHANNELS {
                        totals[o] = totals[o].add(v[o]);
                    }
                }
            }
            store(totals, sums);
        }
    }

    /// Adds ∂U_c for the columns from `next` on; returns the one behind them.
    #[inline(always)]
    unsafe fn columns<V: Vector<T>, const CHANNELS: usize, const COLUMNS: usize>(
        &self,
        mut next: Column,
        v: &[[V; CHANNELS]; RUN],
    ) -> Column {
        let (rows, Recipe { ends: [a, b], sign, .. }) = (self.group.rows.len(), &RECIPES[next.component]);
        let mut row = [0; COLUMNS];
        let mut input = [self.input; COLUMNS];
        let mut sums = [self.sums; COLUMNS];
        // SAFETY: as for add; the table of sources has `rows` entries for every pair.
        unsafe {
            let sign = V::splat(T::of(*sign));
            let mut totals = [[V::splat(T::zero()); CHANNELS]; COLUMNS];
            for c in 0..COLUMNS {
                row[c] = next.row;
                input[c] = self.input.add(next.channel * self.input_stride);
                let of_window = *self.group.rows.as_ptr().add(next.row);
                let vector = (next.channel * COMPONENTS + next.component) * self.group.window_rows + of_window;
                sums[c] = self.sums.add(vector * self.row_stride);
                totals[c] = load::<T, V, CHANNELS>(sums[c]);
                next = next.successor(rows);
            }
            let mut sources = self.group.sources.as_ptr().add(self.pairs.start * rows);
            for v in v.get_unchecked(..self.pairs.len()) {
                let mut d = [sign; COLUMNS];
                for c in 0..COLUMNS {
                    let four = &*sources.add(row[c]);
                    let first = V::load(input[c].byte_add(four[*a] as usize));
                    d[c] = V::load(input[c].byte_add(four[*b] as usize)).mul_add(sign, first);
                }
                for o in 0..CHANNELS {
                    for c in 0..COLUMNS {
                        totals[c][o] = v[o].mul_add(d[c], totals[c][o]);
                    }
                }
                sources = sources.wrapping_add(rows);
            }
            for c in 0..COLUMNS {
                store(totals[c], sums[c]);
            }
        }
        next
    }
}

/// A row of the window of an input channel, in one component: what a ∂U_c of one output channel multiplies.
#[derive(Clone, Copy)]
struct Column {
    component: usize,
    channel: usize,
    /// Position among the rows of the group.
    row: usize,
}

impl Column {
    /// The next one in the order `[channel][row]`.
    #[inline(always)]
    fn successor(self, rows: usize) -> Self {
        match self.row + 1 == rows {
            true => Self { channel: self.channel + 1, row: 0, ..self },
            false => Self { row: self.row + 1, ..self },
        }
    }
}
