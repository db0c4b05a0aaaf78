//! A product of reflections: y = H_K … H_1 x + b, H_k = 1 − 2 v_k v_kᵀ/|v_k|².
//!
//! With V `[K, n]`, whose rows are the v_k, and the lower triangle A of VVᵀ, its diagonal halved, H_K … H_1 = 1 − Vᵀ A⁻¹ V (the compact WY
//! form of R. Schreiber, C. Van Loan, SIAM J. Sci. Stat. Comput. 10 (1989) 53). So with A⁻¹ prepared once for each θ, MATH (28):
//!
//! - y = x + Vᵀε + b, ε = −A⁻¹ V x `[K, samples]`; ℓ = 0;
//! - pull back: a ← a + Vᵀφ with φ = −A⁻ᵀ V a; ∂V = ε aᵀ + φ xᵀ + M V, with the old a and M = Σ_samples φ εᵀ, its lower triangle mirrored;
//! - push: u = a + Vᵀψ with ψ = −A⁻¹ V a; minus the gradient above with u in the place of a, and φ = −ψ without further products;
//! - inverse: x = (y − b) + Vᵀφ, φ of y − b, and ε = −φ at this x.
//!
//! Each is 2 n K multiply-adds a sample, and the gradient as many. A v needn't be a unit vector, but must not be zero. Scales of v don't matter.

use crate::{
    linear::sum,
    matmul::{Mat, Tile, product},
    mlp::Bias,
};
use std::ops::Range;
use upg_core::{
    Accum, Batch, Cpu, GradSink, Init, Inverse, Invertible, Layer, ParamLayout, Pass, Prepared, Real, Solve, Tensor,
};

/// Tiles of the products over samples.
const TILE: Tile = Tile { rows: usize::MAX, cols: 256 };

/// y = H_K … H_1 x + b.
#[derive(Clone, Debug)]
pub struct Householder {
    dof: usize,
    reflections: usize,
    bias: Bias,
}

/// −A⁻¹ and VVᵀ, both `[K, K]`.
#[derive(Debug, Default)]
struct Reflections<T> {
    minus_inverse: Vec<T>,
    gram: Vec<T>,
}

/// x and ε.
#[derive(Debug, Default)]
struct Tape<T: Real> {
    x: Batch<T>,
    epsilon: Batch<T>,
}

/// Memory that all such layers share.
#[derive(Debug, Default)]
struct Scratch<T: Real> {
    /// V a, and φ or ψ.
    dots: Batch<T>,
    factors: Batch<T>,
    /// M, and ∂V.
    mixed: Batch<T>,
    gradient: Batch<T>,
    /// For a pass without a tape.
    spare: Tape<T>,
}

/// Whether A⁻¹ is applied, or its transpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The reflections from the first to the last.
    There,
    /// From the last to the first.
    Back,
}

/// The parameters: vectors whose lengths are about 1, and b.
pub fn params(reflections: usize, dof: usize, bias: Bias) -> ParamLayout {
    let mut layout = ParamLayout::default();
    let bound = (3.0 / dof as f64).sqrt();
    layout.push(Tensor::new("vectors", [reflections, dof], Init::Uniform { bound }));
    if bias == Bias::Yes {
        layout.push(Tensor::new("bias", [dof], Init::Constant(0.0)));
    }
    layout
}

impl Householder {
    /// So many reflections of `dof` degrees of freedom, at least one.
    pub fn new(dof: usize, reflections: usize, bias: Bias) -> Self {
        Self { dof, reflections, bias }
    }

    fn vectors(&self) -> Range<usize> {
        0..self.reflections * self.dof
    }

