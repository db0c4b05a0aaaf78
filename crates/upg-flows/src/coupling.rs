//! Coupling layer: x = (t, c); c is kept, y_i = g(t_i; φ_i) for each transformed degree of freedom i, φ = net(c).
//!
//! ℓ = Σ_i λ_i, λ = log|∂g/∂t|. Covectors are carried by MATH (4) and (5), which stand in the file `equations`.
//!
//! On the torus the net reads (cos c, sin c), MATH (24), and y is taken modulo 2π; then g commutes with t ↦ t + 2π.
//!
//! The inverse is the coupling with g⁻¹ over the same net and the same parameters. Source: Dinh et al., arXiv:1605.08803.

pub(crate) mod equations;
mod space;

pub use space::{Circle, Line, Space};

use crate::{
    conditioner::{Conditioner, Weights},
    elementwise::{Elementwise, Partials, PartialsRef, Phi, PhiMut},
    mask::Mask,
};
use equations::Verb;
use std::sync::Arc;
use upg_core::{Batch, Cpu, GradSink, Invertible, Layer, ParamLayout, Pass, Prepared, Real};

/// A coupling of conditioner `C` and elementwise transform `E` in the space `S`.
#[derive(Clone, Debug)]
pub struct Coupling<C, E, S = Line> {
    mask: Arc<Mask>,
    net: C,
    transform: E,
    space: S,
}

impl<C, E> Coupling<C, E> {
    /// Joins a mask, a net from the kept degrees of freedom to φ, and a transform.
    ///
    /// # Panics
    /// If the net's inputs aren't the kept degrees of freedom, or its outputs not `width` per transformed one.
    #[track_caller]
    pub fn new<T: Real>(mask: Mask, net: C, transform: E) -> Self
    where
        C: Conditioner<T>,
        E: Elementwise<T>,
    {
        Self::within(Line, mask, net, transform)
    }
}

impl<C, E> Coupling<C, E, Circle> {
    /// A coupling of angles: the net reads cosines and sines, and the transform commutes with a turn.
    ///
    /// # Panics
    /// If the net's inputs aren't two for each kept angle, or its outputs not `width` per transformed one.
    #[track_caller]
    pub fn on_circle<T: Real>(mask: Mask, net: C, transform: E) -> Self
    where
        C: Conditioner<T>,
        E: Elementwise<T>,
    {
        Self::within(Circle, mask, net, transform)
    }
}

impl<C, E, S: Space> Coupling<C, E, S> {
    #[track_caller]
    fn within<T: Real>(space: S, mask: Mask, net: C, transform: E) -> Self
    where
        C: Conditioner<T>,
        E: Elementwise<T>,
    {
        assert_eq!(net.inputs(), space.inputs(mask.kept().len()), "inputs of the net, and of kept degrees of freedom");
        let outputs = transform.width() * mask.transformed().len();
        assert_eq!(net.outputs(), outputs, "outputs of the net, and parameters of the transform");
        Self { mask: Arc::new(mask), net, transform, space }
    }
}

/// The tape of a coupling.
struct Tape<T: Real, C: Conditioner<T>> {
    /// The net's input: c, `[kept, samples]`, or its cosines and sines.
    kept: Batch<T>,
    net: C::Tape,
    /// A block of λ and partials for every transformed degree of freedom, `[transformed · block, samples]`.
    partials: Batch<T>,
}

impl<T: Real, C: Conditioner<T>> Default for Tape<T, C> {
    fn default() -> Self {
        Self { kept: Batch::default(), net: C::Tape::default(), partials: Batch::default() }
    }
}

/// Memory that all couplings share.
struct Scratch<T: Real, C: Conditioner<T>> {
    net: C::Scratch,
    /// The cotangent of φ, `[width · transformed, samples]`.
    v: Batch<T>,
    /// Angles that are kept, or their cotangents.
    angles: Batch<T>,
    /// For a pass without a tape: the net's input, λ of one degree of freedom, and the transform's own.
    kept: Batch<T>,
    lambda: Batch<T>,
    transform: Batch<T>,
}

impl<T: Real, C: Conditioner<T>> Default for Scratch<T, C> {
    fn default() -> Self {
        Self {
            net: C::Scratch::default(),
            v: Batch::default(),
            angles: Batch::default(),
            kept: Batch::default(),
            lambda: Batch::default(),
            transform: Batch::default(),
        }
    }
}

impl<T: Real, C: Conditioner<T>, E: Elementwise<T>, S: Space> Layer<Cpu<T>> for Coupling<C, E, S> {
    fn dof(&self) -> usize {
        self.mask.dof()
    }

