//! The convolution on one tile: y_o(x) = finish( c_o + Σ_{d,i} W_{oi}(d) h_i(x + d) ), forward and, with d → −d and W transposed, back.
//!
//! Samples are in lanes, so a weight is broadcast and multiplies vectors of the source. A block of up to eight target channels at
//! two to eight sites of one residue class is kept in registers over all taps and source channels: with 8 × 2 sums, sixteen
//! multiply-adds need two loads and eight broadcasts. Constant, LeakyReLU and its derivative are applied to the sums in registers.

#![expect(clippy::needless_range_loop, reason = "loops over constant extents become registers")]

use super::geometry::Field;
use super::stencil::{Group, Stencil};
use crate::simd::{Task, Vector, lanes};
use std::ops::Range;
use upg_core::Real;

/// The last operation on a sum, before it is stored.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a, T> {
    /// Nothing.
    Keep,
    /// LeakyReLU with this slope.
    Activate(T),
    /// Multiplication by LeakyReLU', which is 1 or the slope by the sign of the hidden value, stored as the target is.
    Differentiate {
        /// The slope.
        slope: T,
        /// The hidden values.
        hidden: &'a [T],
    },
}

/// Addresses of a convolution, in groups of targets that have their slots in common, and the arithmetic that goes with them.
pub(super) trait Groups {
    /// The targets of one residue class.
    type Group;
    /// By ascending class.
    fn groups(&self) -> &[Self::Group];
    /// The class of a group.
    fn class(group: &Self::Group) -> usize;
    /// Classes of the lattice.
    fn classes(&self) -> usize;
    /// Weights between two channels.
    fn slots(&self) -> usize;
    /// A whole group, for a block of `channels` target channels, the sums of which fit the registers.
    ///
    /// # Safety
    /// The pointers must be valid for the addresses of the group, and the processor must have V's instruction set.
    unsafe fn run<T: Real, V: Vector<T>>(kernel: &Kernel<'_, T, Self::Group>, channels: usize);
}

/// A convolution of one tile.
pub(super) struct Product<'a, T, A> {
    addresses: &'a A,
    /// `[slot][source channel][target channel]`.
    weights: &'a [T],
    /// `[class][target channel]`.
    constants: &'a [T],
    source: &'a [T],
    source_field: &'a Field,
    target: &'a mut [T],
    target_field: &'a Field,
    finish: Finish<'a, T>,
}

impl<'a, T: Real, A: Groups> Product<'a, T, A> {
    /// The convolution of `source` to `target`, each with its field.
    ///
    /// # Panics
    /// If a slice doesn't have the length of its field.
    #[track_caller]
    pub fn new(
        addresses: &'a A,
        (weights, constants): (&'a [T], &'a [T]),
        (source, source_field): (&'a [T], &'a Field),
        (target, target_field): (&'a mut [T], &'a Field),
        finish: Finish<'a, T>,
    ) -> Self {
        let (inputs, outputs) = (source_field.channels, target_field.channels);
        assert_eq!(weights.len(), addresses.slots() * inputs * outputs, "weights, and slots × channels × channels");
        assert_eq!(constants.len(), addresses.classes() * outputs, "constants, and classes × channels");
        assert_eq!(source.len(), source_field.len::<T>(), "numbers in the source, and in a tile of its field");
        assert_eq!(target.len(), target_field.len::<T>(), "numbers in the target, and in a tile of its field");
        if let Finish::Differentiate { hidden, .. } = finish {
            assert_eq!(hidden.len(), target.len(), "numbers in the hidden layer, and in its cotangent");
        }
        Self { addresses, weights, constants, source, source_field, target, target_field, finish }
    }
}

impl<T: Real, A: Groups> Task<T> for Product<'_, T, A> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let widest = if V::MANY { 8 } else { 6 };
        let target = self.target.as_mut_ptr();
        for part in (0..lanes::<T>()).step_by(V::LANES) {
            for group in self.addresses.groups() {
                for channels in blocks(self.target_field.channels, widest) {
                    let kernel = Kernel::new(&self, group, target, part, channels.start);
                    // SAFETY: lengths were checked in new, addresses are those of the fields; the caller has V's instruction set.
                    unsafe { A::run::<T, V>(&kernel, channels.len()) }
                }
            }
        }
    }
}

