//! Masked net: φ_p = net_p(x_0 … x_{p−1}) for all positions p at once, an MLP whose weights are staircases (MADE, arXiv:1502.03509).
//!
//! With D positions and w numbers φ for each: φ = W_n h_{n−1} + b_n, h_k = act(W_k h_{k−1} + b_k), h_0 = x. Every unit has a step, below which
//! all that it reads must have been met: output φ_k of position p is unit w·p + k, of step p; unit j of a hidden layer of H has step
//! 1 + ⌊j(D−1)/H⌋; input p is met in step p + 1. A unit of step d reads the units of step ≤ d of the layer below, the first ones: W is a
//! [`Staircase`]. F is the number of entries of all of them.
//!
//! Shapes: x `[D, samples]`, h_k `[H_k, samples]`, φ `[w·D, samples]`. The vector-Jacobian product and the weight gradients are those of any
//! MLP; `substitution` does the same step by step, for whoever must know the outputs of a step before the inputs of the next.

mod substitution;

pub use substitution::panels;

use crate::{
    activation::Activation,
    error::FlowError,
    linear, masked,
    matmul::Mat,
    mlp::{Bias, StartAt},
};
use std::ops::Range;
use upg_core::{Accum, Batch, Init, ParamLayout, Real, Staircase, Steps, Tensor};

/// Parameters of one linear map in the flat buffer of the net.
#[derive(Clone, Debug)]
struct Linear {
    mask: Staircase,
    weight: Range<usize>,
    bias: Option<Range<usize>>,
}

/// A masked multi-layer perceptron of any depth and widths.
#[derive(Clone, Debug)]
pub struct MaskedMlp {
    linears: Vec<Linear>,
    activation: Activation,
    layout: ParamLayout,
}

/// Hidden values, their derivatives where the activation needs them stored, and φ.
#[derive(Debug, Default)]
pub struct Tape<T: Real> {
    hidden: Vec<Batch<T>>,
    derivatives: Vec<Batch<T>>,
    /// φ, position after position.
    pub output: Batch<T>,
}

/// Cotangents of the results of all linear maps, before the activation.
#[derive(Debug, Default)]
pub struct Cotangents<T: Real> {
    hidden: Vec<Batch<T>>,
    /// Of φ, position after position.
    pub output: Batch<T>,
    corner: Batch<T>,
}

/// The masks of a net of `dof` positions with `width` outputs each, in the order of its linear maps.
pub fn masks(dof: usize, hidden: &[usize], width: usize) -> impl Iterator<Item = Staircase> {
    let inputs = Steps { count: dof, first: 1, steps: dof };
    let outputs = Steps { count: width * dof, first: 0, steps: dof };
    let hidden = hidden.iter().map(move |&count| Steps { count, first: 1, steps: dof - 1 });
    let columns = [inputs].into_iter().chain(hidden.clone());
    columns.zip(hidden.chain([outputs])).map(|(columns, rows)| Staircase { rows, columns })
}

/// The parameters of such a net: `net.{k}.weight` of shape `[out, in]`, and `net.{k}.bias`.
pub fn params(dof: usize, hidden: &[usize], width: usize, bias: Bias, start: StartAt) -> ParamLayout {
    let mut layout = ParamLayout::default();
    for (k, mask) in masks(dof, hidden, width).enumerate() {
        let bound = (mask.columns.count as f64).sqrt().recip();
        let last = start == StartAt::Identity && k == hidden.len();
        let init = |random| if last { Init::Constant(0.0) } else { random };
        let [outputs, inputs] = [mask.rows, mask.columns].map(|steps| steps.count);
        layout.push(Tensor::new(format!("net.{k}.weight"), [outputs, inputs], init(Init::Masked { bound, mask })));
        if bias == Bias::Yes {
            layout.push(Tensor::new(format!("net.{k}.bias"), [outputs], init(Init::Uniform { bound })));
        }
    }
    layout
}

impl MaskedMlp {
    /// A net of `dof` positions, at least two, with `width` outputs each.
    ///
    /// # Errors
    /// If a width is zero.
    pub fn new(
        dof: usize,
        hidden: &[usize],
        width: usize,
        activation: Activation,
        bias: Bias,
        start: StartAt,
    ) -> Result<Self, FlowError> {
        assert!(dof >= 2 && width >= 1, "{dof} positions of {width} outputs: at least 2, and 1");
        if hidden.contains(&0) {
            return Err(FlowError::new("hidden", hidden, "widths of at least 1"));
        }
        let layout = params(dof, hidden, width, bias, start);
        let ranges: Vec<_> = layout.ranges().map(|(_, range)| range).collect();
        let mut ranges = ranges.into_iter();
        let linears = masks(dof, hidden, width).map(|mask| Linear {
            mask,
            weight: ranges.next().expect("a weight for every map"),
            bias: if bias == Bias::Yes { ranges.next() } else { None },
        });
        let linears = linears.collect();
        Ok(Self { linears, activation, layout })
    }

    /// Parameters, in the order of the flat buffer.
    pub fn params(&self) -> &ParamLayout {
        &self.layout
    }

    /// Number of positions.
    pub fn inputs(&self) -> usize {
        self.linears[0].mask.columns.count
    }

    /// Number of φ of all positions.
    pub fn outputs(&self) -> usize {
        self.linears[self.last()].mask.rows.count
    }

    /// Fills `to` with θ, masked entries zero: that is the θ of all that follows.
    pub fn clean<T: Real>(&self, theta: &[T], to: &mut Vec<T>) {
        to.resize(theta.len(), T::zero());
        for Linear { mask, weight, bias } in &self.linears {
            masked::clean(&mut to[weight.clone()], &theta[weight.clone()], *mask);
            if let Some(bias) = bias {
                to[bias.clone()].copy_from_slice(&theta[bias.clone()]);
            }
        }
    }

