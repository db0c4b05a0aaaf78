//! The inverse of an elementwise transform that has no closed form: t with g(t; φ) = y, and its partials.
//!
//! The solution is found by Newton's method inside a bracket, each element on its own (to the bit: what it is solved
//! together with doesn't matter). Every step moves one end of the bracket to t. The Newton step is taken where it stays
//! inside and is at most half as long as the step before; else, and always after [`NEWTON`] steps, the bracket is halved.
//! An element is done when
//!
//! |g(t) − y| ≤ 2ε (|y| + |g' t| + the size of the terms of g),
//!
//! or when its bracket is no wider than 2ε of its larger end. In the first case one more step of Newton's follows, for which g and g'
//! are there already; it is taken back where it leaves this bound, at a step of g. Mostly the equation is then solved to the
//! last digit, and the partials of an f32 inverse are as good as those of g.
//!
//! All that takes a few steps, mostly: for [`TanMixture`](crate::TanMixture) at most 10 with |s| ≤ 3, 20 with |s| ≤ 30, and up to 90
//! where g is a staircase and only bisection is left. [`BOUND`] is out of reach: there a bracket of width w is down to 2^−200 w;
//! its middle would be taken.
//!
//! The residual, in both precisions: t solves the equation for some y, φ and terms of g that are off by ε at most for |s| ≤ 10, by
//! 4ε for |s| ≤ 30, or is within 4ε |t| of the solution. In numbers, for a tan mixture with |s| ≤ 3 and |y| up to 16, |g(t) − y| is
//! at most 4e-14 in f64 and 2e-5 in f32 (g' is up to 20 there).
//!
//! Where there is no solution, t is NaN: for y or φ that are not finite, and for y that g doesn't reach.
//!
//! The partials then are those of the implicit function theorem, MATH (6), from the partials of g at t:
//!
//! ∂t/∂y = 1/g',  ∂t/∂φ = −(∂g/∂φ)/g',  λ_inv = −λ,  ∂λ_inv/∂y = −(∂λ/∂t)/g',  ∂λ_inv/∂φ = −∂λ/∂φ + (∂λ/∂t)(∂g/∂φ)/g'.
//!
//! Nothing is differentiated through the iteration. The vector-Jacobian product with respect to φ is that of g: α a ∂t/∂φ + β ∂λ_inv/∂φ =
//! a' ∂g/∂φ − β ∂λ/∂φ with a' = −(α a ∂t/∂y + β ∂λ_inv/∂y).

mod monotone;
mod solver;

pub use monotone::{Bracket, CHUNK, Monotone};
pub use solver::{BOUND, NEWTON};

pub(crate) use monotone::chunks;

use crate::elementwise::{Covector, Elementwise, Partials, PartialsRef, Phi, PhiMut, invert};
use solver::{Solutions, solve};
use upg_core::{Batch, Real};

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

impl<T: Real, E: Monotone<T>> Elementwise<T> for Implicit<E> {
    type Inverse = E;

    fn width(&self) -> usize {
        self.transform.width()
    }

    fn evaluate(&self, y: &mut [T], phi: Phi<'_, T>, mut partials: Partials<'_, T>) {
        for range in chunks(y.len()) {
            let (phi, mut partials) = (phi.part(range.clone()), partials.part(range.clone()));
            let y = &mut y[range];
            let solutions = solve(&self.transform, y, phi, partials.reborrow());
            accept(y, solutions, |t| self.transform.evaluate(t, phi, partials.reborrow()));
            invert(partials);
        }
    }

    fn kept_rows(&self) -> usize {
        self.transform.kept_rows()
    }

    fn vjp(&self, covector: Covector<'_, T>, partials: PartialsRef<'_, T>, mut v: PhiMut<'_, T>) {
        let mut memory = [T::zero(); CHUNK];
        for range in chunks(covector.a.len()) {
            let partials = partials.part(range.clone());
            let of_g = covector.part(range.clone()).through_inverse(partials, &mut memory[..range.len()]);
            self.transform.vjp(of_g, partials, v.part(range));
        }
    }

    fn inverse(&self) -> E {
        self.transform.clone()
    }

    fn value(&self, y: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], memory: &mut Batch<T>) {
        for range in chunks(y.len()) {
            let (phi, y, lambda) = (phi.part(range.clone()), &mut y[range.clone()], &mut lambda[range]);
            memory.reshape(self.kept_rows(), y.len());
            let solutions = solve(&self.transform, y, phi, Partials::of(memory.as_mut_slice(), y.len()));
            accept(y, solutions, |t| self.transform.value(t, phi, lambda, memory));
            lambda.iter_mut().for_each(|lambda| *lambda = -*lambda);
        }
    }
}

/// y ← t, with g and what belongs to it evaluated there by `evaluate`; NaN where g(t) − y isn't a number.
///
/// The refined solution is taken where it is one: not where a step of g lies between it and the other.
fn accept<T: Real>(y: &mut [T], solutions: Solutions<T>, mut evaluate: impl FnMut(&mut [T])) {
    let (n, Solutions { t: fallback, refined: mut t, bound }) = (y.len(), solutions);
    let mut value = t;
    evaluate(&mut value[..n]);
    let missed = |i: usize| (value[i] - y[i]).abs() > bound[i];
    if (0..n).any(missed) {
        t = std::array::from_fn(|i| if i < n && missed(i) { fallback[i] } else { t[i] });
        value = t;
        evaluate(&mut value[..n]);
    }
    for i in 0..n {
        y[i] = if (value[i] - y[i]).is_nan() { T::nan() } else { t[i] };
    }
}
