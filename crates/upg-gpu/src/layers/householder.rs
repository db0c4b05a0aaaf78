//! A product of reflections, y = H_K … H_1 x + b, MATH (28): see [`upg_flows::householder`]. Kernels: `householder.cu`, `rows.cu`.

use super::{AnyLayer, add};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu, Matrix};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params, Sums};
use std::ops::Range;
use std::sync::Arc;
use upg_core::{
    Accum, DeviceError, GradSink, Inverse, Invertible, Layer, Memory, ParamLayout, Pass, Prepared, Real, Solve,
};

/// y = H_K … H_1 x + b.
pub(crate) struct Householder<G: Gpu> {
    dof: usize,
    reflections: usize,
    layout: ParamLayout,
    kernels: Arc<Kernels<G>>,
    of_rows: Arc<Kernels<G>>,
}

impl<G: Gpu> Clone for Householder<G> {
    fn clone(&self) -> Self {
        let (kernels, of_rows) = (self.kernels.clone(), self.of_rows.clone());
        Self { layout: self.layout.clone(), kernels, of_rows, ..*self }
    }
}

/// −A⁻¹ and VVᵀ, both `[K, K]`.
struct Reflections<T, G: Gpu> {
    minus_inverse: Batch<T, G>,
    gram: Batch<T, G>,
}

impl<T: Real, G: Gpu> Default for Reflections<T, G> {
    fn default() -> Self {
        Self { minus_inverse: Batch::default(), gram: Batch::default() }
    }
}

/// x and ε.
struct Tape<T, G: Gpu> {
    x: Batch<T, G>,
    epsilon: Batch<T, G>,
}

impl<T: Real, G: Gpu> Default for Tape<T, G> {
    fn default() -> Self {
        Self { x: Batch::default(), epsilon: Batch::default() }
    }
}

/// V a, then φ or ψ; M; and a as it was.
struct Scratch<T, G: Gpu> {
    dots: Batch<T, G>,
    factors: Batch<T, G>,
    mixed: Batch<T, G>,
    old: Batch<T, G>,
}

impl<T: Real, G: Gpu> Default for Scratch<T, G> {
    fn default() -> Self {
        let batch = Batch::default;
        Self { dots: batch(), factors: batch(), mixed: batch(), old: batch() }
    }
}

/// Whether A⁻¹ is applied, or its transpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The reflections from the first to the last.
    There,
    /// From the last to the first.
    Back,
}

impl<G: Gpu> Householder<G> {
    /// So many reflections of `dof` degrees of freedom, at least one, with these parameters.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        dof: usize,
        reflections: usize,
        layout: ParamLayout,
    ) -> Result<Self, DeviceError> {
        let (kernels, of_rows) =
            (device.kernels(kernels::HOUSEHOLDER, vec![])?, device.kernels(kernels::ROWS, vec![])?);
        Ok(Self { dof, reflections, layout, kernels, of_rows })
    }

    /// Where b lies among the parameters; empty if there is none.
    fn bias(&self) -> Range<usize> {
        self.reflections * self.dof..self.layout.size()
    }

    /// V.
    fn vectors<T: Real>(&self, theta: Params<'_, T>) -> Matrix {
        Matrix::new(theta.at(), self.dof)
    }

    /// factors ← −A⁻¹ V x, or with the transpose of A⁻¹; then x ← x + Vᵀ factors.
    fn reflect<T: Real>(
        &self,
        way: Way,
        pass: (&Cuda<T, G>, Params<'_, T>, &Prepared),
        x: &Batch<T, G>,
        dots: &mut Batch<T, G>,
        factors: &mut Batch<T, G>,
    ) {
        let (device, theta, prepared) = pass;
        assert_eq!(x.rows(), self.dof, "rows of the batch, and degrees of freedom of the layer");
        let (k, n, samples, vectors) = (self.reflections, self.dof, x.samples(), self.vectors(theta));
        let minus_inverse = prepared.get::<Reflections<T, G>>().minus_inverse.matrix();
        let minus_inverse = if way == Way::There { minus_inverse } else { minus_inverse.t() };
        device.reshape(dots, k, samples);
        device.reshape(factors, k, samples);
        device.product([k, samples, n], 1.0, [vectors, x.matrix()], 0.0, dots.target());
        device.product([k, samples, k], 1.0, [minus_inverse, dots.matrix()], 0.0, factors.target());
        device.product([n, samples, k], 1.0, [vectors.t(), factors.matrix()], 1.0, x.target());
    }

    /// Adds `sign` b to the rows.
    fn add_bias<T: Real>(&self, sign: f64, device: &Cuda<T, G>, theta: Params<'_, T>, x: &Batch<T, G>) {
        if !self.bias().is_empty() {
            let arguments = arguments![x.at(), theta.part(self.bias()), device.real(sign), x.samples(), x.len()];
            device.launch(&self.of_rows, "add_bias", Spread::elements(x.len()), arguments);
        }
    }

    fn negate<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>) {
        device.launch(&self.kernels, "householder_negate", Spread::elements(x.len()), arguments![x.at(), x.len()]);
    }

    /// M = Σ φ εᵀ, its lower triangle mirrored.
    fn mix<T: Real>(&self, device: &Cuda<T, G>, phi: &Batch<T, G>, epsilon: &Batch<T, G>, mixed: &mut Batch<T, G>) {
        let k = self.reflections;
        device.reshape(mixed, k, k);
        device.product([k, k, phi.samples()], 1.0, [phi.matrix(), epsilon.matrix().t()], 0.0, mixed.target());
        device.launch(&self.kernels, "householder_mirror", Spread::elements(k * k), arguments![mixed.at(), k]);
    }

    /// ∂θ (+)= `sign` times the gradient for a cotangent a at y and its φ, if there is a sink.
    fn add_gradient<T: Real>(
        &self,
        sign: f64,
        (device, theta): (&Cuda<T, G>, Params<'_, T>),
        Tape { x, epsilon }: &Tape<T, G>,
        [a, phi]: [&Batch<T, G>; 2],
        mixed: &mut Batch<T, G>,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let Some(GradSink { into, accum }) = grad else { return };
        self.mix(device, phi, epsilon, mixed);
        let (k, n, samples) = (self.reflections, self.dof, a.samples());
        let (of_vectors, kept) = ((into.at(), n), if accum == Accum::Add { 1.0 } else { 0.0 });
        device.product([k, n, samples], sign, [epsilon.matrix(), a.matrix().t()], kept, of_vectors);
        device.product([k, n, samples], sign, [phi.matrix(), x.matrix().t()], 1.0, of_vectors);
        device.product([k, n, k], sign, [mixed.matrix(), self.vectors(theta)], 1.0, of_vectors);
        if !self.bias().is_empty() {
            let (of_bias, sign) = (into.part(self.bias()), device.real(sign));
            let arguments = arguments![a.at(), of_bias, Address::default(), sign, add(accum), samples];
            device.launch(&self.of_rows, "sum_rows", Spread::blocks(n), arguments);
        }
    }
}