    /// Computes φ = net(x), and what else belongs on the tape.
    pub fn forward<T: Real>(&self, theta: &[T], x: &Batch<T>, tape: &mut Tape<T>) {
        self.reshape(x.samples(), tape);
        let Tape { hidden, derivatives, output } = tape;
        for (k, linear) in self.linears.iter().enumerate() {
            let (before, after) = hidden[..self.last()].split_at_mut(k);
            let before = before.last().unwrap_or(x);
            match after.first_mut() {
                Some(h) => self.hidden_layer(linear, theta, before, h, &mut derivatives[k]),
                None => masked::apply(output, linear.mask, linear.weight(theta), before, |row, _, part| {
                    Activation::Identity.forward(linear.bias(theta, row), part, &mut []);
                }),
            }
        }
    }

    /// a ← a + netᵀ v, with v the cotangent of the output; fills those of the hidden layers.
    pub fn vjp<T: Real>(&self, theta: &[T], tape: &Tape<T>, v: &mut Cotangents<T>, a: &mut Batch<T>) {
        self.reshape_cotangents(a.samples(), v);
        let Cotangents { hidden, output, .. } = v;
        for (k, linear) in self.linears.iter().enumerate().rev() {
            let (below, above) = hidden[..self.last()].split_at_mut(k);
            let v = above.first().unwrap_or(output);
            let weight = linear.weight(theta);
            let Some(to) = below.last_mut() else {
                return masked::apply_transposed(a, linear.mask, weight, v, Accum::Add, |_, _, _| ());
            };
            masked::apply_transposed(to, linear.mask, weight, v, Accum::Replace, |row, first, part| {
                let from = &self.derivative_source(tape, k - 1).row(row)[first..first + part.len()];
                self.activation.pull_back(from, part);
            });
        }
    }

    /// ∂θ (+)= net_θᵀ v, once the cotangents of all layers are there.
    pub fn gradient<T: Real>(&self, x: &Batch<T>, tape: &Tape<T>, v: &mut Cotangents<T>, into: &mut [T], accum: Accum) {
        let Cotangents { hidden, output, corner } = v;
        for (k, Linear { mask, weight, bias }) in self.linears.iter().enumerate() {
            let h = if k == 0 { x } else { &tape.hidden[k - 1] };
            let v = if k == self.last() { &*output } else { &hidden[k] };
            masked::gradient(&mut into[weight.clone()], *mask, v, h, accum, corner);
            if let Some(bias) = bias {
                linear::bias_gradient(&mut into[bias.clone()], v, accum);
            }
        }
    }

    fn last(&self) -> usize {
        self.linears.len() - 1
    }

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
            return masked::apply(h, linear.mask, linear.weight(theta), before, |row, _, part| {
                self.activation.forward(linear.bias(theta, row), part, &mut []);
            });
        }
        masked::apply(h, linear.mask, linear.weight(theta), before, |_, _, _| ());
        self.activate(linear, theta, 0..h.rows(), h, Some(derivative));
    }

    /// h ← act(h + b) for these rows, and its derivative where it has to be stored; φ ← φ + b where there is no place for one.
    fn activate<T: Real>(
        &self,
        linear: &Linear,
        theta: &[T],
        rows: Range<usize>,
        h: &mut Batch<T>,
        mut derivative: Option<&mut Batch<T>>,
    ) {
        let activation = if derivative.is_some() { self.activation } else { Activation::Identity };
        for row in rows {
            let derivative = match &mut derivative {
                Some(derivative) if activation.stores_derivative() => derivative.row_mut(row),
                _ => &mut [],
            };
            activation.forward(linear.bias(theta, row), h.row_mut(row), derivative);
        }
    }

    /// The source of the derivative of hidden layer `k`: its value, or the stored derivative.
    fn derivative_source<'t, T: Real>(&self, tape: &'t Tape<T>, k: usize) -> &'t Batch<T> {
        if self.activation.stores_derivative() { &tape.derivatives[k] } else { &tape.hidden[k] }
    }

    fn reshape<T: Real>(&self, samples: usize, tape: &mut Tape<T>) {
        let Tape { hidden, derivatives, output } = tape;
        hidden.resize_with(self.last().max(hidden.len()), Batch::default);
        derivatives.resize_with(hidden.len(), Batch::default);
        for ((h, derivative), linear) in hidden.iter_mut().zip(derivatives).zip(&self.linears) {
            h.reshape(linear.mask.rows.count, samples);
            if self.activation.stores_derivative() {
                derivative.reshape(linear.mask.rows.count, samples);
            }
        }
        output.reshape(self.outputs(), samples);
    }

    fn reshape_cotangents<T: Real>(&self, samples: usize, v: &mut Cotangents<T>) {
        v.hidden.resize_with(self.last().max(v.hidden.len()), Batch::default);
        for (v, linear) in v.hidden.iter_mut().zip(&self.linears[..self.last()]) {
            v.reshape(linear.mask.rows.count, samples);
        }
    }
}

impl Linear {
    fn weight<'a, T: Real>(&self, theta: &'a [T]) -> Mat<'a, T> {
        Mat::new(&theta[self.weight.clone()], self.mask.rows.count, self.mask.columns.count)
    }

    fn bias<T: Real>(&self, theta: &[T], row: usize) -> T {
        self.bias.as_ref().map_or(T::zero(), |range| theta[range.start + row])
    }
}
