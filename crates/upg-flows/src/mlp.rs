//! Fully connected conditioner: φ = W_n h_{n−1} + b_n, h_k = act(W_k h_{k−1} + b_k), h_0 = c.
//!
//! Shapes: h_k `[width_k, samples]`, W_k `[width_k, width_{k−1}]`, b_k `[width_k]`. With v_n = v and
//! v_{k−1} = (W_kᵀ v_k) ⊙ act'(z_{k−1}), the vector-Jacobian product is netᵀ v = W_1ᵀ v_1, and ∂W_k = v_k h_{k−1}ᵀ, ∂b_k = Σ_samples v_k.
//! Multiply-adds per sample: F = Σ width_k·width_{k−1} each for the forward pass, for netᵀ v and for the weight gradients.
//! Bias and activation are applied to a tile of a matrix product while it is in cache.

use crate::{
    activation::Activation,
    conditioner::{Conditioner, Weights},
    error::FlowError,
    linear,
    matmul::Mat,
};
use upg_core::{Accum, Batch, Init, ParamLayout, Real, Tensor};

/// Whether the linear maps have a bias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "bias"))]
pub enum Bias {
    /// W h + b.
    #[default]
    Yes,
    /// W h: with an odd activation the net is then odd.
    No,
}

/// How the parameters of a flow start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "init"))]
pub enum StartAt {
    /// Weights and biases uniform in ±1/√fan_in (PyTorch's default ranges).
    #[default]
    Random,
    /// As `Random`, but the last linear map of each net is zero: couplings start as the identity.
    Identity,
}

/// Parameters of one linear map in the flat buffer of the net.
#[derive(Clone, Debug)]
struct Linear {
    inputs: usize,
    outputs: usize,
    weight: std::ops::Range<usize>,
    bias: Option<std::ops::Range<usize>>,
}

/// A multi-layer perceptron of any depth and widths.
#[derive(Clone, Debug)]
pub struct Mlp {
    linears: Vec<Linear>,
    activation: Activation,
    layout: ParamLayout,
}

impl Mlp {
    /// A net of the widths inputs → hidden… → outputs.
    ///
    /// # Errors
    /// If a width is zero.
    pub fn new(
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        activation: Activation,
        bias: Bias,
        start: StartAt,
    ) -> Result<Self, FlowError> {
        let widths: Vec<usize> = [inputs].iter().chain(hidden).chain(&[outputs]).copied().collect();
        if widths.contains(&0) {
            return Err(FlowError::new("hidden", hidden, "widths of at least 1"));
        }
        let mut layout = ParamLayout::default();
        let mut linears = Vec::with_capacity(widths.len() - 1);
        for (k, pair) in widths.windows(2).enumerate() {
            let init = match start {
                StartAt::Identity if k == hidden.len() => Init::Constant(0.0),
                _ => Init::Uniform { bound: (pair[0] as f64).sqrt().recip() },
            };
            linears.push(Linear::declare(k, [pair[1], pair[0]], bias, init, &mut layout));
        }
        Ok(Self { linears, activation, layout })
    }

    fn last(&self) -> usize {
        self.linears.len() - 1
    }
}

impl Linear {
    fn declare(k: usize, [outputs, inputs]: [usize; 2], bias: Bias, init: Init, layout: &mut ParamLayout) -> Self {
        let start = layout.size();
        layout.push(Tensor::new(format!("net.{k}.weight"), [outputs, inputs], init.clone()));
        let weight = start..layout.size();
        let bias = (bias == Bias::Yes).then(|| {
            layout.push(Tensor::new(format!("net.{k}.bias"), [outputs], init));
            weight.end..layout.size()
        });
        Self { inputs, outputs, weight, bias }
    }

    fn weight<'a, T: Real>(&self, theta: &'a [T]) -> Mat<'a, T> {
        Mat::new(&theta[self.weight.clone()], self.outputs, self.inputs)
    }

    fn bias<T: Real>(&self, theta: &[T], row: usize) -> T {
        self.bias.as_ref().map_or(T::zero(), |range| theta[range.start + row])
    }
}

/// Hidden values h_1 … h_{n−1}, their derivatives where the activation needs them stored, and φ.
#[derive(Debug, Default)]
pub struct MlpTape<T: Real> {
    hidden: Vec<Batch<T>>,
    derivatives: Vec<Batch<T>>,
    output: Batch<T>,
}

/// Cotangents of two successive layers, and room for a transpose.
#[derive(Debug, Default)]
pub struct MlpScratch<T: Real> {
    this: Batch<T>,
    next: Batch<T>,
    transposed: Batch<T>,
}

impl<T: Real> Conditioner<T> for Mlp {
    type Prepared = ();
    type Tape = MlpTape<T>;
    type Scratch = MlpScratch<T>;

