//! y = (1 + W) x + b with a dense matrix, by LU; its inverse is the generic one.
//!
//! With A = 1 + W, per sample: ℓ = log|det A|, ∇ℓ = 0; push: u = A⁻ᵀ a; pull-back: a ← Aᵀ a;
//! ∂W = Σ a xᵀ + w B A⁻ᵀ, ∂b = Σ a over the B samples of the batch, with −u and −w for the push.
//! Parameters: W of shape [dof, dof], row by row, then b of shape [dof]. A and A⁻¹ are prepared once for each θ.

use nalgebra::DMatrix;
use upg_core::{
    Accum, Batch, Cpu, GradSink, Init, Inverse, Invertible, Layer, ParamLayout, Pass, Prepared, Real, Solve, Tensor,
};

/// A dense linear layer.
#[derive(Clone)]
pub struct Linear {
    dof: usize,
}

impl Linear {
    pub fn new(dof: usize) -> Self {
        Self { dof }
    }
}

/// A and A⁻¹, row by row, and log|det A|.
#[derive(Default)]
struct Factors<T> {
    a: Vec<T>,
    inverse: Vec<T>,
    log_abs_det: f64,
}

/// The x of y = A x + b.
struct Kept<T: Real>(Batch<T>);

impl<T: Real> Default for Kept<T> {
    fn default() -> Self {
        Self(Batch::default())
    }
}

/// Room for one result of a matrix product.
struct Product<T>(Batch<T>);

impl<T: Real> Default for Product<T> {
    fn default() -> Self {
        Self(Batch::default())
    }
}

/// x ← M x, or Mᵀ x if `transposed`; M row by row.
fn multiply<T: Real>(m: &[T], transposed: bool, x: &mut Batch<T>, out: &mut Batch<T>) {
    let n = x.rows();
    out.reshape(n, x.samples());
    out.fill(T::zero());
    for i in 0..n {
        for j in 0..n {
            let factor = if transposed { m[j * n + i] } else { m[i * n + j] };
            for (out, &x) in out.row_mut(i).iter_mut().zip(x.row(j)) {
                *out += factor * x;
            }
        }
    }
    x.copy_from(out);
}

/// A = 1 + W.
fn matrix<T: Real>(n: usize, theta: &[T]) -> DMatrix<f64> {
    DMatrix::identity(n, n) + DMatrix::from_row_iterator(n, n, theta[..n * n].iter().map(|w| w.wide()))
}

/// The elements, row by row.
fn rows<T: Real>(a: &DMatrix<f64>) -> Vec<T> {
    a.row_iter().flat_map(|row| row.iter().map(|&a| T::of(a)).collect::<Vec<T>>()).collect()
}

fn add_bias<T: Real>(x: &mut Batch<T>, bias: &[T], factor: T) {
    for (i, &b) in bias.iter().enumerate() {
        x.row_mut(i).iter_mut().for_each(|x| *x += factor * b);
    }
}

impl<T: Real> Layer<Cpu<T>> for Linear {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        let bound = 0.7 / (self.dof as f64).sqrt();
        layout.push(Tensor::new("weight", [self.dof, self.dof], Init::Uniform { bound }));
        layout.push(Tensor::new("bias", [self.dof], Init::Constant(0.0)));
        layout
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        let lu = matrix(self.dof, theta).lu();
        let factors = prepared.get_mut::<Factors<T>>();
        factors.log_abs_det = lu.u().diagonal().iter().map(|u| u.abs().ln()).sum();
        factors.a = rows(&matrix(self.dof, theta));
        factors.inverse = rows(&lu.try_inverse().expect("A is regular"));
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.dof, "rows of x, and degrees of freedom");
        let Factors { a, log_abs_det, .. } = pass.prepared.get::<Factors<T>>();
        pass.tape.get::<Kept<T>>().0.copy_from(x);
        multiply(a, false, x, &mut pass.scratch.get::<Product<T>>().0);
        add_bias(x, &pass.theta[self.dof * self.dof..], T::one());
        log_det.iter_mut().for_each(|l| *l += log_abs_det);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let Factors { inverse, .. } = pass.prepared.get::<Factors<T>>();
        multiply(inverse, true, cotangent, &mut pass.scratch.get::<Product<T>>().0);
        if let Some(mut sink) = grad {
            add_gradient(-T::one(), cotangent, &pass.tape.get::<Kept<T>>().0, inverse, weight, &mut sink);
        }
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let Factors { a, inverse, .. } = pass.prepared.get::<Factors<T>>();
        if let Some(mut sink) = grad {
            add_gradient(T::one(), cotangent, &pass.tape.get::<Kept<T>>().0, inverse, weight, &mut sink);
        }
        multiply(a, true, cotangent, &mut pass.scratch.get::<Product<T>>().0);
    }
}

impl<T: Real> Solve<Cpu<T>> for Linear {
    fn solve(&self, pass: &mut Pass<'_, Cpu<T>>, y: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(y.rows(), self.dof, "rows of y, and degrees of freedom");
        let Factors { inverse, log_abs_det, .. } = pass.prepared.get::<Factors<T>>();
        add_bias(y, &pass.theta[self.dof * self.dof..], -T::one());
        multiply(inverse, false, y, &mut pass.scratch.get::<Product<T>>().0);
        pass.tape.get::<Kept<T>>().0.copy_from(y);
        log_det.iter_mut().for_each(|l| *l -= log_abs_det);
    }
}

/// ∂W (+)= ±(Σ a xᵀ + w B A⁻ᵀ), ∂b (+)= ±Σ a.
fn add_gradient<T: Real>(
    factor: T,
    a: &Batch<T>,
    x: &Batch<T>,
    inverse: &[T],
    weight: f64,
    sink: &mut GradSink<'_, Cpu<T>>,
) {
    let n = x.rows();
    let total_weight = T::of(weight * x.samples() as f64);
    let accum = sink.accum;
    let put = |to: &mut T, value: T| *to = if accum == Accum::Add { *to + value } else { value };
    let (to_weight, to_bias) = sink.into.split_at_mut(n * n);
    for i in 0..n {
        for j in 0..n {
            let sum: T = a.row(i).iter().zip(x.row(j)).map(|(&a, &x)| a * x).sum();
            put(&mut to_weight[i * n + j], factor * (sum + total_weight * inverse[j * n + i]));
        }
        put(&mut to_bias[i], factor * a.row(i).iter().copied().sum());
    }
}

impl<T: Real> Invertible<Cpu<T>> for Linear {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        Box::new(Inverse::of(self.clone()))
    }
}
