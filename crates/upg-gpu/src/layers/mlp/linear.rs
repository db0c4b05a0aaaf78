//! A linear map of a fully connected net, and its products.

use crate::gpu::{Address, Gpu, Matrix, Transposed};
use crate::layers::conditioner::{Multiple, On, Output, Rows, Sink, beta};
use crate::memory::Params;
use std::ops::Range;
use std::sync::Arc;
use upg_core::{ParamLayout, Real};

/// A linear map W h + b: where W, shape `[outputs, inputs]`, and b lie among the parameters.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    pub outputs: usize,
    pub inputs: usize,
    weight: Range<usize>,
    pub bias: Option<Range<usize>>,
}

impl Linear {
    /// The linear maps of a net with these parameters.
    pub fn all(layout: &ParamLayout) -> Arc<[Self]> {
        let mut all: Vec<Self> = Vec::new();
        for (tensor, range) in layout.ranges() {
            match (&tensor.shape[..], all.last_mut()) {
                (&[outputs, inputs], _) => all.push(Self { outputs, inputs, weight: range, bias: None }),
                (_, Some(linear)) => linear.bias = Some(range),
                (shape, None) => panic!("the first parameters of a net are a matrix, not {shape:?}"),
            }
        }
        all.into()
    }

    pub fn weight<T: Real>(&self, theta: Params<'_, T>, transposed: Transposed) -> Matrix {
        Matrix { at: theta.part(self.weight.clone()), stride: self.inputs, transposed }
    }

    /// Where the bias lies; nowhere if there is none.
    pub fn bias<T: Real>(&self, theta: Params<'_, T>) -> Address {
        self.bias.clone().map_or_else(Address::default, |range| theta.part(range))
    }

    /// Gives W h to `to`.
    pub fn apply<T: Real, G: Gpu>(&self, on: &On<'_, T, G>, h: Rows, to: Output) {
        let factors = [self.weight(on.theta, Transposed::No), h.matrix(Transposed::No)];
        let shape = [self.outputs, on.samples, self.inputs];
        on.device.product(shape, to.by, factors, to.beta(), (to.rows.at, to.rows.stride));
    }

    /// Gives Wᵀ v to `to`.
    pub fn apply_transposed<T: Real, G: Gpu>(&self, on: &On<'_, T, G>, v: Multiple, to: Output) {
        let factors = [self.weight(on.theta, Transposed::Yes), v.rows.matrix(Transposed::No)];
        let shape = [self.inputs, on.samples, self.outputs];
        on.device.product(shape, v.by * to.by, factors, to.beta(), (to.rows.at, to.rows.stride));
    }

    /// ∂W (+)= v hᵀ, if there is a sink.
    pub fn weight_gradient<T: Real, G: Gpu>(
        &self,
        on: &On<'_, T, G>,
        v: Multiple,
        h: Rows,
        grad: Option<&Sink<'_, T>>,
    ) {
        let Some(sink) = grad else { return };
        let factors = [v.rows.matrix(Transposed::No), h.matrix(Transposed::Yes)];
        let (shape, to) = ([self.outputs, self.inputs, on.samples], sink.into.part(self.weight.clone()));
        on.device.product(shape, v.by, factors, beta(sink.accum), (to, self.inputs));
    }

    /// Where ∂b goes; nowhere if there is no bias or no sink.
    pub fn bias_gradient<T: Real>(&self, sink: Option<&Sink<'_, T>>) -> Address {
        match (sink, self.bias.clone()) {
            (Some(sink), Some(range)) => sink.into.part(range),
            _ => Address::default(),
        }
    }
}
