//! The convolution for pairs: y_0 = U_0 D_0 + U_1 D_1 + U_2 D_2 and y_1 = U_1 D_1 − U_2 D_2 + U_3 D_3, summed over rows and source channels.
//!
//! A block of up to eight target channels at two pairs is kept in registers while one component is summed up: with 8 × 2 sums
//! sixteen multiply-adds need four loads, two additions and eight broadcasts. U_0 D_0 and U_3 D_3 are added to what the other two make.

#![expect(clippy::needless_range_loop, reason = "loops over constant extents become registers")]

use super::{COMPONENTS, RECIPES, Recipe};
use crate::cnn::geometry::{Field, PERIOD, lanes};
use crate::cnn::pairs::{EXTENT, PairGroup, Pairs};
use crate::cnn::product::{Finish, Stored, blocks};
use crate::cnn::simd::{Task, Vector};
use upg_core::Real;

/// Pairs of a block. Extents are multiples of 4, so a group has a multiple of this many.
const PAIRS: usize = 2;

/// A convolution of one tile.
pub(in crate::cnn) struct PairProduct<'a, T> {
    pairs: &'a Pairs,
    /// U, `[component][row][source channel][target channel]`.
    weights: &'a [T],
    /// `[class][target channel]`.
    constants: &'a [T],
    source: &'a [T],
    source_field: &'a Field,
    target: &'a mut [T],
    target_field: &'a Field,
    finish: Finish<'a, T>,
}

impl<'a, T: Real> PairProduct<'a, T> {
    /// The convolution of `source` to `target`, each with its field.
    ///
    /// # Panics
    /// If a slice doesn't have the length of its field.
    #[track_caller]
    pub fn new(
        pairs: &'a Pairs,
        (weights, constants): (&'a [T], &'a [T]),
        (source, source_field): (&'a [T], &'a Field),
        (target, target_field): (&'a mut [T], &'a Field),
        finish: Finish<'a, T>,
    ) -> Self {
        let (inputs, outputs) = (source_field.channels, target_field.channels);
        assert_eq!(weights.len(), COMPONENTS * EXTENT * inputs * outputs, "weights, and components × rows × channels²");
        assert_eq!(constants.len(), PERIOD * outputs, "constants, and classes × channels");
        assert_eq!(source.len(), source_field.len::<T>(), "numbers in the source, and in a tile of its field");
        assert_eq!(target.len(), target_field.len::<T>(), "numbers in the target, and in a tile of its field");
        if let Finish::Differentiate { hidden, .. } = finish {
            assert_eq!(hidden.len(), target.len(), "numbers in the hidden layer, and in its cotangent");
        }
        Self { pairs, weights, constants, source, source_field, target, target_field, finish }
    }
}

impl<T: Real> Task<T> for PairProduct<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let widest = if V::MANY { 8 } else { 6 };
        let target = self.target.as_mut_ptr();
        for part in (0..lanes::<T>()).step_by(V::LANES) {
            for group in &self.pairs.groups {
                for channels in blocks(self.target_field.channels, widest) {
                    let kernel = Kernel::new(&self, group, target, part, channels.start);
                    // SAFETY: lengths were checked in new, addresses are those of the fields; the caller has V's instruction set.
                    unsafe { kernel.run::<V>(channels.len()) }
                }
            }
        }
    }
}

/// A block of target channels on one group: pointers to what it reads and writes, on its lanes and channels.
struct Kernel<'a, T> {
    group: &'a PairGroup,
    /// Weights of component 0, row 0 and source channel 0.
    weights: *const T,
    /// From one source channel to the next: the target channels of all blocks.
    weight_stride: usize,
    constants: *const T,
    source: *const T,
    source_channels: usize,
    source_stride: usize,
    target: *mut T,
    target_stride: usize,
    stored: Stored<T>,
}

impl<'a, T: Real> Kernel<'a, T> {
    /// The block that starts at target channel `first`, on the lanes from `part` on.
    #[inline(always)]
    fn new(product: &PairProduct<'a, T>, group: &'a PairGroup, target: *mut T, part: usize, first: usize) -> Self {
        let weight_stride = product.target_field.channels;
        let target_stride = product.target_field.channel_stride() * lanes::<T>();
        let offset = first * target_stride + part;
        Self {
            group,
            weights: product.weights[first..].as_ptr(),
            weight_stride,
            constants: product.constants[group.class * weight_stride + first..].as_ptr(),
            source: product.source.as_ptr().wrapping_add(part),
            source_channels: product.source_field.channels,
            source_stride: product.source_field.channel_stride() * lanes::<T>(),
            target: target.wrapping_add(offset),
            target_stride,
            stored: Stored::new(product.finish, offset),
        }
    }

