//! The covector that is multiplied with the Jacobian of (g, λ) with respect to φ.

use super::partials::{PartialsRef, PhiMut};
use std::ops::Range;
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch};

/// α a on g, and β on λ, for one degree of freedom.
#[derive(Clone, Copy, Debug)]
pub struct Covector<'a, T> {
    /// a of every sample.
    pub a: &'a [T],
    /// The factor α of a.
    pub alpha: T,
    /// The covector β on λ.
    pub beta: T,
}

impl<T: Real> Covector<'_, T> {
    /// That of the samples in `range`.
    pub fn part(&self, range: Range<usize>) -> Self {
        Self { a: &self.a[range], ..*self }
    }

    /// v = α a ∂g/∂φ + β ∂λ/∂φ from a table of partials.
    pub(super) fn times_table(self, partials: PartialsRef<'_, T>, v: PhiMut<'_, T>) {
        dispatch(TimesTable { covector: self, partials, v });
    }

    /// The covector on (g, λ) at t = g⁻¹(y) with the same v as this one on (g⁻¹, −λ) at y, MATH (6): a' = −(α a ∂t/∂y + β ∂λ_inv/∂y), β' = −β.
    ///
    /// `partials` have been through [`invert`](super::invert); `memory` gets a'.
    pub fn through_inverse<'m>(&self, partials: PartialsRef<'_, T>, memory: &'m mut [T]) -> Covector<'m, T> {
        dispatch(ThroughInverse { covector: *self, partials, to: memory });
        Covector { a: memory, alpha: -T::one(), beta: -self.beta }
    }
}

struct TimesTable<'a, T> {
    covector: Covector<'a, T>,
    partials: PartialsRef<'a, T>,
    v: PhiMut<'a, T>,
}

impl<T: Real> Kernel for TimesTable<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { covector: Covector { a, alpha, beta }, partials, mut v } = self;
        for k in 0..partials.width() {
            let partials = partials.dg_dphi(k).iter().zip(partials.dlambda_dphi(k));
            for ((v, &a), (&dg, &dlambda)) in v.row_mut(k).iter_mut().zip(a).zip(partials) {
                *v = M::mul_add(alpha * a, dg, beta * dlambda);
            }
        }
    }
}

/// Fills `to` with α a ∂t/∂y + β ∂λ_inv/∂y.
struct ThroughInverse<'a, T> {
    covector: Covector<'a, T>,
    partials: PartialsRef<'a, T>,
    to: &'a mut [T],
}

impl<T: Real> Kernel for ThroughInverse<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { covector: Covector { a, alpha, beta }, partials, to } = self;
        let rows = partials.dg_dt().iter().zip(partials.dlambda_dt());
        for ((to, &a), (&dt, &dlambda)) in to.iter_mut().zip(a).zip(rows) {
            *to = M::mul_add(alpha * a, dt, beta * dlambda);
        }
    }
}
