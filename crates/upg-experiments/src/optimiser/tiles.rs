//! A loop over long slices, cut into tiles that the threads of the caller's rayon pool share.

use upg_core::vmath::{Kernel, dispatch};

/// Numbers in a tile: enough to hide the cost of handing it to a thread.
pub(super) const TILE: usize = 1 << 14;

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
