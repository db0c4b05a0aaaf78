//! Periodic convolutional conditioner of the gauge couplings: from features of the frozen plaquettes to parameters of the active ones.
//!
//! On a periodic lattice in [`Stripes`] the input h_0(x) is (cos P, sin P) at frozen sites and (1, 0), angle zero, at all others.
//! With d over the k × k displacements around 0 and v_n = v, which is zero outside the active sites:
//!
//! - forward: z_j(x) = b_j + Σ_d W_j(d) h_{j−1}(x + d), h_j = LeakyReLU(z_j) for j < n, φ(x) = z_n(x) at active sites;
//! - netᵀ v: v_{j−1}(x) = LeakyReLU'(z_{j−1}(x)) · Σ_d W_j(d)ᵀ v_j(x − d), and v_0 at the frozen sites is the result;
//! - net_θᵀ v: ∂W_j(d) = Σ_x v_j(x) h_{j−1}(x + d)ᵀ, ∂b_j = Σ_x v_j(x), summed over samples.
//!
//! Only what is needed is computed. A hidden layer lives on the residue classes of sites from which the next one is read; the
//! products of the first layer run over frozen inputs, and its constant inputs are part of a constant per class and channel. (They
//! still count in the gradient: where x + d isn't frozen, h_{0,cos} is 1.) For k = 3 and channels 2 → 8 → 8 → 7 this is
//! 51 % of the multiply-adds of computing all sites, in each of the three parts. Between layers of three channels and more, windows of
//! extent 3 take neighbours in pairs with two thirds of the multiplications (the file `winograd`): 36 % in all.
//!
//! Work goes by tiles of [`lanes`] samples, 64 bytes: features `[2][frozen][lane]`, φ and v `[outputs][active][lane]`, sites in
//! ascending flat order. In a tile that isn't full, the features of the lanes left over must be numbers, and their v zero where a
//! gradient is wanted. Slices may have any alignment, but are faster aligned to 64 bytes, as [`Batch`](upg_core::Batch) is.
//! Source: arXiv:2003.06413, arXiv:2101.08176. How registers are used: the files `product` and `gradient`.

mod convolution;
mod geometry;
mod gradient;
mod memory;
mod pairs;
mod product;
pub(crate) mod simd;
mod stencil;
mod winograd;

pub use geometry::{Stripes, lanes};
pub use memory::{CnnScratch, GradAcc, Packed};

use crate::{error::FlowError, mlp::StartAt};
use convolution::{Addresses, Convolution};
use geometry::{ACTIVE, FROZEN, Field, Order, Way, Window};
use gradient::Reorder;
use product::Finish;
use std::ops::Range;
use upg_core::vmath::InstructionSet;
use upg_core::{ParamLayout, Real};

/// Channels of the input: cos P and sin P.
pub(crate) const FEATURES: usize = 2;
/// Most channels times sites of a layer.
pub(crate) const MOST_VECTORS: usize = Field::MOST_VECTORS;
/// Largest extent of a window.
const LARGEST_KERNEL: usize = 63;

/// A periodic convolutional network on one choice of stripes.
#[derive(Clone, Debug)]
pub struct Cnn {
    layers: Vec<Convolution>,
    /// Features, hidden layers, outputs.
    fields: Vec<Field>,
    by_site: BySite,
    layout: ParamLayout,
    /// Pairs of a class and a tap of the first layer that reads a constant input there.
    constant_taps: Vec<(usize, usize)>,
    slope: f64,
    instructions: InstructionSet,
}

/// The outputs, all channels of a site together, as weight gradients need them, and the last convolution to them.
#[derive(Clone, Debug)]
struct BySite {
    field: Field,
    addresses: Addresses,
}

