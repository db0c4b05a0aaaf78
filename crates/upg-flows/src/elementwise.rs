//! Elementwise transforms y = g(t; φ): the part of a coupling that acts on each transformed degree of freedom alone.

mod inverse;
mod partials;

pub use inverse::invert;
pub use partials::{AllRows, PartialRows, Partials, PartialsRef, Phi, PhiMut, PhiPartials, block_rows};

use upg_core::{Batch, Real};

/// A monotone map of one number with parameters φ, given by its value and its partials.
///
/// This is all a coupling needs: MATH (4) and (5) are written once, over the partials. A map without a closed-form
/// inverse says `type Inverse = Implicit<Self>`, see [`Monotone`](crate::implicit::Monotone); one with a closed form that
/// doesn't want to differentiate it can [`invert`] its own partials at the solution.
pub trait Elementwise<T: Real>: Clone + Send + Sync + 'static {
    /// The inverse map, over the same φ.
    type Inverse: Elementwise<T>;

    /// Numbers φ per degree of freedom.
    fn width(&self) -> usize;

    /// For one degree of freedom and a row of samples: t ← g(t; φ), and fills `partials` with λ = log|∂g/∂t| and the partials at the old t.
    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>);

    /// g⁻¹.
    fn inverse(&self) -> Self::Inverse;

    /// t ← g(t; φ), and fills `lambda` with λ at the old t: all that sampling and evaluation need.
    ///
    /// `memory` may be reshaped and overwritten. By default `evaluate`, its partials thrown away.
    fn value(&self, t: &mut [T], phi: Phi<'_, T>, lambda: &mut [T], memory: &mut Batch<T>) {
        memory.reshape(block_rows(self.width()), t.len());
        self.evaluate(t, phi, Partials::of(memory.as_mut_slice(), t.len()));
        lambda.copy_from_slice(PartialsRef::of(memory.as_slice(), t.len()).lambda());
    }
}
