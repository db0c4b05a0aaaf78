//! One convolution of the net, both ways: the lists of links and the groups of channels that the kernels read.

use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Gpu};
use crate::launch::{Spread, arguments};
use crate::layers::activation;
use crate::layers::add;
use crate::layers::conditioner::{Multiple, On, Output, Rows};
use std::ops::Range;
use upg_core::{ParamLayout, Real};
use upg_flows::Activation;
use upg_flows::cnn::{Link, Links, Outputs, Reads};

/// Most channels that a thread computes.
const WIDEST: usize = 8;
/// Sites and samples of a block.
const SITES: usize = 8;
const SAMPLES: usize = 64;

/// Channels on sites: channel c at position p in row c·sites + p.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub channels: usize,
    pub sites: usize,
}

impl Field {
    /// Rows of it.
    pub fn rows(self) -> usize {
        self.channels * self.sites
    }
}

/// A convolution from one field to another.
pub(super) struct Convolution<G: Gpu> {
    pub from: Field,
    pub to: Field,
    /// Blocks of neighbouring channels of `to`.
    pub blocks: Vec<Outputs>,
    pub taps: usize,
    /// Where W, `[outputs, inputs, taps]`, and the biases lie among the parameters.
    pub weight: Range<usize>,
    pub bias: Range<usize>,
    /// The first row of `to` among those of all hidden layers.
    pub row: usize,
    forward: Lists<G>,
    back: Lists<G>,
    /// Channels of v on the way back, those that read squares first.
    runs: Table<G>,
    of_squares: usize,
}

/// What a kernel reads: links by the position that is computed, and groups of channels.
struct Lists<G: Gpu> {
    starts: Table<G>,
    links: Table<G>,
    groups: Table<G>,
    group_count: usize,
}

/// The arguments of a forward pass: `to` (+)= act(z), and where the derivative goes, if anywhere.
pub(super) struct Forward {
    pub h: Rows,
    pub activation: Activation,
    pub to: Output,
    pub derivative: Address,
}

/// The arguments of a way back: `to` (+)= act' Wᵀ v, h being the input of the convolution, if an activation gave it with the source of its derivative.
pub(super) struct Back {
    pub v: Multiple,
    pub h: Rows,
    pub slopes: Option<(Activation, Address)>,
    pub to: Output,
}

impl<G: Gpu> Convolution<G> {
    /// All of a net, in order.
    pub fn all<T: Real>(device: &Cuda<T, G>, links: &Links, blocks: &[Outputs], layout: &ParamLayout) -> Vec<Self> {
        let (mut all, mut row, mut ranges) = (vec![], 0, layout.ranges().peekable());
        for (k, list) in links.convolutions.iter().enumerate() {
            let (tensor, weight) = ranges.next().expect("every convolution has weights");
            let bias =
                ranges.next_if(|(tensor, _)| tensor.shape.len() == 1).map_or(weight.end..weight.end, |next| next.1);
            let [from, to] = [(k, tensor.shape[1]), (k + 1, tensor.shape[0])]
                .map(|(k, channels)| Field { channels, sites: links.fields[k].len() });
            let is_last = k + 1 == links.convolutions.len();
            let blocks = if is_last { blocks.to_vec() } else { vec![hidden_block(to.channels, &bias)] };
            let runs = runs(&blocks);
            all.push(Self {
                forward: Lists::new(
                    device,
                    list.iter().map(|link| [link.target, link.source, link.tap]),
                    to.sites,
                    &groups(&blocks, bias.start),
                ),
                back: Lists::new(
                    device,
                    from_source(list),
                    from.sites,
                    &groups(&[Outputs::of_values(from.channels)], 0),
                ),
                runs: device.indices(runs.as_flattened()),
                of_squares: blocks.iter().filter(|block| block.reads == Reads::Squares).count(),
                taps: links.taps,
                from,
                to,
                blocks,
                weight,
                bias,
                row,
            });
            row += to.rows();
        }
        all
    }

    /// `to` (+)= act(W h + b).
    pub fn forward<T: Real>(&self, on: &On<'_, T, G>, kernels: &Kernels<G>, forward: Forward) {
        let Forward { h, activation, to: Output { rows, by, accum }, derivative } = forward;
        let Lists { starts, links, groups, .. } = &self.forward;
        let [activation, slope] = activation::arguments(activation, on.device);
        let arguments = arguments![
            h.at,
            h.stride,
            self.from.sites,
            self.from.channels,
            on.theta.at(),
            self.weight.start,
            self.taps,
            starts.at(),
            links.at(),
            groups.at(),
            rows.at,
            rows.stride,
            self.to.sites,
            on.device.real(by),
            add(accum),
            derivative,
            activation,
            slope,
            on.samples,
        ];
        on.device.launch(kernels, "lattice_forward", self.forward.spread(self.to.sites, on.samples), arguments);
    }

