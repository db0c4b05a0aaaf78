//! Rows of g and of g⁻¹, with and without what is kept.

use super::{
    form::{CHUNK, Chunk, Form, InChunks, KEPT, Spline, Tile, elements, load, select, store},
    knots::{Bins, fill_shares},
    rational::{Bin, Local, Place, Slope},
    way::Way,
};
use crate::elementwise::{KeptNumbers, Phi};
use std::{f64::consts::TAU, ops::Range};
use upg_core::vmath::{Kernel, MulAdd};
use upg_core::{Batch, Real};

/// Arguments as the bins know them.
struct Reduced<T> {
    /// In the interval of the bins, or anything where it is outside.
    u: Chunk<T>,
    /// 1 or −1, the sign of the argument; 0 outside of the bins.
    sign: Chunk<T>,
    /// What has been taken off: whole turns.
    turns: Chunk<T>,
}

impl<T: Real> Reduced<T> {
    #[inline(always)]
    fn of(form: Form, t: Chunk<T>) -> Self {
        let zero = T::zero();
        let (mut u, mut sign, mut turns) = (t, [T::one(); CHUNK], [zero; CHUNK]);
        match form {
            Form::Line { interval } => {
                let interval = T::of(interval);
                for i in 0..CHUNK {
                    sign[i] = select((t[i] >= -interval) & (t[i] < interval), T::one(), zero);
                }
            }
            Form::Odd { interval } => {
                let interval = T::of(interval);
                for i in 0..CHUNK {
                    u[i] = t[i].abs();
                    sign[i] = select(u[i] < interval, T::one().copysign(t[i]), zero);
                }
            }
            Form::Circle => {
                for i in 0..CHUNK {
                    turns[i] = (t[i] * T::of(1.0 / TAU)).floor() * T::of(TAU);
                    let rest = t[i] - turns[i];
                    u[i] = select(rest < zero, zero, rest);
                }
            }
        }
        Self { u, sign, turns }
    }
}

/// Rows of g or g⁻¹ and of what is kept.
pub(super) struct Evaluate<'a, T, W> {
    pub spline: Spline,
    pub way: W,
    pub t: &'a mut [T],
    pub phi: Phi<'a, T>,
    pub partials: KeptNumbers<'a, T>,
}

impl<T: Real, W: Way> Kernel for Evaluate<'_, T, W> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(mut self) {
        self.chunks::<M>();
        self.way.take_logs::<T, M>(self.partials.lambda);
    }
}

impl<T: Real, W: Way> InChunks for Evaluate<'_, T, W> {
    #[inline(always)]
    fn samples(&self) -> usize {
        self.t.len()
    }

    #[inline(always)]
    fn chunk<M: MulAdd, const WHOLE: bool>(&mut self, range: Range<usize>) {
        let Self { spline, way, t, phi, partials } = self;
        let (spline, way) = (*spline, *way);
        let mut tile = Tile::of_mut(spline, partials.numbers, range.clone());
        let (t, phi) = (&mut t[range.clone()], phi.part(range.clone()));
        let argument = Argument::find::<M, W, WHOLE>(spline, way, t, phi, &mut tile);
        let Results { value, slope_of_g, slope, dlambda, numbers } = argument.results::<M, W>(way);
        store::<T, WHOLE>(t, argument.shifted::<W, WHOLE>(spline, way, phi, value));
        store::<T, WHOLE>(&mut partials.lambda[range.clone()], slope_of_g);
        store::<T, WHOLE>(&mut partials.dg_dt[range.clone()], slope);
        store::<T, WHOLE>(&mut partials.dlambda_dt[range], dlambda);
        for (row, numbers) in tile.numbers.chunks_exact_mut(elements::<WHOLE>(t)).zip(numbers) {
            store::<T, WHOLE>(row, numbers);
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
    fn run<M: MulAdd>(mut self) {
        self.chunks::<M>();
        self.way.take_logs::<T, M>(self.lambda);
    }
}

impl<T: Real, W: Way> InChunks for Value<'_, T, W> {
    #[inline(always)]
    fn samples(&self) -> usize {
        self.t.len()
    }

    #[inline(always)]
    fn chunk<M: MulAdd, const WHOLE: bool>(&mut self, range: Range<usize>) {
        let Self { spline, way, t, phi, lambda, memory } = self;
        let (spline, way) = (*spline, *way);
        let mut tile = Tile::of_mut(spline, memory.as_mut_slice(), 0..range.len());
        let (t, phi, lambda) = (&mut t[range.clone()], phi.part(range.clone()), &mut lambda[range]);
        let argument = Argument::find::<M, W, WHOLE>(spline, way, t, phi, &mut tile);
        let Results { value, slope_of_g, .. } = argument.results::<M, W>(way);
        store::<T, WHOLE>(t, argument.shifted::<W, WHOLE>(spline, way, phi, value));
        store::<T, WHOLE>(lambda, slope_of_g);
    }
}

