//! v = α a ∂g/∂φ + β ∂λ/∂φ of a spline or its inverse, from what is kept.

use super::{
    form::{CHUNK, Chunk, InChunks, KEPT, Spline, Tile, elements, load, select, store},
    way::Way,
};
use crate::elementwise::{Covector, PartialsRef, PhiMut};
use std::ops::Range;
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd};

/// Rows of v.
pub(super) struct Vjp<'a, T, W> {
    pub spline: Spline,
    pub way: W,
    pub covector: Covector<'a, T>,
    pub partials: PartialsRef<'a, T>,
    pub v: PhiMut<'a, T>,
}

impl<T: Real, W: Way> Kernel for Vjp<'_, T, W> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(mut self) {
        self.chunks::<M>();
    }
}

impl<T: Real, W: Way> InChunks for Vjp<'_, T, W> {
    #[inline(always)]
    fn samples(&self) -> usize {
        self.covector.a.len()
    }

    #[inline(always)]
    fn chunk<M: MulAdd, const WHOLE: bool>(&mut self, range: Range<usize>) {
        let (spline, mut v) = (self.spline, self.v.part(range.clone()));
        let tile = Tile::of(spline, self.partials.numbers(), range.clone());
        let slopes = [&self.partials.dg_dt()[range.clone()], &self.partials.dlambda_dt()[range.clone()]];
        let on = OnBins::of::<M, W, WHOLE>(self.way, self.covector.part(range), slopes, tile.numbers);
        on.through_softmax::<M, WHOLE>(spline, tile, &mut v);
        on.fill_slopes::<WHOLE>(spline, &mut v);
        if let Some(row) = spline.shift_row() {
            store::<T, WHOLE>(v.row_mut(row), on.shift);
        }
    }
}

/// Covectors on the knot, the width and height, the raw slopes of the bin of every element, and on the shift; and the number k + 1 of the bin, 0 outside.
struct OnBins<T> {
    bin: Chunk<T>,
    x: Chunk<T>,
    y: Chunk<T>,
    w: Chunk<T>,
    h: Chunk<T>,
    left: Chunk<T>,
    right: Chunk<T>,
    shift: Chunk<T>,
}

impl<T: Real> OnBins<T> {
    #[inline(always)]
    fn of<M: MulAdd, W: Way, const WHOLE: bool>(
        way: W,
        covector: Covector<'_, T>,
        slopes: [&[T]; 2],
        kept: &[T],
    ) -> Self {
        let (Covector { a, alpha, beta }, samples) = (covector, elements::<WHOLE>(covector.a));
        let (a, dg_dt, dlambda_dt) = (load::<T, WHOLE>(a), load::<T, WHOLE>(slopes[0]), load::<T, WHOLE>(slopes[1]));
        let mut numbers = [[T::zero(); CHUNK]; KEPT];
        for (numbers, row) in numbers.iter_mut().zip(kept.chunks_exact(samples)) {
            *numbers = load::<T, WHOLE>(row);
        }
        let [numbers, gw, lw, gh, lh, g0, l0, g1, l1] = numbers;
        let [mut bin, mut x, mut y, mut w, mut h, mut left, mut right, mut shift] = [[T::zero(); CHUNK]; 8];
        for i in 0..CHUNK {
            let signed = alpha * a[i];
            let pulled = M::mul_add(signed, dg_dt[i], beta * dlambda_dt[i]);
            let [on_g, on_knot, on_lambda] = way.covectors(signed, pulled, beta);
            let negative = numbers[i] < T::zero();
            let on_y = select(negative, -on_g, on_g);
            (bin[i], shift[i]) = (numbers[i].abs(), on_g);
            (x[i], y[i]) = (select(negative, on_knot, -on_knot), on_y);
            w[i] = M::mul_add(on_y, gw[i], on_lambda * lw[i]);
            h[i] = M::mul_add(on_y, gh[i], on_lambda * lh[i]);
            left[i] = M::mul_add(on_y, g0[i], on_lambda * l0[i]);
            right[i] = M::mul_add(on_y, g1[i], on_lambda * l1[i]);
        }
        Self { bin, x, y, w, h, left, right, shift }
    }