    fn inputs(&self) -> usize {
        self.linears[0].inputs
    }

    fn outputs(&self) -> usize {
        self.linears[self.last()].outputs
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn forward<'t>(
        &self,
        Weights { theta, .. }: Weights<'_, T, ()>,
        c: &Batch<T>,
        tape: &'t mut MlpTape<T>,
        _: &mut MlpScratch<T>,
    ) -> &'t Batch<T> {
        let MlpTape { hidden, derivatives, output } = tape;
        hidden.resize_with(self.last(), Batch::default);
        derivatives.resize_with(self.last(), Batch::default);
        for (k, linear) in self.linears[..self.last()].iter().enumerate() {
            let (before, after) = hidden.split_at_mut(k);
            self.hidden_layer(linear, theta, before.last().unwrap_or(c), &mut after[0], &mut derivatives[k]);
        }
        let linear = &self.linears[self.last()];
        linear.apply(theta, hidden.last().unwrap_or(c), output, |row, _, part| {
            Activation::Identity.forward(linear.bias(theta, row), part, &mut []);
        });
        output
    }

    fn value<'s>(
        &self,
        Weights { theta, .. }: Weights<'_, T, ()>,
        c: &Batch<T>,
        scratch: &'s mut MlpScratch<T>,
    ) -> &'s Batch<T> {
        let MlpScratch { this, next, .. } = scratch;
        for (k, linear) in self.linears.iter().enumerate() {
            let activation = if k == self.last() { Activation::Identity } else { self.activation };
            let before = if k == 0 { c } else { &*this };
            linear.apply(theta, before, next, |row, _, part| {
                activation.forward(linear.bias(theta, row), part, &mut []);
            });
            std::mem::swap(this, next);
        }
        this
    }

    fn vjp<'s>(
        &self,
        Weights { theta, .. }: Weights<'_, T, ()>,
        c: &Batch<T>,
        tape: &MlpTape<T>,
        v: &Batch<T>,
        mut grad: Option<(&mut [T], Accum)>,
        scratch: &'s mut MlpScratch<T>,
    ) -> &'s Batch<T> {
        let MlpScratch { this, next, transposed } = scratch;
        for (k, linear) in self.linears.iter().enumerate().rev() {
            let v = if k == self.last() { v } else { &*this };
            let h = if k == 0 { c } else { &tape.hidden[k - 1] };
            if let Some((grad, accum)) = &mut grad {
                linear.add_gradient(v, h, grad, *accum);
            }
            next.reshape(linear.inputs, v.samples());
            linear::apply_transposed(next, linear.weight(theta), v, transposed, |row, first, part| {
                if k > 0 {
                    let from = self.derivative_source(tape, k - 1).row(row);
                    self.activation.pull_back(&from[first..first + part.len()], part);
                }
            });
            std::mem::swap(this, next);
        }
        this
    }
}

impl Mlp {
    /// h ← act(W h_before + b), and its derivative where it has to be stored.
    fn hidden_layer<T: Real>(
        &self,
        linear: &Linear,
        theta: &[T],
        before: &Batch<T>,
        h: &mut Batch<T>,
        derivative: &mut Batch<T>,
    ) {
        if !self.activation.stores_derivative() {
            return linear.apply(theta, before, h, |row, _, part| {
                self.activation.forward(linear.bias(theta, row), part, &mut []);
            });
        }
        linear.apply(theta, before, h, |_, _, _| ());
        derivative.reshape(h.rows(), h.samples());
        for row in 0..h.rows() {
            self.activation.forward(linear.bias(theta, row), h.row_mut(row), derivative.row_mut(row));
        }
    }

    /// The source of the derivative of hidden layer `k`: its value, or the stored derivative.
    fn derivative_source<'t, T: Real>(&self, tape: &'t MlpTape<T>, k: usize) -> &'t Batch<T> {
        if self.activation.stores_derivative() { &tape.derivatives[k] } else { &tape.hidden[k] }
    }
}

impl Linear {
    /// to ← W from, with `finish(row, first sample, part of the row)`.
    fn apply<T: Real>(
        &self,
        theta: &[T],
        from: &Batch<T>,
        to: &mut Batch<T>,
        finish: impl Fn(usize, usize, &mut [T]) + Sync + Send,
    ) {
        to.reshape(self.outputs, from.samples());
        linear::apply(to, self.weight(theta), from, finish);
    }

    /// ∂W (+)= v hᵀ, ∂b (+)= Σ_samples v.
    fn add_gradient<T: Real>(&self, v: &Batch<T>, h: &Batch<T>, grad: &mut [T], accum: Accum) {
        linear::gradient(&mut grad[self.weight.clone()], v, h, accum);
        if let Some(bias) = &self.bias {
            linear::bias_gradient(&mut grad[bias.clone()], v, accum);
        }
    }
}