/// The arguments of a chunk and the bins that hold them.
struct Argument<T> {
    t: Chunk<T>,
    reduced: Reduced<T>,
    bins: Bins<T>,
}

/// The value, g' at t, ∂/∂argument and ∂λ/∂argument, then the bin and the eight numbers.
struct Results<T> {
    value: Chunk<T>,
    slope_of_g: Chunk<T>,
    slope: Chunk<T>,
    dlambda: Chunk<T>,
    numbers: [Chunk<T>; KEPT],
}

impl<T: Real> Argument<T> {
    /// Takes the arguments `t` of a chunk, and leaves p and q in `tile`.
    #[inline(always)]
    fn find<M: MulAdd, W: Way, const WHOLE: bool>(
        spline: Spline,
        way: W,
        t: &[T],
        phi: Phi<'_, T>,
        tile: &mut Tile<&mut [T]>,
    ) -> Self {
        let mut t = load::<T, WHOLE>(t);
        if let Some(row) = spline.shift_row() {
            let shift = load::<T, WHOLE>(phi.row(row));
            for i in 0..CHUNK {
                t[i] = way.before(t[i], shift[i]);
            }
        }
        let reduced = Reduced::of(spline.form, t);
        let inverse_sums = fill_shares::<T, M, WHOLE>(tile, spline, phi);
        let bins = Bins::find::<M, W, WHOLE>(spline, way, reduced.u, phi, tile, inverse_sums);
        Self { t, reduced, bins }
    }

    /// The bin and the place of element `i`.
    #[inline(always)]
    fn place<M: MulAdd, W: Way>(&self, way: W, i: usize) -> ([T; 2], Bin<T>, Place<T>) {
        let Bins { x, y, w, h, left, right, .. } = &self.bins;
        let (w, h, inverse_w, inverse_h) = (w[i], h[i], w[i].recip(), h[i].recip());
        let [left, right] = Slope::of::<M>([left[i], right[i]]);
        let bin = Bin { w, h, inverse_w, inverse_h, s: h * inverse_w, left, right };
        let knot = [x[i], y[i]];
        (knot, bin, way.place::<T, M>(self.reduced.u[i], knot, bin))
    }

    /// All of them but for the shift.
    #[inline(always)]
    fn results<M: MulAdd, W: Way>(&self, way: W) -> Results<T> {
        let zero = T::zero();
        let Reduced { sign, turns, .. } = &self.reduced;
        let [mut value, mut slope_of_g, mut slope, mut dlambda] = [[zero; CHUNK]; 4];
        let mut numbers = [[zero; CHUNK]; KEPT];
        for i in 0..CHUNK {
            let (knot, bin, place) = self.place::<M, W>(way, i);
            let local = Local::of::<M>(bin, place);
            let inside = way.result::<T, M>(knot, bin, place, local.rise);
            let slopes = way.slopes(&local);
            let outside = sign[i] == zero;
            let signed = inside * sign[i] + turns[i];
            value[i] = select(outside, self.t[i], signed);
            slope_of_g[i] = select(outside, T::one(), local.slope);
            slope[i] = select(outside, T::one(), slopes[0]);
            dlambda[i] = slopes[1] * sign[i];
            numbers[0][i] = self.bins.number[i] * sign[i];
            for (k, pair) in [local.by_w, local.by_h, local.by_left, local.by_right].into_iter().enumerate() {
                numbers[1 + 2 * k][i] = pair[0];
                numbers[2 + 2 * k][i] = pair[1];
            }
        }
        Results { value, slope_of_g, slope, dlambda, numbers }
    }

    /// The result with the shift.
    #[inline(always)]
    fn shifted<W: Way, const WHOLE: bool>(
        &self,
        spline: Spline,
        way: W,
        phi: Phi<'_, T>,
        mut value: Chunk<T>,
    ) -> Chunk<T> {
        if let Some(row) = spline.shift_row() {
            let shift = load::<T, WHOLE>(phi.row(row));
            for i in 0..CHUNK {
                value[i] = way.after(value[i], shift[i]);
            }
        }
        value
    }
}
