//! One convolution of the network: its addresses, its parameters in the flat buffer and in the order in which they are read.
//!
//! A *slot* is a place for a weight between two channels: a tap of the window, or for pairs of sites a component of a row, see `winograd`.

use super::geometry::{Field, Lattice, Way, Window};
use super::gradient::{WeightGradient, sums_of};
use super::pairs::{PairGroup, Pairs};
use super::product::{Finish, Groups, Product};
use super::stencil::Stencil;
use super::winograd::{COMPONENTS, PairGradient, transformed, transformed_back};
use crate::simd;
use std::ops::Range;
use upg_core::Real;
use upg_core::vmath::InstructionSet;

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
    /// Pairs where they are faster, both ways alike.
    pub fn new(lattice: &Lattice, window: Window, way: Way, fields: [&Field; 2]) -> Self {
        let many = fields.iter().all(|field| field.channels >= MANY_CHANNELS);
        match Pairs::axis(lattice, window, fields).filter(|_| many) {
            Some(axis) => Self::Pairs(Pairs::new(lattice, window, axis, way, fields)),
            None => Self::Taps(Stencil::new(lattice, window, way, fields[0], fields[1])),
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
            Self::Taps(stencil) => stencil.groups.iter().map(|group| group.taps.len() * group.sites).sum(),
            Self::Pairs(pairs) => {
                let of_group = |group: &PairGroup| COMPONENTS * group.rows.len() * group.pairs;
                pairs.groups.iter().map(of_group).sum()
            }
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
            Self::Taps(stencil) => simd::run_on(set, Product::new(stencil, weights, source, target, finish)),
            Self::Pairs(pairs) => simd::run_on(set, Product::new(pairs, weights, source, target, finish)),
        }
    }

    /// Adds the weight gradient from `input` and `v`, each with its field; these are the addresses of the forward convolution.
    pub fn add_gradient<T: Real>(&self, set: InstructionSet, input: (&[T], &Field), v: (&[T], &Field), sums: &mut [T]) {
        match self {
            Self::Taps(stencil) => simd::run_on(set, WeightGradient::new(stencil, input, v, sums)),
            Self::Pairs(pairs) => simd::run_on(set, PairGradient::new(pairs, input, v, sums)),
        }
    }
}

/// One convolution: where it reads and writes, and its parameters in the flat buffer.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    window: Window,
    pub inputs: usize,
    pub outputs: usize,
    /// Classes of the lattice.
    pub classes: usize,
    pub forward: Addresses,
    pub transposed: Addresses,
    /// Inputs that are the same number wherever there is no source.
    pub constant_inputs: Vec<ConstantInput>,
    /// Range of the weights in the flat buffer.
    pub weight: Range<usize>,
    /// Range of the biases in the flat buffer, empty if there are none.
    pub bias: Range<usize>,
    /// Range of the packed weights among those of all layers.
    pub packed: Range<usize>,
    /// Range of the constants `[class][out]` among those of all layers.
    pub constants: Range<usize>,
    /// Range of the sums of weight gradients among those of all layers.
    pub sums: Range<usize>,
}

/// A tap that reads a constant input at the sites of a class.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConstantInput {
    pub class: usize,
    pub tap: usize,
    pub input: usize,
    pub value: f64,
}

impl Convolution {
    /// The convolution between two fields, its parameters declared later. `previous` is the one before it in memory.
    pub fn new(lattice: &Lattice, window: Window, [from, to]: [&Field; 2], previous: Option<&Self>) -> Self {
        let (inputs, outputs, classes) = (from.channels, to.channels, lattice.classes());
        let forward = Addresses::new(lattice, window, Way::Forward, [from, to]);
        let behind = |range: fn(&Self) -> &Range<usize>, len: usize| {
            let start = previous.map_or(0, |layer| range(layer).end);
            start..start + len
        };
        let slots = forward.slots();
        Self {
            window,
            inputs,
            outputs,
            classes,
            forward,
            transposed: Addresses::new(lattice, window, Way::Transposed, [to, from]),
            constant_inputs: vec![],
            weight: 0..0,
            bias: 0..0,
            packed: behind(|layer| &layer.packed, slots * inputs * outputs),
            constants: behind(|layer| &layer.constants, classes * outputs),
            sums: behind(|layer| &layer.sums, sums_of(inputs, slots, outputs, classes)),
        }
    }

    /// Says where the parameters lie in the flat buffer; `biases` may be 0.
    pub fn place(&mut self, weight: usize, bias: usize, biases: usize) {
        self.weight = weight..weight + self.outputs * self.inputs * self.window.taps();
        self.bias = bias..bias + biases;
    }

    /// Lets it read these numbers, one for each input channel, where there is no source.
    pub fn read_constants(&mut self, lattice: &Lattice, [from, to]: [&Field; 2], values: &[f64]) {
        let nonzero: Vec<_> = (0..values.len()).filter(|&input| values[input] != 0.0).collect();
        if nonzero.is_empty() {
            return;
        }
        let missing = Stencil::new(lattice, self.window, Way::Forward, from, to).taps_without_source();
        for (class, tap) in missing {
            let constant = |&input: &usize| ConstantInput { class, tap, input, value: values[input] };
            self.constant_inputs.extend(nonzero.iter().map(constant));
        }
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
            Addresses::Pairs(pairs) => {
                for row in 0..pairs.rows() {
                    let g = [0, 1, 2].map(|offset| weight(pairs.tap(way, row, offset)));
                    for (component, u) in transformed(g).into_iter().enumerate() {
                        to(component * pairs.rows() + row, u);
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
            Addresses::Pairs(pairs) => {
                for row in 0..pairs.rows() {
                    let g = transformed_back([0, 1, 2, 3].map(|component| from(component * pairs.rows() + row)));
                    for (offset, g) in g.into_iter().enumerate() {
                        into[self.position(output, input, pairs.tap(Way::Forward, row, offset))] += g;
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
