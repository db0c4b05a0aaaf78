//! Periodic convolutional network: from features on some sites of a lattice, the *frozen* ones, to parameters on others, the *active* ones.
//!
//! On a periodic lattice of one to four dimensions the input h_0(x) is what is handed in at frozen sites, and a constant at all others: for
//! gauge couplings (cos P, sin P) and (1, 0), angle zero, for couplings of scalars φ and 0. With d over the k × … × k displacements
//! around 0 and v_n = v, which is zero outside the active sites:
//!
//! - forward: z_j(x) = b_j + Σ_d W_j(d) h_{j−1}(x + d), h_j = act(z_j) for j < n, φ(x) = z_n(x) at active sites;
//! - netᵀ v: v_{j−1}(x) = act'(z_{j−1}(x)) · Σ_d W_j(d)ᵀ v_j(x − d), and v_0 at the frozen sites is the result;
//! - net_θᵀ v: ∂W_j(d) = Σ_x v_j(x) h_{j−1}(x + d)ᵀ, ∂b_j = Σ_x v_j(x), summed over samples.
//!
//! Blocks of outputs may read the squares of h_{n−1} instead, see [`Reads`]: v_{n−1} then gets a factor 2 h_{n−1}. Any bias may be left out.
//!
//! Only what is needed is computed. Active and frozen sites are sums of residue classes, see [`Sites`]. A hidden layer lives on the
//! classes from which the next one is read; the products of the first layer run over frozen inputs, and its constant inputs are
//! part of a constant per class and channel. (They still count in the gradient: where x + d isn't frozen, h_0 isn't zero.) For the
//! stripes of gauge couplings, k = 3 and channels 2 → 8 → 8 → 7 this is 51 % of the multiply-adds of computing all sites, in each of the three
//! parts. Between layers of three channels and more, windows of extent 3 take neighbours along an axis in pairs with two thirds of
//! the multiplications (the file `winograd`), if residue classes don't change along that axis or both layers live on all sites: 36 % in all.
//!
//! Work goes by tiles of [`lanes`](crate::simd::lanes) samples, 64 bytes: features `[channels][frozen][lane]`, φ and v `[outputs][active][lane]`, sites in
//! ascending flat order. In a tile that isn't full, the features of the lanes left over must be numbers, and their v zero where a
//! gradient is wanted. Slices may have any alignment, but are faster aligned to 64 bytes, as [`Batch`](upg_core::Batch) is.
//! Source: arXiv:2003.06413, arXiv:2101.08176. How registers are used: the files `product` and `gradient`.

mod architecture;
mod backward;
mod convolution;
mod geometry;
mod gradient;
mod links;
mod loops;
mod memory;
mod pairs;
mod product;
mod sites;
mod stencil;
mod tile;
mod winograd;

pub use architecture::{Architecture, Outputs, Reads};
pub use links::{Link, Links};
pub use memory::{CnnScratch, GradAcc, Packed};
pub use sites::{Sites, Stripes};
pub(crate) use tile::Tile;

pub(crate) use architecture::check_kernel;
pub(crate) use sites::check_dimensions;

use crate::activation::Activation;
use architecture::Part;
use convolution::{Addresses, Convolution};
use geometry::Field;
use loops::square;
use product::Finish;
use std::ops::Range;
use upg_core::vmath::InstructionSet;
use upg_core::{ParamLayout, Real};

/// Channels of the input of gauge couplings: cos P and sin P.
pub(crate) const FEATURES: usize = 2;
/// Most channels times sites of a layer.
pub(crate) const MOST_VECTORS: usize = Field::MOST_VECTORS;

/// A periodic convolutional network on some sites of a lattice.
#[derive(Clone, Debug)]
pub struct Cnn {
    /// Convolutions to the hidden layers.
    layers: Vec<Convolution>,
    /// Convolutions to the outputs.
    parts: Vec<Part>,
    /// Features and hidden layers.
    fields: Vec<Field>,
    layout: ParamLayout,
    activation: Activation,
    instructions: InstructionSet,
}

