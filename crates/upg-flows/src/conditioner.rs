//! Conditioners: the nets φ = net(c) of coupling layers.

use upg_core::{Accum, Batch, ParamLayout, Real};

/// The parameters of a conditioner, and what it prepared of them.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T, P> {
    /// θ, flat.
    pub theta: &'a [T],
    /// The result of [`Conditioner::prepare`] for θ.
    pub prepared: &'a P,
}

/// A function φ = net(c; θ) of the kept degrees of freedom, with its vector-Jacobian product.
///
/// Shapes: c `[inputs, samples]`, φ and its cotangents `[outputs, samples]`.
pub trait Conditioner<T: Real>: Clone + Send + Sync + 'static {
    /// What is prepared of θ, once a gradient; `()` for nothing.
    type Prepared: Default + Send + Sync + 'static;
    /// Memory that `forward` leaves for `vjp`; the output is in it.
    type Tape: Default + Send + 'static;
    /// Memory that all conditioners of this kind share, free to be overwritten by each call.
    type Scratch: Default + Send + 'static;

    /// Number of inputs.
    fn inputs(&self) -> usize;
    /// Number of outputs.
    fn outputs(&self) -> usize;
    /// Parameters, in the order of the flat buffer.
    fn params(&self) -> ParamLayout;
    /// Fills `prepared` with what all other methods need of θ. Nothing, by default.
    fn prepare(&self, theta: &[T], prepared: &mut Self::Prepared) {
        let _ = (theta, prepared);
    }
    /// Computes φ = net(c); returns it.
    fn forward<'t>(
        &self,
        weights: Weights<'_, T, Self::Prepared>,
        c: &Batch<T>,
        tape: &'t mut Self::Tape,
        scratch: &mut Self::Scratch,
    ) -> &'t Batch<T>;
    /// Computes φ = net(c) without a tape; returns it.
    fn value<'s>(
        &self,
        weights: Weights<'_, T, Self::Prepared>,
        c: &Batch<T>,
        scratch: &'s mut Self::Scratch,
    ) -> &'s Batch<T>;
    /// Computes netᵀ v, shape `[inputs, samples]`, and returns it; with `grad`, also (+)= net_θᵀ v. `c` is the input of `forward`.
    fn vjp<'s>(
        &self,
        weights: Weights<'_, T, Self::Prepared>,
        c: &Batch<T>,
        tape: &Self::Tape,
        v: &Batch<T>,
        grad: Option<(&mut [T], Accum)>,
        scratch: &'s mut Self::Scratch,
    ) -> &'s Batch<T>;
}
