//! Additive transform (NICE): y = t + m, φ = (m). λ = 0, g' = 1, ∂g/∂m = 1; the inverse is t = y − m.
//!
//! Source: L. Dinh, D. Krueger, Y. Bengio, *NICE: Non-linear independent components estimation*, arXiv:1410.8516.

use crate::elementwise::{Elementwise, PartialRows, Partials, Phi};
use upg_core::{Batch, Real};

/// y = t + m.
#[derive(Clone, Copy, Debug)]
pub struct Additive;

/// t = y − m.
#[derive(Clone, Copy, Debug)]
pub struct Subtractive;

impl<T: Real> Elementwise<T> for Additive {
    type Inverse = Subtractive;

    fn width(&self) -> usize {
        1
    }

    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        t.iter_mut().zip(phi.row(0)).for_each(|(t, &m)| *t += m);
        unit_jacobian(partials, T::one());
    }

    fn inverse(&self) -> Subtractive {
        Subtractive
    }

    fn value(&self, t: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], _: &mut Batch<T>) {
        t.iter_mut().zip(phi.row(0)).for_each(|(t, &m)| *t += m);
        lambda.fill(T::zero());
    }
}

impl<T: Real> Elementwise<T> for Subtractive {
    type Inverse = Additive;

    fn width(&self) -> usize {
        1
    }

    fn evaluate(&self, y: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        y.iter_mut().zip(phi.row(0)).for_each(|(y, &m)| *y -= m);
        unit_jacobian(partials, -T::one());
    }

    fn inverse(&self) -> Additive {
        Additive
    }

    fn value(&self, y: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], _: &mut Batch<T>) {
        y.iter_mut().zip(phi.row(0)).for_each(|(y, &m)| *y -= m);
        lambda.fill(T::zero());
    }
}

/// Partials of a shift by ±m: `slope` = ∂g/∂m.
fn unit_jacobian<T: Real>(partials: Partials<'_, T>, slope: T) {
    let PartialRows { lambda, dg_dt, dlambda_dt, dphi: [(dg_dm, dlambda_dm)] } = partials.rows();
    lambda.fill(T::zero());
    dg_dt.fill(T::one());
    dlambda_dt.fill(T::zero());
    dg_dm.fill(slope);
    dlambda_dm.fill(T::zero());
}