impl Cnn {
    /// A network of channels 2 → hidden… → outputs, with a `kernel` × `kernel` window and LeakyReLU of the given slope.
    ///
    /// # Errors
    /// If an extent isn't a positive multiple of 4, the axis not 0 or 1, the offset above 3, a width or the number of
    /// outputs zero, the kernel even or above 63, the slope negative or not finite, or a layer beyond 2²⁶ channels times sites.
    pub fn new(
        stripes: Stripes,
        hidden: &[usize],
        outputs: usize,
        kernel: usize,
        slope: f64,
        start: StartAt,
    ) -> Result<Self, FlowError> {
        stripes.check()?;
        check_shape(hidden, outputs, kernel, slope)?;
        let window = Window { extent: kernel };
        let fields = fields(stripes, window, hidden, outputs);
        let outputs_by_site = Field::new(stripes, ACTIVE, outputs, Order::SiteFirst);
        if fields.iter().chain([&outputs_by_site]).any(|field| field.vectors() > Field::MOST_VECTORS) {
            let accepted = "channels of a layer times its sites at most 67108863";
            return Err(FlowError::new("hidden", [hidden, &[outputs]].concat(), accepted));
        }
        let mut layout = ParamLayout::default();
        let mut layers: Vec<Convolution> = Vec::with_capacity(fields.len() - 1);
        for (k, pair) in fields.windows(2).enumerate() {
            let constant = start == StartAt::Identity && k == hidden.len();
            let mut layer = Convolution::new(stripes, window, [&pair[0], &pair[1]], layers.last());
            layer.declare(k, constant, &mut layout);
            layers.push(layer);
        }
        let constant_taps = layers[0].forward.taps_without_source();
        let addresses = Addresses::new(stripes, window, Way::Forward, [&fields[hidden.len()], &outputs_by_site]);
        let by_site = BySite { field: outputs_by_site, addresses };
        Ok(Self { layers, by_site, fields, layout, constant_taps, slope, instructions: InstructionSet::detect() })
    }

    /// Parameters: `net.{k}.weight` of shape `[out, in, kernel, kernel]`, its first kernel axis along x_0, and `net.{k}.bias`
    /// of shape `[out]`, layer after layer. Initial values are uniform in ±1/√(in·kernel²), PyTorch's default.
    pub fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    /// The same network computed with `set`, for tests; the processor must have it.
    pub fn computed_with(self, set: InstructionSet) -> Self {
        Self { instructions: set, ..self }
    }

    /// Multiply-adds of one sample in each of the three parts: `forward`, netᵀ v, net_θᵀ v.
    pub fn multiply_adds(&self) -> [usize; 3] {
        let (last, before) = self.layers.split_last().expect("at least one layer");
        let of = |layer: &Convolution, addresses: &Addresses| addresses.products() * layer.inputs * layer.outputs;
        let sum = |each: &dyn Fn(&Convolution) -> usize| self.layers.iter().map(each).sum();
        let in_order: usize = before.iter().map(|layer| of(layer, &layer.forward)).sum();
        [
            sum(&|layer| of(layer, &layer.forward)),
            sum(&|layer| of(layer, &layer.transposed)),
            in_order + of(last, &self.by_site.addresses),
        ]
    }

    /// Number of outputs per active site.
    pub fn outputs(&self) -> usize {
        self.fields[self.layers.len()].channels
    }

    /// Flat indices of the active sites, ascending: where there is an output.
    pub fn active_sites(&self) -> &[usize] {
        &self.fields[self.layers.len()].sites
    }

    /// Flat indices of the frozen sites, ascending: where there are features.
    pub fn frozen_sites(&self) -> &[usize] {
        &self.fields[0].sites
    }

    /// Length of the features of a tile, 2·frozen·lanes.
    pub fn features_len<T: Real>(&self) -> usize {
        self.fields[0].len::<T>()
    }

    /// Length of the outputs of a tile, outputs·active·lanes.
    pub fn out_len<T: Real>(&self) -> usize {
        self.fields[self.layers.len()].len::<T>()
    }

