//! The knots of the splines of a chunk of elements, and the bins that hold their arguments.

use super::{
    form::{Axis, CHUNK, Spline},
    rational::UNIT_SLOPE,
    way::Way,
};
use crate::elementwise::{Phi, PhiMut};
use upg_core::Real;
use upg_core::vmath::{MulAdd, scalar};

/// The bins that hold the arguments of a chunk, one of each element.
pub(super) struct Bins<T> {
    /// The left knot (x_k, y_k).
    pub x: [T; CHUNK],
    pub y: [T; CHUNK],
    /// Width and height.
    pub w: [T; CHUNK],
    pub h: [T; CHUNK],
    /// θ_d + c at the left and the right knot; c where it isn't free.
    pub left: [T; CHUNK],
    pub right: [T; CHUNK],
    /// k + 1; 0 for an argument below all knots.
    pub number: [T; CHUNK],
    /// The right end of the bins so far.
    next_x: [T; CHUNK],
    next_y: [T; CHUNK],
}

/// The exponentials e^{θ − max θ} of both axes, in as many rows from `from` on, and behind them 1/Σ for each axis.
pub(super) struct Shares<'a, 's, T> {
    pub rows: &'s mut PhiMut<'a, T>,
    pub from: usize,
}

impl<T: Real> Shares<'_, '_, T> {
    #[inline(always)]
    fn row(&self, row: usize, n: usize) -> &[T] {
        &self.rows.row(self.from + row)[..n]
    }

    /// Fills them.
    #[inline(always)]
    pub fn fill<M: MulAdd>(&mut self, spline: Spline, phi: Phi<'_, T>) {
        let mut most = [T::zero(); CHUNK];
        let mut sum = [T::zero(); CHUNK];
        for axis in [Axis::Widths, Axis::Heights] {
            let rows = spline.rows_of_axis(axis);
            let n = phi.row(0).len().min(CHUNK);
            let (most, sum) = (&mut most[..n], &mut sum[..n]);
            fill_largest(phi, rows.clone(), most);
            sum.fill(T::zero());
            for row in rows {
                let (theta, e) = (&phi.row(row)[..n], &mut self.rows.row_mut(self.from + row)[..n]);
                for i in 0..n {
                    e[i] = scalar::exp_of_nonpositive::<T, M>(theta[i] - most[i]);
                    sum[i] += e[i];
                }
            }
            let inverse = self.rows.row_mut(self.from + spline.row_of_sum(axis));
            inverse.iter_mut().zip(&*sum).for_each(|(inverse, sum)| *inverse = sum.recip());
        }
    }
}

/// Fills `most` with the largest of rows.
#[inline(always)]
fn fill_largest<T: Real>(phi: Phi<'_, T>, rows: std::ops::Range<usize>, most: &mut [T]) {
    most.copy_from_slice(phi.row(rows.start));
    let mut row = rows.start + 1;
    while row + 1 < rows.end {
        let pairs = phi.row(row).iter().zip(phi.row(row + 1));
        most.iter_mut().zip(pairs).for_each(|(most, (&a, &b))| *most = larger(larger(a, b), *most));
        row += 2;
    }
    if row < rows.end {
        most.iter_mut().zip(phi.row(row)).for_each(|(most, &a)| *most = larger(a, *most));
    }
}

/// The larger of two; `b` where one of them is NaN.
#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

impl<T: Real> Bins<T> {
    #[inline(always)]
    pub fn new() -> Self {
        let (zero, one) = ([T::zero(); CHUNK], [T::one(); CHUNK]);
        Self { x: zero, y: zero, w: one, h: one, left: zero, right: zero, number: zero, next_x: zero, next_y: zero }
    }

