//! Conditioners on a device: the nets φ = net(c) of couplings, see [`upg_flows::conditioner`].

use crate::cuda::Cuda;
use crate::gpu::{Address, Gpu, Matrix, Transposed};
use crate::memory::{Batch, Params, ParamsMut};
use upg_core::{Accum, ParamLayout, Real};

/// Rows of a batch at a constant distance, samples contiguous.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    /// The first element of the first row.
    pub at: Address,
    /// Elements from one row to the next.
    pub stride: usize,
}

impl Rows {
    /// All rows of a batch.
    pub fn of<T: Real, G: Gpu>(batch: &Batch<T, G>) -> Self {
        Self { at: batch.at(), stride: batch.samples() }
    }

    /// Those from `row` on.
    pub fn from<T: Real, G: Gpu>(batch: &Batch<T, G>, row: usize) -> Self {
        Self { at: batch.row(row), stride: batch.samples() }
    }

    /// As a factor of a product.
    pub fn matrix(self, transposed: Transposed) -> Matrix {
        Matrix { at: self.at, stride: self.stride, transposed }
    }
}

/// `by` times the rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Multiple {
    /// The rows.
    pub rows: Rows,
    /// The factor.
    pub by: f64,
}

/// Where a result goes: rows ← `by` · result, or rows += `by` · result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The rows.
    pub rows: Rows,
    /// The factor.
    pub by: f64,
    /// Replace or add.
    pub accum: Accum,
}

impl Output {
    /// Replaces the rows of a batch.
    pub fn replace<T: Real, G: Gpu>(batch: &Batch<T, G>) -> Self {
        Self::replace_from(batch, 0)
    }

    /// Replaces the rows of a batch from `row` on.
    pub fn replace_from<T: Real, G: Gpu>(batch: &Batch<T, G>, row: usize) -> Self {
        Self { rows: Rows::from(batch, row), by: 1.0, accum: Accum::Replace }
    }

    /// Adds to the rows, `by` times.
    pub fn add(rows: Rows, by: f64) -> Self {
        Self { rows, by, accum: Accum::Add }
    }

    /// β of a product.
    pub fn beta(self) -> f64 {
        beta(self.accum)
    }
}

/// β of a product that replaces or adds.
pub(crate) fn beta(accum: Accum) -> f64 {
    if accum == Accum::Add { 1.0 } else { 0.0 }
}

/// Where a net works.
pub(crate) struct On<'a, T: Real, G: Gpu> {
    /// The device.
    pub device: &'a Cuda<T, G>,
    /// The parameters of the net, flat.
    pub theta: Params<'a, T>,
    /// Samples of the batch.
    pub samples: usize,
}

/// A function φ = net(c; θ) + bias of the kept degrees of freedom, with its vector-Jacobian product.
///
/// Shapes: c `[inputs, samples]`, φ and its cotangents `[outputs, samples]`. Whoever reads φ adds the bias of the last map, one number a row
/// ([`last_bias`](Self::last_bias)).
pub(crate) trait Conditioner<T: Real, G: Gpu>: Clone + Send + Sync + 'static {
    /// Memory that `forward` leaves for `vjp`.
    type Tape: Default + Send + 'static;
    /// Memory that all conditioners of this kind share, free to be overwritten by each call.
    type Scratch: Default + Send + 'static;

    /// Number of inputs.
    fn inputs(&self) -> usize;
    /// Number of outputs.
    fn outputs(&self) -> usize;
    /// Parameters, in the order of the flat buffer.
    fn params(&self) -> ParamLayout;
    /// What comes to φ beside what `forward` and `value` give, `[outputs]`; nowhere if there is none.
    fn last_bias(&self, theta: Params<'_, T>) -> Address;
    /// Gives net(c) to `to`. Rows of c and `to` may lie between each other.
    fn forward(&self, on: &On<'_, T, G>, c: Rows, tape: &mut Self::Tape, to: Output, scratch: &mut Self::Scratch);
    /// Gives net(c) to `to`, and leaves nothing for `vjp`.
    fn value(&self, on: &On<'_, T, G>, c: Rows, to: Output, scratch: &mut Self::Scratch);
    /// Gives netᵀ v to `to`; with `grad`, also (+)= net_θᵀ v, the bias of the last map included. c has the values that it had in `forward`.
    fn vjp(&self, on: &On<'_, T, G>, vjp: Vjp<'_, T, Self::Tape>, scratch: &mut Self::Scratch);
}

/// The arguments of a vector-Jacobian product.
pub(crate) struct Vjp<'a, T, S> {
    /// The input of `forward`.
    pub c: Rows,
    /// What `forward` left.
    pub tape: &'a S,
    /// The cotangent of φ.
    pub v: Multiple,
    /// Where ∂θ goes.
    pub grad: Option<Sink<'a, T>>,
    /// Where the cotangent of c goes.
    pub to: Output,
}

/// Where ∂θ of a net goes, and whether it replaces or is added.
pub(crate) struct Sink<'a, T> {
    /// The range of the gradient that belongs to the net.
    pub into: ParamsMut<'a, T>,
    /// Replace or add.
    pub accum: Accum,
}