    /// All pairs, for a block of `channels` target channels. Sums for a whole block fit the registers.
    ///
    /// # Safety
    /// The pointers must be valid for the addresses of the group, and the processor must have V's instruction set.
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(&self, channels: usize) {
        // SAFETY: as for this function.
        unsafe {
            match channels {
                3 => self.sweep::<V, 3>(),
                4 => self.sweep::<V, 4>(),
                5 => self.sweep::<V, 5>(),
                6 => self.sweep::<V, 6>(),
                7 if V::MANY => self.sweep::<V, 7>(),
                8 if V::MANY => self.sweep::<V, 8>(),
                _ => unreachable!("blocks of MANY_CHANNELS have at least 3, and at most 8, or 6 with few registers"),
            }
        }
    }

    /// All pairs of the group, of which there is a multiple of `PAIRS`.
    #[inline(always)]
    unsafe fn sweep<V: Vector<T>, const CHANNELS: usize>(&self) {
        for pair in (0..self.group.targets.len()).step_by(PAIRS) {
            // SAFETY: as for run.
            unsafe { self.block::<V, CHANNELS>(pair) }
        }
    }

    /// y_0 and y_1 of the pairs from `pair` on.
    #[inline(always)]
    unsafe fn block<V: Vector<T>, const CHANNELS: usize>(&self, pair: usize) {
        // SAFETY: as for run.
        unsafe {
            let zeros = [[V::splat(T::zero()); PAIRS]; CHANNELS];
            let mut constants = zeros;
            for o in 0..CHANNELS {
                constants[o] = [V::splat(*self.constants.add(o)); PAIRS];
            }
            let mut first = self.add(1, pair, constants);
            let mut second = first;
            let difference = self.add(2, pair, zeros);
            for o in 0..CHANNELS {
                for p in 0..PAIRS {
                    first[o][p] = first[o][p].add(difference[o][p]);
                    second[o][p] = second[o][p].sub(difference[o][p]);
                }
            }
            self.store(self.add(0, pair, first), pair, 0);
            self.store(self.add(3, pair, second), pair, 1);
        }
    }

    /// sums + Σ U_c D_c over rows and source channels, D_c = d_a + sign·d_b. (A product with ±1 is exact.)
    #[inline(always)]
    unsafe fn add<V: Vector<T>, const CHANNELS: usize>(
        &self,
        component: usize,
        pair: usize,
        mut sums: [[V; PAIRS]; CHANNELS],
    ) -> [[V; PAIRS]; CHANNELS] {
        let rows = self.group.rows.len();
        let mut from = [[self.source; 2]; PAIRS];
        // SAFETY: as for run; the table of sources has `rows` entries for every pair.
        unsafe {
            let Recipe { ends: [a, b], sign, .. } = RECIPES[component];
            let sign = V::splat(T::of(sign));
            let addresses = self.group.sources.as_ptr().add(pair * rows);
            for (r, &row) in self.group.rows.iter().enumerate() {
                for p in 0..PAIRS {
                    let four = &*addresses.add(p * rows + r);
                    from[p] = [self.source.byte_add(four[a] as usize), self.source.byte_add(four[b] as usize)];
                }
                let of_row = (component * EXTENT + row) * self.source_channels * self.weight_stride;
                let mut weights = self.weights.add(of_row);
                for _ in 0..self.source_channels {
                    let mut d = [sums[0][0]; PAIRS];
                    for p in 0..PAIRS {
                        d[p] = V::load(from[p][1]).mul_add(sign, V::load(from[p][0]));
                        from[p] =
                            [from[p][0].wrapping_add(self.source_stride), from[p][1].wrapping_add(self.source_stride)];
                    }
                    for o in 0..CHANNELS {
                        let weight = V::splat(*weights.add(o));
                        for p in 0..PAIRS {
                            sums[o][p] = weight.mul_add(d[p], sums[o][p]);
                        }
                    }
                    weights = weights.wrapping_add(self.weight_stride);
                }
            }
            sums
        }
    }

    /// Finishes the sums of one side of the pairs and stores them.
    #[inline(always)]
    unsafe fn store<V: Vector<T>, const CHANNELS: usize>(
        &self,
        sums: [[V; PAIRS]; CHANNELS],
        pair: usize,
        side: usize,
    ) {
        // SAFETY: as for run.
        unsafe {
            let addresses = self.group.targets.as_ptr().add(pair);
            for p in 0..PAIRS {
                let mut of_site = [sums[0][p]; CHANNELS];
                for o in 0..CHANNELS {
                    of_site[o] = sums[o][p];
                }
                self.stored.store(of_site, self.target, (*addresses.add(p))[side], self.target_stride);
            }
        }
    }
}
