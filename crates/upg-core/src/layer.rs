//! The layer: a bijection with three verbs, and what inverts it.
//!
//! | lifetime | where | examples |
//! |---|---|---|
//! | as long as θ stays | [`Prepared`], filled by [`Layer::prepare`] once a gradient, read by all lanes | packed weights, LU factors |
//! | a micro-batch | the tape: what [`Layer::forward`] leaves for the other two verbs | hidden values, partials |
//! | a call | scratch, shared by all layers of a lane | cotangents within a net |

use crate::{
    device::{Device, Memory},
    params::ParamLayout,
    workspace::{Prepared, Workspace},
};
use std::ops::Range;

/// Whether a result replaces what is there or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum {
    /// Overwrite; the old content is not read.
    Replace,
    /// Add to the old content.
    Add,
}

/// Where a verb puts ∂θ, shape of the layer's parameters.
pub struct GradSink<'a, D: Device> {
    /// The range of the gradient buffer that belongs to the layer.
    pub into: D::ParamsMut<'a>,
    /// Replace or add. With `Replace` every element must be written.
    pub accum: Accum,
}

impl<D: Device> GradSink<'_, D> {
    /// The sink of a part of the layer.
    pub fn slice(&mut self, range: Range<usize>) -> GradSink<'_, D> {
        GradSink { into: D::slice_mut(&mut self.into, range), accum: self.accum }
    }
}

/// Called by [`Layer::forward_each`] with the number of a layer in the order of application, its result, and the log-dets so far.
pub type Watch<'w, D> = dyn FnMut(usize, &<D as Memory>::Batch, &<D as Memory>::PerSample) + 'w;

/// Called with every part of a gradient as soon as nothing is added to it any more: where it lies, and the part itself, which it may change, e.g. to sum it
/// with those of other processes while the rest is at work.
pub type Whole<'w, D> = dyn FnMut(Range<usize>, <D as Memory>::ParamsMut<'_>) + Send + 'w;

/// The surroundings of a verb.
pub struct Pass<'a, D: Device> {
    /// The device everything lives on.
    pub device: &'a D,
    /// The layer's own parameters θ_l, flat.
    pub theta: D::Params<'a>,
    /// The result of [`Layer::prepare`] for θ_l.
    pub prepared: &'a Prepared,
    /// The memory of `forward` for the other two verbs.
    pub tape: &'a mut Workspace,
    /// Memory shared by all layers, free to be overwritten by each call.
    pub scratch: &'a mut Workspace,
}

/// A bijection x_{l+1} = T_l(x_l; θ_l) of a fixed number of degrees of freedom, with J = ∂T/∂x and ℓ = log|det J|.
///
/// `prepare` comes first, once for every θ; then `forward`; `push` and `pull_back` refer to the batch of the last `forward` on the
/// same tape. All verbs work in place. Batches have shape `[dof, samples]`.
///
/// # Panics
/// The verbs panic if a batch or θ has the wrong shape.
pub trait Layer<D: Device>: Send + Sync {
    /// Number of degrees of freedom.
    fn dof(&self) -> usize;

    /// The layer's parameters: names, shapes, initial values, in the order of the flat buffer.
    fn params(&self) -> ParamLayout;

    /// Fills `prepared` with what all verbs need of θ and what needn't be computed more than once a gradient. Nothing, by default.
    fn prepare(&self, device: &D, theta: D::Params<'_>, prepared: &mut Prepared) {
        let _ = (device, theta, prepared);
    }

    /// x ← T(x), `log_det` += ℓ(x) (one double per sample), and leaves on the tape what the other verbs need.
    fn forward(&self, pass: &mut Pass<'_, D>, x: &mut D::Batch, log_det: &mut D::PerSample);

    /// Push, MATH (17): a ← u = J^{-T} (a − w ∇ℓ), and ∂θ (+)= −[(∂T/∂θ)ᵀ u + w ∂ℓ/∂θ], if a sink is given.
    ///
    /// This is the pull-back of T⁻¹ in terms of T, MATH (17), so a layer that brings it is ready for [`Inverse`](crate::Inverse).
    fn push(&self, pass: &mut Pass<'_, D>, cotangent: &mut D::Batch, weight: f64, grad: Option<GradSink<'_, D>>);

    /// Pull-back, MATH (2): a ← Jᵀ a + w ∇ℓ, and ∂θ (+)= (∂T/∂θ)ᵀ a + w ∂ℓ/∂θ with the old a, if a sink is given.
    fn pull_back(&self, pass: &mut Pass<'_, D>, cotangent: &mut D::Batch, weight: f64, grad: Option<GradSink<'_, D>>);

    /// `pull_back`, watched: after each layer of a composition `whole` gets its part of ∂θ, which is whole then. What it didn't get is whole when this
    /// returns; by default that is all.
    fn pull_back_each(
        &self,
        pass: &mut Pass<'_, D>,
        cotangent: &mut D::Batch,
        weight: f64,
        grad: GradSink<'_, D>,
        whole: &mut Whole<'_, D>,
    ) {
        let _ = whole;
        self.pull_back(pass, cotangent, weight, Some(grad));
    }

    /// Score recursion, MATH (1): s ← J^{-T} (s − ∇ℓ); takes ∇log q_l(x_l) to ∇log q_{l+1}(x_{l+1}).
    fn push_score(&self, pass: &mut Pass<'_, D>, score: &mut D::Batch) {
        self.push(pass, score, 1.0, None);
    }

    /// `forward`, then `push_score`: one pass, the score computed alongside. A composition overrides this to do both layer by layer.
    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, D>,
        x: &mut D::Batch,
        log_det: &mut D::PerSample,
        score: &mut D::Batch,
    ) {
        self.forward(pass, x, log_det);
        self.push_score(pass, score);
    }

