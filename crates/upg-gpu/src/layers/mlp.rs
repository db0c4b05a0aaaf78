//! Fully connected conditioner: see [`upg_flows::mlp`]. Kernels: `mlp.cu`, and products.
//!
//! Per call, with n linear maps: `forward` n products and n − 1 kernels, `vjp` n and n − 1, n more products with a gradient; the sums of biases
//! are part of the kernels. Where products of our own are worth it the kernels are part of the products, but for one for the biases' gradients
//! ([`fused`]). Multiply-adds per sample: F = Σ width_k·width_{k−1} each for the forward pass, for netᵀ v and for the weight gradients.

mod fused;
mod linear;

use super::activation;
use super::add;
use super::conditioner::{Conditioner, Multiple, On, Output, Rows, Sink, Vjp};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params, Sums};
use fused::{Backward, Forward, Fused};
use linear::Linear;
use std::sync::Arc;
use upg_core::{Accum, DeviceError, Memory, ParamLayout, Real};
use upg_flows::Activation;

/// A multi-layer perceptron of any depth and widths.
pub(crate) struct Mlp<G: Gpu> {
    linears: Arc<[Linear]>,
    activation: Activation,
    layout: ParamLayout,
    kernels: Arc<Kernels<G>>,
    fused: Option<Arc<Fused<G>>>,
}

impl<G: Gpu> Clone for Mlp<G> {
    fn clone(&self) -> Self {
        let Self { linears, activation, layout, kernels, fused } = self;
        let (linears, layout, kernels) = (linears.clone(), layout.clone(), kernels.clone());
        Self { linears, activation: *activation, layout, kernels, fused: fused.clone() }
    }
}

/// Hidden values h_1 … h_{n−1}, and their derivatives where the activation needs them stored.
pub(crate) struct MlpTape<T, G: Gpu> {
    hidden: Vec<Batch<T, G>>,
    derivatives: Vec<Batch<T, G>>,
}

impl<T, G: Gpu> Default for MlpTape<T, G> {
    fn default() -> Self {
        Self { hidden: Vec::new(), derivatives: Vec::new() }
    }
}

/// Hidden values or cotangents of two successive layers, and parts of the gradients of biases.
pub(crate) struct MlpScratch<T, G: Gpu> {
    this: Batch<T, G>,
    next: Batch<T, G>,
    parts: Sums<G>,
}

impl<T, G: Gpu> Default for MlpScratch<T, G> {
    fn default() -> Self {
        Self { this: Batch::default(), next: Batch::default(), parts: Sums::default() }
    }
}

impl<G: Gpu> Mlp<G> {
    /// A net of this activation with these parameters.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, activation: Activation, layout: ParamLayout) -> Result<Self, DeviceError> {
        let (linears, kernels) = (Linear::all(&layout), device.kernels(kernels::MLP, vec![])?);
        let fused = Fused::new(device, activation, &linears)?.map(Arc::new);
        Ok(Self { linears, activation, layout, kernels, fused })
    }

    /// Products that end with what follows them, where those of all hidden layers are worth products of our own: one answer for a call.
    fn fused<T: Real>(&self, on: &On<'_, T, G>) -> Option<&Fused<G>> {
        let narrowest = self.split_last().1.iter().map(|linear| linear.outputs).min()?;
        self.fused.as_deref().filter(|_| on.device.has_own_products([narrowest, on.samples]))
    }

    /// The last linear map, and those before it.
    fn split_last(&self) -> (&Linear, &[Linear]) {
        self.linears.split_last().expect("a net has a linear map")
    }

    /// h ← act(W h_before + b), and its derivative if there is a place for it.
    fn hidden_layer<T: Real>(
        &self,
        on: &On<'_, T, G>,
        linear: &Linear,
        before: Rows,
        h: &mut Batch<T, G>,
        derivative: Option<&mut Batch<T, G>>,
    ) {
        on.device.reshape(h, linear.outputs, on.samples);
        let derivative = derivative.map_or_else(Address::default, |derivative| {
            on.device.reshape(derivative, linear.outputs, on.samples);
            derivative.at()
        });
        if let Some(fused) = self.fused(on) {
            return fused.forward(on, linear, Forward { before, h, derivative });
        }
        linear.apply(on, before, Output::replace(h));
        let [activation, slope] = activation::arguments(self.activation, on.device);
        let arguments = arguments![h.at(), linear.bias(on.theta), derivative, activation, slope, on.samples, h.len()];
        on.device.launch(&self.kernels, "mlp_activate", Spread::elements(h.len()), arguments);
    }

    /// The source of the derivative of hidden layer `k`: its value, or the stored derivative.
    fn derivative_source<'t, T>(&self, tape: &'t MlpTape<T, G>, k: usize) -> &'t Batch<T, G> {
        if activation::stores_derivative(self.activation) { &tape.derivatives[k] } else { &tape.hidden[k] }
    }

    /// Rows of the net's output whose sums are wanted at `of_last`.
    fn rows_of_last(&self, of_last: Address) -> usize {
        if of_last == Address::default() { 0 } else { self.split_last().0.outputs }
    }

    /// v ← v act' of a hidden layer, if there is one, and the gradients of its bias and, with `last`, of the last bias.
    fn back<T: Real>(
        &self,
        on: &On<'_, T, G>,
        hidden: Option<Hidden<'_, T, G>>,
        last: Option<(Multiple, Address)>,
        grad: Option<&Sink<'_, T>>,
    ) {
        let nowhere = Address::default();
        let (width, v, source, of_bias) = hidden.map_or((0, nowhere, nowhere, nowhere), |hidden| {
            (hidden.v.rows(), hidden.v.at(), hidden.source.at(), hidden.of_bias)
        });
        let none = Multiple { rows: Rows { at: nowhere, stride: 0 }, by: 1.0 };
        let (Multiple { rows, by }, of_last) = last.unwrap_or((none, nowhere));
        let outputs = self.rows_of_last(of_last);
        let (by, add) = (on.device.real(by), add(grad.map_or(Accum::Replace, |sink| sink.accum)));
        let [activation, slope] = activation::arguments(self.activation, on.device);
        let arguments = arguments![
            v,
            source,
            of_bias,
            rows.at,
            rows.stride,
            by,
            of_last,
            add,
            activation,
            slope,
            width,
            on.samples
        ];
        on.device.launch(&self.kernels, "mlp_back", Spread::blocks(width + outputs), arguments);
    }
}

