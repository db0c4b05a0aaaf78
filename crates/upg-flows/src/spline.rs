//! Rational-quadratic splines of K bins, in three forms; φ = (θ_w: K widths, θ_h: K heights, θ_d: the free slopes, the shift if there is one).
//!
//! | form | bins on | slopes at the knots 0 … K | outside | shift |
//! |---|---|---|---|---|
//! | [`Form::Line`] | [−B, B] | 1, θ_d of the K−1 inner ones, 1 | identity | none |
//! | [`Form::Odd`] | [0, B], g(t) = sgn(t) g₊(\|t\|) + shift | θ_d of K, 1 | identity + shift | added after |
//! | [`Form::Circle`] | [0, 2π), lifted to the line by g(t + 2π) = g(t) + 2π | θ_d of K, that of knot 0 again | | added after |
//!
//! With L the length of the bins' interval, m = 10⁻³ and p = softmax θ_w, q = softmax θ_h, c = log(e^{1−m} − 1):
//!
//! w_j = L [m + (1 − mK) p_j], h_j = L [m + (1 − mK) q_j], x_k = low + Σ_{j<k} w_j, y_k likewise, δ_k = m + log(1 + e^{θ_d + c}),
//!
//! so θ = 0 is the identity. In the bin k that holds t, with ξ = (t − x_k)/w_k, ξ̄ = 1 − ξ, s = h_k/w_k, e = ξ ξ̄:
//!
//! | | |
//! |---|---|
//! | D, N, P | s (ξ² + ξ̄²) + (δ_k + δ_{k+1}) e, s ξ² + δ_k e, δ_{k+1} ξ² + 2 s e + δ_k ξ̄² |
//! | g | y_k + h N/D |
//! | g', λ | s² P/D², log g' |
//! | ∂λ/∂t | the file `rational`, with the partials of g and λ by w, h, δ_k, δ_{k+1} at fixed knot (x_k, y_k) |
//!
//! With c_j the derivative of α a g + β λ by w_j (for j < k that by x_k, which is −(α a g' + β ∂λ/∂t); none for j > k), and likewise for h_j (for
//! j < k that by y_k, which is α a), v is L (1 − mK) p_j (c_j − Σ_i p_i c_i). So v takes O(K), and what is kept for it are p, q, the bin and eight numbers.
//!
//! The inverse is closed: with η = (y − y_k)/h, η̄ = (y_{k+1} − y)/h, b = δ_k η̄ − δ_{k+1} η, R = √(b² + 4 s² η η̄) the solution is
//! ξ : ξ̄ = 2 s η : b + R for b ≥ 0, R − b : 2 s η̄ for b < 0: nothing cancels. Its partials are (6).
//!
//! g is once continuously differentiable; λ has kinks at the knots. An odd spline is odd to the bit for an odd shift. Angles may be any
//! representative, |t| ≤ 200.
//! Source: C. Durkan et al., *Neural spline flows*, arXiv:1906.04032; on the circle D. Rezende et al., arXiv:2002.02428.

mod covectors;
mod knots;
mod places;
mod rational;

use crate::elementwise::{Covector, Elementwise, Partials, PartialsRef, Phi, PhiMut};
use places::{Back, There};
use std::{f64::consts::TAU, ops::Range};
use upg_core::{Batch, Real, vmath::dispatch};

/// The least share of a bin in the interval, and the least slope at a knot.
pub const LEAST: f64 = 1e-3;

/// The most bins: their least shares leave something to be shared out.
pub const MOST_BINS: usize = 999;

/// A rational-quadratic spline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spline {
    /// Where the bins are, and what is around them.
    pub form: Form,
    /// K, from 2 to [`MOST_BINS`].
    pub bins: usize,
}

/// The domain and the symmetry of a spline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// On [−B, B], the identity outside.
    Line {
        /// B.
        interval: f64,
    },
    /// An odd function on [−B, B], the identity outside, and a shift.
    Odd {
        /// B.
        interval: f64,
    },
    /// A map of angles, and a shift.
    Circle,
}

/// The inverse of a [`Spline`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplineInverse {
    spline: Spline,
}

/// What the bins of a spline divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    /// The interval of t.
    Widths,
    /// That of g.
    Heights,
}

/// Rows behind λ, ∂g/∂t and ∂λ/∂t beside those of p and q: the bin and the eight numbers.
const KEPT: usize = 9;

/// Elements that are worked on together: what belongs to them stays in the first cache.
const CHUNK: usize = 64;

/// The ranges of at most [`CHUNK`] elements that make up a row of `len`.
#[inline(always)]
fn chunks(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(CHUNK).map(move |first| first..len.min(first + CHUNK))
}

