//! Products of a net on tensor cores that end with what follows them: see `mlp_product.cu`.
//!
//! A hidden layer is one launch each way instead of two, and its values are written once and not read again. With a gradient a product on the way
//! back leaves the sums of the columns of each of its tiles, one number a row; one kernel adds them up for all biases of the net.

use super::linear::Linear;
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Gpu, Transposed};
use crate::kernels;
use crate::launch::{Spread, THREADS, arguments};
use crate::layers::conditioner::{Multiple, On, Rows, Sink};
use crate::layers::{activation, add};
use crate::memory::{Batch, Sums};
use crate::product;
use std::sync::Arc;
use upg_core::{DeviceError, Real};
use upg_flows::Activation;

/// The kernels, and where the gradient of each hidden row's bias lies among the net's.
pub(super) struct Fused<G: Gpu> {
    kernels: Arc<Kernels<G>>,
    activation: Activation,
    biases: Option<Biases<G>>,
}

/// Places of the biases of all hidden rows, one layer after the other.
struct Biases<G: Gpu> {
    places: Table<G>,
    rows: usize,
}

/// h ← act(W `before` + b), and the derivative, if it has a place.
pub(super) struct Forward<'a, T, G: Gpu> {
    pub before: Rows,
    pub h: &'a Batch<T, G>,
    pub derivative: Address,
}

/// v ← (Wᵀ `after`) act', from the source of the derivative.
pub(super) struct Backward<'a, T, G: Gpu> {
    pub after: Multiple,
    pub v: &'a Batch<T, G>,
    pub source: &'a Batch<T, G>,
    /// Where the sums of the rows of v go, if they are wanted.
    pub parts: Option<Parts>,
}

/// Sums over the samples of a tile, shape `[tiles, rows]`, from some row on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    at: Address,
    rows: usize,
}

impl Parts {
    /// Those of the hidden layer behind `before`.
    pub fn of_layer(self, before: &[Linear]) -> Self {
        let row = before.iter().map(|linear| linear.outputs).sum::<usize>();
        Self { at: self.at.offset(row * size_of::<f64>()), ..self }
    }
}

impl<G: Gpu> Fused<G> {
    /// The kernels, on a device with products of our own, if there are hidden layers.
    ///
    /// # Errors
    /// If they can't be compiled.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        activation: Activation,
        linears: &[Linear],
    ) -> Result<Option<Self>, DeviceError> {
        let (_, hidden) = linears.split_last().expect("a net has a linear map");
        if hidden.is_empty() || !device.may_have_own_products() {
            return Ok(None);
        }
        let kernels = device.kernels(kernels::MLP_PRODUCT, vec![])?;
        // Either all hidden layers have biases or none has.
        let places: Vec<usize> = hidden.iter().filter_map(|linear| linear.bias.clone()).flatten().collect();
        let biases = (!places.is_empty()).then(|| Biases { places: device.indices(&places), rows: places.len() });
        Ok(Some(Self { kernels, activation, biases }))
    }

    /// A hidden layer.
    pub fn forward<T: Real>(&self, on: &On<'_, T, G>, linear: &Linear, forward: Forward<'_, T, G>) {
        let Forward { before, h, derivative } = forward;
        let [a, b] = [linear.weight(on.theta, Transposed::No), before.matrix(Transposed::No)];
        let [activation, slope] = activation::arguments(self.activation, on.device);
        let (bias, terms) = (linear.bias(on.theta), linear.inputs);
        let arguments = arguments![
            a.at,
            a.stride,
            b.at,
            b.stride,
            h.at(),
            bias,
            derivative,
            activation,
            slope,
            h.rows(),
            h.samples(),
            terms
        ];
        let kernel = if product::are_wide(&[a, b]) { "mlp_forward_wide" } else { "mlp_forward" };
        on.device.launch(&self.kernels, kernel, product::spread([h.rows(), h.samples()]), arguments);
    }

    /// The cotangent of a hidden layer, from that of the one behind it.
    pub fn backward<T: Real>(&self, on: &On<'_, T, G>, linear: &Linear, backward: Backward<'_, T, G>) {
        let Backward { after, v, source, parts } = backward;
        let [a, b] = [linear.weight(on.theta, Transposed::Yes), after.rows.matrix(Transposed::No)];
        let [activation, slope] = activation::arguments(self.activation, on.device);
        let (by, terms) = (on.device.real(after.by), linear.outputs);
        let Parts { at: parts, rows } = parts.unwrap_or(Parts { at: Address::default(), rows: 0 });
        let (source, m, n) = (source.at(), v.rows(), v.samples());
        let arguments =
            arguments![a.at, a.stride, b.at, b.stride, by, v.at(), source, parts, rows, activation, slope, m, n, terms];
        let kernel = if product::are_wide(&[a, b]) { "mlp_backward_wide" } else { "mlp_backward" };
        on.device.launch(&self.kernels, kernel, product::spread([m, n]), arguments);
    }

    /// Room for the sums of the hidden layers' biases, if there is a gradient.
    pub fn parts<T: Real>(&self, on: &On<'_, T, G>, grad: Option<&Sink<'_, T>>, room: &mut Sums<G>) -> Option<Parts> {
        let (Some(_), Some(Biases { rows, .. })) = (grad, &self.biases) else { return None };
        on.device.resize(room, product::tiles([1, on.samples]) * rows);
        Some(Parts { at: room.at(), rows: *rows })
    }

    /// The gradients of the hidden layers' biases from their parts, and `outputs` rows of that of the last one, from the cotangent of the net's output.
    pub fn bias_gradients<T: Real>(
        &self,
        on: &On<'_, T, G>,
        parts: Option<Parts>,
        (last, of_last): (Multiple, Address),
        outputs: usize,
        grad: Option<&Sink<'_, T>>,
    ) {
        let Some(sink) = grad else { return };
        let (parts, hidden) = parts.map_or((Address::default(), 0), |parts| (parts.at, parts.rows));
        let places = self.biases.as_ref().map_or_else(Address::default, |biases| biases.places.at());
        let (tiles, by, add) = (product::tiles([1, on.samples]), on.device.real(last.by), add(sink.accum));
        let (last, stride) = (last.rows.at, last.rows.stride);
        let arguments =
            arguments![parts, places, sink.into.at(), last, stride, by, of_last, add, hidden, tiles, on.samples];
        let blocks = hidden.div_ceil(THREADS as usize) + outputs;
        on.device.launch(&self.kernels, "mlp_bias_gradients", Spread::blocks(blocks), arguments);
    }
}
