//! Transforms that exist for these tests only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use upg_core::Real;
use upg_flows::elementwise::{AllRows, Partials, Phi};
use upg_flows::implicit::{Bracket, Monotone};
use upg_flows::{Elementwise, Implicit};

/// y = ±e^r (t + t³/3) + m, φ = (r, m): given by its value and partials and nothing else.
#[derive(Clone, Copy, Debug)]
pub enum Cubic {
    Rising,
    Falling,
}

impl<T: Real> Elementwise<T> for Cubic {
    type Inverse = Implicit<Self>;

    fn width(&self) -> usize {
        2
    }

    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        let AllRows { lambda, dg_dt, dlambda_dt, mut dphi } = partials.all_rows(2);
        let [(dg_dr, dlambda_dr), (dg_dm, dlambda_dm)] = dphi.pairs([0, 1]);
        for i in 0..t.len() {
            let (r, square) = (phi.row(0)[i], t[i] * t[i]);
            let scale = if matches!(self, Self::Rising) { r.exp() } else { -r.exp() };
            lambda[i] = r + square.ln_1p();
            dg_dt[i] = scale * (T::one() + square);
            dlambda_dt[i] = T::of(2.0) * t[i] / (T::one() + square);
            (dg_dr[i], dlambda_dr[i]) = (scale * t[i] * (T::one() + square / T::of(3.0)), T::one());
            (dg_dm[i], dlambda_dm[i]) = (T::one(), T::zero());
            t[i] = dg_dr[i] + phi.row(1)[i];
        }
    }

    fn inverse(&self) -> Implicit<Self> {
        Implicit::of(*self)
    }
}

impl<T: Real> Monotone<T> for Cubic {}

/// y = atan t, without parameters: it reaches only |y| < π/2.
#[derive(Clone, Copy, Debug)]
pub struct Arctangent;

impl<T: Real> Elementwise<T> for Arctangent {
    type Inverse = Implicit<Self>;

    fn width(&self) -> usize {
        0
    }

    fn evaluate(&self, t: &mut [T], _: Phi<'_, T>, partials: Partials<'_, T>) {
        let AllRows { lambda, dg_dt, dlambda_dt, .. } = partials.all_rows(0);
        for i in 0..t.len() {
            dg_dt[i] = (T::one() + t[i] * t[i]).recip();
            lambda[i] = dg_dt[i].ln();
            dlambda_dt[i] = -T::of(2.0) * t[i] * dg_dt[i];
            t[i] = t[i].atan();
        }
    }

    fn inverse(&self) -> Implicit<Self> {
        Implicit::of(*self)
    }
}

impl<T: Real> Monotone<T> for Arctangent {}

/// A transform that counts how often the solver asks for value and slope.
#[derive(Clone, Debug)]
pub struct Counted<E> {
    pub transform: E,
    pub calls: Arc<AtomicUsize>,
}

impl<T: Real, E: Monotone<T>> Elementwise<T> for Counted<E> {
    type Inverse = Implicit<Self>;

    fn width(&self) -> usize {
        self.transform.width()
    }

    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        self.transform.evaluate(t, phi, partials);
    }

    fn inverse(&self) -> Implicit<Self> {
        Implicit::of(self.clone())
    }
}

impl<T: Real, E: Monotone<T>> Monotone<T> for Counted<E> {
    fn value_and_slope(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        self.calls.fetch_add(1, Relaxed);
        self.transform.value_and_slope(t, phi, partials);
    }

    fn bracket(&self, y: &[T], phi: Phi<'_, T>, partials: Partials<'_, T>, bracket: Bracket<'_, T>) {
        self.transform.bracket(y, phi, partials, bracket);
    }
}