    /// `forward` when nothing will be asked of the tape afterwards; for layers that can save work then, and for compositions, whose
    /// layers then share one tape.
    fn forward_without_tape(&self, pass: &mut Pass<'_, D>, x: &mut D::Batch, log_det: &mut D::PerSample) {
        self.forward(pass, x, log_det);
    }

    /// `forward_without_tape`, watched: after each layer of a composition, `after` gets its number in the order of application, what
    /// came out of it, and the log-dets so far. A layer that is none has number 0.
    ///
    /// For whoever wants to look inside, e.g. for the first layer whose result is not finite.
    fn forward_each(
        &self,
        pass: &mut Pass<'_, D>,
        x: &mut D::Batch,
        log_det: &mut D::PerSample,
        after: &mut Watch<'_, D>,
    ) {
        self.forward_without_tape(pass, x, log_det);
        after(0, x, log_det);
    }

    /// The capability of choosing its first parameters by a batch, if the layer has it and is asked to use it.
    fn batch_start(&self) -> Option<&dyn BatchStart<D>> {
        None
    }
}

/// The capability of choosing first parameters by a batch of samples that comes to the layer.
pub trait BatchStart<D: Device>: Send + Sync {
    /// Puts the first parameters, for the batch `x` of shape `[dof, samples]`, into `theta`, which holds initial values.
    fn start(&self, device: &D, x: &D::Batch, samples: usize, theta: &mut [D::Real]);
}

/// The capability of being inverted. The inverse is again an invertible layer, over the *same* parameters.
pub trait Invertible<D: Device>: Layer<D> {
    /// T⁻¹ as a layer; its parameters are those of `self`, in the same order. Cheap: tables are shared, not copied.
    fn inverse(&self) -> Box<dyn Invertible<D>>;
}

impl<D: Device, L: Layer<D> + ?Sized> Layer<D> for Box<L> {
    fn dof(&self) -> usize {
        (**self).dof()
    }

    fn params(&self) -> ParamLayout {
        (**self).params()
    }

    fn prepare(&self, device: &D, theta: D::Params<'_>, prepared: &mut Prepared) {
        (**self).prepare(device, theta, prepared);
    }

    fn forward(&self, pass: &mut Pass<'_, D>, x: &mut D::Batch, log_det: &mut D::PerSample) {
        (**self).forward(pass, x, log_det);
    }

    fn push(&self, pass: &mut Pass<'_, D>, cotangent: &mut D::Batch, weight: f64, grad: Option<GradSink<'_, D>>) {
        (**self).push(pass, cotangent, weight, grad);
    }

    fn pull_back(&self, pass: &mut Pass<'_, D>, cotangent: &mut D::Batch, weight: f64, grad: Option<GradSink<'_, D>>) {
        (**self).pull_back(pass, cotangent, weight, grad);
    }

    fn pull_back_each(
        &self,
        pass: &mut Pass<'_, D>,
        cotangent: &mut D::Batch,
        weight: f64,
        grad: GradSink<'_, D>,
        whole: &mut Whole<'_, D>,
    ) {
        (**self).pull_back_each(pass, cotangent, weight, grad, whole);
    }

    fn push_score(&self, pass: &mut Pass<'_, D>, score: &mut D::Batch) {
        (**self).push_score(pass, score);
    }

    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, D>,
        x: &mut D::Batch,
        log_det: &mut D::PerSample,
        score: &mut D::Batch,
    ) {
        (**self).forward_with_score(pass, x, log_det, score);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, D>, x: &mut D::Batch, log_det: &mut D::PerSample) {
        (**self).forward_without_tape(pass, x, log_det);
    }

    fn forward_each(
        &self,
        pass: &mut Pass<'_, D>,
        x: &mut D::Batch,
        log_det: &mut D::PerSample,
        after: &mut Watch<'_, D>,
    ) {
        (**self).forward_each(pass, x, log_det, after);
    }

    fn batch_start(&self) -> Option<&dyn BatchStart<D>> {
        (**self).batch_start()
    }
}

impl<D: Device, L: Invertible<D> + ?Sized> Invertible<D> for Box<L> {
    fn inverse(&self) -> Box<dyn Invertible<D>> {
        (**self).inverse()
    }
}
