//! The convolution for pairs: y_0 = U_0 D_0 + U_1 D_1 + U_2 D_2 and y_1 = U_1 D_1 − U_2 D_2 + U_3 D_3, summed over rows and source channels.
//!
//! A block of up to eight target channels at two pairs is kept in registers while one component is summed up: with 8 × 2 sums
//! sixteen multiply-adds need four loads, two additions and eight broadcasts. U_0 D_0 and U_3 D_3 are added to what the other two make.

#![expect(clippy::needless_range_loop, reason = "loops over constant extents become registers")]

use super::{COMPONENTS, RECIPES, Recipe};
use crate::cnn::pairs::{PairGroup, Pairs};
use crate::cnn::product::{Groups, Kernel};
use crate::simd::Vector;
use upg_core::Real;

/// Pairs of a block. A group has a multiple of this many.
const PAIRS: usize = 2;

impl Groups for Pairs {
    type Group = PairGroup;

    fn groups(&self) -> &[PairGroup] {
        &self.groups
    }

    fn class(group: &PairGroup) -> usize {
        group.class
    }

    fn classes(&self) -> usize {
        self.classes
    }

    /// Weights are U, `[component][row][source channel][target channel]`.
    fn slots(&self) -> usize {
        COMPONENTS * self.rows()
    }

    #[inline(always)]
    unsafe fn run<T: Real, V: Vector<T>>(kernel: &Kernel<'_, T, PairGroup>, channels: usize) {
        // SAFETY: as for this function.
        unsafe {
            match channels {
                3 => kernel.sweep::<V, 3>(),
                4 => kernel.sweep::<V, 4>(),
                5 => kernel.sweep::<V, 5>(),
                6 => kernel.sweep::<V, 6>(),
                7 if V::MANY => kernel.sweep::<V, 7>(),
                8 if V::MANY => kernel.sweep::<V, 8>(),
                _ => unreachable!("blocks of MANY_CHANNELS have at least 3, and at most 8, or 6 with few registers"),
            }
        }
    }
}

impl<T: Real> Kernel<'_, T, PairGroup> {
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
                let of_row = (component * self.group.window_rows + row) * self.source_channels * self.weight_stride;
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
