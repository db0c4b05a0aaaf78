//! Weight gradients of all convolutions at once: what each warp adds up, and over how many blocks its steps are shared out.

use super::convolution::{Convolution, Field, split};
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Gpu};
use crate::launch::{Spread, arguments};
use crate::layers::add;
use crate::layers::conditioner::{Multiple, On, Rows, Sink};
use crate::memory::Store;
use upg_core::Real;
use upg_flows::Bias;
use upg_flows::cnn::{Link, Links, Reads};

/// Units of a block, and channels of a unit.
const UNITS: usize = 8;
const OUTPUTS: usize = 8;
const INPUTS: usize = 4;
/// Warps that are worth having, steps that are worth a share, and shares at most.
const WARPS: usize = 8192;
const STEPS: usize = 16;
const MOST_SHARES: usize = 128;

/// What lattice_gradient.cu calls a unit.
#[derive(Clone, Copy, Debug)]
struct Unit {
    kind: Kind,
    outputs: usize,
    inputs: usize,
    v: Start,
    h: Start,
    first: usize,
    pairs: usize,
    position: usize,
    of_output: usize,
    of_input: usize,
}

/// What v is multiplied with; the numbers are those of lattice_gradient.cu.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Values = 0,
    Squares = 1,
    One = 2,
}

/// Whose rows are read; the numbers are those of lattice_gradient.cu.
#[derive(Clone, Copy, Debug)]
enum Place {
    Outside = 0,
    Hidden = 1,
}

/// The first row of a unit, and the rows from one channel to the next.
#[derive(Clone, Copy, Debug)]
struct Start {
    place: Place,
    row: usize,
    sites: usize,
}

impl Start {
    /// From a channel of a field on.
    fn new(place: Place, row: usize, field: Field, channel: usize) -> Self {
        Self { place, row: row + channel * field.sites, sites: field.sites }
    }

    fn numbers(self) -> [usize; 3] {
        [self.place as usize, self.row, self.sites]
    }
}

impl Unit {
    fn numbers(self) -> Vec<usize> {
        let Self { kind, outputs, inputs, v, h, first, pairs, position, of_output, of_input } = self;
        let sizes = [kind as usize, outputs, inputs];
        [&sizes[..], &v.numbers(), &h.numbers(), &[first, pairs, position, of_output, of_input]].concat()
    }
}

/// The units of a net.
pub(super) struct Gradient<G: Gpu> {
    units: Table<G>,
    count: usize,
    pairs: Table<G>,
    most_pairs: usize,
    parameters: usize,
}

/// Parts of the sums, `[shares, parameters]` in f64.
pub(super) struct Parts<G: Gpu>(Store<G>);

impl<G: Gpu> Default for Parts<G> {
    fn default() -> Self {
        Self(Store::default())
    }
}

/// What gradients are made of: the inputs of the convolutions, and the cotangents of their outputs.
pub(super) struct Of {
    pub c: Rows,
    pub hidden: Address,
    pub v_last: Multiple,
    pub v_hidden: Address,
}

impl<G: Gpu> Gradient<G> {
    pub fn new<T: Real>(device: &Cuda<T, G>, links: &Links, net: &[Convolution<G>], parameters: usize) -> Self {
        let (mut units, mut pairs) = (vec![], vec![]);
        for (k, list) in links.convolutions.iter().enumerate() {
            Layer::new(net, k, list).units(&mut units, &mut pairs);
        }
        let numbers: Vec<usize> = units.iter().flat_map(|unit| unit.numbers()).collect();
        Self {
            units: device.indices(&numbers),
            count: units.len(),
            pairs: device.indices(pairs.as_flattened()),
            most_pairs: units.iter().map(|unit| unit.pairs).max().unwrap_or(0),
            parameters,
        }
    }

    /// Over how many blocks the steps of a unit are shared out: from shapes alone.
    fn shares(&self, samples: usize) -> usize {
        let steps = self.most_pairs * samples.div_ceil(32);
        WARPS.div_ceil(self.count).min(steps.div_ceil(STEPS)).clamp(1, MOST_SHARES)
    }