    /// The slope at a knot belongs to the bins on both sides.
    #[inline(always)]
    fn fill_slopes<const WHOLE: bool>(&self, spline: Spline, v: &mut PhiMut<'_, T>) {
        let (zero, last) = (T::zero(), spline.bins);
        for knot in 0..last {
            let Some(row) = spline.slope_row(knot) else { continue };
            let around = spline.slope_row(last) == Some(row);
            let right_of = T::of(if around { last } else { knot } as f64);
            let left_of = T::of((knot + 1) as f64);
            let mut all = [zero; CHUNK];
            for (i, v) in all.iter_mut().enumerate() {
                let (bin, left, right) = (self.bin[i], self.left[i], self.right[i]);
                let at_right = select((bin == right_of) & (bin > zero), right, zero);
                *v = select(bin == left_of, left, at_right);
            }
            store::<T, WHOLE>(v.row_mut(row), all);
        }
    }

    /// L (1 − mK) p_j (c_j − Σ_i p_i c_i) for both axes, with c_j = the covector on the knot for bins below, on the size for the bin itself, 0 above.
    #[inline(always)]
    fn through_softmax<M: MulAdd, const WHOLE: bool>(&self, spline: Spline, tile: Tile<&[T]>, v: &mut PhiMut<'_, T>) {
        let Self { bin, x, y, w, h, .. } = self;
        let (zero, [_, share]) = (T::zero(), spline.shares::<T>());
        let samples = elements::<WHOLE>(v.row(0));
        let shares = || tile.w.chunks_exact(samples).zip(tile.h.chunks_exact(samples));
        let [mut below_w, mut here_w, mut below_h, mut here_h] = [[zero; CHUNK]; 4];
        let mut number = zero;
        for (e_w, e_h) in shares() {
            let (e_w, e_h) = (load::<T, WHOLE>(e_w), load::<T, WHOLE>(e_h));
            number += T::one();
            for i in 0..CHUNK {
                let (below, here) = (number < bin[i], number == bin[i]);
                let (e_w, e_h) = (e_w[i], e_h[i]);
                (below_w[i], below_h[i]) =
                    (below_w[i] + select(below, e_w, zero), below_h[i] + select(below, e_h, zero));
                (here_w[i], here_h[i]) = (select(here, e_w, here_w[i]), select(here, e_h, here_h[i]));
            }
        }
        let (sum_w, sum_h) = tile.inverse_sums.split_at(samples);
        let (sum_w, sum_h) = (load::<T, WHOLE>(sum_w), load::<T, WHOLE>(sum_h));
        let ([mut x_w, mut w_w, mut z_w], [mut y_h, mut h_h, mut z_h]) = ([[zero; CHUNK]; 3], [[zero; CHUNK]; 3]);
        for i in 0..CHUNK {
            let mean = M::mul_add(below_w[i], x[i], here_w[i] * w[i]) * sum_w[i];
            let scale = share * sum_w[i];
            (x_w[i], w_w[i], z_w[i]) = (scale * (x[i] - mean), scale * (w[i] - mean), -(scale * mean));
            let mean = M::mul_add(below_h[i], y[i], here_h[i] * h[i]) * sum_h[i];
            let scale = share * sum_h[i];
            (y_h[i], h_h[i], z_h[i]) = (scale * (y[i] - mean), scale * (h[i] - mean), -(scale * mean));
        }
        let mut number = zero;
        for (j, (e_w, e_h)) in shares().enumerate() {
            let (e_w, e_h) = (load::<T, WHOLE>(e_w), load::<T, WHOLE>(e_h));
            let (mut v_w, mut v_h) = (e_w, e_h);
            number += T::one();
            for i in 0..CHUNK {
                let (below, here) = (number < bin[i], number == bin[i]);
                v_w[i] = e_w[i] * select(below, x_w[i], select(here, w_w[i], z_w[i]));
                v_h[i] = e_h[i] * select(below, y_h[i], select(here, h_h[i], z_h[i]));
            }
            store::<T, WHOLE>(v.row_mut(j), v_w);
            store::<T, WHOLE>(v.row_mut(spline.bins + j), v_h);
        }
    }
}
