//! Weight gradients of a convolution: ∂W_{oi}(d) = Σ_x v_o(x) h_i(x + d) and, per residue class r, Σ_{x∈r} v_o(x).
//!
//! Samples are in lanes: a sum is kept as one vector of partial sums and reduced over the lanes once, at the end. A block of up to
//! eight channels of v and two *columns* (a column is a tap of an input channel) is kept in registers over a run of sites of one
//! class: 16 multiply-adds for ten loads. Runs are so short that their v stays in the first-level cache over all columns.

#![expect(clippy::needless_range_loop, reason = "loops over constant extents become registers")]

use super::geometry::Field;
use super::product::blocks;
use super::stencil::{Group, Stencil};
use crate::simd::{Task, Vector, lanes};
use std::ops::Range;
use upg_core::Real;

/// Sites of a run: v of eight channels is then 16 kB.
const RUN: usize = 32;
/// Columns of a block.
const COLUMNS: usize = 2;

/// Number of sums of a convolution with `slots` weights a pair of channels: those of the weights, and a sum of v per class and channel.
pub(super) fn sums_of(inputs: usize, slots: usize, outputs: usize, classes: usize) -> usize {
    (inputs * slots + classes) * outputs
}

/// Adds one tile's weight gradient to the sums.
pub(super) struct WeightGradient<'a, T> {
    stencil: &'a Stencil,
    /// h, the input of the convolution.
    input: &'a [T],
    input_field: &'a Field,
    /// v, the cotangent of its output.
    v: &'a [T],
    v_field: &'a Field,
    /// Vectors `[input channel][tap][output channel]`, then `[class][output channel]`.
    sums: &'a mut [T],
}

impl<'a, T: Real> WeightGradient<'a, T> {
    /// The gradient from `input` and `v`, each with its field; `stencil` is that of the forward convolution.
    ///
    /// # Panics
    /// If a slice doesn't have the length of its field.
    #[track_caller]
    pub fn new(
        stencil: &'a Stencil,
        (input, input_field): (&'a [T], &'a Field),
        (v, v_field): (&'a [T], &'a Field),
        sums: &'a mut [T],
    ) -> Self {
        assert_eq!(input.len(), input_field.len::<T>(), "numbers in the input, and in a tile of its field");
        assert_eq!(v.len(), v_field.len::<T>(), "numbers in the cotangent, and in a tile of its field");
        assert_eq!(v_field.channel_stride(), 1, "vectors from one channel of the cotangent to the next");
        let vectors = sums_of(input_field.channels, stencil.taps, v_field.channels, stencil.classes);
        assert_eq!(sums.len(), vectors * lanes::<T>(), "numbers in the sums, and sums × lanes");
        Self { stencil, input, input_field, v, v_field, sums }
    }
}

impl<T: Real> Task<T> for WeightGradient<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let widest = if V::MANY { 8 } else { 4 };
        let sums = self.sums.as_mut_ptr();
        for part in (0..lanes::<T>()).step_by(V::LANES) {
            for group in &self.stencil.groups {
                let sites = group.sites;
                for first in (0..sites).step_by(RUN) {
                    let sites = first..sites.min(first + RUN);
                    for channels in blocks(self.v_field.channels, widest) {
                        let run = Run::new(&self, group, sums, part, channels.start, sites.clone());
                        // SAFETY: lengths were checked in new, addresses are those of the fields; the caller has V's instruction set.
                        unsafe { run.add::<V>(channels.len()) }
                    }
                }
            }
        }
    }
}

/// A run of sites of a group and a block of channels of v: pointers to what is read and written, on its lanes and channels.
struct Run<'a, T> {
    group: &'a Group,
    sites: Range<usize>,
    input: *const T,
    input_channels: usize,
    input_stride: usize,
    v: *const T,
    /// Sums of input channel 0, tap 0.
    sums: *mut T,
    /// Taps of the kernel.
    taps: usize,
    /// From one tap to the next: the output channels of all blocks.
    tap_stride: usize,
}

