//! The iteration: Newton's method inside a bracket, every element on its own.

use super::monotone::{Bracket, CHUNK, Monotone};
use crate::elementwise::{Partials, Phi};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch};

/// Steps after which only bisection goes on.
pub const NEWTON: usize = 32;
/// Steps at most.
pub const BOUND: usize = NEWTON + 200;

/// Solutions t of g(t; φ) = y for at most [`CHUNK`] elements; beyond them, zeros.
pub(super) struct Solutions<T> {
    pub t: [T; CHUNK],
    /// t after one more step of Newton's, which nobody has looked at yet: most often t to the last digit.
    pub refined: [T; CHUNK],
    /// The largest |g − y| that a solution may have.
    pub bound: [T; CHUNK],
}

/// Solves for at most [`CHUNK`] elements.
pub(super) fn solve<T: Real, E: Monotone<T>>(
    g: &E,
    y: &[T],
    phi: Phi<'_, T>,
    mut partials: Partials<'_, T>,
) -> Solutions<T> {
    let n = y.len();
    let mut state = State::<T>::default();
    g.bracket(y, phi, partials.reborrow(), state.bracket(n));
    state.begin(n);
    let mut value = state.t;
    for step in 0..BOUND {
        value = state.t;
        g.value_and_slope(&mut value[..n], phi, partials.reborrow());
        let slope = &*partials.reborrow().kept().dg_dt;
        let method = if step < NEWTON { Method::Newton } else { Method::Bisection };
        if dispatch(Step { state: &mut state, y, value: &value[..n], slope, method }) == Progress::Done {
            break;
        }
    }
    state.refined(y, &value[..n], partials.kept().dg_dt)
}

/// Brackets, iterates, sizes of terms and lengths of the last steps of a chunk. An element with low = high is done.
struct State<T> {
    low: [T; CHUNK],
    high: [T; CHUNK],
    t: [T; CHUNK],
    terms: [T; CHUNK],
    last: [T; CHUNK],
}

impl<T: Real> Default for State<T> {
    fn default() -> Self {
        let zero = [T::zero(); CHUNK];
        Self { low: zero, high: zero, t: zero, terms: zero, last: zero }
    }
}

impl<T: Real> State<T> {
    fn bracket(&mut self, n: usize) -> Bracket<'_, T> {
        let Self { low, high, t, terms, .. } = self;
        Bracket { low: &mut low[..n], high: &mut high[..n], guess: &mut t[..n], terms: &mut terms[..n] }
    }

    /// One more step from the solutions, with g and g' as they were at the last one.
    fn refined(self, y: &[T], value: &[T], slope: &[T]) -> Solutions<T> {
        let Self { t, terms, .. } = self;
        let (mut refined, mut bound) = (t, [T::infinity(); CHUNK]);
        for i in 0..y.len() {
            let residual = value[i] - y[i];
            let allowed = allowed(y[i].abs() + terms[i], slope[i] * t[i]);
            let step = residual / slope[i];
            if residual.abs() <= allowed && step.is_finite() {
                (refined[i], bound[i]) = (t[i] - step, allowed);
            }
        }
        Solutions { t, refined, bound }
    }

    /// The first step may be half as long as the bracket.
    fn begin(&mut self, n: usize) {
        for i in 0..n {
            self.last[i] = self.high[i] - self.low[i];
        }
    }
}

/// How a step is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// Newton's where it is good, else by bisection.
    Newton,
    /// By bisection.
    Bisection,
}

/// Whether elements are left to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    Open,
}

/// One step of every element that isn't done.
struct Step<'a, T> {
    state: &'a mut State<T>,
    y: &'a [T],
    value: &'a [T],
    slope: &'a [T],
    method: Method,
}

impl<T: Real> Kernel for Step<'_, T> {
    type Output = Progress;

    #[inline(always)]
    fn run<M: MulAdd>(self) -> Progress {
        let Self { state, y, value, slope, method } = self;
        let n = y.len();
        let State { low, high, t, terms, last } = state;
        let (low, high, t, last) = (&mut low[..n], &mut high[..n], &mut t[..n], &mut last[..n]);
        let (value, slope, terms) = (&value[..n], &slope[..n], &terms[..n]);
        let mut open = 0_u32;
        for i in 0..n {
            let before = Element { low: low[i], high: high[i], t: t[i], last: last[i] };
            let after = before.step(value[i] - y[i], slope[i], y[i].abs() + terms[i], method);
            (low[i], high[i], t[i], last[i]) = (after.low, after.high, after.t, after.last);
            open |= u32::from(after.high > after.low);
        }
        if open == 0 { Progress::Done } else { Progress::Open }
    }
}

/// One element of [`State`].
#[derive(Clone, Copy)]
struct Element<T> {
    low: T,
    high: T,
    t: T,
    last: T,
}

impl<T: Real> Element<T> {
    /// The next iterate after the residual r = g(t) − y and the slope g' at t; `size` is that of y and of the terms of g.
    #[inline(always)]
    fn step(self, residual: T, slope: T, size: T, method: Method) -> Self {
        let Self { low, high, t, last } = self;
        let two = T::of(2.0);
        let rises = if slope < T::zero() { -residual } else { residual };
        let (inner_low, inner_high) = if rises > T::zero() { (low, t) } else { (t, high) };
        let width = inner_high - inner_low;
        let middle = inner_low + width / two;

        let newton = t - residual / slope;
        let length = (newton - t).abs();
        let inside = (newton > inner_low) & (newton < inner_high);
        let newton_is_good = inside & (two * length <= last) & (method == Method::Newton);
        let next = if newton_is_good { newton } else { middle };
        let length = if newton_is_good { length } else { width / two };

        let solved = residual.abs() <= allowed(size, slope * t) || residual.is_nan();
        let closed = width <= two * T::epsilon() * larger(inner_low.abs(), inner_high.abs());
        let end = if solved { t } else { middle };

        let next = if solved | closed { end } else { next };
        let low_next = if solved | closed { end } else { inner_low };
        let high_next = if solved | closed { end } else { inner_high };
        if high > low { Self { low: low_next, high: high_next, t: next, last: length } } else { self }
    }
}

/// The largest |g(t) − y| of a solution: 2ε (`size` + |g' t|).
#[inline(always)]
fn allowed<T: Real>(size: T, slope_times_t: T) -> T {
    let reach = slope_times_t.abs();
    let reach = if reach > T::max_value() { T::zero() } else { reach };
    T::of(2.0) * T::epsilon() * (size + reach)
}

#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    if a > b { a } else { b }
}