/// 0..n in blocks of nearly equal length, at most `widest`.
#[inline(always)]
pub(super) fn blocks(n: usize, widest: usize) -> impl Iterator<Item = Range<usize>> {
    let count = n.div_ceil(widest);
    (0..count).map(move |b| b * n / count..(b + 1) * n / count)
}

/// A block of target channels on one group: pointers to what it reads and writes, on its lanes and channels.
pub(super) struct Kernel<'a, T, G> {
    pub group: &'a G,
    /// Weights of slot 0 and source channel 0.
    pub weights: *const T,
    /// From one source channel to the next: the target channels of all blocks.
    pub weight_stride: usize,
    pub constants: *const T,
    pub source: *const T,
    pub source_channels: usize,
    pub source_stride: usize,
    pub target: *mut T,
    pub target_stride: usize,
    pub stored: Stored<T>,
}

/// [`Finish`] with a pointer to the hidden values that belong to the block.
#[derive(Clone, Copy)]
pub(super) enum Stored<T> {
    Keep,
    Activate(T),
    Differentiate(T, *const T),
}

impl<T: Real> Stored<T> {
    /// For the block that starts `offset` numbers into the target.
    #[inline(always)]
    pub fn new(finish: Finish<'_, T>, offset: usize) -> Self {
        match finish {
            Finish::Keep => Self::Keep,
            Finish::Activate(slope) => Self::Activate(slope),
            Finish::Differentiate { slope, hidden } => Self::Differentiate(slope, hidden.as_ptr().wrapping_add(offset)),
        }
    }

    /// Finishes the sums of one site and stores them at `target`, `address` bytes into the block, channels `stride` numbers apart.
    ///
    /// # Safety
    /// The pointers must be valid there, and the processor must have V's instruction set.
    #[inline(always)]
    pub unsafe fn store<V: Vector<T>, const CHANNELS: usize>(
        self,
        mut sums: [V; CHANNELS],
        target: *mut T,
        address: u32,
        stride: usize,
    ) {
        // SAFETY: as for this function; hidden values are where their cotangents are.
        unsafe {
            match self {
                Self::Keep => {}
                Self::Activate(slope) => {
                    let slope = V::splat(slope);
                    for o in 0..CHANNELS {
                        sums[o] = sums[o].leaky(sums[o], slope);
                    }
                }
                Self::Differentiate(slope, hidden) => {
                    let slope = V::splat(slope);
                    for o in 0..CHANNELS {
                        let hidden = V::load(hidden.byte_add(address as usize).add(o * stride));
                        sums[o] = sums[o].leaky(hidden, slope);
                    }
                }
            }
            for o in 0..CHANNELS {
                sums[o].store(target.byte_add(address as usize).add(o * stride));
            }
        }
    }
}

impl<'a, T: Real, G> Kernel<'a, T, G> {
    /// The block that starts at target channel `first`, on the lanes from `part` on.
    #[inline(always)]
    fn new<A: Groups<Group = G>>(
        product: &Product<'a, T, A>,
        group: &'a G,
        target: *mut T,
        part: usize,
        first: usize,
    ) -> Self {
        let weight_stride = product.target_field.channels;
        let target_stride = product.target_field.channel_stride() * lanes::<T>();
        let offset = first * target_stride + part;
        Self {
            group,
            weights: product.weights[first..].as_ptr(),
            weight_stride,
            constants: product.constants[A::class(group) * weight_stride + first..].as_ptr(),
            source: product.source.as_ptr().wrapping_add(part),
            source_channels: product.source_field.channels,
            source_stride: product.source_field.channel_stride() * lanes::<T>(),
            target: target.wrapping_add(offset),
            target_stride,
            stored: Stored::new(product.finish, offset),
        }
    }
}