    fn params(&self) -> ParamLayout {
        self.net.params()
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        self.net.prepare(theta, prepared.get_mut());
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.mask.dof(), "rows of x, and degrees of freedom of the layer");
        let Tape { kept, net, partials } = pass.tape.get::<Tape<T, C>>();
        let Scratch { net: scratch, angles, .. } = pass.scratch.get::<Scratch<T, C>>();
        let (samples, transformed) = (x.samples(), self.mask.transformed());
        self.space.gather(x, self.mask.kept(), kept, angles);
        let weights = Weights { theta: pass.theta, prepared: pass.prepared.get() };
        let phi = self.net.forward(weights, kept, net, scratch);
        let rows = self.transform.kept_rows();
        partials.reshape(rows * transformed.len(), samples);
        let blocks = partials.as_mut_slice().chunks_exact_mut(rows * samples);
        for ((i, &dof), block) in transformed.iter().enumerate().zip(blocks) {
            let phi = Phi::of(phi.as_slice(), i, transformed.len(), samples);
            self.transform.evaluate(x.row_mut(dof), phi, Partials::of(block, samples));
            self.space.wrap(x.row_mut(dof));
            add_to(log_det, PartialsRef::of(block, samples).lambda());
        }
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.carry(Verb::Push(T::of(weight)), pass, cotangent, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.carry(Verb::PullBack(T::of(weight)), pass, cotangent, grad);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.mask.dof(), "rows of x, and degrees of freedom of the layer");
        let Scratch { net, angles, kept, lambda, transform, .. } = pass.scratch.get::<Scratch<T, C>>();
        let (samples, transformed) = (x.samples(), self.mask.transformed());
        self.space.gather(x, self.mask.kept(), kept, angles);
        let phi = self.net.value(Weights { theta: pass.theta, prepared: pass.prepared.get() }, kept, net);
        lambda.reshape(1, samples);
        for (i, &dof) in transformed.iter().enumerate() {
            let phi = Phi::of(phi.as_slice(), i, transformed.len(), samples);
            self.transform.value(x.row_mut(dof), phi, lambda.as_mut_slice(), transform);
            self.space.wrap(x.row_mut(dof));
            add_to(log_det, lambda.as_slice());
        }
    }
}

impl<T: Real, C: Conditioner<T>, E: Elementwise<T>, S: Space> Invertible<Cpu<T>> for Coupling<C, E, S> {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        let Self { mask, net, transform, space } = self;
        Box::new(Coupling { mask: mask.clone(), net: net.clone(), transform: transform.inverse(), space: *space })
    }
}

impl<C, E, S: Space> Coupling<C, E, S> {
    /// MATH (4) or (5): a_t and v, then a_c ← a_c + netᵀ v and ∂θ (+)= net_θᵀ v.
    fn carry<T: Real>(
        &self,
        verb: Verb<T>,
        pass: &mut Pass<'_, Cpu<T>>,
        covector: &mut Batch<T>,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) where
        C: Conditioner<T>,
        E: Elementwise<T>,
    {
        let Tape { kept, net, partials } = pass.tape.get::<Tape<T, C>>();
        let Scratch { net: scratch, v, angles, .. } = pass.scratch.get::<Scratch<T, C>>();
        self.carry_transformed(verb, covector, partials, v);
        let grad = grad.map(|sink| (sink.into, sink.accum));
        let weights = Weights { theta: pass.theta, prepared: pass.prepared.get() };
        let through_net = self.net.vjp(weights, kept, net, v, grad, scratch);
        self.space.add(through_net, kept, self.mask.kept(), covector, angles);
    }

    /// The transformed rows of the covector, and v, which gets the shape of φ.
    fn carry_transformed<T: Real>(&self, verb: Verb<T>, covector: &mut Batch<T>, partials: &Batch<T>, v: &mut Batch<T>)
    where
        E: Elementwise<T>,
    {
        let (samples, n) = (partials.samples(), self.mask.transformed().len());
        assert_eq!(
            (covector.rows(), covector.samples()),
            (self.mask.dof(), samples),
            "shapes of the covector, and of the batch of `forward`"
        );
        v.reshape(self.transform.width() * n, samples);
        let blocks = partials.as_slice().chunks_exact(self.transform.kept_rows() * samples);
        for ((i, &dof), block) in self.mask.transformed().iter().enumerate().zip(blocks) {
            let v = PhiMut::of(v.as_mut_slice(), i, n, samples);
            verb.carry(&self.transform, covector.row_mut(dof), PartialsRef::of(block, samples), v);
        }
    }
}

/// sums += row, in double precision.
pub(crate) fn add_to<T: Real>(sums: &mut [f64], row: &[T]) {
    for (sum, &x) in sums.iter_mut().zip(row) {
        *sum += x.wide();
    }
}
