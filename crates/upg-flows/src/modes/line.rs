//! The transform along one axis: a line at a time is folded into memory that stays in cache, or unfolded from it.

use super::{
    Way,
    axis::{Axis, Block, Fold},
};
use crate::simd::{Task, Vector, lanes};
use upg_core::Real;

/// Σ_j A[j][i] x_j for `$rows` rows i; A has rows of length `$outputs`, x_j lies at `$input`. No function, since a closure would not be compiled for
/// the instruction set of V.
macro_rules! product {
    ($rows:literal, $matrix:expr, $outputs:expr, $inputs:expr, $j:ident => $input:expr) => {{
        let mut sums = [V::splat(T::zero()); $rows];
        for $j in 0..$inputs {
            let x = V::load($input);
            for i in 0..$rows {
                sums[i] = V::splat(*$matrix.add($j * $outputs + i)).mul_add(x, sums[i]);
            }
        }
        sums
    }};
}

/// All lines of the fields along one axis, transformed in place.
pub(super) struct Lines<'a, T> {
    pub axis: &'a Axis<T>,
    pub way: Way,
    pub fields: &'a mut [T],
    /// Numbers from one site of a line to the next; a multiple of the lanes of a tile.
    pub stride: usize,
    /// Room for a line, `[folded value][lane]`.
    pub folded: &'a mut [T],
}

impl<T: Real> Task<T> for Lines<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { axis, way, fields, stride, folded } = self;
        let extent = axis.extent();
        assert!(fields.len().is_multiple_of(extent * stride) && stride.is_multiple_of(lanes::<T>()));
        assert!(folded.len() >= extent * lanes::<T>(), "room for a line");
        let folded = folded.as_mut_ptr();
        for plane in fields.chunks_exact_mut(extent * stride) {
            for column in (0..stride).step_by(V::LANES) {
                let line = plane[column..].as_mut_ptr();
                // SAFETY: sites of a line are `stride` apart within the plane, and there is room for the folded values; the caller has V's instruction set.
                unsafe {
                    match way {
                        Way::ToModes => {
                            fold::<T, V>(axis, line, stride, folded);
                            for block in &axis.blocks {
                                modes_of::<T, V>(block, line, stride, folded);
                            }
                        }
                        Way::ToSites => {
                            for block in &axis.blocks {
                                sites_of::<T, V>(block, line, stride, folded);
                            }
                            unfold::<T, V>(axis, line, stride, folded);
                        }
                    }
                }
            }
        }
    }
}

/// Sums and differences of mirrored sites.
#[inline(always)]
unsafe fn fold<T: Real, V: Vector<T>>(axis: &Axis<T>, line: *const T, stride: usize, folded: *mut T) {
    let extent = axis.extent();
    // SAFETY: by the contract of the caller; all sites are below `extent`, all places as well.
    unsafe {
        for &(fold, n, place) in &axis.folds {
            macro_rules! at {
                ($n:expr) => {
                    V::load(line.add($n * stride))
                };
            }
            macro_rules! put {
                ($kind:literal, $value:expr) => {
                    $value.store(folded.add(place[$kind] * V::LANES))
                };
            }
            match fold {
                Fold::Alone => put!(0, at!(0)),
                Fold::Two | Fold::Quarters => {
                    let (a, b) = (at!(n), at!(extent - n));
                    put!(0, a.add(b));
                    put!(2, a.sub(b));
                }
                Fold::Ends => {
                    let (a, b) = (at!(0), at!(extent / 2));
                    put!(0, a.add(b));
                    put!(1, a.sub(b));
                }
                Fold::Four => {
                    let (a, b) = (at!(n), at!(extent - n));
                    let (c, d) = (at!(extent / 2 - n), at!(extent / 2 + n));
                    let (p, q, r, s) = (a.add(b), c.add(d), a.sub(b), c.sub(d));
                    put!(0, p.add(q));
                    put!(1, p.sub(q));
                    put!(2, r.add(s));
                    put!(3, r.sub(s));
                }
            }
        }
    }
}

/// The transpose of [`fold`].
#[inline(always)]
unsafe fn unfold<T: Real, V: Vector<T>>(axis: &Axis<T>, line: *mut T, stride: usize, folded: *const T) {
    let extent = axis.extent();
    // SAFETY: as for fold.
    unsafe {
        for &(fold, n, place) in &axis.folds {
            macro_rules! at {
                ($kind:literal) => {
                    V::load(folded.add(place[$kind] * V::LANES))
                };
            }
            macro_rules! put {
                ($n:expr, $value:expr) => {
                    $value.store(line.add(($n) * stride))
                };
            }
            match fold {
                Fold::Alone => put!(0, at!(0)),
                Fold::Two | Fold::Quarters => {
                    let (even, odd) = (at!(0), at!(2));
                    put!(n, even.add(odd));
                    put!(extent - n, even.sub(odd));
                }
                Fold::Ends => {
                    let (even, odd) = (at!(0), at!(1));
                    put!(0, even.add(odd));
                    put!(extent / 2, even.sub(odd));
                }
                Fold::Four => {
                    let (p, q) = (at!(0).add(at!(1)), at!(0).sub(at!(1)));
                    let (r, s) = (at!(2).add(at!(3)), at!(2).sub(at!(3)));
                    put!(n, p.add(r));
                    put!(extent - n, p.sub(r));
                    put!(extent / 2 - n, q.add(s));
                    put!(extent / 2 + n, q.sub(s));
                }
            }
        }
    }
}

/// y_r = Σ_n m_r(n) f_n.
#[inline(always)]
unsafe fn modes_of<T: Real, V: Vector<T>>(block: &Block<T>, line: *mut T, stride: usize, folded: *const T) {
    let (outputs, inputs) = (block.modes.len(), block.sites);
    let mut first = 0;
    // SAFETY: as for fold.
    unsafe {
        let folded = folded.add(block.first * V::LANES);
        while first < outputs {
            let matrix = block.by_site.as_ptr().add(first);
            macro_rules! rows {
                ($n:literal) => {{
                    let sums = product!($n, matrix, outputs, inputs, j => folded.add(j * V::LANES));
                    for i in 0..$n {
                        sums[i].store(line.add(block.modes[first + i] * stride));
                    }
                    first += $n;
                }};
            }
            match outputs - first {
                8.. => rows!(8),
                4.. => rows!(4),
                2.. => rows!(2),
                _ => rows!(1),
            }
        }
    }
}

/// f_n = Σ_r m_r(n) y_r.
#[inline(always)]
unsafe fn sites_of<T: Real, V: Vector<T>>(block: &Block<T>, line: *const T, stride: usize, folded: *mut T) {
    let (outputs, inputs) = (block.sites, block.modes.len());
    let mut first = 0;
    // SAFETY: as for fold.
    unsafe {
        let folded = folded.add(block.first * V::LANES);
        while first < outputs {
            let matrix = block.by_mode.as_ptr().add(first);
            macro_rules! rows {
                ($n:literal) => {{
                    let sums = product!($n, matrix, outputs, inputs, j => line.add(block.modes[j] * stride));
                    for i in 0..$n {
                        sums[i].store(folded.add((first + i) * V::LANES));
                    }
                    first += $n;
                }};
            }
            match outputs - first {
                8.. => rows!(8),
                4.. => rows!(4),
                2.. => rows!(2),
                _ => rows!(1),
            }
        }
    }
}