    fn matrix<'a, T: Real>(&self, theta: &'a [T]) -> Mat<'a, T> {
        Mat::new(&theta[self.vectors()], self.reflections, self.dof)
    }

    /// factors ← −A⁻¹ V x, or with the transpose of A⁻¹; then x ← x + Vᵀ factors.
    fn reflect<T: Real>(
        &self,
        way: Way,
        theta: &[T],
        Reflections { minus_inverse, .. }: &Reflections<T>,
        x: &mut Batch<T>,
        dots: &mut Batch<T>,
        factors: &mut Batch<T>,
    ) {
        assert_eq!(x.rows(), self.dof, "rows of the batch, and degrees of freedom of the layer");
        let (k, samples, vectors) = (self.reflections, x.samples(), self.matrix(theta));
        let minus_inverse = match way {
            Way::There => Mat::new(minus_inverse, k, k),
            Way::Back => Mat::new(minus_inverse, k, k).t(),
        };
        dots.reshape(k, samples);
        factors.reshape(k, samples);
        product(dots.as_mut_slice(), vectors, matrix(x), Accum::Replace, TILE, |_, _, _| ());
        product(factors.as_mut_slice(), minus_inverse, matrix(dots), Accum::Replace, TILE, |_, _, _| ());
        product(x.as_mut_slice(), vectors.t(), matrix(factors), Accum::Add, TILE, |_, _, _| ());
    }

    /// y ← x with y = H_K … H_1 x + b, and φ of y − b.
    fn unmap<T: Real>(
        &self,
        theta: &[T],
        reflections: &Reflections<T>,
        y: &mut Batch<T>,
        dots: &mut Batch<T>,
        phi: &mut Batch<T>,
    ) {
        self.add_bias(-T::one(), theta, y);
        self.reflect(Way::Back, theta, reflections, y, dots, phi);
    }

    /// Adds `sign` b to the rows.
    fn add_bias<T: Real>(&self, sign: T, theta: &[T], x: &mut Batch<T>) {
        for (i, &b) in theta[self.vectors().end..].iter().enumerate() {
            x.row_mut(i).iter_mut().for_each(|x| *x += sign * b);
        }
    }

    /// ∂θ (+)= `sign` times the gradient for a cotangent a at y and its φ in `scratch.factors`, if there is a sink.
    fn add_gradient<T: Real>(
        &self,
        sign: T,
        theta: &[T],
        tape: &Tape<T>,
        a: &Batch<T>,
        scratch: &mut Scratch<T>,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let Some(GradSink { into, accum }) = grad else { return };
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        let Scratch { factors: phi, mixed, gradient, .. } = scratch;
        self.mix(phi, &tape.epsilon, mixed);
        gradient.reshape(self.reflections, self.dof);
        let into_vectors = gradient.as_mut_slice();
        product(into_vectors, matrix(&tape.epsilon), matrix(a).t(), Accum::Replace, TILE, |_, _, _| ());
        product(into_vectors, matrix(phi), matrix(&tape.x).t(), Accum::Add, TILE, |_, _, _| ());
        product(into_vectors, matrix(mixed), self.matrix(theta), Accum::Add, TILE, |_, _, _| ());
        let (of_vectors, of_bias) = into.split_at_mut(self.vectors().end);
        of_vectors.iter_mut().zip(gradient.as_slice()).for_each(|(into, &term)| *into += sign * term);
        of_bias.iter_mut().enumerate().for_each(|(i, into)| *into += sign * sum(a.row(i)));
    }

    /// M = Σ φ εᵀ, its lower triangle mirrored.
    fn mix<T: Real>(&self, phi: &Batch<T>, epsilon: &Batch<T>, mixed: &mut Batch<T>) {
        let k = self.reflections;
        mixed.reshape(k, k);
        let elements = mixed.as_mut_slice();
        product(elements, matrix(phi), matrix(epsilon).t(), Accum::Replace, TILE, |_, _, _| ());
        for i in 0..k {
            (0..i).for_each(|j| elements[j * k + i] = elements[i * k + j]);
        }
    }
}

fn negate<T: Real>(batch: &mut Batch<T>) {
    batch.as_mut_slice().iter_mut().for_each(|x| *x = -*x);
}