impl<'a, T: Real> Run<'a, T> {
    /// The block that starts at channel `first`, on the lanes from `part` on.
    #[inline(always)]
    fn new(
        gradient: &WeightGradient<'a, T>,
        group: &'a Group,
        sums: *mut T,
        part: usize,
        first: usize,
        sites: Range<usize>,
    ) -> Self {
        Self {
            group,
            sites,
            input: gradient.input.as_ptr().wrapping_add(part),
            input_channels: gradient.input_field.channels,
            input_stride: gradient.input_field.channel_stride() * lanes::<T>(),
            v: gradient.v.as_ptr().wrapping_add(first * lanes::<T>() + part),
            sums: sums.wrapping_add(first * lanes::<T>() + part),
            taps: gradient.stencil.taps,
            tap_stride: gradient.v_field.channels * lanes::<T>(),
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
                1 => self.block::<V, 1>(),
                2 => self.block::<V, 2>(),
                3 => self.block::<V, 3>(),
                4 => self.block::<V, 4>(),
                5 if V::MANY => self.block::<V, 5>(),
                6 if V::MANY => self.block::<V, 6>(),
                7 if V::MANY => self.block::<V, 7>(),
                8 if V::MANY => self.block::<V, 8>(),
                _ => unreachable!("blocks have at most 8 channels, or 4 with few registers"),
            }
        }
    }

    #[inline(always)]
    unsafe fn block<V: Vector<T>, const CHANNELS: usize>(&self) {
        let columns = self.input_channels * self.group.taps.len();
        let mut next = Column { channel: 0, tap: 0 };
        // SAFETY: as for add.
        unsafe {
            self.total::<V, CHANNELS>();
            for _ in 0..columns / COLUMNS {
                next = self.columns::<V, CHANNELS, COLUMNS>(next);
            }
            for _ in 0..columns % COLUMNS {
                next = self.columns::<V, CHANNELS, 1>(next);
            }
        }
    }

    /// Adds Σ_x v_o(x) to the sums of the class.
    #[inline(always)]
    unsafe fn total<V: Vector<T>, const CHANNELS: usize>(&self) {
        // SAFETY: as for add; the sums of the classes lie behind those of the weights.
        unsafe {
            let sums = self.sums.add((self.input_channels * self.taps + self.group.class) * self.tap_stride);
            let mut totals = load::<T, V, CHANNELS>(sums);
            for site in self.sites.clone() {
                let v = load::<T, V, CHANNELS>(self.v.byte_add(*self.group.targets.as_ptr().add(site) as usize));
                for o in 0..CHANNELS {
                    totals[o] = totals[o].add(v[o]);
                }
            }
            store(totals, sums);
        }
    }

    /// Adds Σ_x v_o(x) h_i(x + d) for the columns from `next` on; returns the one behind them.
    #[inline(always)]
    unsafe fn columns<V: Vector<T>, const CHANNELS: usize, const COLUMNS: usize>(&self, mut next: Column) -> Column {
        let taps = self.group.taps.len();
        let mut tap = [0; COLUMNS];
        let mut input = [self.input; COLUMNS];
        let mut sums = [self.sums; COLUMNS];
        // SAFETY: as for add; the table of sources has `taps` entries for every site.
        unsafe {
            let mut totals = [[V::splat(T::zero()); CHANNELS]; COLUMNS];
            for c in 0..COLUMNS {
                tap[c] = next.tap;
                input[c] = self.input.add(next.channel * self.input_stride);
                let of_kernel = *self.group.taps.as_ptr().add(next.tap);
                sums[c] = self.sums.add((next.channel * self.taps + of_kernel) * self.tap_stride);
                totals[c] = load::<T, V, CHANNELS>(sums[c]);
                next = next.successor(taps);
            }
            let mut sources = self.group.sources.as_ptr().add(self.sites.start * taps);
            for &target in self.group.targets.get_unchecked(self.sites.clone()) {
                let mut h = [totals[0][0]; COLUMNS];
                for c in 0..COLUMNS {
                    h[c] = V::load(input[c].byte_add(*sources.add(tap[c]) as usize));
                }
                let v = self.v.byte_add(target as usize);
                for o in 0..CHANNELS {
                    let v = V::load(v.add(o * lanes::<T>()));
                    for c in 0..COLUMNS {
                        totals[c][o] = v.mul_add(h[c], totals[c][o]);
                    }
                }
                sources = sources.wrapping_add(taps);
            }
            for c in 0..COLUMNS {
                store(totals[c], sums[c]);
            }
        }
        next
    }
}

