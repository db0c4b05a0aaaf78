//! Memory of the network between calls: rearranged weights, cotangents, and sums of weight gradients.

use super::Cnn;
use super::convolution::{ConstantInput, Convolution};
use super::geometry::{Field, Way};
use super::gradient::SumLanes;
use crate::simd::{self, lanes};
use upg_core::{Accum, Batch, Real};

/// Weights in the order in which the convolutions read them, for [`Cnn::forward`] and [`Cnn::vjp`].
#[derive(Clone, Debug, Default)]
pub struct Packed<T> {
    /// `[slot][in][out]` at the layer's range of packed weights.
    forward: Vec<T>,
    /// `[slot][out][in]` at the same range.
    transposed: Vec<T>,
    /// `[class][out]` at the layer's range of constants.
    constants: Vec<T>,
    /// `[class][channel]`: what a transposed convolution starts from.
    zeros: Vec<T>,
}

impl Cnn {
    /// Rearranges the parameters; to be repeated whenever they change.
    ///
    /// # Panics
    /// If the number of parameters is wrong.
    pub fn pack<T: Real>(&self, theta: &[T], packed: &mut Packed<T>) {
        assert_eq!(theta.len(), self.layout.size(), "parameters given, and parameters of the network");
        let zeros = self.convolutions().map(|layer| layer.classes * layer.inputs).max().unwrap_or(0);
        packed.zeros.resize(zeros, T::zero());
        let last = self.last_convolution();
        packed.forward.resize(last.packed.end, T::zero());
        packed.transposed.resize(last.packed.end, T::zero());
        packed.constants.resize(last.constants.end, T::zero());
        for layer in self.convolutions() {
            layer.pack(theta, packed);
        }
    }

    /// Sets the sums of weight gradients to zero.
    pub fn clear<T: Real>(&self, sums: &mut GradAcc<T>) {
        let vectors = self.last_convolution().sums.end;
        sums.vectors.reshape(vectors.next_multiple_of(lanes::<T>()), lanes::<T>());
        sums.vectors.fill(T::zero());
    }

    /// Writes or adds net_θᵀ v, summed over all tiles since [`clear`](Self::clear), to `into`, which has the shape of the
    /// parameters. The sums are spent: the next tile needs a `clear` before.
    ///
    /// # Panics
    /// If `into` has the wrong length, or the sums are of another network.
    pub fn write_gradient<T: Real>(&self, sums: &mut GradAcc<T>, into: &mut [T], accum: Accum) {
        assert_eq!(into.len(), self.layout.size(), "elements of the gradient, and parameters of the network");
        simd::run_on(self.instructions, SumLanes { vectors: sums.vectors.as_mut_slice() });
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        for layer in self.convolutions() {
            layer.add_sums(&sums.vectors.as_slice()[layer.sums.clone()], into);
        }
    }
}

impl<T: Real> Packed<T> {
    /// Weights and constants of the forward convolution.
    pub(super) fn forward(&self, layer: &Convolution) -> (&[T], &[T]) {
        (&self.forward[layer.packed.clone()], &self.constants[layer.constants.clone()])
    }

    /// Weights of the transposed convolution, and zeros.
    pub(super) fn transposed(&self, layer: &Convolution) -> (&[T], &[T]) {
        (&self.transposed[layer.packed.clone()], &self.zeros[..layer.classes * layer.inputs])
    }
}

impl Convolution {
    fn pack<T: Real>(&self, theta: &[T], packed: &mut Packed<T>) {
        let Self { inputs, outputs, .. } = *self;
        let (forward, transposed) =
            (&mut packed.forward[self.packed.clone()], &mut packed.transposed[self.packed.clone()]);
        for output in 0..outputs {
            for input in 0..inputs {
                self.fill_slots(theta, Way::Forward, [output, input], |slot, weight| {
                    forward[(slot * inputs + input) * outputs + output] = weight;
                });
                self.fill_slots(theta, Way::Transposed, [output, input], |slot, weight| {
                    transposed[(slot * outputs + output) * inputs + input] = weight;
                });
            }
        }
        let constants = &mut packed.constants[self.constants.clone()];
        match self.bias.is_empty() {
            true => constants.fill(T::zero()),
            false => constants.chunks_exact_mut(outputs).for_each(|c| c.copy_from_slice(&theta[self.bias.clone()])),
        }
        for &ConstantInput { class, tap, input, value } in &self.constant_inputs {
            for output in 0..outputs {
                constants[class * outputs + output] += T::of(value) * theta[self.position(output, input, tap)];
            }
        }
    }

