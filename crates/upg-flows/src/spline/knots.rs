//! The knots of the splines of a chunk of elements, and the bins that hold their arguments.

use super::{
    form::{Axis, CHUNK, Chunk, Spline, Tile, elements, load, select, store},
    rational::UNIT_SLOPE,
    way::Way,
};
use crate::elementwise::Phi;
use std::ops::Range;
use upg_core::Real;
use upg_core::vmath::{MulAdd, scalar};

/// The bins that hold the arguments of a chunk, one of each element.
pub(super) struct Bins<T> {
    /// The left knot (x_k, y_k).
    pub x: Chunk<T>,
    pub y: Chunk<T>,
    /// Width and height.
    pub w: Chunk<T>,
    pub h: Chunk<T>,
    /// θ_d + c at the left and the right knot; c where it isn't free.
    pub left: Chunk<T>,
    pub right: Chunk<T>,
    /// k + 1; 0 for an argument below all knots.
    pub number: Chunk<T>,
}

/// Fills the exponentials of a tile, and the inverses of their sums, which it returns.
#[inline(always)]
pub(super) fn fill_shares<T: Real, M: MulAdd, const WHOLE: bool>(
    tile: &mut Tile<&mut [T]>,
    spline: Spline,
    phi: Phi<'_, T>,
) -> [Chunk<T>; 2] {
    let sum_w = fill_axis::<T, M, WHOLE>(tile.w, phi, spline.rows_of_axis(Axis::Widths));
    let sum_h = fill_axis::<T, M, WHOLE>(tile.h, phi, spline.rows_of_axis(Axis::Heights));
    let (mut inverse_w, mut inverse_h) = (sum_w, sum_h);
    for i in 0..CHUNK {
        // one division for both: they are between 1 and K
        let inverse = (sum_w[i] * sum_h[i]).recip();
        (inverse_w[i], inverse_h[i]) = (inverse * sum_h[i], inverse * sum_w[i]);
    }
    let (to_w, to_h) = tile.inverse_sums.split_at_mut(tile.inverse_sums.len() / 2);
    store::<T, WHOLE>(to_w, inverse_w);
    store::<T, WHOLE>(to_h, inverse_h);
    [inverse_w, inverse_h]
}

/// Fills `shares` with the exponentials of rows of φ, and returns their sum.
#[inline(always)]
fn fill_axis<T: Real, M: MulAdd, const WHOLE: bool>(shares: &mut [T], phi: Phi<'_, T>, rows: Range<usize>) -> Chunk<T> {
    let mut most = load::<T, WHOLE>(phi.row(rows.start));
    for theta in phi.rows(rows.start + 1..rows.end) {
        let theta = load::<T, WHOLE>(theta);
        for i in 0..CHUNK {
            most[i] = if theta[i] > most[i] { theta[i] } else { most[i] };
        }
    }
    let (mut sum, mut row) = ([T::zero(); CHUNK], rows.start);
    let samples = elements::<WHOLE>(phi.row(row));
    let mut fours = shares.chunks_exact_mut(4 * samples);
    for share in &mut fours {
        fill_rows::<T, M, 4, WHOLE>(share, phi, row, &most, &mut sum);
        row += 4;
    }
    for share in fours.into_remainder().chunks_exact_mut(samples) {
        fill_rows::<T, M, 1, WHOLE>(share, phi, row, &most, &mut sum);
        row += 1;
    }
    sum
}

/// Fills `shares` with the exponentials of J rows of φ from `first` on, and adds them to `sum`.
#[inline(always)]
fn fill_rows<T: Real, M: MulAdd, const J: usize, const WHOLE: bool>(
    shares: &mut [T],
    phi: Phi<'_, T>,
    first: usize,
    most: &Chunk<T>,
    sum: &mut Chunk<T>,
) {
    let (mut rows, samples) = ([[T::zero(); CHUNK]; J], shares.len() / J);
    for (j, row) in rows.iter_mut().enumerate() {
        *row = load::<T, WHOLE>(phi.row(first + j));
    }
    for i in 0..CHUNK {
        let mut e = [T::zero(); J];
        for j in 0..J {
            e[j] = rows[j][i] - most[i];
        }
        e = scalar::exp_beside_one::<T, M, J>(e);
        for j in 0..J {
            rows[j][i] = e[j];
            sum[i] += e[j];
        }
    }
    for (row, share) in rows.into_iter().zip(shares.chunks_exact_mut(samples)) {
        store::<T, WHOLE>(share, row);
    }
}

