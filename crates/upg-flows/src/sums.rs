//! Sums of fields `[site][sample]` over their sites, and of rows of lanes over their lanes.

use crate::simd::lanes;
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch};

/// Σ over the sites of a field, for every sample, in double precision.
pub(crate) fn over_sites<T: Real>(field: &[T], sums: &mut [f64]) {
    dispatch(OverSites { field, sums });
}

struct OverSites<'a, T> {
    field: &'a [T],
    sums: &'a mut [f64],
}

/// Rows that are added up in the precision of the field.
const BLOCK: usize = 16;

impl<T: Real> Kernel for OverSites<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { field, sums } = self;
        let samples = sums.len();
        sums.fill(0.0);
        for rows in field.chunks(BLOCK * samples) {
            for first in (0..samples).step_by(8) {
                let mut block = [T::zero(); 8];
                for row in rows.chunks_exact(samples) {
                    for (sum, &x) in block.iter_mut().zip(&row[first..first + 8]) {
                        *sum += x;
                    }
                }
                for (sum, x) in sums[first..first + 8].iter_mut().zip(block) {
                    *sum += x.wide();
                }
            }
        }
    }
}

/// Adds Σ over the lanes of every row to `into`.
pub(crate) fn add_lanes<T: Real>(rows: &[T], into: &mut [T]) {
    dispatch(AddLanes { rows, into });
}

struct AddLanes<'a, T> {
    rows: &'a [T],
    into: &'a mut [T],
}

impl<T: Real> Kernel for AddLanes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        for (row, into) in self.rows.chunks_exact(lanes::<T>()).zip(self.into) {
            *into += row.iter().copied().sum::<T>();
        }
    }
}