    /// Adds the layer's sums to its part of the gradient.
    fn add_sums<T: Real>(&self, sums: &[T], into: &mut [T]) {
        let Self { inputs, outputs, .. } = *self;
        let (weights, totals) = sums.split_at(self.totals());
        let slots = self.forward.slots();
        for output in 0..outputs {
            for input in 0..inputs {
                let sum = |slot: usize| weights[(input * slots + slot) * outputs + output];
                self.add_slots([output, input], sum, into);
            }
        }
        for of_class in totals.chunks_exact(outputs) {
            into[self.bias.clone()].iter_mut().zip(of_class).for_each(|(bias, &total)| *bias += total);
        }
        for &ConstantInput { class, tap, input, value } in &self.constant_inputs {
            for output in 0..outputs {
                into[self.position(output, input, tap)] += T::of(value) * totals[class * outputs + output];
            }
        }
    }
}

/// Sums of weight gradients over the tiles of a micro-batch, one partial sum a lane.
///
/// [`Cnn::clear`], then any number of [`Cnn::vjp`], then [`Cnn::write_gradient`].
#[derive(Clone, Debug)]
pub struct GradAcc<T: Real> {
    /// `[sum][lane]`, padded to a multiple of [`lanes`] sums.
    vectors: Batch<T>,
}

impl<T: Real> Default for GradAcc<T> {
    fn default() -> Self {
        Self { vectors: Batch::default() }
    }
}

impl<T: Real> GradAcc<T> {
    /// The sums of one layer.
    #[track_caller]
    pub(super) fn layer_mut(&mut self, layer: &Convolution) -> &mut [T] {
        &mut self.vectors.as_mut_slice()[layer.sums.start * lanes::<T>()..layer.sums.end * lanes::<T>()]
    }
}

/// Cotangents of one tile, and squares of the last hidden layer.
#[derive(Clone, Debug)]
pub struct CnnScratch<T: Real> {
    /// v of a block of outputs, `[active][channels][lane]`.
    pub(super) by_site: Batch<T>,
    /// Of the last hidden layer, where a block of outputs reads them.
    pub(super) squares: Batch<T>,
    /// The cotangent of the last hidden layer through one of several blocks of outputs.
    pub(super) through: Batch<T>,
    /// Of the two hidden layers at work.
    pub(super) this: Batch<T>,
    pub(super) next: Batch<T>,
}

impl<T: Real> Default for CnnScratch<T> {
    fn default() -> Self {
        let [by_site, squares, through, this, next] = std::array::from_fn(|_| Batch::default());
        Self { by_site, squares, through, this, next }
    }
}

impl<T: Real> CnnScratch<T> {
    /// Gives the buffers the sizes of the network's fields.
    pub(super) fn reshape(&mut self, cnn: &Cnn) {
        let largest = |fields: &mut dyn Iterator<Item = &Field>| fields.map(Field::vectors).max().unwrap_or(0);
        let hidden = largest(&mut cnn.fields[1..].iter());
        let last = cnn.fields[cnn.layers.len()].vectors();
        self.by_site.reshape(largest(&mut cnn.parts.iter().map(|part| &part.by_site)), lanes::<T>());
        self.squares.reshape(if cnn.reads_squares() { last } else { 0 }, lanes::<T>());
        self.through.reshape(if cnn.reads_squares() || cnn.parts.len() > 1 { last } else { 0 }, lanes::<T>());
        self.this.reshape(hidden, lanes::<T>());
        self.next.reshape(hidden, lanes::<T>());
    }
}
