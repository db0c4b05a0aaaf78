//! Loops over the values of a tile.

use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch};

/// Fills `squares`, as far as there is room for them.
pub(super) fn square<T: Real>(values: &[T], squares: &mut [T]) {
    dispatch(Square { values, squares });
}

/// below ← below + through, the cotangent of values, or below + 2 h · through, where it is that of the squares of h.
pub(super) fn accumulate<T: Real>(through: &[T], h: Option<&[T]>, below: &mut [T]) {
    dispatch(Accumulate { through, h, below });
}

struct Square<'a, T> {
    values: &'a [T],
    squares: &'a mut [T],
}

impl<T: Real> Kernel for Square<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        self.squares.iter_mut().zip(self.values).for_each(|(square, &value)| *square = value * value);
    }
}

struct Accumulate<'a, T> {
    through: &'a [T],
    h: Option<&'a [T]>,
    below: &'a mut [T],
}

impl<T: Real> Kernel for Accumulate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { through, h, below } = self;
        match h {
            None => below.iter_mut().zip(through).for_each(|(below, &through)| *below += through),
            Some(h) => {
                for ((below, &through), &h) in below.iter_mut().zip(through).zip(h) {
                    *below = M::mul_add(h + h, through, *below);
                }
            }
        }
    }
}