    /// Finds the bins that hold `u`, along x or along y: the last whose left knot isn't above it.
    #[inline(always)]
    pub fn find<M: MulAdd, W: Way>(
        &mut self,
        spline: Spline,
        way: W,
        u: &[T],
        phi: Phi<'_, T>,
        shares: &Shares<'_, '_, T>,
    ) {
        let low = T::of(spline.interval()[0]);
        self.number.fill(T::zero());
        self.next_x.fill(low);
        self.next_y.fill(low);
        let mut first = 0;
        while first + TOGETHER <= spline.bins {
            self.pass::<M, W, TOGETHER>(spline, way, first, u, phi, shares);
            first += TOGETHER;
        }
        while first < spline.bins {
            self.pass::<M, W, 1>(spline, way, first, u, phi, shares);
            first += 1;
        }
        if spline.slope_row(0).is_none() {
            self.left
                .iter_mut()
                .zip(&self.number)
                .for_each(|(left, &k)| *left = select(k == T::one(), T::of(UNIT_SLOPE), *left));
        }
        if spline.slope_row(spline.bins).is_none() {
            let last = T::of(spline.bins as f64);
            self.right
                .iter_mut()
                .zip(&self.number)
                .for_each(|(right, &k)| *right = select(k == last, T::of(UNIT_SLOPE), *right));
        }
    }

    /// Goes past the bins `first` … `first` + J − 1. A slope that isn't free gets that of a knot beside it.
    #[inline(always)]
    fn pass<M: MulAdd, W: Way, const J: usize>(
        &mut self,
        spline: Spline,
        way: W,
        first: usize,
        u: &[T],
        phi: Phi<'_, T>,
        shares: &Shares<'_, '_, T>,
    ) {
        let (n, [least, rest]) = (u.len().min(CHUNK), spline.shares::<T>());
        let [mut ws, mut hs, mut rights] = [[&u[..n]; J]; 3];
        for j in 0..J {
            ws[j] = shares.row(first + j, n);
            hs[j] = shares.row(spline.bins + first + j, n);
            rights[j] = &phi.row(spline.slope_row_near(first + j + 1))[..n];
        }
        let sum_w = shares.row(spline.row_of_sum(Axis::Widths), n);
        let sum_h = shares.row(spline.row_of_sum(Axis::Heights), n);
        let (u, lefts, unit_slope) = (&u[..n], &phi.row(spline.slope_row_near(first))[..n], T::of(UNIT_SLOPE));
        for i in 0..n {
            let (share_w, share_h, mut next_x, mut next_y) =
                (rest * sum_w[i], rest * sum_h[i], self.next_x[i], self.next_y[i]);
            let (mut x, mut y, mut w, mut h) = (self.x[i], self.y[i], self.w[i], self.h[i]);
            let (mut left, mut right, mut number) = (self.left[i], self.right[i], self.number[i]);
            let mut this_left = lefts[i] + unit_slope;
            for j in 0..J {
                let this_right = rights[j][i] + unit_slope;
                let (this_w, this_h) = (M::mul_add(share_w, ws[j][i], least), M::mul_add(share_h, hs[j][i], least));
                let below = way.along(next_x, next_y) <= u[i];
                (x, y) = (select(below, next_x, x), select(below, next_y, y));
                (w, h) = (select(below, this_w, w), select(below, this_h, h));
                (left, right) = (select(below, this_left, left), select(below, this_right, right));
                number = select(below, T::of((first + j + 1) as f64), number);
                (next_x, next_y, this_left) = (next_x + this_w, next_y + this_h, this_right);
            }
            (self.x[i], self.y[i], self.w[i], self.h[i]) = (x, y, w, h);
            (self.left[i], self.right[i], self.number[i]) = (left, right, number);
            (self.next_x[i], self.next_y[i]) = (next_x, next_y);
        }
    }
}

/// Bins that are passed at a time.
const TOGETHER: usize = 4;

/// `new` or `old`: a choice of numbers that are there, not of addresses.
#[inline(always)]
fn select<T: Real>(takes: bool, new: T, old: T) -> T {
    if takes { new } else { old }
}
