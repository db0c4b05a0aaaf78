//! One convolution of the network: its addresses, its parameters in the flat buffer and in the order in which they are read.
//!
//! A *slot* is a place for a weight between two channels: a tap of the window, or for pairs of sites a component of a row, see `winograd`.

use super::geometry::{Field, PERIOD, Stripes, Way, Window};
use super::gradient::{WeightGradient, sums_of};
use super::pairs::{EXTENT, PairGroup, Pairs, tap};
use super::product::{Finish, Groups, Product};
use super::simd;
use super::stencil::Stencil;
use super::winograd::{COMPONENTS, PairGradient, transformed, transformed_back};
use std::ops::Range;
use upg_core::vmath::InstructionSet;
use upg_core::{Init, ParamLayout, Real, Tensor};

/// Channels on both sides from which on Winograd's algorithm is faster.
const MANY_CHANNELS: usize = 3;

/// Addresses of a convolution from one field to another, or back.
#[derive(Clone, Debug)]
pub(super) enum Addresses {
    /// Tap by tap.
    Taps(Stencil),
    /// For pairs of sites.
    Pairs(Pairs),
}

impl Addresses {
    pub fn new(stripes: Stripes, window: Window, way: Way, [from, to]: [&Field; 2]) -> Self {
        match window.extent == EXTENT && from.channels.min(to.channels) >= MANY_CHANNELS {
            true => Self::Pairs(Pairs::new(stripes, way, from, to)),
            false => Self::Taps(Stencil::new(stripes, window, way, from, to)),
        }
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        match self {
            Self::Taps(stencil) => stencil.slots(),
            Self::Pairs(pairs) => pairs.slots(),
        }
    }

    /// Products of a weight and a number, for one channel on both sides.
    pub fn products(&self) -> usize {
        match self {
            Self::Taps(stencil) => stencil.groups.iter().map(|group| group.taps.len() * group.targets.len()).sum(),
            Self::Pairs(pairs) => {
                let of_group = |group: &PairGroup| COMPONENTS * group.rows.len() * group.targets.len();
                pairs.groups.iter().map(of_group).sum()
            }
        }
    }

    /// Pairs of a class and a tap that has no source there; none for pairs of sites, whose sources aren't the features.
    pub fn taps_without_source(&self) -> Vec<(usize, usize)> {
        match self {
            Self::Taps(stencil) => stencil.taps_without_source(),
            Self::Pairs(_) => vec![],
        }
    }

    /// The convolution of `source` to `target`, each with its field.
    pub fn convolve<T: Real>(
        &self,
        set: InstructionSet,
        weights: (&[T], &[T]),
        source: (&[T], &Field),
        target: (&mut [T], &Field),
        finish: Finish<'_, T>,
    ) {
        match self {
            Self::Taps(stencil) => simd::run(set, Product::new(stencil, weights, source, target, finish)),
            Self::Pairs(pairs) => simd::run(set, Product::new(pairs, weights, source, target, finish)),
        }
    }

    /// Adds the weight gradient from `input` and `v`, each with its field; these are the addresses of the forward convolution.
    pub fn add_gradient<T: Real>(&self, set: InstructionSet, input: (&[T], &Field), v: (&[T], &Field), sums: &mut [T]) {
        match self {
            Self::Taps(stencil) => simd::run(set, WeightGradient::new(stencil, input, v, sums)),
            Self::Pairs(pairs) => simd::run(set, PairGradient::new(pairs, input, v, sums)),
        }
    }
}

/// One convolution: where it reads and writes, and its parameters in the flat buffer.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    stripes: Stripes,
    window: Window,
    pub inputs: usize,
    pub outputs: usize,
    pub forward: Addresses,
    pub transposed: Addresses,
    /// Range of the weights in the flat buffer.
    pub weight: Range<usize>,
    /// Range of the biases in the flat buffer.
    pub bias: Range<usize>,
    /// Range of the packed weights among those of all layers.
    pub packed: Range<usize>,
    /// Range of the constants `[class][out]` among those of all layers.
    pub constants: Range<usize>,
    /// Range of the sums of weight gradients among those of all layers.
    pub sums: Range<usize>,
}

