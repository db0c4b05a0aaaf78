//! Memory of the network between calls: rearranged weights, cotangents, and sums of weight gradients.

use super::convolution::Convolution;
use super::geometry::{PERIOD, Way, lanes};
use super::gradient::SumLanes;
use super::{Cnn, simd};
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
        let widest = self.fields.iter().map(|field| field.channels).max().unwrap_or(0);
        packed.zeros.resize(PERIOD * widest, T::zero());
        let weights = self.layers.last().map_or(0, |layer| layer.packed.end);
        packed.forward.resize(weights, T::zero());
        packed.transposed.resize(weights, T::zero());
        packed.constants.resize(self.layers.last().map_or(0, |layer| layer.constants.end), T::zero());
        for layer in &self.layers {
            layer.pack(theta, packed);
        }
        self.fold_constant_inputs(theta, packed);
    }

    /// Adds to the first layer's constants what the inputs (1, 0) contribute.
    fn fold_constant_inputs<T: Real>(&self, theta: &[T], packed: &mut Packed<T>) {
        let first = &self.layers[0];
        for &(class, tap) in &self.constant_taps {
            for output in 0..first.outputs {
                packed.constants[class * first.outputs + output] += theta[first.position(output, 0, tap)];
            }
        }
    }

    /// Sets the sums of weight gradients to zero.
    pub fn clear<T: Real>(&self, sums: &mut GradAcc<T>) {
        let vectors = self.layers.last().map_or(0, |layer| layer.sums.end);
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
        simd::run(self.instructions, SumLanes { vectors: sums.vectors.as_mut_slice() });
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        for layer in &self.layers {
            layer.add_sums(&sums.vectors.as_slice()[layer.sums.clone()], into);
        }
        self.add_constant_inputs(sums.vectors.as_slice(), into);
    }

    /// Adds the gradient of the first layer's weights from inputs (1, 0): the sum of v over the class.
    fn add_constant_inputs<T: Real>(&self, sums: &[T], into: &mut [T]) {
        let first = &self.layers[0];
        let totals = &sums[first.totals()..];
        for &(class, tap) in &self.constant_taps {
            for output in 0..first.outputs {
                into[first.position(output, 0, tap)] += totals[class * first.outputs + output];
            }
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
        (&self.transposed[layer.packed.clone()], &self.zeros[..PERIOD * layer.inputs])
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
        for constants in packed.constants[self.constants.clone()].chunks_exact_mut(outputs) {
            constants.copy_from_slice(&theta[self.bias.clone()]);
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

/// Cotangents of one tile.
#[derive(Clone, Debug)]
pub struct CnnScratch<T: Real> {
    /// v, `[active][outputs][lane]`.
    pub(super) by_site: Batch<T>,
    /// Of the two hidden layers at work.
    this: Batch<T>,
    next: Batch<T>,
}

impl<T: Real> Default for CnnScratch<T> {
    fn default() -> Self {
        Self { by_site: Batch::default(), this: Batch::default(), next: Batch::default() }
    }
}

impl<T: Real> CnnScratch<T> {
    /// Gives the buffers the sizes of the network's fields.
    pub(super) fn reshape(&mut self, cnn: &Cnn) {
        let vectors = cnn.hidden_fields().iter().map(|field| field.vectors()).max().unwrap_or(0);
        self.by_site.reshape(cnn.by_site.field.vectors(), lanes::<T>());
        self.this.reshape(vectors, lanes::<T>());
        self.next.reshape(vectors, lanes::<T>());
    }

    /// Room for two cotangents of the largest hidden layer.
    pub(super) fn hidden(&mut self) -> (&mut [T], &mut [T]) {
        (self.this.as_mut_slice(), self.next.as_mut_slice())
    }
}