impl<T: Real, G: Gpu> Layer<Cuda<T, G>> for Householder<G> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Prepared) {
        assert_eq!(theta.len(), self.layout.size(), "parameters given, and parameters of the layer");
        let (k, vectors) = (self.reflections, self.vectors(theta));
        let Reflections { minus_inverse, gram } = prepared.get_mut::<Reflections<T, G>>();
        device.reshape(minus_inverse, k, k);
        device.reshape(gram, k, k);
        device.product([k, k, self.dof], 1.0, [vectors, vectors.t()], 0.0, gram.target());
        let arguments = arguments![gram.at(), minus_inverse.at(), k];
        device.launch(&self.kernels, "householder_invert", Spread::elements(k), arguments);
    }

    fn forward(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, _: &mut Sums<G>) {
        let Pass { device, theta, prepared, tape, scratch } = pass;
        let (tape, Scratch { dots, .. }) = (tape.get::<Tape<T, G>>(), scratch.get::<Scratch<T, G>>());
        device.copy(x, &mut tape.x);
        self.reflect(Way::There, (*device, *theta, *prepared), x, dots, &mut tape.epsilon);
        self.add_bias(1.0, device, *theta, x);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, _: &mut Sums<G>) {
        let Pass { device, theta, prepared, scratch, .. } = pass;
        let Scratch { dots, factors, .. } = scratch.get::<Scratch<T, G>>();
        self.reflect(Way::There, (*device, *theta, *prepared), x, dots, factors);
        self.add_bias(1.0, device, *theta, x);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        _: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let Pass { device, theta, prepared, tape, scratch } = pass;
        let Scratch { dots, factors, mixed, .. } = scratch.get::<Scratch<T, G>>();
        self.reflect(Way::There, (*device, *theta, *prepared), cotangent, dots, factors);
        if grad.is_some() {
            self.negate(device, factors);
        }
        self.add_gradient(-1.0, (*device, *theta), tape.get::<Tape<T, G>>(), [cotangent, factors], mixed, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        _: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let Pass { device, theta, prepared, tape, scratch } = pass;
        let Scratch { dots, factors, mixed, old } = scratch.get::<Scratch<T, G>>();
        if grad.is_some() {
            device.copy(cotangent, old);
        }
        self.reflect(Way::Back, (*device, *theta, *prepared), cotangent, dots, factors);
        self.add_gradient(1.0, (*device, *theta), tape.get::<Tape<T, G>>(), [old, factors], mixed, grad);
    }
}

impl<T: Real, G: Gpu> Solve<Cuda<T, G>> for Householder<G> {
    fn solve(&self, pass: &mut Pass<'_, Cuda<T, G>>, y: &mut Batch<T, G>, _: &mut Sums<G>) {
        let Pass { device, theta, prepared, tape, scratch } = pass;
        let (Tape { x, epsilon }, Scratch { dots, .. }) = (tape.get::<Tape<T, G>>(), scratch.get::<Scratch<T, G>>());
        self.add_bias(-1.0, device, *theta, y);
        self.reflect(Way::Back, (*device, *theta, *prepared), y, dots, epsilon);
        device.copy(y, x);
        self.negate(device, epsilon);
    }

    fn solve_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, y: &mut Batch<T, G>, _: &mut Sums<G>) {
        let Pass { device, theta, prepared, scratch, .. } = pass;
        let Scratch { dots, factors, .. } = scratch.get::<Scratch<T, G>>();
        self.add_bias(-1.0, device, *theta, y);
        self.reflect(Way::Back, (*device, *theta, *prepared), y, dots, factors);
    }
}

impl<T: Real, G: Gpu> Invertible<Cuda<T, G>> for Householder<G> {
    fn inverse(&self) -> AnyLayer<T, G> {
        Box::new(Inverse::of(self.clone()))
    }
}