/// What `forward` read and left: one tile.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a, T> {
    /// The features.
    pub features: &'a [T],
    /// The tape.
    pub tape: &'a [T],
}

impl Cnn {
    /// Parameters: `net.{k}.weight` of shape `[out, in, kernel…]`, its kernel axes those of the lattice, and `net.{k}.bias`
    /// of shape `[out]`, layer after layer; of the last layer the outputs that have one. Initial values are uniform in
    /// ±1/√(in·kernel^dimensions), PyTorch's default.
    pub fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    /// The same network computed with `set`, for tests; the processor must have it.
    pub fn computed_with(self, set: InstructionSet) -> Self {
        Self { instructions: set, ..self }
    }

    /// Multiply-adds of one sample in each of the three parts: `forward`, netᵀ v, net_θᵀ v.
    pub fn multiply_adds(&self) -> [usize; 3] {
        let of = |layer: &Convolution, addresses: &Addresses| addresses.products() * layer.inputs * layer.outputs;
        let sum = |each: &dyn Fn(&Convolution) -> usize| self.convolutions().map(each).sum();
        let in_order: usize = self.layers.iter().map(|layer| of(layer, &layer.forward)).sum();
        let by_site: usize = self.parts.iter().map(|part| of(&part.convolution, &part.addresses)).sum();
        [sum(&|layer| of(layer, &layer.forward)), sum(&|layer| of(layer, &layer.transposed)), in_order + by_site]
    }

    /// Channels of the features.
    pub fn inputs(&self) -> usize {
        self.fields[0].channels
    }

    /// Number of outputs per active site.
    pub fn outputs(&self) -> usize {
        self.parts.iter().map(|part| part.field.channels).sum()
    }

    /// Flat indices of the active sites, ascending: where there is an output.
    pub fn active_sites(&self) -> &[usize] {
        &self.parts[0].field.sites
    }

    /// Flat indices of the frozen sites, ascending: where there are features.
    pub fn frozen_sites(&self) -> &[usize] {
        &self.fields[0].sites
    }

    /// Length of the features of a tile, channels·frozen·lanes.
    pub fn features_len<T: Real>(&self) -> usize {
        self.fields[0].len::<T>()
    }

    /// Length of the outputs of a tile, outputs·active·lanes.
    pub fn out_len<T: Real>(&self) -> usize {
        self.parts.iter().map(|part| part.field.len::<T>()).sum()
    }

    /// Length of the tape of a tile: all hidden values, and their derivatives where the activation needs them stored.
    pub fn tape_len<T: Real>(&self) -> usize {
        let rows = if self.activation.stores_derivative() { 2 } else { 1 };
        rows * self.hidden_len::<T>()
    }

    /// Computes φ at the active sites of one tile: `features` is `[channels][frozen][lane]`, `out` `[outputs][active][lane]`; leaves
    /// the hidden values on the `tape`.
    ///
    /// # Panics
    /// If a slice has the wrong length, or `packed` is of another network.
    pub fn forward<T: Real>(
        &self,
        packed: &Packed<T>,
        features: &[T],
        tape: &mut [T],
        scratch: &mut CnnScratch<T>,
        out: &mut [T],
    ) {
        assert_eq!(tape.len(), self.tape_len::<T>(), "numbers on the tape, and hidden values of a tile");
        scratch.reshape(self);
        let (hidden, mut derivatives) = tape.split_at_mut(self.hidden_len::<T>());
        let (mut source, mut rest) = (features, hidden);
        for k in 0..self.layers.len() {
            let len = self.fields[k + 1].len::<T>();
            let (target, after) = std::mem::take(&mut rest).split_at_mut(len);
            let (derivative, others) = derivatives.split_at_mut(len.min(derivatives.len()));
            self.hidden_layer(k, packed, source, &mut *target, derivative);
            (source, rest, derivatives) = (target, after, others);
        }
        self.output(packed, source, scratch.squares.as_mut_slice(), out);
    }