    /// ∂θ (+)= net_θᵀ v.
    pub fn add<T: Real>(
        &self,
        on: &On<'_, T, G>,
        kernels: &Kernels<G>,
        of: Of,
        parts: &mut Parts<G>,
        sink: Sink<'_, T>,
    ) {
        let Of { c, hidden, v_last, v_hidden } = of;
        let (parameters, shares) = (self.parameters, self.shares(on.samples));
        on.device.grow(&mut parts.0, shares * parameters * size_of::<f64>());
        let grid = [self.count.div_ceil(UNITS) as u32, shares as u32, 1];
        let arguments = arguments![
            self.units.at(),
            self.count,
            self.pairs.at(),
            c.at,
            c.stride,
            hidden,
            v_last.rows.at,
            v_last.rows.stride,
            on.device.real(v_last.by),
            v_hidden,
            parts.0.at(),
            parameters,
            on.samples,
        ];
        let spread = Spread { grid, block: [32, UNITS as u32], shared: 0 };
        on.device.launch(kernels, "lattice_gradient", spread, arguments);
        let arguments = arguments![parts.0.at(), shares, sink.into.at(), add(sink.accum), parameters];
        on.device.launch(kernels, "lattice_sum", Spread::elements(parameters), arguments);
    }
}

/// A convolution whose units are listed.
struct Layer<'a, G: Gpu> {
    convolution: &'a Convolution<G>,
    links: &'a [Link],
    /// The first rows of v and h, and whose they are.
    v: (Place, usize),
    h: (Place, usize),
}

impl<'a, G: Gpu> Layer<'a, G> {
    fn new(net: &'a [Convolution<G>], k: usize, links: &'a [Link]) -> Self {
        let convolution = &net[k];
        let v = if k + 1 == net.len() { (Place::Outside, 0) } else { (Place::Hidden, convolution.row) };
        let h = if k == 0 { (Place::Outside, 0) } else { (Place::Hidden, net[k - 1].row) };
        Self { convolution, links, v, h }
    }

    /// Appends the units, and the pairs of (target, source) that they name.
    fn units(&self, units: &mut Vec<Unit>, pairs: &mut Vec<[usize; 2]>) {
        let taps = self.pairs(pairs);
        let totals = (pairs.len(), self.convolution.to.sites);
        pairs.extend((0..totals.1).map(|target| [target, 0]));
        let (mut start, mut bias) = (0, self.convolution.bias.start);
        for block in &self.convolution.blocks {
            for [first, size] in split(start, block.channels, OUTPUTS) {
                let kind = if block.reads == Reads::Squares { Kind::Squares } else { Kind::Values };
                units.extend(self.weights(kind, [first, size], &taps));
                if block.bias == Bias::Yes {
                    units.push(self.biases([first, size], bias + first - start, totals));
                }
            }
            start += block.channels;
            bias += if block.bias == Bias::Yes { block.channels } else { 0 };
        }
    }

    /// Appends the pairs of every tap; returns the first one and the number of each.
    fn pairs(&self, pairs: &mut Vec<[usize; 2]>) -> Vec<(usize, usize)> {
        let mut of_tap = vec![vec![]; self.convolution.taps];
        self.links.iter().for_each(|link| of_tap[link.tap].push([link.target, link.source]));
        let append = |list: Vec<[usize; 2]>| {
            let first = pairs.len();
            pairs.extend(&list);
            (first, list.len())
        };
        of_tap.into_iter().map(append).collect()
    }

    /// Those of the weights to some channels: by input, then by tap, so that a block reads much of the same.
    fn weights(&self, kind: Kind, outputs: [usize; 2], taps: &[(usize, usize)]) -> Vec<Unit> {
        let Convolution { from, weight, .. } = self.convolution;
        let (mut units, of_output) = (vec![], from.channels * taps.len());
        for [first, size] in split(0, from.channels, INPUTS) {
            for (tap, &pairs) in taps.iter().enumerate() {
                let position = weight.start + outputs[0] * of_output + first * taps.len() + tap;
                let unit = self.unit(kind, outputs, [first, size], pairs);
                units.push(Unit { position, of_output, of_input: taps.len(), ..unit });
            }
        }
        units
    }

    /// That of the biases of some channels.
    fn biases(&self, outputs: [usize; 2], position: usize, totals: (usize, usize)) -> Unit {
        Unit { position, of_output: 1, ..self.unit(Kind::One, outputs, [0, 1], totals) }
    }

    fn unit(
        &self,
        kind: Kind,
        [output, outputs]: [usize; 2],
        [input, inputs]: [usize; 2],
        pairs: (usize, usize),
    ) -> Unit {
        let Convolution { from, to, .. } = self.convolution;
        let v = Start::new(self.v.0, self.v.1, *to, output);
        let h = Start::new(self.h.0, self.h.1, *from, input);
        let (first, pairs) = pairs;
        Unit { kind, outputs, inputs, v, h, first, pairs, position: 0, of_output: 0, of_input: 0 }
    }
}
