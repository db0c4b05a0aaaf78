//! What a network is made of, and how it is put together: fields, convolutions, parameters.

use super::Cnn;
use super::convolution::{Addresses, Convolution};
use super::geometry::{Field, Order, Way, Window};
use super::sites::Sites;
use crate::{
    activation::Activation,
    error::{FlowError, require},
    mlp::{Bias, StartAt},
};
use std::ops::Range;
use upg_core::vmath::InstructionSet;
use upg_core::{Init, ParamLayout, Real, Tensor};

/// Largest extent of a window.
const LARGEST_KERNEL: usize = 63;

/// Channels, windows and activation of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// The input where the sites aren't frozen, a number for each channel.
    pub elsewhere: Vec<f64>,
    /// Channels of the hidden layers.
    pub hidden: Vec<usize>,
    /// Extent of the windows along every axis, odd.
    pub kernel: usize,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Whether the hidden layers have biases.
    pub bias: Bias,
    /// The outputs, block by block.
    pub outputs: Vec<Outputs>,
    /// Initial parameters.
    pub start: StartAt,
}

/// A block of neighbouring channels of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// How many.
    pub channels: usize,
    /// What their convolution reads.
    pub reads: Reads,
    /// Whether they have biases.
    pub bias: Bias,
}

/// What the last convolution reads of the last hidden layer (or, without any, of the input).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Its values.
    Values,
    /// Their squares: with odd activations and no biases below, the outputs are then even functions of the input.
    Squares,
}

impl Outputs {
    /// So many, of the values, with biases.
    pub fn of_values(channels: usize) -> Self {
        Self { channels, reads: Reads::Values, bias: Bias::Yes }
    }
}

/// A block of outputs.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub reads: Reads,
    pub convolution: Convolution,
    /// Its channels at the active sites.
    pub field: Field,
    /// Its first vector among all outputs.
    first: usize,
    /// The same numbers, all channels of a site together, as weight gradients need them, and the convolution to them.
    pub by_site: Field,
    pub addresses: Addresses,
}

impl Part {
    /// Where it lies in a tile of outputs.
    pub fn range<T: Real>(&self) -> Range<usize> {
        let start = self.first * crate::simd::lanes::<T>();
        start..start + self.field.len::<T>()
    }
}

impl Cnn {
    /// The network of this architecture on these sites.
    ///
    /// # Errors
    /// If there is no input, a width or the number of outputs is zero, the kernel even or above 63, a slope negative or not finite, or a
    /// layer beyond 2²⁶ channels times sites.
    pub fn new(sites: &Sites, architecture: &Architecture) -> Result<Self, FlowError> {
        architecture.check()?;
        let window = Window::cube(architecture.kernel, sites.dimensions());
        let fields = fields(sites, window, architecture);
        architecture.check_size(sites, &fields)?;
        let mut layers: Vec<Convolution> = vec![];
        for pair in fields.windows(2) {
            let layer = Convolution::new(&sites.lattice, window, [&pair[0], &pair[1]], layers.last());
            layers.push(layer);
        }
        let mut parts: Vec<Part> = vec![];
        for outputs in &architecture.outputs {
            let previous = parts.last().map(|part| &part.convolution).or(layers.last());
            let first = parts.last().map_or(0, |part| part.first + part.field.vectors());
            parts.push(part(sites, window, &fields[layers.len()], outputs, previous, first));
        }
        let mut cnn = Self {
            layers,
            parts,
            fields,
            layout: ParamLayout::default(),
            activation: architecture.activation,
            instructions: InstructionSet::detect(),
        };
        cnn.read_constants(sites, &architecture.elsewhere);
        cnn.declare(window, architecture);
        Ok(cnn)
    }

    /// The first convolutions read constants where there are no features; blocks that read squares read theirs.
    fn read_constants(&mut self, sites: &Sites, elsewhere: &[f64]) {
        let squares: Vec<f64> = elsewhere.iter().map(|value| value * value).collect();
        let Self { layers, parts, fields, .. } = self;
        if let Some(first) = layers.first_mut() {
            return first.read_constants(&sites.lattice, [&fields[0], &fields[1]], elsewhere);
        }
        for part in parts {
            let values = if part.reads == Reads::Squares { &squares[..] } else { elsewhere };
            part.convolution.read_constants(&sites.lattice, [&fields[0], &part.field], values);
        }
    }