impl Groups for Stencil {
    type Group = Group;

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn class(group: &Group) -> usize {
        group.class
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn slots(&self) -> usize {
        self.taps
    }

    /// There are at least eight sums, or as many as the sites allow: a multiply-add can start before the last one is done.
    #[inline(always)]
    unsafe fn run<T: Real, V: Vector<T>>(kernel: &Kernel<'_, T, Group>, channels: usize) {
        // SAFETY: as for this function.
        unsafe {
            if V::MANY {
                match channels {
                    1 => kernel.sweep::<V, 1, 4>(kernel.sweep::<V, 1, 8>(0)),
                    2 => kernel.sweep::<V, 2, 4>(kernel.sweep::<V, 2, 8>(0)),
                    3 => kernel.sweep::<V, 3, 4>(0),
                    4 => kernel.sweep::<V, 4, 4>(0),
                    5 => kernel.sweep::<V, 5, 4>(0),
                    6 => kernel.sweep::<V, 6, 4>(0),
                    7 => kernel.sweep::<V, 7, 2>(0),
                    8 => kernel.sweep::<V, 8, 2>(0),
                    _ => unreachable!("blocks have at most 8 channels"),
                };
            } else {
                match channels {
                    1 => kernel.sweep::<V, 1, 4>(0),
                    2 => kernel.sweep::<V, 2, 4>(0),
                    3 => kernel.sweep::<V, 3, 4>(0),
                    4 => kernel.sweep::<V, 4, 2>(0),
                    5 => kernel.sweep::<V, 5, 2>(0),
                    6 => kernel.sweep::<V, 6, 2>(0),
                    _ => unreachable!("blocks have at most 6 channels"),
                };
            }
        }
    }
}

impl<T: Real> Kernel<'_, T, Group> {
    /// Blocks of `SITES` sites from `site` on, while there are so many; returns the first site left over.
    #[inline(always)]
    unsafe fn sweep<V: Vector<T>, const CHANNELS: usize, const SITES: usize>(&self, mut site: usize) -> usize {
        while site + SITES <= self.group.targets.len() {
            // SAFETY: as for run.
            unsafe {
                let sums = self.sums::<V, CHANNELS, SITES>(site);
                self.store(sums, site);
            }
            site += SITES;
        }
        site
    }

    /// c_o + Σ W h for the sites from `site` on.
    #[inline(always)]
    unsafe fn sums<V: Vector<T>, const CHANNELS: usize, const SITES: usize>(
        &self,
        site: usize,
    ) -> [[V; SITES]; CHANNELS] {
        let taps = self.group.taps.len();
        let mut from = [self.source; SITES];
        // SAFETY: as for run; the table of sources has `taps` entries for every site.
        unsafe {
            let addresses = self.group.sources.as_ptr().add(site * taps);
            let mut sums = [[V::splat(T::zero()); SITES]; CHANNELS];
            for o in 0..CHANNELS {
                sums[o] = [V::splat(*self.constants.add(o)); SITES];
            }
            for (t, &tap) in self.group.taps.iter().enumerate() {
                for s in 0..SITES {
                    from[s] = self.source.byte_add(*addresses.add(s * taps + t) as usize);
                }
                let mut weights = self.weights.add(tap * self.source_channels * self.weight_stride);
                for _ in 0..self.source_channels {
                    let mut h = [sums[0][0]; SITES];
                    for s in 0..SITES {
                        h[s] = V::load(from[s]);
                        from[s] = from[s].wrapping_add(self.source_stride);
                    }
                    for o in 0..CHANNELS {
                        let weight = V::splat(*weights.add(o));
                        for s in 0..SITES {
                            sums[o][s] = weight.mul_add(h[s], sums[o][s]);
                        }
                    }
                    weights = weights.wrapping_add(self.weight_stride);
                }
            }
            sums
        }
    }

    /// Finishes the sums and stores them.
    #[inline(always)]
    unsafe fn store<V: Vector<T>, const CHANNELS: usize, const SITES: usize>(
        &self,
        sums: [[V; SITES]; CHANNELS],
        site: usize,
    ) {
        // SAFETY: as for run.
        unsafe {
            let addresses = self.group.targets.as_ptr().add(site);
            for s in 0..SITES {
                let mut of_site = [sums[0][s]; CHANNELS];
                for o in 0..CHANNELS {
                    of_site[o] = sums[o][s];
                }
                self.stored.store(of_site, self.target, *addresses.add(s), self.target_stride);
            }
        }
    }
}
