//! The inverse of an elementwise transform that has no closed form: t with g(t; φ) = y, and its partials.
//!
//! The solution is found by Newton's method inside a bracket, each element on its own (to the bit: what it is solved
//! together with doesn't matter). Every step moves one end of the bracket to t. The Newton step is taken where it stays
//! inside and is at most half as long as the step before; else, and always after [`NEWTON`] steps, the bracket is halved.
//! An element is done when
//!
//! |g(t) − y| ≤ 2ε (|y| + |g' t| + the size of the terms of g),
//!
//! or when its bracket is no wider than 2ε of its larger end. That takes a few steps, mostly: for
//! [`TanMixture`](crate::TanMixture) at most 10 with |s| ≤ 3, 20 with |s| ≤ 30, and up to 90 where g is a staircase and
//! only bisection is left. [`BOUND`] is out of reach: there a bracket of width w is down to 2^−200 w; its middle would
//! be taken.
//!
//! The residual, in both precisions and for |s| ≤ 30: t solves the equation for some y, φ and terms of g that are off by 8ε
//! at most, or is within 4ε |t| of the solution. In numbers, for a tan mixture with |s| ≤ 3 and |y| up to 16, |g(t) − y| is
//! at most 1e-13 in f64 and 5e-5 in f32 (g' is up to 20 there).
//!
//! What has no solution is NaN: y or φ that are not finite, and y that g doesn't reach.
//!
//! The partials then are those of the implicit function theorem, MATH (6), from the partials of g at t:
//!
//! ∂t/∂y = 1/g',  ∂t/∂φ = −(∂g/∂φ)/g',  λ_inv = −λ,  ∂λ_inv/∂y = −(∂λ/∂t)/g',  ∂λ_inv/∂φ = −∂λ/∂φ + (∂λ/∂t)(∂g/∂φ)/g'.
//!
//! Nothing is differentiated through the iteration.

use crate::elementwise::{AllRows, Bracket, Elementwise, Partials, Phi};
use std::ops::Range;
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch};

/// Elements that iterate together; [`Elementwise::bracket`] and [`Elementwise::value_and_slope`] get no more at a time.
pub const CHUNK: usize = 128;
/// Steps after which only bisection goes on.
pub const NEWTON: usize = 32;
/// Steps at most.
pub const BOUND: usize = NEWTON + 200;
/// Times the default bracket is made four times as wide, at most: enough to cross the range of f32.
const WIDENINGS: usize = 66;

/// The ranges of at most [`CHUNK`] elements that make up a row of `len`.
#[inline(always)]
pub(crate) fn chunks(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(CHUNK).map(move |first| first..len.min(first + CHUNK))
}

/// t = g⁻¹(y; φ) for any strictly monotone transform g.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Implicit<E> {
    transform: E,
}

impl<E> Implicit<E> {
    /// The inverse of `transform`.
    pub fn of(transform: E) -> Self {
        Self { transform }
    }
}

impl<T: Real, E: Elementwise<T>> Elementwise<T> for Implicit<E> {
    type Inverse = E;

    fn width(&self) -> usize {
        self.transform.width()
    }

    fn evaluate(&self, y: &mut [T], phi: Phi<'_, T>, mut partials: Partials<'_, T>) {
        for range in chunks(y.len()) {
            let (phi, mut partials) = (phi.part(range.clone()), partials.part(range.clone()));
            let y = &mut y[range];
            let mut t = solve(&self.transform, y, phi, partials.again());
            let mut value = t;
            self.transform.evaluate(&mut value[..y.len()], phi, partials.again());
            refuse(&mut t, &value, y);
            y.copy_from_slice(&t[..y.len()]);
            dispatch(Invert { partials: partials.all_rows(self.transform.width()), width: self.transform.width() });
        }
    }

    fn inverse(&self) -> E {
        self.transform.clone()
    }
}

/// The solutions t of g(t; φ) = y for at most [`CHUNK`] elements; what is beyond them is zero.
fn solve<T: Real, E: Elementwise<T>>(g: &E, y: &[T], phi: Phi<'_, T>, mut partials: Partials<'_, T>) -> [T; CHUNK] {
    let n = y.len();
    let mut state = State::<T>::default();
    g.bracket(y, phi, partials.again(), state.bracket(n));
    state.begin(n);
    for step in 0..BOUND {
        let mut value = state.t;
        g.value_and_slope(&mut value[..n], phi, partials.again());
        let slope = &*partials.again().all_rows(g.width()).dg_dt;
        let method = if step < NEWTON { Method::Newton } else { Method::Bisection };
        if dispatch(Step { state: &mut state, y, value: &value[..n], slope, method }) == Progress::Done {
            break;
        }
    }
    state.t
}

/// t ← NaN where g(t) − y isn't a number.
fn refuse<T: Real>(t: &mut [T], value: &[T], y: &[T]) {
    for ((t, &value), &y) in t.iter_mut().zip(value).zip(y) {
        if (value - y).is_nan() {
            *t = T::nan();
        }
    }
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

        let reach = (slope * t).abs();
        let reach = if reach > T::max_value() { T::zero() } else { reach };
        let solved = residual.abs() <= T::of(2.0) * T::epsilon() * (size + reach) || residual.is_nan();
        let closed = width <= two * T::epsilon() * larger(inner_low.abs(), inner_high.abs());
        let end = if solved { t } else { middle };

        let next = if solved | closed { end } else { next };
        let low_next = if solved | closed { end } else { inner_low };
        let high_next = if solved | closed { end } else { inner_high };
        if high > low { Self { low: low_next, high: high_next, t: next, last: length } } else { self }
    }
}

#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// MATH (6), in place: partials of g at t become those of g⁻¹ at y.
struct Invert<'a, T> {
    partials: AllRows<'a, T>,
    width: usize,
}

impl<T: Real> Kernel for Invert<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let AllRows { lambda, dg_dt, dlambda_dt, mut dphi } = self.partials;
        let n = lambda.len();
        let (dg_dt, dlambda_dt) = (&mut dg_dt[..n], &mut dlambda_dt[..n]);
        for i in 0..n {
            lambda[i] = -lambda[i];
            dg_dt[i] = dg_dt[i].recip();
            dlambda_dt[i] = -dlambda_dt[i] * dg_dt[i];
        }
        for k in 0..self.width {
            let (dg, dlambda) = dphi.pair(k);
            let (dg, dlambda) = (&mut dg[..n], &mut dlambda[..n]);
            for i in 0..n {
                dlambda[i] = -M::mul_add(dlambda_dt[i], dg[i], dlambda[i]);
                dg[i] = -dg[i] * dg_dt[i];
            }
        }
    }
}

/// Fills `bracket` for at most [`CHUNK`] elements: y ± (1 + |y|), made wider until g − y has different signs at its ends.
pub(crate) fn search<T: Real, E: Elementwise<T>>(
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
        let [below, above] = [&*low, &*high].map(|ends| residuals(g, ends, y, phi, partials.again()));
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
fn residuals<T: Real, E: Elementwise<T>>(
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