impl<T: Real> Bins<T> {
    /// The bins that hold `u`, along x or along y: the last whose left knot isn't above it.
    #[inline(always)]
    pub fn find<M: MulAdd, W: Way, const WHOLE: bool>(
        spline: Spline,
        way: W,
        u: Chunk<T>,
        phi: Phi<'_, T>,
        shares: &Tile<&mut [T]>,
        inverse_sums: [Chunk<T>; 2],
    ) -> Self {
        let ([least, rest], low) = (spline.shares::<T>(), [T::of(spline.interval()[0]); CHUNK]);
        let [mut share_w, mut share_h] = inverse_sums;
        for i in 0..CHUNK {
            (share_w[i], share_h[i]) = (rest * share_w[i], rest * share_h[i]);
        }
        let (mut x, mut y, mut w, mut h) = (low, low, [T::one(); CHUNK], [T::one(); CHUNK]);
        let [mut left, mut right, mut number] = [[T::zero(); CHUNK]; 3];
        let [first, second, last] = spline.slope_rows_near();
        let ([mut next_x, mut next_y], mut next_left) = ([low; 2], raw_slope::<T, WHOLE>(phi.row(first)));
        let (samples, mut this) = (elements::<WHOLE>(phi.row(first)), T::zero());
        let rights = phi.rows(second..second + spline.bins - 1).chain([phi.row(last)]);
        let shares = shares.w.chunks_exact(samples).zip(shares.h.chunks_exact(samples));
        for ((e_w, e_h), next_right) in shares.zip(rights) {
            let (e_w, e_h) = (load::<T, WHOLE>(e_w), load::<T, WHOLE>(e_h));
            let next_right = raw_slope::<T, WHOLE>(next_right);
            this += T::one();
            for i in 0..CHUNK {
                let (this_w, this_h) = (M::mul_add(share_w[i], e_w[i], least), M::mul_add(share_h[i], e_h[i], least));
                let below = way.along(next_x[i], next_y[i]) <= u[i];
                (x[i], y[i]) = (select(below, next_x[i], x[i]), select(below, next_y[i], y[i]));
                (w[i], h[i]) = (select(below, this_w, w[i]), select(below, this_h, h[i]));
                (left[i], right[i]) = (select(below, next_left[i], left[i]), select(below, next_right[i], right[i]));
                number[i] = select(below, this, number[i]);
                (next_x[i], next_y[i]) = (next_x[i] + this_w, next_y[i] + this_h);
            }
            next_left = next_right;
        }
        let mut bins = Self { x, y, w, h, left, right, number };
        bins.fix_ends(spline);
        bins
    }

    /// A slope that isn't free has got that of a knot beside it.
    #[inline(always)]
    fn fix_ends(&mut self, spline: Spline) {
        let Self { left, right, number, .. } = self;
        if spline.slope_row(0).is_none() {
            for i in 0..CHUNK {
                left[i] = select(number[i] == T::one(), T::of(UNIT_SLOPE), left[i]);
            }
        }
        if spline.slope_row(spline.bins).is_none() {
            let last = T::of(spline.bins as f64);
            for i in 0..CHUNK {
                right[i] = select(number[i] == last, T::of(UNIT_SLOPE), right[i]);
            }
        }
    }
}

/// θ + c of a row.
#[inline(always)]
fn raw_slope<T: Real, const WHOLE: bool>(theta: &[T]) -> Chunk<T> {
    let mut slope = load::<T, WHOLE>(theta);
    for slope in &mut slope {
        *slope += T::of(UNIT_SLOPE);
    }
    slope
}