    /// Length of the tape of a tile: all hidden values.
    pub fn tape_len<T: Real>(&self) -> usize {
        self.hidden_fields().iter().map(Field::len::<T>).sum()
    }

    /// Computes φ at the active sites of one tile: `features` is `[2][frozen][lane]`, `out` `[outputs][active][lane]`; leaves
    /// the hidden values on the `tape`.
    ///
    /// # Panics
    /// If a slice has the wrong length, or `packed` is of another network.
    pub fn forward<T: Real>(&self, packed: &Packed<T>, features: &[T], tape: &mut [T], out: &mut [T]) {
        assert_eq!(tape.len(), self.tape_len::<T>(), "numbers on the tape, and hidden values of a tile");
        let last = self.layers.len() - 1;
        let (mut source, mut rest) = (features, tape);
        for k in 0..last {
            let (target, after) = std::mem::take(&mut rest).split_at_mut(self.fields[k + 1].len::<T>());
            self.convolve(k, packed, source, &mut *target, Finish::Activate(T::of(self.slope)));
            (source, rest) = (target, after);
        }
        self.convolve(last, packed, source, out, Finish::Keep);
    }

    /// Computes φ as [`forward`](Self::forward) does, without a tape.
    ///
    /// # Panics
    /// As `forward`.
    pub fn value<T: Real>(&self, packed: &Packed<T>, features: &[T], scratch: &mut CnnScratch<T>, out: &mut [T]) {
        scratch.reshape(self);
        let (mut this, mut next) = scratch.hidden();
        let last = self.layers.len() - 1;
        for k in 0..last {
            let source = if k == 0 { features } else { &this[..self.fields[k].len::<T>()] };
            let target = &mut next[..self.fields[k + 1].len::<T>()];
            self.convolve(k, packed, source, target, Finish::Activate(T::of(self.slope)));
            std::mem::swap(&mut this, &mut next);
        }
        let source = if last == 0 { features } else { &this[..self.fields[last].len::<T>()] };
        self.convolve(last, packed, source, out, Finish::Keep);
    }

    /// Computes netᵀ v of one tile: `v` is `[outputs][active][lane]`, `into` `[2][frozen][lane]`, `tape` what `forward` left.
    /// With `grad`, the features of `forward` and an accumulator, also adds net_θᵀ v to that.
    ///
    /// # Panics
    /// If a slice has the wrong length, or `packed` or the accumulator is of another network.
    pub fn vjp<T: Real>(
        &self,
        packed: &Packed<T>,
        tape: &[T],
        v: &[T],
        into: &mut [T],
        scratch: &mut CnnScratch<T>,
        mut grad: Option<(&[T], &mut GradAcc<T>)>,
    ) {
        assert_eq!(tape.len(), self.tape_len::<T>(), "numbers on the tape, and hidden values of a tile");
        scratch.reshape(self);
        let last = self.layers.len() - 1;
        if let Some((features, sums)) = &mut grad {
            let input = self.input(last, features, tape);
            self.add_last_gradient(input, v, scratch.by_site.as_mut_slice(), sums);
        }
        let (mut this, mut next) = scratch.hidden();
        for k in (1..=last).rev() {
            let v = if k == last { v } else { &this[..self.fields[k + 1].len::<T>()] };
            let below = &mut next[..self.fields[k].len::<T>()];
            let finish = Finish::Differentiate { slope: T::of(self.slope), hidden: &tape[self.hidden_range::<T>(k)] };
            self.convolve_back(k, packed, v, below, finish);
            if let Some((features, sums)) = &mut grad {
                self.add_gradient(k - 1, self.input(k - 1, features, tape), below, sums);
            }
            std::mem::swap(&mut this, &mut next);
        }
        let v = if last == 0 { v } else { &this[..self.fields[1].len::<T>()] };
        self.convolve_back(0, packed, v, into, Finish::Keep);
    }

