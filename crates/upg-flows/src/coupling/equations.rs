//! The equations of a coupling x = (t, c) ↦ (g(t; φ), c), φ = net(c), for a covector a = (a_t, a_c) and a weight w on ℓ = Σ λ:
//!
//! | | |
//! |---|---|
//! | push, MATH (4) | a_t ← (a_t − w ∂λ/∂t)/g', then v = −(a_t ∂g/∂φ + w ∂λ/∂φ) with the new a_t |
//! | pull back, MATH (5) | v = a_t ∂g/∂φ + w ∂λ/∂φ with the old a_t, then a_t ← a_t g' + w ∂λ/∂t |
//! | both | a_c ← a_c + netᵀ v |
//! | both | ∂θ (+)= net_θᵀ v |
//!
//! [`Verb::carry`] does the first two lines for one row of samples, v being the transform's own vector-Jacobian product; the last two are
//! the net's, once per verb. A score is pushed with w = 1.

use crate::elementwise::{Covector, Elementwise, PartialsRef, PhiMut};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch};

/// Which way a covector goes, and its weight w.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verb<T> {
    /// With the map, by J^{-T}.
    Push(T),
    /// Against the map, by Jᵀ.
    PullBack(T),
}

impl<T: Real> Verb<T> {
    /// Carries a_t, a row of samples of one transformed degree of freedom, and fills v.
    pub fn carry<E: Elementwise<T>>(
        self,
        transform: &E,
        a_t: &mut [T],
        partials: PartialsRef<'_, T>,
        v: PhiMut<'_, T>,
    ) {
        match self {
            Self::Push(w) => {
                dispatch(Carry { verb: self, a_t, partials });
                transform.vjp(Covector { a: a_t, alpha: -T::one(), beta: -w }, partials, v);
            }
            Self::PullBack(w) => {
                transform.vjp(Covector { a: a_t, alpha: T::one(), beta: w }, partials, v);
                dispatch(Carry { verb: self, a_t, partials });
            }
        }
    }
}

/// The row a_t.
struct Carry<'a, T> {
    verb: Verb<T>,
    a_t: &'a mut [T],
    partials: PartialsRef<'a, T>,
}

impl<T: Real> Kernel for Carry<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        match self.verb {
            Verb::Push(w) => push(w, self.a_t, self.partials),
            Verb::PullBack(w) => pull_back::<T, M>(w, self.a_t, self.partials),
        }
    }
}

/// a_t ← (a_t − w ∂λ/∂t)/g'.
#[inline(always)]
fn push<T: Real>(w: T, a_t: &mut [T], partials: PartialsRef<'_, T>) {
    for (a, (&dg, &dlambda)) in a_t.iter_mut().zip(partials.dg_dt().iter().zip(partials.dlambda_dt())) {
        *a = (*a - w * dlambda) / dg;
    }
}

/// a_t ← a_t g' + w ∂λ/∂t.
#[inline(always)]
fn pull_back<T: Real, M: MulAdd>(w: T, a_t: &mut [T], partials: PartialsRef<'_, T>) {
    for (a, (&dg, &dlambda)) in a_t.iter_mut().zip(partials.dg_dt().iter().zip(partials.dlambda_dt())) {
        *a = M::mul_add(*a, dg, w * dlambda);
    }
}
