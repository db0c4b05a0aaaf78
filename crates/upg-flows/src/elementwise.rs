//! Elementwise transforms y = g(t; φ): the part of a coupling that acts on each transformed degree of freedom alone.

mod covector;
mod inverse;
mod partials;

pub use covector::Covector;
pub use inverse::invert;
pub use partials::{
    AllRows, KeptNumbers, KeptRows, PartialRows, Partials, PartialsRef, Phi, PhiMut, PhiPartials, block_rows,
};

use upg_core::{Batch, Real};

/// A monotone map of one number with parameters φ, given by its value, λ and its partials.
///
/// This is all a coupling needs: MATH (4) and (5) are written once, over λ, ∂g/∂t, ∂λ/∂t and the vector-Jacobian product with respect to φ.
/// By default `evaluate` leaves a table of all partials, and `vjp` reads it. A map of many parameters of which few matter at a time
/// keeps something shorter: it says how many rows (`kept_rows`), and brings its own `vjp`. Both get the block of the same samples, so that what it
/// keeps may lie in any order ([`Partials::numbers`]).
///
/// A map without a closed-form inverse says `type Inverse = Implicit<Self>`, see [`Monotone`](crate::implicit::Monotone); one with a closed
/// form that doesn't want to differentiate it evaluates g at the solution, calls [`invert`], and pulls covectors through by
/// [`Covector::through_inverse`].
pub trait Elementwise<T: Real>: Clone + Send + Sync + 'static {
    /// The inverse map, over the same φ.
    type Inverse: Elementwise<T>;

    /// Numbers φ per degree of freedom.
    fn width(&self) -> usize;

    /// Rows of the block that `evaluate` fills for one degree of freedom: λ, ∂g/∂t, ∂λ/∂t, then what `vjp` reads. By default a table of partials.
    fn kept_rows(&self) -> usize {
        block_rows(self.width())
    }

    /// For one degree of freedom and a row of samples: t ← g(t; φ), and fills `partials` with λ = log|∂g/∂t| and the partials at the old t.
    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>);

    /// Fills `v` with α a ∂g/∂φ + β ∂λ/∂φ, from the rows behind the first three that `evaluate` left.
    fn vjp(&self, covector: Covector<'_, T>, partials: PartialsRef<'_, T>, v: PhiMut<'_, T>) {
        covector.times_table(partials, v);
    }

    /// g⁻¹.
    fn inverse(&self) -> Self::Inverse;

    /// t ← g(t; φ), and fills `lambda` with λ at the old t: all that sampling and evaluation need.
    ///
    /// `memory` may be reshaped and overwritten. By default `evaluate`, its partials thrown away.
    fn value(&self, t: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], memory: &mut Batch<T>) {
        memory.reshape(self.kept_rows(), t.len());
        self.evaluate(t, phi, Partials::of(memory.as_mut_slice(), t.len()));
        lambda.copy_from_slice(PartialsRef::of(memory.as_slice(), t.len()).lambda());
    }
}
