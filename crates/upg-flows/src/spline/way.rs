//! g and g⁻¹, where they differ.

use super::rational::{Bin, Local, Place, share};
use upg_core::Real;
use upg_core::vmath::{MulAdd, scalar};

/// The map or its inverse.
pub(super) trait Way: Copy {
    /// The coordinate of a knot that the argument is compared with.
    fn along<T>(self, x: T, y: T) -> T;

    /// The place of `u` in the bin.
    fn place<T: Real, M: MulAdd>(self, u: T, knot: [T; 2], bin: Bin<T>) -> Place<T>;

    /// The result.
    fn result<T: Real, M: MulAdd>(self, knot: [T; 2], bin: Bin<T>, place: Place<T>, rise: T) -> T;

    /// ∂/∂argument and ∂λ/∂argument.
    fn slopes<T: Real>(self, local: &Local<T>) -> [T; 2];

    /// λ from g', for a row of any length: by themselves logarithms don't wait for each other.
    fn take_logs<T: Real, M: MulAdd>(self, row: &mut [T]);

    /// (α a on g, the covector on −x_k, β on λ) from the covector α a, what it is pulled back to, and β.
    fn covectors<T: Real>(self, a: T, pulled: T, beta: T) -> [T; 3];

    /// The argument before the shift, or after.
    fn before<T: Real>(self, t: T, shift: T) -> T;
    fn after<T: Real>(self, y: T, shift: T) -> T;
}

/// g.
#[derive(Clone, Copy)]
pub(super) struct There;

/// g⁻¹.
#[derive(Clone, Copy)]
pub(super) struct Back;

impl Way for There {
    #[inline(always)]
    fn along<T>(self, x: T, _: T) -> T {
        x
    }

    #[inline(always)]
    fn place<T: Real, M: MulAdd>(self, u: T, [x, _]: [T; 2], bin: Bin<T>) -> Place<T> {
        Place::at(u - x, bin)
    }

    #[inline(always)]
    fn result<T: Real, M: MulAdd>(self, [_, y]: [T; 2], bin: Bin<T>, _: Place<T>, rise: T) -> T {
        M::mul_add(bin.h, rise, y)
    }

    #[inline(always)]
    fn slopes<T: Real>(self, local: &Local<T>) -> [T; 2] {
        [local.slope, local.dlambda_dt]
    }

    #[inline(always)]
    fn take_logs<T: Real, M: MulAdd>(self, row: &mut [T]) {
        for x in row {
            *x = scalar::ln::<T, M>(*x);
        }
    }

    #[inline(always)]
    fn covectors<T: Real>(self, a: T, pulled: T, beta: T) -> [T; 3] {
        [a, pulled, beta]
    }

    #[inline(always)]
    fn before<T: Real>(self, t: T, _: T) -> T {
        t
    }

    #[inline(always)]
    fn after<T: Real>(self, y: T, shift: T) -> T {
        y + shift
    }
}

impl Way for Back {
    #[inline(always)]
    fn along<T>(self, _: T, y: T) -> T {
        y
    }

    #[inline(always)]
    fn place<T: Real, M: MulAdd>(self, u: T, [_, y]: [T; 2], bin: Bin<T>) -> Place<T> {
        let eta = share(u - y, bin.inverse_h);
        Place::of_rise::<M>(bin, eta, T::one() - eta)
    }

    #[inline(always)]
    fn result<T: Real, M: MulAdd>(self, [x, _]: [T; 2], bin: Bin<T>, place: Place<T>, _: T) -> T {
        M::mul_add(bin.w, place.xi, x)
    }

    /// MATH (6).
    #[inline(always)]
    fn slopes<T: Real>(self, local: &Local<T>) -> [T; 2] {
        [local.inverse_slope, -local.dlambda_dt * local.inverse_slope]
    }

    #[inline(always)]
    fn take_logs<T: Real, M: MulAdd>(self, row: &mut [T]) {
        for x in row {
            *x = -scalar::ln::<T, M>(*x);
        }
    }

    /// a' = −(α a ∂t/∂y + β ∂λ_inv/∂y), β' = −β, and so a' g' + β' ∂λ/∂t = −α a.
    #[inline(always)]
    fn covectors<T: Real>(self, a: T, pulled: T, beta: T) -> [T; 3] {
        [-pulled, -a, -beta]
    }

    #[inline(always)]
    fn before<T: Real>(self, y: T, shift: T) -> T {
        y - shift
    }

    #[inline(always)]
    fn after<T: Real>(self, t: T, _: T) -> T {
        t
    }
}
