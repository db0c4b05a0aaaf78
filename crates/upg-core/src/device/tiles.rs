//! A loop over long slices, cut into tiles that the threads of the caller's rayon pool share.

use crate::real::Real;
use crate::vmath::{Kernel, MulAdd, dispatch};

/// Numbers in a tile: enough to hide the cost of handing it to a thread.
const TILE: usize = 1 << 14;

/// A loop whose slices can be cut.
pub(super) trait Cut: Kernel<Output: Send> + Send {
    /// Length of its slices.
    fn len(&self) -> usize;

    /// Keeps the first `at` numbers; returns the loop over the others.
    fn split_off(&mut self, at: usize) -> Self;
}

/// Runs `kernel` tile by tile and adds up what the tiles return, in the order of a tree that depends on the length alone.
pub(super) fn run<K: Cut>(mut kernel: K, add: fn(K::Output, K::Output) -> K::Output) -> K::Output {
    let tiles = kernel.len().div_ceil(TILE);
    if tiles <= 1 {
        return dispatch(kernel);
    }
    let rest = kernel.split_off(tiles / 2 * TILE);
    let (left, right) = rayon::join(|| run(kernel, add), || run(rest, add));
    add(left, right)
}

/// Takes away everything from `at` on.
pub(super) fn tail<'a, T>(slice: &mut &'a [T], at: usize) -> &'a [T] {
    slice.split_off(at..).expect("a cut within the slice")
}

/// Takes away everything from `at` on.
pub(super) fn tail_mut<'a, T>(slice: &mut &'a mut [T], at: usize) -> &'a mut [T] {
    slice.split_off_mut(at..).expect("a cut within the slice")
}

/// ⟨x, y⟩, accumulated in f64.
pub(super) struct Dot<'a, T>(pub &'a [T], pub &'a [T]);

/// Sums carried side by side: enough independent ones to fill the registers.
const SUMS: usize = 32;

impl<T: Real> Kernel for Dot<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<M: MulAdd>(self) -> f64 {
        let (x, x_rest) = self.0.as_chunks::<SUMS>();
        let (y, y_rest) = self.1.as_chunks::<SUMS>();
        let mut sums = [0.0; SUMS];
        for (x, y) in x.iter().zip(y) {
            for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
                *sum = M::mul_add(x.wide(), y.wide(), *sum);
            }
        }
        for (sum, (x, y)) in sums.iter_mut().zip(x_rest.iter().zip(y_rest)) {
            *sum = M::mul_add(x.wide(), y.wide(), *sum);
        }
        sums.iter().sum()
    }
}

impl<T: Real> Cut for Dot<'_, T> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self(tail(&mut self.0, at), tail(&mut self.1, at))
    }
}

/// y ← α x + β y.
pub(super) struct Combine<'a, T> {
    pub alpha: T,
    pub x: &'a [T],
    pub beta: T,
    pub y: &'a mut [T],
}

impl<T: Real> Kernel for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { alpha, x, beta, y } = self;
        for (y, &x) in y.iter_mut().zip(x) {
            *y = M::mul_add(alpha, x, beta * *y);
        }
    }
}

impl<T: Real> Cut for Combine<'_, T> {
    fn len(&self) -> usize {
        self.y.len()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { alpha: self.alpha, x: tail(&mut self.x, at), beta: self.beta, y: tail_mut(&mut self.y, at) }
    }
}

/// y ← y + Σ of the parts, in their order, from the index `from` of each on: in one visit, since the parts don't fit into caches together.
pub(super) struct Accumulate<'a, T> {
    pub parts: &'a [&'a Vec<T>],
    pub from: usize,
    pub y: &'a mut [T],
}

impl<T: Real> Kernel for Accumulate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        const BLOCK: usize = 1 << 10;
        for (block, y) in self.y.chunks_mut(BLOCK).enumerate() {
            let at = self.from + block * BLOCK;
            for part in self.parts {
                for (y, &x) in y.iter_mut().zip(&part[at..]) {
                    *y += x;
                }
            }
        }
    }
}

impl<T: Real> Cut for Accumulate<'_, T> {
    fn len(&self) -> usize {
        self.y.len()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { parts: self.parts, from: self.from + at, y: tail_mut(&mut self.y, at) }
    }
}