/// The cotangent of a hidden layer's values, the source of the derivative of the activation, and where the bias's gradient goes, if anywhere.
struct Hidden<'a, T, G: Gpu> {
    v: &'a Batch<T, G>,
    source: &'a Batch<T, G>,
    of_bias: Address,
}

impl<T: Real, G: Gpu> Conditioner<T, G> for Mlp<G> {
    type Tape = MlpTape<T, G>;
    type Scratch = MlpScratch<T, G>;

    fn inputs(&self) -> usize {
        self.linears[0].inputs
    }

    fn outputs(&self) -> usize {
        self.split_last().0.outputs
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn last_bias(&self, theta: Params<'_, T>) -> Address {
        self.split_last().0.bias(theta)
    }

    fn forward(&self, on: &On<'_, T, G>, c: Rows, tape: &mut MlpTape<T, G>, to: Output, _: &mut MlpScratch<T, G>) {
        let (last, before_last) = self.split_last();
        let MlpTape { hidden, derivatives } = tape;
        hidden.resize_with(before_last.len(), Batch::default);
        derivatives.resize_with(before_last.len(), Batch::default);
        let mut h = c;
        for ((linear, value), derivative) in before_last.iter().zip(hidden).zip(derivatives) {
            self.hidden_layer(
                on,
                linear,
                h,
                value,
                activation::stores_derivative(self.activation).then_some(derivative),
            );
            h = Rows::of(value);
        }
        last.apply(on, h, to);
    }

    fn value(&self, on: &On<'_, T, G>, c: Rows, to: Output, scratch: &mut MlpScratch<T, G>) {
        let (last, before_last) = self.split_last();
        let MlpScratch { this, next, .. } = scratch;
        let mut h = c;
        for linear in before_last {
            self.hidden_layer(on, linear, h, next, None);
            std::mem::swap(this, next);
            h = Rows::of(this);
        }
        last.apply(on, h, to);
    }

    fn vjp(&self, on: &On<'_, T, G>, vjp: Vjp<'_, T, MlpTape<T, G>>, scratch: &mut MlpScratch<T, G>) {
        let Vjp { c, tape, mut v, grad, to } = vjp;
        let MlpScratch { this, next, parts } = scratch;
        let grad = grad.as_ref();
        let fused = self.fused(on);
        let parts = fused.and_then(|fused| fused.parts(on, grad, parts));
        let mut last = Some((v, self.split_last().0.bias_gradient(grad))); // until some kernel has summed the last bias's gradient
        for k in (1..self.linears.len()).rev() {
            let linear = &self.linears[k];
            linear.weight_gradient(on, v, Rows::of(&tape.hidden[k - 1]), grad);
            on.device.reshape(next, linear.inputs, on.samples);
            let source = self.derivative_source(tape, k - 1);
            if let Some(fused) = fused {
                let parts = parts.map(|parts| parts.of_layer(&self.linears[..k - 1]));
                fused.backward(on, linear, Backward { after: v, v: next, source, parts });
            } else {
                linear.apply_transposed(on, v, Output::replace(next));
                let hidden = Hidden { v: next, source, of_bias: self.linears[k - 1].bias_gradient(grad) };
                self.back(on, Some(hidden), last.take(), grad);
            }
            std::mem::swap(this, next);
            v = Multiple { rows: Rows::of(this), by: 1.0 };
        }
        match (fused, last) {
            (Some(fused), Some(last)) => fused.bias_gradients(on, parts, last, self.rows_of_last(last.1), grad),
            (None, Some(last)) => self.back(on, None, Some(last), grad),
            (_, None) => {}
        }
        self.linears[0].weight_gradient(on, v, c, grad);
        self.linears[0].apply_transposed(on, v, to);
    }
}
