//! Gradients as vectors: their norm, clipping, and weighted sums.

use super::tiles::{self, Cut, tail, tail_mut};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd};

/// The Euclidean norm ‖g‖, accumulated in f64; bitwise the same for any number of threads.
///
/// Not finite exactly if an element is not, or if the squares overflow f64, which those of f32 cannot.
pub fn norm<T: Real>(grad: &[T]) -> f64 {
    tiles::run(Squares(grad), |left, right| left + right).sqrt()
}

/// What shortens a gradient of norm `norm` to `max_norm`: min(1, `max_norm`/`norm`); NaN for NaN, 0 for ∞.
///
/// ```
/// use upg_experiments::optimiser::clip_factor;
/// assert_eq!((clip_factor(4.0, 1.0), clip_factor(0.5, 1.0)), (0.25, 1.0));
/// ```
pub fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    if norm <= max_norm { 1.0 } else { max_norm / norm }
}

/// a ← `weight_a`·a + `weight_b`·b, e.g. the gradients of two divergences.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn combine<T: Real>(weight_a: f64, a: &mut [T], weight_b: f64, b: &[T]) {
    assert_eq!(a.len(), b.len(), "the two vectors");
    tiles::run(Combine { weights: [T::of(weight_a), T::of(weight_b)], a, b }, |(), ()| ());
}

/// Σ g².
struct Squares<'a, T>(&'a [T]);

/// Sums carried side by side: enough independent ones to fill the registers.
const SUMS: usize = 32;

impl<T: Real> Kernel for Squares<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<M: MulAdd>(self) -> f64 {
        let (rows, rest) = self.0.as_chunks::<SUMS>();
        let mut sums = [0.0; SUMS];
        for row in rows {
            for (sum, g) in sums.iter_mut().zip(row) {
                *sum = M::mul_add(g.wide(), g.wide(), *sum);
            }
        }
        for (sum, g) in sums.iter_mut().zip(rest) {
            *sum = M::mul_add(g.wide(), g.wide(), *sum);
        }
        sums.iter().sum()
    }
}

impl<T: Real> Cut for Squares<'_, T> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self(tail(&mut self.0, at))
    }
}

/// A weighted sum of two vectors, into the first.
struct Combine<'a, T> {
    weights: [T; 2],
    a: &'a mut [T],
    b: &'a [T],
}

impl<T: Real> Kernel for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { weights: [weight_a, weight_b], a, b } = self;
        for (a, &b) in a.iter_mut().zip(b) {
            *a = M::mul_add(weight_b, b, weight_a * *a);
        }
    }
}

impl<T: Real> Cut for Combine<'_, T> {
    fn len(&self) -> usize {
        self.a.len()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { weights: self.weights, a: tail_mut(&mut self.a, at), b: tail(&mut self.b, at) }
    }
}