/// A tap of an input channel: what a weight of one output channel multiplies.
#[derive(Clone, Copy)]
struct Column {
    channel: usize,
    /// Position among the taps of the group.
    tap: usize,
}

impl Column {
    /// The next one in the order `[channel][tap]`.
    #[inline(always)]
    fn successor(self, taps: usize) -> Self {
        match self.tap + 1 == taps {
            true => Self { channel: self.channel + 1, tap: 0 },
            false => Self { channel: self.channel, tap: self.tap + 1 },
        }
    }
}

/// Loads neighbouring vectors of lanes.
///
/// # Safety
/// `from` must point to so many, and the processor must have V's instruction set.
#[inline(always)]
pub(super) unsafe fn load<T: Real, V: Vector<T>, const N: usize>(from: *const T) -> [V; N] {
    // SAFETY: as for this function.
    unsafe {
        let mut vectors = [V::splat(T::zero()); N];
        for i in 0..N {
            vectors[i] = V::load(from.add(i * lanes::<T>()));
        }
        vectors
    }
}

/// Stores neighbouring vectors of lanes.
///
/// # Safety
/// `to` must have room for them, and the processor must have V's instruction set.
#[inline(always)]
pub(super) unsafe fn store<T: Real, V: Vector<T>, const N: usize>(vectors: [V; N], to: *mut T) {
    for i in 0..N {
        // SAFETY: as for this function.
        unsafe { vectors[i].store(to.add(i * lanes::<T>())) }
    }
}

/// Sums over lanes, in place: number j becomes the sum of vector j.
pub(super) struct SumLanes<'a, T> {
    /// A multiple of [`lanes`] vectors.
    pub vectors: &'a mut [T],
}

impl<T: Real> Task<T> for SumLanes<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let square = lanes::<T>() * lanes::<T>();
        assert_eq!(self.vectors.len() % square, 0, "numbers left over beside blocks of lanes × lanes");
        let start = self.vectors.as_mut_ptr();
        for block in 0..self.vectors.len() / square {
            // SAFETY: the block lies in the slice. The sums of block b lie in block b / lanes: they are written to what
            // has been read before, or to the rows that have just been read.
            unsafe { V::sum_rows(start.add(block * square), start.add(block * lanes::<T>())) }
        }
    }
}

/// Copies a field on the same sites from one order to another.
pub(super) struct Reorder<'a, T> {
    from: &'a [T],
    from_field: &'a Field,
    to: &'a mut [T],
    to_field: &'a Field,
}

impl<'a, T: Real> Reorder<'a, T> {
    /// Copies `from` to `to`, each with its field.
    ///
    /// # Panics
    /// If a slice doesn't have the length of its field, or the fields differ in sites or channels.
    #[track_caller]
    pub fn new((from, from_field): (&'a [T], &'a Field), (to, to_field): (&'a mut [T], &'a Field)) -> Self {
        assert_eq!(from.len(), from_field.len::<T>(), "numbers to copy, and in a tile of their field");
        assert_eq!(to.len(), to_field.len::<T>(), "room, and numbers in a tile of its field");
        assert_eq!(from_field.sites, to_field.sites, "sites of the fields");
        assert_eq!(from_field.channels, to_field.channels, "channels of the fields");
        Self { from, from_field, to, to_field }
    }
}

impl<T: Real> Task<T> for Reorder<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let (from, to) = (self.from.as_ptr(), self.to.as_mut_ptr());
        for site in 0..self.from_field.sites.len() {
            for channel in 0..self.from_field.channels {
                let source = self.from_field.vector(site, channel) * lanes::<T>();
                let target = self.to_field.vector(site, channel) * lanes::<T>();
                for part in (0..lanes::<T>()).step_by(V::LANES) {
                    // SAFETY: new has checked that the slices hold these vectors.
                    unsafe { V::load(from.add(source + part)).store(to.add(target + part)) }
                }
            }
        }
    }
}