fn matrix<T: Real>(batch: &Batch<T>) -> Mat<'_, T> {
    Mat::new(batch.as_slice(), batch.rows(), batch.samples())
}

/// Fills `out` with −A⁻¹, in double precision: A has the products of the vectors below the diagonal, half their squares on it.
fn minus_inverse<T: Real>(gram: &[T], k: usize, out: &mut Vec<T>) {
    out.clear();
    out.resize(k * k, T::zero());
    for j in 0..k {
        for i in j..k {
            let known: f64 = (j..i).map(|m| gram[i * k + m].wide() * out[m * k + j].wide()).sum();
            let unit = if i == j { 1.0 } else { 0.0 };
            out[i * k + j] = T::of(-(unit + known) / (0.5 * gram[i * k + i].wide()));
        }
    }
}

impl<T: Real> Layer<Cpu<T>> for Householder {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        params(self.reflections, self.dof, self.bias)
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        let (k, vectors) = (self.reflections, self.matrix(theta));
        let Reflections { minus_inverse: inverse, gram } = prepared.get_mut::<Reflections<T>>();
        gram.resize(k * k, T::zero());
        product(gram, vectors, vectors.t(), Accum::Replace, TILE, |_, _, _| ());
        minus_inverse(gram, k, inverse);
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, _: &mut Vec<f64>) {
        let tape = pass.tape.get::<Tape<T>>();
        tape.x.copy_from(x);
        let reflections = pass.prepared.get();
        self.reflect(
            Way::There,
            pass.theta,
            reflections,
            x,
            &mut pass.scratch.get::<Scratch<T>>().dots,
            &mut tape.epsilon,
        );
        self.add_bias(T::one(), pass.theta, x);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, _: &mut Vec<f64>) {
        let Scratch { dots, factors, .. } = pass.scratch.get::<Scratch<T>>();
        self.reflect(Way::There, pass.theta, pass.prepared.get(), x, dots, factors);
        self.add_bias(T::one(), pass.theta, x);
    }

    fn push(&self, pass: &mut Pass<'_, Cpu<T>>, cotangent: &mut Batch<T>, _: f64, grad: Option<GradSink<'_, Cpu<T>>>) {
        let (reflections, scratch) = (pass.prepared.get(), pass.scratch.get::<Scratch<T>>());
        let Scratch { dots, factors, .. } = &mut *scratch;
        self.reflect(Way::There, pass.theta, reflections, cotangent, dots, factors);
        negate(factors);
        self.add_gradient(-T::one(), pass.theta, pass.tape.get(), cotangent, scratch, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        _: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let (reflections, scratch) = (pass.prepared.get(), pass.scratch.get::<Scratch<T>>());
        let Scratch { dots, factors, spare, .. } = &mut *scratch;
        spare.x.copy_from(cotangent);
        self.reflect(Way::Back, pass.theta, reflections, cotangent, dots, factors);
        let old = std::mem::take(&mut spare.x);
        self.add_gradient(T::one(), pass.theta, pass.tape.get(), &old, scratch, grad);
        scratch.spare.x = old;
    }
}

impl<T: Real> Solve<Cpu<T>> for Householder {
    fn solve(&self, pass: &mut Pass<'_, Cpu<T>>, y: &mut Batch<T>, _: &mut Vec<f64>) {
        let Tape { x, epsilon } = pass.tape.get::<Tape<T>>();
        self.unmap(pass.theta, pass.prepared.get(), y, &mut pass.scratch.get::<Scratch<T>>().dots, epsilon);
        x.copy_from(y);
        negate(epsilon);
    }

    fn solve_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, y: &mut Batch<T>, _: &mut Vec<f64>) {
        let Scratch { dots, factors, .. } = pass.scratch.get::<Scratch<T>>();
        self.unmap(pass.theta, pass.prepared.get(), y, dots, factors);
    }
}

impl<T: Real> Invertible<Cpu<T>> for Householder {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        Box::new(Inverse::of(self.clone()))
    }
}