impl Spline {
    /// φ per degree of freedom.
    pub const fn width_of(self) -> usize {
        match self.form {
            Form::Line { .. } => 3 * self.bins - 1,
            Form::Odd { .. } | Form::Circle => 3 * self.bins + 1,
        }
    }

    /// Rows of a block: λ, ∂g/∂t, ∂λ/∂t, the bin, eight numbers, p and q as exponentials and the inverse of their sums.
    pub const fn rows_of(self) -> usize {
        3 + KEPT + self.rows_of_shares()
    }

    const fn rows_of_shares(self) -> usize {
        2 * self.bins + 2
    }

    /// Where the bins begin, and L.
    fn interval(self) -> [f64; 2] {
        match self.form {
            Form::Line { interval } => [-interval, 2.0 * interval],
            Form::Odd { interval } => [0.0, interval],
            Form::Circle => [0.0, TAU],
        }
    }

    /// L m and L (1 − mK).
    fn shares<T: Real>(self) -> [T; 2] {
        let [_, length] = self.interval();
        [T::of(length * LEAST), T::of(length * (1.0 - LEAST * self.bins as f64))]
    }

    /// The rows of φ with the logits of the shares on an axis; p and q are kept in the same order.
    fn rows_of_axis(self, axis: Axis) -> Range<usize> {
        match axis {
            Axis::Widths => 0..self.bins,
            Axis::Heights => self.bins..2 * self.bins,
        }
    }

    /// The row behind p and q with the inverse of the sum of their exponentials.
    fn row_of_sum(self, axis: Axis) -> usize {
        match axis {
            Axis::Widths => 2 * self.bins,
            Axis::Heights => 2 * self.bins + 1,
        }
    }

    /// The row of φ with the slope at a knot, if it is free.
    fn slope_row(self, knot: usize) -> Option<usize> {
        let first = 2 * self.bins;
        match self.form {
            Form::Line { .. } if knot == 0 || knot == self.bins => None,
            Form::Line { .. } => Some(first + knot - 1),
            Form::Odd { .. } if knot == self.bins => None,
            Form::Odd { .. } => Some(first + knot),
            Form::Circle => Some(first + knot % self.bins),
        }
    }

    /// The row of φ with the slope at a knot, or where it isn't free, at one beside it.
    fn slope_row_near(self, knot: usize) -> usize {
        let first = 2 * self.bins;
        match self.form {
            Form::Line { .. } => first + knot.clamp(1, self.bins - 1) - 1,
            Form::Odd { .. } => first + knot.min(self.bins - 1),
            Form::Circle => first + knot % self.bins,
        }
    }

    /// The row of φ with the shift, if there is one.
    fn shift_row(self) -> Option<usize> {
        match self.form {
            Form::Line { .. } => None,
            Form::Odd { .. } | Form::Circle => Some(3 * self.bins),
        }
    }
}

impl<T: Real> Elementwise<T> for Spline {
    type Inverse = SplineInverse;

    fn width(&self) -> usize {
        self.width_of()
    }

    fn kept_rows(&self) -> usize {
        self.rows_of()
    }

    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(places::Evaluate { spline: *self, way: There, t, phi, partials });
    }

    fn vjp(&self, covector: Covector<'_, T>, partials: PartialsRef<'_, T>, v: PhiMut<'_, T>) {
        dispatch(covectors::Vjp { spline: *self, way: There, covector, partials, v });
    }

    fn inverse(&self) -> SplineInverse {
        SplineInverse { spline: *self }
    }

    fn value(&self, t: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], memory: &mut Batch<T>) {
        memory.reshape(self.rows_of_shares(), CHUNK);
        dispatch(places::Value { spline: *self, way: There, t, phi, lambda, memory });
    }
}

impl<T: Real> Elementwise<T> for SplineInverse {
    type Inverse = Spline;

    fn width(&self) -> usize {
        self.spline.width_of()
    }

    fn kept_rows(&self) -> usize {
        self.spline.rows_of()
    }

    fn evaluate(&self, y: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        dispatch(places::Evaluate { spline: self.spline, way: Back, t: y, phi, partials });
    }

    fn vjp(&self, covector: Covector<'_, T>, partials: PartialsRef<'_, T>, v: PhiMut<'_, T>) {
        dispatch(covectors::Vjp { spline: self.spline, way: Back, covector, partials, v });
    }

    fn inverse(&self) -> Spline {
        self.spline
    }

    fn value(&self, y: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], memory: &mut Batch<T>) {
        memory.reshape(self.spline.rows_of_shares(), CHUNK);
        dispatch(places::Value { spline: self.spline, way: Back, t: y, phi, lambda, memory });
    }
}
