//! Rows of g and of g⁻¹, with and without what is kept.

use super::{
    form::{CHUNK, Form, KEPT, Spline, chunks},
    knots::{Bins, Shares},
    rational::{Bin, Local, Place, Slope},
    way::Way,
};
use crate::elementwise::{KeptRows, Partials, Phi, PhiMut};
use std::f64::consts::TAU;
use upg_core::vmath::{Kernel, MulAdd};
use upg_core::{Batch, Real};

/// Arguments as the bins know them.
struct Reduced<T> {
    /// In the interval of the bins, or anything where it is outside.
    u: [T; CHUNK],
    /// 1 or −1, the sign of the argument; 0 outside of the bins.
    sign: [T; CHUNK],
    /// What has been taken off: whole turns.
    turns: [T; CHUNK],
}

impl<T: Real> Reduced<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { u: [T::zero(); CHUNK], sign: [T::one(); CHUNK], turns: [T::zero(); CHUNK] }
    }

    #[inline(always)]
    fn fill(&mut self, form: Form, t: &[T]) {
        let (n, zero) = (t.len().min(CHUNK), T::zero());
        let (u, sign, turns) = (&mut self.u[..n], &mut self.sign[..n], &mut self.turns[..n]);
        match form {
            Form::Line { interval } => {
                let interval = T::of(interval);
                for i in 0..n {
                    u[i] = t[i];
                    sign[i] = if (t[i] >= -interval) & (t[i] < interval) { T::one() } else { zero };
                }
            }
            Form::Odd { interval } => {
                let interval = T::of(interval);
                for i in 0..n {
                    u[i] = t[i].abs();
                    sign[i] = if u[i] < interval { T::one().copysign(t[i]) } else { zero };
                }
            }
            Form::Circle => {
                for i in 0..n {
                    turns[i] = (t[i] * T::of(1.0 / TAU)).floor() * T::of(TAU);
                    let rest = t[i] - turns[i];
                    u[i] = if rest < zero { zero } else { rest };
                }
            }
        }
    }
}

/// Rows of g or g⁻¹ and of what is kept.
pub(super) struct Evaluate<'a, T, W> {
    pub spline: Spline,
    pub way: W,
    pub t: &'a mut [T],
    pub phi: Phi<'a, T>,
    pub partials: Partials<'a, T>,
}

impl<T: Real, W: Way> Kernel for Evaluate<'_, T, W> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { spline, way, t, phi, mut partials } = self;
        let mut argument = Argument::new();
        let (mut slopes, mut numbers) = ([[T::zero(); CHUNK]; 2], [[T::zero(); CHUNK]; KEPT]);
        for range in chunks(t.len()) {
            let KeptRows { lambda, dg_dt, dlambda_dt, mut kept } = partials.part(range.clone()).kept();
            let (t, phi) = (&mut t[range.clone()], phi.part(range));
            argument.find::<M, W>(spline, way, t, phi, Shares { rows: &mut kept, from: KEPT });
            argument.fill::<M, W>(way, t, lambda, &mut slopes, &mut numbers);
            let n = t.len();
            dg_dt.copy_from_slice(&slopes[0][..n]);
            dlambda_dt.copy_from_slice(&slopes[1][..n]);
            for (k, row) in numbers.iter().enumerate() {
                kept.row_mut(k).copy_from_slice(&row[..n]);
            }
            argument.add_shift(spline, way, t, phi);
        }
    }
}

/// Rows of g or g⁻¹ and of λ.
pub(super) struct Value<'a, T, W> {
    pub spline: Spline,
    pub way: W,
    pub t: &'a mut [T],
    pub phi: Phi<'a, T>,
    pub lambda: &'a mut [T],
    pub memory: &'a mut Batch<T>,
}

impl<T: Real, W: Way> Kernel for Value<'_, T, W> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { spline, way, t, phi, lambda, memory } = self;
        let mut argument = Argument::new();
        for range in chunks(t.len()) {
            let (t, phi, lambda) = (&mut t[range.clone()], phi.part(range.clone()), &mut lambda[range]);
            let mut rows = PhiMut::of(memory.as_mut_slice(), 0, 1, CHUNK);
            argument.find::<M, W>(spline, way, t, phi, Shares { rows: &mut rows.part(0..t.len()), from: 0 });
            argument.fill_value::<M, W>(way, t, lambda);
            argument.add_shift(spline, way, t, phi);
        }
    }
}

