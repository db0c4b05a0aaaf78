//! Coupling layer: x = (t, c); c is kept, y_i = g(t_i; φ_i) for each transformed degree of freedom i, φ = net(c).
//!
//! With g' = ∂g/∂t and λ = log|g'| per element (rows of transformed degrees of freedom, columns of samples):
//!
//! - ℓ = Σ_i λ_i.
//! - push score, MATH (4): s_t ← (s_t − ∂λ/∂t)/g', then s_c ← s_c − netᵀ(s_t ∂g/∂φ + ∂λ/∂φ) with the new s_t.
//! - pull back, MATH (5): v = a_t ∂g/∂φ + w ∂λ/∂φ with the old a_t; a_t ← a_t g' + w ∂λ/∂t; a_c ← a_c + netᵀ v; ∂θ (+)= net_θᵀ v.
//!
//! The inverse is the coupling with g⁻¹ over the same net and the same parameters. Source: Dinh et al., arXiv:1605.08803.

use crate::{
    conditioner::Conditioner,
    elementwise::{Elementwise, Partials, PartialsRef, Phi, block_rows},
    mask::Mask,
};
use upg_core::vmath::{Kernel, MulAdd, dispatch};
use upg_core::{Batch, Cpu, GradSink, Invertible, Layer, ParamLayout, Pass, Real};

/// A coupling of conditioner `C` and elementwise transform `E`.
#[derive(Clone, Debug)]
pub struct Coupling<C, E> {
    mask: Mask,
    net: C,
    transform: E,
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
        assert_eq!(net.inputs(), mask.kept().len(), "inputs of the net, and kept degrees of freedom");
        let outputs = transform.width() * mask.transformed().len();
        assert_eq!(net.outputs(), outputs, "outputs of the net, and parameters of the transform");
        Self { mask, net, transform }
    }
}

/// What `forward` leaves.
struct Tape<T: Real, C: Conditioner<T>> {
    /// c, `[kept, samples]`.
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
}

impl<T: Real, C: Conditioner<T>> Default for Scratch<T, C> {
    fn default() -> Self {
        Self { net: C::Scratch::default(), v: Batch::default() }
    }
}

impl<T: Real, C: Conditioner<T>, E: Elementwise<T>> Layer<Cpu<T>> for Coupling<C, E> {
    fn dof(&self) -> usize {
        self.mask.dof()
    }

    fn params(&self) -> ParamLayout {
        self.net.params()
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.mask.dof(), "rows of x, and degrees of freedom of the layer");
        let Tape { kept, net, partials } = pass.tape.get::<Tape<T, C>>();
        let (samples, transformed) = (x.samples(), self.mask.transformed());
        kept.gather(x, self.mask.kept());
        let phi = self.net.forward(pass.theta, kept, net);
        let rows = block_rows(self.transform.width());
        partials.reshape(rows * transformed.len(), samples);
        for ((i, &dof), block) in
            transformed.iter().enumerate().zip(partials.as_mut_slice().chunks_exact_mut(rows * samples))
        {
            let phi = Phi::of(phi.as_slice(), i, transformed.len(), samples);
            self.transform.evaluate(x.row_mut(dof), phi, Partials::of(block, samples));
            add_to(log_det, PartialsRef::of(block, samples).lambda());
        }
    }

    fn push_score(&self, pass: &mut Pass<'_, Cpu<T>>, score: &mut Batch<T>) {
        let Tape { kept, net, partials } = pass.tape.get::<Tape<T, C>>();
        let Scratch { net: scratch, v } = pass.scratch.get::<Scratch<T, C>>();
        self.each_transformed(partials, v, score, |s_t, partials, phi_rows| {
            dispatch(Push { s_t, partials, phi_rows });
        });
        let through_net = self.net.vjp(pass.theta, kept, net, v, None, scratch);
        for (row, &dof) in self.mask.kept().iter().enumerate() {
            for (s_c, &u) in score.row_mut(dof).iter_mut().zip(through_net.row(row)) {
                *s_c -= u;
            }
        }
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let Tape { kept, net, partials } = pass.tape.get::<Tape<T, C>>();
        let Scratch { net: scratch, v } = pass.scratch.get::<Scratch<T, C>>();
        let w = T::of(weight);
        self.each_transformed(partials, v, cotangent, |a_t, partials, phi_rows| {
            dispatch(Pull { a_t, w, partials, phi_rows });
        });
        let grad = grad.map(|sink| (sink.into, sink.accum));
        let through_net = self.net.vjp(pass.theta, kept, net, v, grad, scratch);
        for (row, &dof) in self.mask.kept().iter().enumerate() {
            for (a_c, &u) in cotangent.row_mut(dof).iter_mut().zip(through_net.row(row)) {
                *a_c += u;
            }
        }
    }
}

