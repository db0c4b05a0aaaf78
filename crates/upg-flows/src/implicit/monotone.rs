//! Transforms that the implicit inverse can solve, and the bracket it starts from.

use crate::elementwise::{Elementwise, Partials, Phi};
use std::ops::Range;
use upg_core::Real;

/// Elements that iterate together; [`Monotone::bracket`] and [`Monotone::value_and_slope`] get no more at a time.
pub const CHUNK: usize = 128;
/// Times the default bracket is made four times as wide, at most: enough to cross the range of f32.
const WIDENINGS: usize = 66;

/// The ranges of at most [`CHUNK`] elements that make up a row of `len`.
#[inline(always)]
pub(crate) fn chunks(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(CHUNK).map(move |first| first..len.min(first + CHUNK))
}

/// A strictly monotone transform that [`Implicit`](super::Implicit) can invert.
///
/// Both methods are provided; they help the solver by a cheap slope and a close bracket of the solution.
pub trait Monotone<T: Real>: Elementwise<T> {
    /// t ← g(t; φ), and fills `dg_dt` of `partials` with ∂g/∂t. The other rows are free to be written to.
    fn value_and_slope(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        self.evaluate(t, phi, partials);
    }

    /// Fills `bracket` for the solutions t of g(t; φ) = y. If there is no solution, with NaN.
    ///
    /// The rows of `partials` that belong to φ are its own: the calls of [`value_and_slope`](Self::value_and_slope) for these
    /// elements find there what it leaves, unless they write to them.
    ///
    /// By default an interval around y that grows until g − y changes sign.
    fn bracket(&self, y: &[T], phi: Phi<'_, T>, partials: Partials<'_, T>, bracket: Bracket<'_, T>) {
        search(self, y, phi, partials, bracket);
    }
}

/// Intervals [low, high] that hold a solution each, and what else the solver can use; rows `[samples]`.
#[derive(Debug)]
pub struct Bracket<'a, T> {
    /// Lower ends.
    pub low: &'a mut [T],
    /// Upper ends.
    pub high: &'a mut [T],
    /// Guesses, low ≤ guess ≤ high.
    pub guess: &'a mut [T],
    /// Size of the terms that g sums up: 2ε of it is round-off of g, whatever |y| and |g' t|. Zero before it is filled.
    pub terms: &'a mut [T],
}

/// Fills `bracket` for at most [`CHUNK`] elements: y ± (1 + |y|), made wider until g − y has different signs at its ends.
fn search<T: Real, E: Monotone<T>>(
    g: &E,
    y: &[T],
    phi: Phi<'_, T>,
    mut partials: Partials<'_, T>,
    bracket: Bracket<'_, T>,
) {
    let Bracket { low, high, guess, .. } = bracket;
    let mut reach = T::one();
    guess.fill(T::nan());
    for _ in 0..WIDENINGS {
        for i in (0..y.len()).filter(|&i| guess[i].is_nan()) {
            let reach = reach * (T::one() + y[i].abs());
            (low[i], high[i]) = (y[i] - reach, y[i] + reach);
        }
        let [below, above] = [&*low, &*high].map(|ends| residuals(g, ends, y, phi, partials.reborrow()));
        for i in 0..y.len() {
            if has_root(below[i], above[i]) {
                guess[i] = low[i] + (high[i] - low[i]) / T::of(2.0);
            }
        }
        let hopeful = |i: usize| guess[i].is_nan() && !(below[i].is_nan() && above[i].is_nan());
        if !(0..y.len()).any(hopeful) {
            break;
        }
        reach *= T::of(4.0);
    }
    for i in (0..y.len()).filter(|&i| guess[i].is_nan()) {
        (low[i], high[i]) = (T::nan(), T::nan());
    }
}

/// Whether a monotone function with these values at the ends of an interval is zero in it.
fn has_root<T: Real>(below: T, above: T) -> bool {
    let zero = T::zero();
    below <= zero && above >= zero || below >= zero && above <= zero
}

/// g(t) − y.
fn residuals<T: Real, E: Monotone<T>>(
    g: &E,
    t: &[T],
    y: &[T],
    phi: Phi<'_, T>,
    partials: Partials<'_, T>,
) -> [T; CHUNK] {
    let mut value = [T::zero(); CHUNK];
    value[..t.len()].copy_from_slice(t);
    g.value_and_slope(&mut value[..t.len()], phi, partials);
    value.iter_mut().zip(y).for_each(|(value, &y)| *value -= y);
    value
}
