//! The loops of the shallow field over the samples of one hidden unit.

use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};

/// h ← tanh(h + bias).
pub(super) fn fill_hidden<T: Real>(bias: T, h: &mut [T]) {
    dispatch(Tanh { bias, h });
}

struct Tanh<'a, T> {
    bias: T,
    h: &'a mut [T],
}

impl<T: Real> Kernel for Tanh<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        for h in self.h {
            *h = scalar::tanh::<T, M>(*h + self.bias);
        }
    }
}

/// y ← γ y, and γ M tanh' added to the divergences, for y = tanh h.
pub(super) fn gate<T: Real>(gate: T, trace: T, y: &mut [T], divergence: &mut [f64]) {
    dispatch(Gate { gate, trace, y, divergence });
}

struct Gate<'a, T> {
    gate: T,
    trace: T,
    y: &'a mut [T],
    divergence: &'a mut [f64],
}

impl<T: Real> Kernel for Gate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let factor = (self.gate * self.trace).wide();
        for (y, divergence) in self.y.iter_mut().zip(self.divergence) {
            *divergence += factor * M::mul_add(-*y, *y, T::one()).wide();
            *y *= self.gate;
        }
    }
}

/// One hidden unit at one time.
#[derive(Clone, Copy)]
pub(super) struct Hidden<'a, T> {
    /// γ.
    pub gate: T,
    /// M.
    pub trace: T,
    /// w, one per sample.
    pub weights: &'a [T],
}

/// Sums over samples, for one unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnitSums<T> {
    /// Σ v.
    pub covector: T,
    /// Σ (r tanh h + w M tanh').
    pub gate: T,
    /// ∂M = γ Σ w tanh'.
    pub trace: T,
}

/// r ← v and `gated` ← γ tanh h, from y = tanh h; returns the sums.
pub(super) fn fill_covector<T: Real>(unit: Hidden<'_, T>, y: &[T], gated: &mut [T], r: &mut [T]) -> UnitSums<T> {
    dispatch(FillCovector { unit, y, gated, r })
}

struct FillCovector<'a, T> {
    unit: Hidden<'a, T>,
    y: &'a [T],
    gated: &'a mut [T],
    r: &'a mut [T],
}

/// Sums carried side by side.
const SUMS: usize = 8;

impl<T: Real> Kernel for FillCovector<'_, T> {
    type Output = UnitSums<T>;

    #[inline(always)]
    fn run<M: MulAdd>(self) -> UnitSums<T> {
        let Self { unit: Hidden { gate, trace, weights }, y, gated, r } = self;
        let (mut of_v, mut of_gate, mut of_trace) = ([T::zero(); SUMS], [T::zero(); SUMS], [T::zero(); SUMS]);
        let rows = y.chunks(SUMS).zip(weights.chunks(SUMS)).zip(gated.chunks_mut(SUMS).zip(r.chunks_mut(SUMS)));
        for ((y, w), (gated, r)) in rows {
            for i in 0..y.len() {
                let slope = M::mul_add(-y[i], y[i], T::one());
                let of_div = w[i] * slope;
                of_gate[i] += M::mul_add(r[i], y[i], trace * of_div);
                of_trace[i] += of_div;
                let v = gate * M::mul_add(r[i], slope, T::of(-2.0) * trace * of_div * y[i]);
                of_v[i] += v;
                r[i] = v;
                gated[i] = gate * y[i];
            }
        }
        let sum = |sums: [T; SUMS]| sums.into_iter().sum::<T>();
        UnitSums { covector: sum(of_v), gate: sum(of_gate), trace: gate * sum(of_trace) }
    }
}
