//! Convolutional conditioner of a coupling of scalars on a lattice: see [`upg_flows::lattice_net`]. Kernels: `lattice_net.cu`.
//!
//! Shapes: a field has channels on some sites, `[channels · sites, samples]`; c is one on the kept sites, φ on those that move. Per call, with n
//! convolutions: `forward` n kernels, `vjp` n, two more with a gradient. A convolution reads only what there is: of a value or a cotangent that is zero
//! wherever the window lies, there is no link.

mod convolution;
mod gradient;

use super::activation;
use super::conditioner::{Conditioner, Multiple, On, Output, Rows, Vjp};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::memory::{Batch, Params};
use convolution::{Back, Convolution, Forward};
use gradient::{Gradient, Of};
use std::sync::Arc;
use upg_core::{DeviceError, Memory, ParamLayout, Real};
use upg_flows::Activation;
use upg_flows::cnn::{Links, Outputs};

/// A periodic convolutional network that reads one number of each kept site.
pub(crate) struct LatticeNet<G: Gpu> {
    convolutions: Arc<[Convolution<G>]>,
    gradient: Arc<Gradient<G>>,
    activation: Activation,
    layout: ParamLayout,
    kernels: Arc<Kernels<G>>,
}

impl<G: Gpu> Clone for LatticeNet<G> {
    fn clone(&self) -> Self {
        let Self { convolutions, gradient, activation, layout, kernels } = self;
        Self {
            convolutions: convolutions.clone(),
            gradient: gradient.clone(),
            activation: *activation,
            layout: layout.clone(),
            kernels: kernels.clone(),
        }
    }
}

/// All hidden values, layer after layer, and their derivatives where the activation needs them stored.
pub(crate) struct LatticeTape<T, G: Gpu> {
    hidden: Batch<T, G>,
    derivatives: Batch<T, G>,
}

impl<T, G: Gpu> Default for LatticeTape<T, G> {
    fn default() -> Self {
        Self { hidden: Batch::default(), derivatives: Batch::default() }
    }
}

/// Hidden values without a tape or cotangents of all of them, and parts of sums.
pub(crate) struct LatticeScratch<T, G: Gpu> {
    hidden: Batch<T, G>,
    parts: gradient::Parts<G>,
}

impl<T, G: Gpu> Default for LatticeScratch<T, G> {
    fn default() -> Self {
        Self { hidden: Batch::default(), parts: gradient::Parts::default() }
    }
}

impl<G: Gpu> LatticeNet<G> {
    /// The net of this activation on these sites, with these blocks of outputs and these parameters.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        activation: Activation,
        links: &Links,
        blocks: &[Outputs],
        layout: ParamLayout,
    ) -> Result<Self, DeviceError> {
        let kernels = device.kernels(kernels::LATTICE_NET, vec![])?;
        let convolutions = Convolution::all(device, links, blocks, &layout);
        let gradient = Gradient::new(device, links, &convolutions, layout.size());
        Ok(Self { convolutions: convolutions.into(), gradient: Arc::new(gradient), activation, layout, kernels })
    }

    /// The last convolution, and those before it.
    fn split_last(&self) -> (&Convolution<G>, &[Convolution<G>]) {
        self.convolutions.split_last().expect("a net has a convolution")
    }

    /// Rows of all hidden layers.
    fn hidden_rows(&self) -> usize {
        self.split_last().1.iter().map(|layer| layer.to.rows()).sum()
    }

    /// Hidden layers into `hidden` and `derivatives`, which have room or are nowhere, and the output.
    fn run<T: Real>(
        &self,
        on: &On<'_, T, G>,
        c: Rows,
        hidden: &Batch<T, G>,
        derivatives: Option<&Batch<T, G>>,
        to: Output,
    ) {
        let (last, before_last) = self.split_last();
        let mut h = c;
        for layer in before_last {
            let output = Output::replace_from(hidden, layer.row);
            let derivative = derivatives.map_or_else(Address::default, |derivatives| derivatives.row(layer.row));
            layer.forward(on, &self.kernels, Forward { h, activation: self.activation, to: output, derivative });
            h = output.rows;
        }
        let nowhere = Address::default();
        last.forward(on, &self.kernels, Forward { h, activation: Activation::Identity, to, derivative: nowhere });
    }

    /// What convolution `k` read: c, or a hidden layer.
    fn input<T: Real>(&self, k: usize, c: Rows, tape: &LatticeTape<T, G>) -> Rows {
        match k {
            0 => c,
            _ => Rows::from(&tape.hidden, self.convolutions[k - 1].row),
        }
    }

    /// Where the derivative of the activation comes from that gave the input of convolution `k`: its values, or stored derivatives.
    fn slopes<T: Real>(&self, k: usize, tape: &LatticeTape<T, G>) -> Option<(Activation, Address)> {
        let row = self.convolutions[k.checked_sub(1)?].row;
        let stored = activation::stores_derivative(self.activation);
        let source = if stored { &tape.derivatives } else { &tape.hidden };
        Some((self.activation, source.row(row)))
    }
}

impl<T: Real, G: Gpu> Conditioner<T, G> for LatticeNet<G> {
    type Tape = LatticeTape<T, G>;
    type Scratch = LatticeScratch<T, G>;

    fn inputs(&self) -> usize {
        self.convolutions[0].from.rows()
    }

    fn outputs(&self) -> usize {
        self.split_last().0.to.rows()
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    /// Biases are part of what the kernels give: they are of channels, not of rows.
    fn last_bias(&self, _: Params<'_, T>) -> Address {
        Address::default()
    }

    fn forward(&self, on: &On<'_, T, G>, c: Rows, tape: &mut LatticeTape<T, G>, to: Output, _: &mut Self::Scratch) {
        let LatticeTape { hidden, derivatives } = tape;
        on.device.reshape(hidden, self.hidden_rows(), on.samples);
        let stored = activation::stores_derivative(self.activation);
        if stored {
            on.device.reshape(derivatives, self.hidden_rows(), on.samples);
        }
        self.run(on, c, hidden, stored.then_some(derivatives), to);
    }

    fn value(&self, on: &On<'_, T, G>, c: Rows, to: Output, scratch: &mut Self::Scratch) {
        on.device.reshape(&mut scratch.hidden, self.hidden_rows(), on.samples);
        self.run(on, c, &scratch.hidden, None, to);
    }

    fn vjp(&self, on: &On<'_, T, G>, vjp: Vjp<'_, T, LatticeTape<T, G>>, scratch: &mut Self::Scratch) {
        let Vjp { c, tape, v: v_last, grad, to } = vjp;
        let LatticeScratch { hidden: v_hidden, parts } = scratch;
        on.device.reshape(v_hidden, self.hidden_rows(), on.samples);
        let mut v = v_last;
        for k in (0..self.convolutions.len()).rev() {
            let to = match k {
                0 => to,
                _ => Output::replace_from(v_hidden, self.convolutions[k - 1].row),
            };
            let (h, slopes) = (self.input(k, c, tape), self.slopes(k, tape));
            self.convolutions[k].back(on, &self.kernels, Back { v, h, slopes, to });
            v = Multiple { rows: to.rows, by: 1.0 };
        }
        if let Some(sink) = grad {
            let of = Of { c, hidden: tape.hidden.at(), v_last, v_hidden: v_hidden.at() };
            self.gradient.add(on, &self.kernels, of, parts, sink);
        }
    }
}