/// The arguments of a chunk and the bins that hold them.
struct Argument<T> {
    reduced: Reduced<T>,
    bins: Bins<T>,
}

impl<T: Real> Argument<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { reduced: Reduced::new(), bins: Bins::new() }
    }

    /// Takes the arguments `t` of a chunk, and leaves p and q in `shares`.
    #[inline(always)]
    fn find<M: MulAdd, W: Way>(
        &mut self,
        spline: Spline,
        way: W,
        t: &mut [T],
        phi: Phi<'_, T>,
        mut shares: Shares<'_, '_, T>,
    ) {
        if let Some(row) = spline.shift_row() {
            t.iter_mut().zip(phi.row(row)).for_each(|(t, &shift)| *t = way.before(*t, shift));
        }
        self.reduced.fill(spline.form, t);
        shares.fill::<M>(spline, phi);
        self.bins.find::<M, W>(spline, way, &self.reduced.u[..t.len()], phi, &shares);
    }

    /// The bin and the place of element `i`.
    #[inline(always)]
    fn place<M: MulAdd, W: Way>(&self, way: W, i: usize) -> ([T; 2], Bin<T>, Place<T>) {
        let Bins { x, y, w, h, left, right, .. } = &self.bins;
        let (w, h, inverse_w) = (w[i], h[i], w[i].recip());
        let (left, right) = (Slope::of::<M>(left[i]), Slope::of::<M>(right[i]));
        let bin = Bin { w, h, inverse_w, s: h * inverse_w, left, right };
        let knot = [x[i], y[i]];
        (knot, bin, way.place::<T, M>(self.reduced.u[i], knot, bin))
    }

    /// The result for element `i`, whose argument was `t`.
    #[inline(always)]
    fn result(&self, i: usize, t: T, inside: T) -> T {
        let Reduced { sign, turns, .. } = &self.reduced;
        let signed = inside * sign[i] + turns[i];
        if sign[i] == T::zero() { t } else { signed }
    }

    /// t, λ, then ∂g/∂t and ∂λ/∂t, then the bin and the eight numbers.
    #[inline(always)]
    fn fill<M: MulAdd, W: Way>(
        &self,
        way: W,
        t: &mut [T],
        lambda: &mut [T],
        slopes: &mut [[T; CHUNK]; 2],
        numbers: &mut [[T; CHUNK]; KEPT],
    ) {
        let (n, zero) = (t.len().min(CHUNK), T::zero());
        let (t, lambda) = (&mut t[..n], &mut lambda[..n]);
        let sign = &self.reduced.sign;
        for i in 0..n {
            let (knot, bin, place) = self.place::<M, W>(way, i);
            let local = Local::of::<M>(bin, place);
            let inside = way.result::<T, M>(knot, bin, place, local.rise);
            let [log, slope, dlambda] = way.slopes::<T, M>(local.slope, local.dlambda_dt);
            let outside = sign[i] == zero;
            t[i] = self.result(i, t[i], inside);
            lambda[i] = if outside { zero } else { log };
            slopes[0][i] = if outside { T::one() } else { slope };
            slopes[1][i] = dlambda * sign[i];
            numbers[0][i] = self.bins.number[i] * sign[i];
            for (k, pair) in [local.by_w, local.by_h, local.by_left, local.by_right].into_iter().enumerate() {
                numbers[1 + 2 * k][i] = pair[0];
                numbers[2 + 2 * k][i] = pair[1];
            }
        }
    }

    /// t and λ.
    #[inline(always)]
    fn fill_value<M: MulAdd, W: Way>(&self, way: W, t: &mut [T], lambda: &mut [T]) {
        let (n, zero) = (t.len().min(CHUNK), T::zero());
        let (t, lambda) = (&mut t[..n], &mut lambda[..n]);
        for i in 0..n {
            let (knot, bin, place) = self.place::<M, W>(way, i);
            let local = Local::of::<M>(bin, place);
            let inside = way.result::<T, M>(knot, bin, place, local.rise);
            let [log, ..] = way.slopes::<T, M>(local.slope, local.dlambda_dt);
            t[i] = self.result(i, t[i], inside);
            lambda[i] = if self.reduced.sign[i] == zero { zero } else { log };
        }
    }

    #[inline(always)]
    fn add_shift<W: Way>(&self, spline: Spline, way: W, t: &mut [T], phi: Phi<'_, T>) {
        if let Some(row) = spline.shift_row() {
            t.iter_mut().zip(phi.row(row)).for_each(|(t, &shift)| *t = way.after(*t, shift));
        }
    }
}