impl Convolution {
    /// The convolution between two fields, its weights declared later.
    pub fn new(stripes: Stripes, window: Window, [from, to]: [&Field; 2], previous: Option<&Self>) -> Self {
        let (inputs, outputs) = (from.channels, to.channels);
        let forward = Addresses::new(stripes, window, Way::Forward, [from, to]);
        let behind = |range: fn(&Self) -> &Range<usize>, len: usize| {
            let start = previous.map_or(0, |layer| range(layer).end);
            start..start + len
        };
        let slots = forward.slots();
        Self {
            stripes,
            window,
            inputs,
            outputs,
            forward,
            transposed: Addresses::new(stripes, window, Way::Transposed, [to, from]),
            weight: 0..0,
            bias: 0..0,
            packed: behind(|layer| &layer.packed, slots * inputs * outputs),
            constants: behind(|layer| &layer.constants, PERIOD * outputs),
            sums: behind(|layer| &layer.sums, sums_of(inputs, slots, outputs)),
        }
    }

    /// Appends the parameters to the layout; `constant`: they start as zero.
    pub fn declare(&mut self, k: usize, constant: bool, layout: &mut ParamLayout) {
        let Self { window: Window { extent }, inputs, outputs, .. } = *self;
        let bound = ((inputs * self.window.taps()) as f64).sqrt().recip();
        let init = if constant { Init::Constant(0.0) } else { Init::Uniform { bound } };
        let start = layout.size();
        layout.push(Tensor::new(format!("net.{k}.weight"), [outputs, inputs, extent, extent], init.clone()));
        self.weight = start..layout.size();
        layout.push(Tensor::new(format!("net.{k}.bias"), [outputs], init));
        self.bias = self.weight.end..layout.size();
    }

    /// Position of W_{oi}(tap) in the flat buffer.
    pub fn position(&self, output: usize, input: usize, tap: usize) -> usize {
        self.weight.start + (output * self.inputs + input) * self.window.taps() + tap
    }

    /// Calls `to(slot, weight)` for all weights from one channel to another, as a convolution of this way reads them.
    pub fn fill_slots<T: Real>(
        &self,
        theta: &[T],
        way: Way,
        [output, input]: [usize; 2],
        mut to: impl FnMut(usize, T),
    ) {
        let weight = |tap| theta[self.position(output, input, tap)];
        match &self.forward {
            Addresses::Taps(stencil) => (0..stencil.taps).for_each(|tap| to(tap, weight(tap))),
            Addresses::Pairs(_) => {
                for row in 0..EXTENT {
                    let g = [0, 1, 2].map(|offset| weight(tap(self.stripes, way, row, offset)));
                    for (component, u) in transformed(g).into_iter().enumerate() {
                        to(component * EXTENT + row, u);
                    }
                }
            }
        }
    }

    /// Adds ∂W between two channels, given slot by slot, to the gradient.
    pub fn add_slots<T: Real>(&self, [output, input]: [usize; 2], from: impl Fn(usize) -> T, into: &mut [T]) {
        match &self.forward {
            Addresses::Taps(stencil) => {
                (0..stencil.taps).for_each(|tap| into[self.position(output, input, tap)] += from(tap));
            }
            Addresses::Pairs(_) => {
                for row in 0..EXTENT {
                    let g = transformed_back([0, 1, 2, 3].map(|component| from(component * EXTENT + row)));
                    for (offset, g) in g.into_iter().enumerate() {
                        into[self.position(output, input, tap(self.stripes, Way::Forward, row, offset))] += g;
                    }
                }
            }
        }
    }

    /// Where the sums of v start among the layer's own sums: behind those of the weights.
    pub fn totals(&self) -> usize {
        self.inputs * self.forward.slots() * self.outputs
    }
}