    /// Computes φ as [`forward`](Self::forward) does, without a tape.
    ///
    /// # Panics
    /// As `forward`.
    pub fn value<T: Real>(&self, packed: &Packed<T>, features: &[T], scratch: &mut CnnScratch<T>, out: &mut [T]) {
        scratch.reshape(self);
        let CnnScratch { squares, this, next, .. } = scratch;
        let (mut this, mut next) = (this.as_mut_slice(), next.as_mut_slice());
        for k in 0..self.layers.len() {
            let source = if k == 0 { features } else { &this[..self.fields[k].len::<T>()] };
            self.hidden_layer(k, packed, source, &mut next[..self.fields[k + 1].len::<T>()], &mut []);
            std::mem::swap(&mut this, &mut next);
        }
        let last = self.layers.len();
        let source = if last == 0 { features } else { &this[..self.fields[last].len::<T>()] };
        self.output(packed, source, squares.as_mut_slice(), out);
    }

    /// h_{k+1} from h_k, and its derivative where it has to be stored; h_0 are the features.
    fn hidden_layer<T: Real>(
        &self,
        k: usize,
        packed: &Packed<T>,
        source: &[T],
        target: &mut [T],
        derivative: &mut [T],
    ) {
        let (layer, source) = (&self.layers[k], (source, &self.fields[k]));
        let finish = self.slope().map_or(Finish::Keep, Finish::Activate);
        let to = (&mut *target, &self.fields[k + 1]);
        layer.forward.convolve(self.instructions, packed.forward(layer), source, to, finish);
        if self.slope::<T>().is_none() {
            self.activation.forward(T::zero(), target, derivative);
        }
    }

    /// The outputs from the last hidden layer, which has room for its squares.
    fn output<T: Real>(&self, packed: &Packed<T>, source: &[T], squares: &mut [T], out: &mut [T]) {
        assert_eq!(out.len(), self.out_len::<T>(), "room for the outputs, and outputs of a tile");
        square(source, squares);
        for part in &self.parts {
            let from = if part.reads == Reads::Values { source } else { &*squares };
            let (from, to) = ((from, &self.fields[self.layers.len()]), (&mut out[part.range::<T>()], &part.field));
            let weights = packed.forward(&part.convolution);
            part.convolution.forward.convolve(self.instructions, weights, from, to, Finish::Keep);
        }
    }

    /// The slope for negative arguments, if the activation is LeakyReLU or like it: then it is applied to sums in registers.
    fn slope<T: Real>(&self) -> Option<T> {
        match self.activation {
            Activation::LeakyRelu(slope) => Some(T::of(slope)),
            Activation::Relu => Some(T::zero()),
            Activation::Identity => Some(T::one()),
            _ => None,
        }
    }

    /// Field k: the features, or a hidden layer.
    fn input<'a, T: Real>(&self, k: usize, kept: Kept<'a, T>) -> &'a [T] {
        if k == 0 { kept.features } else { &kept.tape[self.hidden_range::<T>(k)] }
    }

    /// All convolutions, in the order of their parameters.
    fn convolutions(&self) -> impl Iterator<Item = &Convolution> {
        self.layers.iter().chain(self.parts.iter().map(|part| &part.convolution))
    }

    fn last_convolution(&self) -> &Convolution {
        &self.parts[self.parts.len() - 1].convolution
    }

    /// Whether a block of outputs reads squares.
    fn reads_squares(&self) -> bool {
        self.parts.iter().any(|part| part.reads == Reads::Squares)
    }

    /// Length of the hidden values of a tile.
    fn hidden_len<T: Real>(&self) -> usize {
        self.fields[1..].iter().map(Field::len::<T>).sum()
    }

    /// Where field `k`, a hidden layer, lies on the tape.
    fn hidden_range<T: Real>(&self, k: usize) -> Range<usize> {
        let start = self.fields[1..k].iter().map(Field::len::<T>).sum();
        start..start + self.fields[k].len::<T>()
    }
}
