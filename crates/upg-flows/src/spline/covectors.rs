//! v = α a ∂g/∂φ + β ∂λ/∂φ of a spline or its inverse, from what is kept.

use super::{
    form::{Axis, CHUNK, KEPT, Spline, chunks},
    way::Way,
};
use crate::elementwise::{Covector, PartialsRef, PhiMut};
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
    fn run<M: MulAdd>(self) {
        let Self { spline, way, covector, partials, mut v } = self;
        let mut on = OnBins::new();
        for range in chunks(covector.a.len()) {
            let (partials, mut v) = (partials.part(range.clone()), v.part(range.clone()));
            let shift = spline.shift_row().map(|row| v.row_mut(row));
            on.fill::<M, W>(way, covector.part(range), partials, shift);
            for axis in [Axis::Widths, Axis::Heights] {
                on.through_softmax::<M>(axis, spline, partials, &mut v);
            }
            on.fill_slopes(spline, &mut v);
        }
    }
}

/// Covectors on the knot, the width and height, and the raw slopes of the bin of every element; and the number k + 1 of the bin, 0 outside.
struct OnBins<T> {
    bin: [T; CHUNK],
    x: [T; CHUNK],
    y: [T; CHUNK],
    w: [T; CHUNK],
    h: [T; CHUNK],
    left: [T; CHUNK],
    right: [T; CHUNK],
}

impl<T: Real> OnBins<T> {
    #[inline(always)]
    fn new() -> Self {
        let zero = [T::zero(); CHUNK];
        Self { bin: zero, x: zero, y: zero, w: zero, h: zero, left: zero, right: zero }
    }

    /// And the row of the shift.
    #[inline(always)]
    fn fill<M: MulAdd, W: Way>(
        &mut self,
        way: W,
        covector: Covector<'_, T>,
        partials: PartialsRef<'_, T>,
        shift: Option<&mut [T]>,
    ) {
        let (n, Covector { a, alpha, beta }) = (covector.a.len().min(CHUNK), covector);
        let row = |k: usize| &partials.kept(k)[..n];
        let (bin, gw, lw, gh, lh) = (row(0), row(1), row(2), row(3), row(4));
        let (g0, l0, g1, l1) = (row(5), row(6), row(7), row(8));
        let (a, dg_dt, dlambda_dt) = (&a[..n], &partials.dg_dt()[..n], &partials.dlambda_dt()[..n]);
        for i in 0..n {
            let signed = alpha * a[i];
            let pulled = M::mul_add(signed, dg_dt[i], beta * dlambda_dt[i]);
            let [on_g, on_knot, on_lambda] = way.covectors(signed, pulled, beta);
            let negative = bin[i] < T::zero();
            self.bin[i] = bin[i].abs();
            self.x[i] = if negative { on_knot } else { -on_knot };
            self.y[i] = if negative { -on_g } else { on_g };
            self.w[i] = M::mul_add(self.y[i], gw[i], on_lambda * lw[i]);
            self.h[i] = M::mul_add(self.y[i], gh[i], on_lambda * lh[i]);
            self.left[i] = M::mul_add(self.y[i], g0[i], on_lambda * l0[i]);
            self.right[i] = M::mul_add(self.y[i], g1[i], on_lambda * l1[i]);
        }
        if let Some(shift) = shift {
            let shift = &mut shift[..n];
            for i in 0..n {
                let negative = bin[i] < T::zero();
                shift[i] = if negative { -self.y[i] } else { self.y[i] };
            }
        }
    }

    /// The slope at a knot belongs to the bins on both sides.
    #[inline(always)]
    fn fill_slopes(&self, spline: Spline, v: &mut PhiMut<'_, T>) {
        let zero = T::zero();
        let last = spline.bins;
        for knot in 0..last {
            let Some(row) = spline.slope_row(knot) else { continue };
            let around = spline.slope_row(last) == Some(row);
            let right_of = T::of(if around { last } else { knot } as f64);
            let left_of = T::of((knot + 1) as f64);
            let v = v.row_mut(row);
            let n = v.len().min(CHUNK);
            let v = &mut v[..n];
            let (bin, left, right) = (&self.bin[..n], &self.left[..n], &self.right[..n]);
            for i in 0..n {
                let (bin, left, right) = (bin[i], left[i], right[i]);
                let at_left = if bin == left_of { left } else { zero };
                let at_right = if (bin == right_of) & (bin > zero) { right } else { zero };
                v[i] = at_left + at_right;
            }
        }
    }

    /// L (1 − mK) p_j (c_j − Σ_i p_i c_i), with c_j = the covector on the knot for bins below, on the size for the bin itself, 0 above.
    #[inline(always)]
    fn through_softmax<M: MulAdd>(
        &self,
        axis: Axis,
        spline: Spline,
        partials: PartialsRef<'_, T>,
        v: &mut PhiMut<'_, T>,
    ) {
        let (n, zero, [_, share]) = (partials.lambda().len().min(CHUNK), T::zero(), spline.shares::<T>());
        let (below, here) = match axis {
            Axis::Widths => (&self.x[..n], &self.w[..n]),
            Axis::Heights => (&self.y[..n], &self.h[..n]),
        };
        let bin = &self.bin[..n];
        let pick = |i: usize, number: T| {
            let (bin, below, here) = (bin[i], below[i], here[i]);
            let size = if number == bin { here } else { zero };
            if number < bin { below } else { size }
        };
        let numbered = || spline.rows_of_axis(axis).zip(1..).map(|(row, number)| (row, T::of(f64::from(number))));
        let inverse = &partials.kept(KEPT + spline.row_of_sum(axis))[..n];
        let (mut mean, mut scale) = ([zero; CHUNK], [zero; CHUNK]);
        let (mean, scale) = (&mut mean[..n], &mut scale[..n]);
        for (row, number) in numbered() {
            let e = &partials.kept(KEPT + row)[..n];
            for i in 0..n {
                mean[i] = M::mul_add(e[i], pick(i, number), mean[i]);
            }
        }
        for i in 0..n {
            (mean[i], scale[i]) = (mean[i] * inverse[i], share * inverse[i]);
        }
        for (row, number) in numbered() {
            let (e, v) = (&partials.kept(KEPT + row)[..n], &mut v.row_mut(row)[..n]);
            for i in 0..n {
                v[i] = scale[i] * e[i] * (pick(i, number) - mean[i]);
            }
        }
    }
}