    /// The input of layer `k`.
    fn input<'a, T: Real>(&self, k: usize, features: &'a [T], tape: &'a [T]) -> &'a [T] {
        if k == 0 { features } else { &tape[self.hidden_range::<T>(k)] }
    }

    /// Fields of the hidden layers.
    fn hidden_fields(&self) -> &[Field] {
        &self.fields[1..self.layers.len()]
    }

    /// Where field `k`, a hidden layer, lies on the tape.
    fn hidden_range<T: Real>(&self, k: usize) -> Range<usize> {
        let start = self.fields[1..k].iter().map(Field::len::<T>).sum();
        start..start + self.fields[k].len::<T>()
    }

    fn convolve<T: Real>(&self, k: usize, packed: &Packed<T>, source: &[T], target: &mut [T], finish: Finish<'_, T>) {
        let (layer, source, target) = (&self.layers[k], (source, &self.fields[k]), (target, &self.fields[k + 1]));
        layer.forward.convolve(self.instructions, packed.forward(layer), source, target, finish);
    }

    fn convolve_back<T: Real>(&self, k: usize, packed: &Packed<T>, v: &[T], target: &mut [T], finish: Finish<'_, T>) {
        let (layer, source, target) = (&self.layers[k], (v, &self.fields[k + 1]), (target, &self.fields[k]));
        layer.transposed.convolve(self.instructions, packed.transposed(layer), source, target, finish);
    }

    /// Adds the gradient of a layer before the last.
    fn add_gradient<T: Real>(&self, k: usize, input: &[T], v: &[T], sums: &mut GradAcc<T>) {
        let (layer, input, v) = (&self.layers[k], (input, &self.fields[k]), (v, &self.fields[k + 1]));
        layer.forward.add_gradient(self.instructions, input, v, sums.layer_mut(layer));
    }

    /// Adds the gradient of the last layer; `by_site` is room for v in another order.
    fn add_last_gradient<T: Real>(&self, input: &[T], v: &[T], by_site: &mut [T], sums: &mut GradAcc<T>) {
        let last = self.layers.len() - 1;
        let (layer, input, field) = (&self.layers[last], (input, &self.fields[last]), &self.by_site.field);
        simd::run(self.instructions, Reorder::new((v, &self.fields[last + 1]), (&mut *by_site, field)));
        self.by_site.addresses.add_gradient(self.instructions, input, (by_site, field), sums.layer_mut(layer));
    }
}

/// Refuses an extent of a window that is even or too large.
pub(crate) fn check_kernel(kernel: usize) -> Result<(), FlowError> {
    if kernel.is_multiple_of(2) || kernel > LARGEST_KERNEL {
        return Err(FlowError::new("kernel", kernel, "an odd number up to 63"));
    }
    Ok(())
}

fn check_shape(hidden: &[usize], outputs: usize, kernel: usize, slope: f64) -> Result<(), FlowError> {
    if hidden.contains(&0) {
        return Err(FlowError::new("hidden", hidden, "widths of at least 1"));
    }
    if outputs == 0 {
        return Err(FlowError::new("outputs", outputs, "at least 1"));
    }
    check_kernel(kernel)?;
    if !(slope.is_finite() && slope >= 0.0) {
        return Err(FlowError::new("slope", slope, "a number of at least 0"));
    }
    Ok(())
}

/// Features, hidden layers and outputs, each on the classes from which the next one is computed.
fn fields(stripes: Stripes, window: Window, hidden: &[usize], outputs: usize) -> Vec<Field> {
    let mut fields = vec![Field::new(stripes, ACTIVE, outputs, Order::ChannelFirst)];
    let mut classes = ACTIVE;
    for &width in hidden.iter().rev() {
        classes = window.reads(stripes, classes);
        fields.push(Field::new(stripes, classes, width, Order::SiteFirst));
    }
    fields.push(Field::new(stripes, FROZEN, FEATURES, Order::ChannelFirst));
    fields.reverse();
    fields
}