    /// Names the parameters, layer after layer. The blocks of outputs share a tensor of weights, and one of biases.
    fn declare(&mut self, window: Window, architecture: &Architecture) {
        let Self { layers, parts, layout, .. } = self;
        for (k, layer) in layers.iter_mut().enumerate() {
            let biased = if architecture.bias == Bias::Yes { layer.outputs } else { 0 };
            let start = declare(k, [layer.outputs, layer.inputs], biased, window, false, layout);
            layer.place(start, layout.size() - biased, biased);
        }
        let (inputs, outputs) = (parts[0].convolution.inputs, parts.iter().map(|part| part.field.channels).sum());
        let biased = |outputs: &Outputs| if outputs.bias == Bias::Yes { outputs.channels } else { 0 };
        let all_biased: usize = architecture.outputs.iter().map(biased).sum();
        let constant = architecture.start == StartAt::Identity;
        let mut weights = declare(layers.len(), [outputs, inputs], all_biased, window, constant, layout);
        let mut biases = layout.size() - all_biased;
        for (part, outputs) in parts.iter_mut().zip(&architecture.outputs) {
            part.convolution.place(weights, biases, biased(outputs));
            weights += outputs.channels * inputs * window.taps();
            biases += biased(outputs);
        }
    }
}

/// Appends weights and `biased` biases of layer k, which start as zero if `constant`; returns where the weights start.
fn declare(
    k: usize,
    [outputs, inputs]: [usize; 2],
    biased: usize,
    window: Window,
    constant: bool,
    layout: &mut ParamLayout,
) -> usize {
    let bound = ((inputs * window.taps()) as f64).sqrt().recip();
    let init = if constant { Init::Constant(0.0) } else { Init::Uniform { bound } };
    let start = layout.size();
    layout.push(Tensor::new(format!("net.{k}.weight"), [&[outputs, inputs], window.extents()].concat(), init.clone()));
    if biased > 0 {
        layout.push(Tensor::new(format!("net.{k}.bias"), [biased], init));
    }
    start
}

/// Features and hidden layers, each on the classes from which the next one is computed.
fn fields(sites: &Sites, window: Window, architecture: &Architecture) -> Vec<Field> {
    let mut fields = vec![];
    let mut classes = sites.active.clone();
    for &width in architecture.hidden.iter().rev() {
        classes = window.reads(&sites.lattice, &classes);
        fields.push(Field::new(&sites.lattice, &classes, width, Order::SiteFirst));
    }
    fields.push(Field::new(&sites.lattice, &sites.frozen, architecture.elsewhere.len(), Order::ChannelFirst));
    fields.reverse();
    fields
}

/// A block of outputs that reads `from`, with its first vector.
fn part(
    sites: &Sites,
    window: Window,
    from: &Field,
    outputs: &Outputs,
    previous: Option<&Convolution>,
    first: usize,
) -> Part {
    let field = |order| Field::new(&sites.lattice, &sites.active, outputs.channels, order);
    let (by_channel, by_site) = (field(Order::ChannelFirst), field(Order::SiteFirst));
    Part {
        reads: outputs.reads,
        convolution: Convolution::new(&sites.lattice, window, [from, &by_channel], previous),
        addresses: Addresses::new(&sites.lattice, window, Way::Forward, [from, &by_site]),
        field: by_channel,
        first,
        by_site,
    }
}

impl Architecture {
    fn check(&self) -> Result<(), FlowError> {
        require(!self.elsewhere.is_empty(), "inputs", self.elsewhere.len(), "at least 1")?;
        require(!self.hidden.contains(&0), "hidden", &self.hidden, "widths of at least 1")?;
        let outputs: Vec<usize> = self.outputs.iter().map(|outputs| outputs.channels).collect();
        require(!outputs.is_empty() && !outputs.contains(&0), "outputs", outputs, "at least 1")?;
        check_kernel(self.kernel)?;
        match self.activation {
            Activation::LeakyRelu(slope) => {
                require(slope.is_finite() && slope >= 0.0, "slope", slope, "a number of at least 0")
            }
            _ => Ok(()),
        }
    }

    fn check_size(&self, sites: &Sites, fields: &[Field]) -> Result<(), FlowError> {
        let outputs = self.outputs.iter().fold(0, |sum: usize, outputs| sum.saturating_add(outputs.channels));
        let by_site = Field::new(&sites.lattice, &sites.active, outputs, Order::SiteFirst);
        if fields.iter().chain([&by_site]).any(|field| field.vectors() > Field::MOST_VECTORS) {
            let accepted = "channels of a layer times its sites at most 67108863";
            return Err(FlowError::new("hidden", [&self.hidden[..], &[outputs]].concat(), accepted));
        }
        Ok(())
    }
}

/// Refuses an extent of a window that is even or too large.
pub(crate) fn check_kernel(kernel: usize) -> Result<(), FlowError> {
    require(!kernel.is_multiple_of(2) && kernel <= LARGEST_KERNEL, "kernel", kernel, "an odd number up to 63")
}
