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
//! The inverse is closed: with η = (y − y_k)/h, η̄ = 1 − η, b = δ_k η̄ − δ_{k+1} η, R = √(b² + 4 s² η η̄) the solution is
//! ξ : ξ̄ = 2 s η : b + R for b ≥ 0, R − b : 2 s η̄ for b < 0: nothing cancels. Its partials are (6).
//!
//! g is once continuously differentiable; λ has kinks at the knots. An odd spline is odd to the bit for an odd shift. Angles may be any
//! representative, |t| ≤ 200.
//! MATH (21), (22), (23). Source: C. Durkan et al., *Neural spline flows*, arXiv:1906.04032; on the circle D. Rezende et al., arXiv:2002.02428.

mod covectors;
mod form;
mod knots;
mod places;
mod rational;
mod way;

use crate::elementwise::{Covector, Elementwise, Partials, PartialsRef, Phi, PhiMut};
use form::CHUNK;
pub use form::{Form, LEAST, MOST_BINS, Spline};
use upg_core::{Batch, Real, vmath::dispatch};
use way::{Back, There};

/// The inverse of a [`Spline`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplineInverse {
    spline: Spline,
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
        dispatch(places::Evaluate { spline: *self, way: There, t, phi, partials: partials.numbers() });
    }

    fn vjp(&self, covector: Covector<'_, T>, partials: PartialsRef<'_, T>, v: PhiMut<'_, T>) {
        dispatch(covectors::Vjp { spline: *self, way: There, covector, partials, v });
    }

    fn inverse(&self) -> SplineInverse {
        SplineInverse { spline: *self }
    }

    fn value(&self, t: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], memory: &mut Batch<T>) {
        memory.reshape(self.rows_of_tile(), CHUNK);
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
        dispatch(places::Evaluate { spline: self.spline, way: Back, t: y, phi, partials: partials.numbers() });
    }

    fn vjp(&self, covector: Covector<'_, T>, partials: PartialsRef<'_, T>, v: PhiMut<'_, T>) {
        dispatch(covectors::Vjp { spline: self.spline, way: Back, covector, partials, v });
    }

    fn inverse(&self) -> Spline {
        self.spline
    }

    fn value(&self, y: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], memory: &mut Batch<T>) {
        memory.reshape(self.spline.rows_of_tile(), CHUNK);
        dispatch(places::Value { spline: self.spline, way: Back, t: y, phi, lambda, memory });
    }
}
