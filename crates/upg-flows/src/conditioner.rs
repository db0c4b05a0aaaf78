//! Conditioners: the nets φ = net(c) of coupling layers.

use upg_core::{Accum, Batch, ParamLayout, Real};

/// A function φ = net(c; θ) of the kept degrees of freedom, with its vector-Jacobian product.
///
/// Shapes: c `[inputs, samples]`, φ and its cotangents `[outputs, samples]`.
pub trait Conditioner<T: Real>: Clone + Send + Sync + 'static {
    /// Memory that `forward` leaves for `vjp`; the output is in it.
    type Tape: Default + Send + 'static;
    /// Memory of `vjp` and `value` that all conditioners of this kind share.
    type Scratch: Default + Send + 'static;

    /// Number of inputs.
    fn inputs(&self) -> usize;
    /// Number of outputs.
    fn outputs(&self) -> usize;
    /// Parameters, in the order of the flat buffer.
    fn params(&self) -> ParamLayout;
    /// Computes φ = net(c); returns it.
    fn forward<'t>(&self, theta: &[T], c: &Batch<T>, tape: &'t mut Self::Tape) -> &'t Batch<T>;
    /// Computes φ = net(c) without a tape; returns it.
    fn value<'s>(&self, theta: &[T], c: &Batch<T>, scratch: &'s mut Self::Scratch) -> &'s Batch<T>;
    /// Computes netᵀ v, shape `[inputs, samples]`, and returns it; with `grad`, also (+)= net_θᵀ v. `c` is the input of `forward`.
    fn vjp<'s>(
        &self,
        theta: &[T],
        c: &Batch<T>,
        tape: &Self::Tape,
        v: &Batch<T>,
        grad: Option<(&mut [T], Accum)>,
        scratch: &'s mut Self::Scratch,
    ) -> &'s Batch<T>;
}
