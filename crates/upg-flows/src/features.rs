//! Cosines and sines of angles, and other loops over them.

use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};

/// Fills `features` with the cosines, then the sines, of `angles`.
pub(crate) fn fill_features<T: Real>(angles: &[T], features: &mut [T]) {
    dispatch(Fill { angles, features });
}

/// Fills `angles` with the cotangents of angles from those of their cosines and sines: c̄ (−sin P) + s̄ cos P.
pub(crate) fn pull_back_features<T: Real>(features: &[T], cotangents: &[T], angles: &mut [T]) {
    dispatch(PullBack { features, cotangents, angles });
}

/// old ← new − old.
pub(crate) fn subtract<T: Real>(new: &[T], old: &mut [T]) {
    dispatch(Subtract { new, old });
}

struct Fill<'a, T> {
    angles: &'a [T],
    features: &'a mut [T],
}

impl<T: Real> Kernel for Fill<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let (cosines, sines) = self.features.split_at_mut(self.angles.len());
        for ((c, s), &angle) in cosines.iter_mut().zip(sines).zip(self.angles) {
            (*s, *c) = scalar::sin_cos::<T, M>(angle);
        }
    }
}

struct PullBack<'a, T> {
    features: &'a [T],
    cotangents: &'a [T],
    angles: &'a mut [T],
}

impl<T: Real> Kernel for PullBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let n = self.angles.len();
        let ((cos, sin), (of_cos, of_sin)) = (self.features.split_at(n), self.cotangents.split_at(n));
        for (i, angle) in self.angles.iter_mut().enumerate() {
            *angle = of_sin[i] * cos[i] - of_cos[i] * sin[i];
        }
    }
}

struct Subtract<'a, T> {
    new: &'a [T],
    old: &'a mut [T],
}

impl<T: Real> Kernel for Subtract<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        self.old.iter_mut().zip(self.new).for_each(|(old, &new)| *old = new - *old);
    }
}