    /// `to` (+)= act' Wᵀ v.
    pub fn back<T: Real>(&self, on: &On<'_, T, G>, kernels: &Kernels<G>, back: Back) {
        let Back { v, h, slopes, to: Output { rows, by, accum } } = back;
        let Lists { starts, links, groups, .. } = &self.back;
        let (activation, slopes) = slopes.unwrap_or((Activation::Identity, Address::default()));
        let [activation, slope] = activation::arguments(activation, on.device);
        let arguments = arguments![
            v.rows.at,
            v.rows.stride,
            self.to.sites,
            on.theta.at(),
            self.weight.start,
            self.from.channels,
            self.taps,
            starts.at(),
            links.at(),
            groups.at(),
            self.runs.at(),
            self.blocks.len(),
            self.of_squares,
            h.at,
            slopes,
            h.stride,
            activation,
            slope,
            rows.at,
            rows.stride,
            self.from.sites,
            on.device.real(by * v.by),
            add(accum),
            on.samples,
        ];
        on.device.launch(kernels, "lattice_back", self.back.spread(self.from.sites, on.samples), arguments);
    }
}

impl<G: Gpu> Lists<G> {
    /// Links as (computed, read, tap), ascending by the first, on so many positions.
    fn new<T: Real>(
        device: &Cuda<T, G>,
        links: impl Iterator<Item = [usize; 3]>,
        positions: usize,
        groups: &[[i32; 4]],
    ) -> Self {
        let (mut starts, mut list) = (vec![0; positions + 1], vec![]);
        for [computed, read, tap] in links {
            starts[computed + 1] += 1;
            list.extend([read, tap]);
        }
        (0..positions).for_each(|position| starts[position + 1] += starts[position]);
        Self {
            starts: device.indices(&starts),
            links: device.indices(&list),
            groups: device.table(groups.as_flattened()),
            group_count: groups.len(),
        }
    }

    fn spread(&self, sites: usize, samples: usize) -> Spread {
        let grid = [sites.div_ceil(SITES), samples.div_ceil(SAMPLES), self.group_count].map(|blocks| blocks as u32);
        Spread { grid, block: [32, SITES as u32], shared: 0 }
    }
}

/// The channels of a hidden layer.
fn hidden_block(channels: usize, bias: &Range<usize>) -> Outputs {
    let bias = if bias.is_empty() { upg_flows::Bias::No } else { upg_flows::Bias::Yes };
    Outputs { bias, ..Outputs::of_values(channels) }
}

/// The links as (source, target, tap), ascending.
fn from_source(links: &[Link]) -> impl Iterator<Item = [usize; 3]> {
    let mut links: Vec<_> = links.iter().map(|link| [link.source, link.tap, link.target]).collect();
    links.sort_unstable();
    links.into_iter().map(|[source, tap, target]| [source, target, tap])
}

/// Parts of so many channels, powers of two of at most `widest`, as (first, size).
pub(super) fn split(first: usize, channels: usize, widest: usize) -> Vec<[usize; 2]> {
    let (mut parts, mut first, end) = (vec![], first, first + channels);
    while first < end {
        let size = 1 << widest.min(end - first).ilog2();
        parts.push([first, size]);
        first += size;
    }
    parts
}

/// First channel, size, whether squares are read, and where the biases are; −1 where there are none.
fn groups(blocks: &[Outputs], biases: usize) -> Vec<[i32; 4]> {
    let (mut groups, mut start, mut bias) = (vec![], 0, biases);
    for block in blocks {
        let biased = block.bias == upg_flows::Bias::Yes;
        for [first, size] in split(start, block.channels, WIDEST) {
            let at = if biased { (bias + first - start) as i32 } else { -1 };
            groups.push([first as i32, size as i32, i32::from(block.reads == Reads::Squares), at]);
        }
        start += block.channels;
        bias += if biased { block.channels } else { 0 };
    }
    groups
}

/// First channel and number of channels of every block, those that read squares first.
fn runs(blocks: &[Outputs]) -> Vec<[usize; 2]> {
    let starts = blocks.iter().scan(0, |start, block| {
        *start += block.channels;
        Some((*start - block.channels, block))
    });
    let mut all: Vec<_> =
        starts.map(|(start, block)| (block.reads == Reads::Values, [start, block.channels])).collect();
    all.sort_by_key(|&(values, _)| values);
    all.into_iter().map(|(_, run)| run).collect()
}
