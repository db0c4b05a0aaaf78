//! y = (1 + W) x + b with a dense matrix, by LU.
//!
//! With A = 1 + W, per sample: ℓ = log|det A|, ∇ℓ = 0; s ← A⁻ᵀ s; a ← Aᵀ a;
//! ∂W = Σ a xᵀ + w B A⁻ᵀ, ∂b = Σ a over the B samples of the batch.
//! Inverse x = A⁻¹ (y − b): s ← Aᵀ s; a' = A⁻ᵀ a; ∂W = −Σ a' xᵀ − w B A⁻ᵀ, ∂b = −Σ a', with x the result.
//! Parameters: W of shape [dof, dof], row by row, then b of shape [dof].

use nalgebra::DMatrix;
use upg_core::{Accum, Batch, Cpu, GradSink, Init, Invertible, Layer, ParamLayout, Pass, Real, Tensor};

/// The map or its inverse.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    There,
    Back,
}

/// A dense linear layer.
pub struct Linear {
    dof: usize,
    way: Way,
}

impl Linear {
    pub fn new(dof: usize) -> Self {
        Self { dof, way: Way::There }
    }
}

/// What `forward` leaves: the matrix M that was applied (A or A⁻¹), its inverse, and the x of y = A x + b.
struct Kept<T> {
    m: Vec<T>,
    inverse: Vec<T>,
    x: Batch<T>,
}

impl<T: Real> Default for Kept<T> {
    fn default() -> Self {
        Self { m: vec![], inverse: vec![], x: Batch::default() }
    }
}

impl<T: Real> Kept<T> {
    fn assign(&mut self, m: &DMatrix<f64>, inverse: &DMatrix<f64>) {
        self.m = rows(m);
        self.inverse = rows(inverse);
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

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.dof, "rows of x, and degrees of freedom");
        let kept = pass.tape.get::<Kept<T>>();
        let out = &mut pass.scratch.get::<Product<T>>().0;
        let bias = &pass.theta[self.dof * self.dof..];
        let lu = matrix(self.dof, pass.theta).lu();
        let log_abs_det: f64 = lu.u().diagonal().iter().map(|u| u.abs().ln()).sum();
        let (a, inverse) = (matrix(self.dof, pass.theta), lu.try_inverse().expect("A is regular"));
        match self.way {
            Way::There => {
                kept.assign(&a, &inverse);
                kept.x.copy_from(x);
                multiply(&kept.m, false, x, out);
                add_bias(x, bias, T::one());
                log_det.iter_mut().for_each(|l| *l += log_abs_det);
            }
            Way::Back => {
                kept.assign(&inverse, &a);
                add_bias(x, bias, -T::one());
                multiply(&kept.m, false, x, out);
                kept.x.copy_from(x);
                log_det.iter_mut().for_each(|l| *l -= log_abs_det);
            }
        }
    }

    fn push_score(&self, pass: &mut Pass<'_, Cpu<T>>, score: &mut Batch<T>) {
        let kept = pass.tape.get::<Kept<T>>();
        multiply(&kept.inverse, true, score, &mut pass.scratch.get::<Product<T>>().0);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        mut grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let kept = pass.tape.get::<Kept<T>>();
        let out = &mut pass.scratch.get::<Product<T>>().0;
        if let (Some(sink), Way::There) = (&mut grad, self.way) {
            add_gradient(T::one(), cotangent, &kept.x, &kept.inverse, weight, sink);
        }
        multiply(&kept.m, true, cotangent, out);
        if let (Some(sink), Way::Back) = (&mut grad, self.way) {
            add_gradient(-T::one(), cotangent, &kept.x, &kept.m, weight, sink);
        }
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
    fn inverse(&self) -> Box<dyn Layer<Cpu<T>>> {
        Box::new(Self { dof: self.dof, way: Way::Back })
    }
}
