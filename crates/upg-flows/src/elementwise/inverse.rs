//! Partials of g⁻¹ from those of g.

use super::partials::{KeptRows, Partials};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch};

/// MATH (6), in place: λ, ∂g/∂t and ∂λ/∂t at t = g⁻¹(y) become those of g⁻¹ at y. The rows behind them stay those of g.
///
/// For an inverse that solves g(t) = y in whatever way, evaluates g at the solution, and then calls this; its vector-Jacobian product is
/// that of g with [`Covector::through_inverse`](super::Covector::through_inverse).
pub fn invert<T: Real>(partials: Partials<'_, T>) {
    dispatch(Invert(partials.kept()));
}

struct Invert<'a, T>(KeptRows<'a, T>);

impl<T: Real> Kernel for Invert<'_, T> {
    type Output = ();

    /// ∂t/∂y = 1/g', ∂λ_inv/∂y = −(∂λ/∂t)/g'.
    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let KeptRows { lambda, dg_dt, dlambda_dt, .. } = self.0;
        let n = lambda.len();
        let (dg_dt, dlambda_dt) = (&mut dg_dt[..n], &mut dlambda_dt[..n]);
        for i in 0..n {
            lambda[i] = -lambda[i];
            dg_dt[i] = dg_dt[i].recip();
            dlambda_dt[i] = -dlambda_dt[i] * dg_dt[i];
        }
    }
}
