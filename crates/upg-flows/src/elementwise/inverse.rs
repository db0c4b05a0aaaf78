//! Partials of g⁻¹ from those of g.

use super::partials::{AllRows, Partials};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch};

/// MATH (6), in place: λ and the partials of g at t = g⁻¹(y) become those of g⁻¹ at y.
///
/// For an inverse that solves g(t) = y in whatever way, evaluates g at the solution, and then calls this.
pub fn invert<T: Real>(partials: Partials<'_, T>) {
    let width = partials.width();
    dispatch(Invert { partials: partials.all_rows(width), width });
}

struct Invert<'a, T> {
    partials: AllRows<'a, T>,
    width: usize,
}

impl<T: Real> Kernel for Invert<'_, T> {
    type Output = ();

    /// ∂t/∂y = 1/g', ∂λ_inv/∂y = −(∂λ/∂t)/g'; with these, ∂λ_inv/∂φ = −∂λ/∂φ − (∂λ_inv/∂y)(∂g/∂φ), ∂t/∂φ = −(∂g/∂φ)(∂t/∂y).
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
        let (dt_dy, dlambda_dy) = (&*dg_dt, &*dlambda_dt);
        for k in 0..self.width {
            let (dg, dlambda) = dphi.pair(k);
            let (dg, dlambda) = (&mut dg[..n], &mut dlambda[..n]);
            for i in 0..n {
                dlambda[i] = -M::mul_add(dlambda_dy[i], dg[i], dlambda[i]);
                dg[i] = -dg[i] * dt_dy[i];
            }
        }
    }
}