impl<T: Real, C: Conditioner<T>, E: Elementwise<T>> Invertible<Cpu<T>> for Coupling<C, E> {
    fn inverse(&self) -> Box<dyn Layer<Cpu<T>>> {
        Box::new(Coupling { mask: self.mask.clone(), net: self.net.clone(), transform: self.transform.inverse() })
    }
}

impl<C, E> Coupling<C, E> {
    /// Calls `step(row of the vector, partials, rows of v)` for every transformed degree of freedom; v gets the shape of φ.
    fn each_transformed<T: Real>(
        &self,
        partials: &Batch<T>,
        v: &mut Batch<T>,
        vector: &mut Batch<T>,
        step: impl Fn(&mut [T], PartialsRef<'_, T>, PhiRows<'_, T>),
    ) where
        E: Elementwise<T>,
    {
        let (samples, n) = (partials.samples(), self.mask.transformed().len());
        assert_eq!(
            (vector.rows(), vector.samples()),
            (self.mask.dof(), samples),
            "shapes of the vector, and of the batch of `forward`"
        );
        let width = self.transform.width();
        v.reshape(width * n, samples);
        let blocks = partials.as_slice().chunks_exact(block_rows(width) * samples);
        for ((i, &dof), block) in self.mask.transformed().iter().enumerate().zip(blocks) {
            let phi_rows = PhiRows { v: &mut v.as_mut_slice()[i * samples..], stride: n * samples, width };
            step(vector.row_mut(dof), PartialsRef::of(block, samples), phi_rows);
        }
    }
}

/// The rows of the cotangent of φ that belong to one degree of freedom.
pub(crate) struct PhiRows<'a, T> {
    pub v: &'a mut [T],
    /// From a row of one φ_k to that of the next.
    pub stride: usize,
    pub width: usize,
}

impl<T> PhiRows<'_, T> {
    #[inline(always)]
    fn row(&mut self, k: usize, samples: usize) -> &mut [T] {
        &mut self.v[k * self.stride..][..samples]
    }
}

/// MATH (4) for a row of transformed elements: the new s_t, and v = s_t ∂g/∂φ + ∂λ/∂φ.
pub(crate) struct Push<'a, T> {
    pub s_t: &'a mut [T],
    pub partials: PartialsRef<'a, T>,
    pub phi_rows: PhiRows<'a, T>,
}

impl<T: Real> Kernel for Push<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { s_t, partials, mut phi_rows } = self;
        for ((s, &dg_dt), &dlambda_dt) in s_t.iter_mut().zip(partials.dg_dt()).zip(partials.dlambda_dt()) {
            *s = (*s - dlambda_dt) / dg_dt;
        }
        for k in 0..phi_rows.width {
            let partial = partials.dg_dphi(k).iter().zip(partials.dlambda_dphi(k));
            for ((v, &s), (&dg, &dlambda)) in phi_rows.row(k, s_t.len()).iter_mut().zip(&*s_t).zip(partial) {
                *v = M::mul_add(s, dg, dlambda);
            }
        }
    }
}

/// MATH (5) for a row of transformed elements: v = a_t ∂g/∂φ + w ∂λ/∂φ, then the new a_t.
pub(crate) struct Pull<'a, T> {
    pub a_t: &'a mut [T],
    pub w: T,
    pub partials: PartialsRef<'a, T>,
    pub phi_rows: PhiRows<'a, T>,
}

impl<T: Real> Kernel for Pull<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { a_t, w, partials, mut phi_rows } = self;
        for k in 0..phi_rows.width {
            let partial = partials.dg_dphi(k).iter().zip(partials.dlambda_dphi(k));
            for ((v, &a), (&dg, &dlambda)) in phi_rows.row(k, a_t.len()).iter_mut().zip(&*a_t).zip(partial) {
                *v = M::mul_add(a, dg, w * dlambda);
            }
        }
        for ((a, &dg_dt), &dlambda_dt) in a_t.iter_mut().zip(partials.dg_dt()).zip(partials.dlambda_dt()) {
            *a = M::mul_add(*a, dg_dt, w * dlambda_dt);
        }
    }
}

/// sums += row, in double precision.
fn add_to<T: Real>(sums: &mut [f64], row: &[T]) {
    for (sum, &x) in sums.iter_mut().zip(row) {
        *sum += x.wide();
    }
}
