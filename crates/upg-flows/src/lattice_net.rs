//! The periodic convolutional network as conditioner of a coupling of scalars: φ at the transformed sites from the values at the kept ones.
//!
//! Shapes: c `[kept, samples]`, φ and its cotangents `[outputs · transformed, samples]`, φ_k of site i in row k·n + i. The batch goes
//! through the network by tiles of [`lanes`] samples; a batch of exactly one tile lies in memory as the network wants it, others are copied.

use crate::{
    cnn::{Cnn, CnnScratch, GradAcc, Kept, Packed, Tile},
    conditioner::{Conditioner, Weights},
    simd::lanes,
};
use std::sync::Arc;
use upg_core::{Accum, Batch, ParamLayout, Real};

/// What a coupling commutes with, whatever its parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "symmetry"))]
pub enum Symmetry {
    /// Translations that keep the mask, and nothing else.
    #[default]
    None,
    /// x ↦ −x too: T(−x) = −T(x) to the bit.
    Z2,
}

/// A periodic convolutional network whose frozen sites are all that aren't active, with one number on each.
#[derive(Clone, Debug)]
pub struct LatticeNet {
    cnn: Arc<Cnn>,
}

impl LatticeNet {
    /// The conditioner that `cnn` is.
    ///
    /// # Panics
    /// If the network has more than one input channel.
    #[track_caller]
    pub fn new(cnn: Cnn) -> Self {
        assert_eq!(cnn.inputs(), 1, "input channels of a network that reads scalars");
        Self { cnn: Arc::new(cnn) }
    }
}

/// Hidden values of every tile, one tile a row, and φ.
#[derive(Debug, Default)]
pub struct LatticeTape<T: Real> {
    hidden: Batch<T>,
    output: Batch<T>,
}

/// The network's own memory, and a tile on its way.
#[derive(Debug, Default)]
pub struct LatticeScratch<T: Real> {
    net: CnnScratch<T>,
    sums: GradAcc<T>,
    at: TileMemory<T>,
    /// netᵀ v of a tile.
    through: Batch<T>,
    /// φ without a tape, or netᵀ v.
    result: Batch<T>,
}

/// Values and cotangents of one tile, used where the batch isn't one.
#[derive(Debug, Default)]
struct TileMemory<T: Real> {
    features: Batch<T>,
    outputs: Batch<T>,
}

impl<T: Real> TileMemory<T> {
    fn reshape(&mut self, cnn: &Cnn) {
        self.features.reshape(cnn.features_len::<T>() / lanes::<T>(), lanes::<T>());
        self.outputs.reshape(cnn.out_len::<T>() / lanes::<T>(), lanes::<T>());
    }
}

/// The numbers of a tile in `batch`: these themselves if they are all there are, else a copy in `memory`.
fn numbers<'a, T: Real>(tile: Tile, batch: &'a Batch<T>, memory: &'a mut Batch<T>) -> &'a [T] {
    if batch.samples() == lanes::<T>() {
        return batch.as_slice();
    }
    tile.take(batch, memory.as_mut_slice());
    memory.as_slice()
}

/// Lets `fill` write the numbers of a tile of `batch`.
fn fill_numbers<T: Real>(tile: Tile, batch: &mut Batch<T>, memory: &mut Batch<T>, fill: impl FnOnce(&mut [T])) {
    if batch.samples() == lanes::<T>() {
        return fill(batch.as_mut_slice());
    }
    fill(memory.as_mut_slice());
    tile.put(memory.as_slice(), batch);
}

impl<T: Real> Conditioner<T> for LatticeNet {
    type Prepared = Packed<T>;
    type Tape = LatticeTape<T>;
    type Scratch = LatticeScratch<T>;

    fn inputs(&self) -> usize {
        self.cnn.frozen_sites().len()
    }

    fn outputs(&self) -> usize {
        self.cnn.outputs() * self.cnn.active_sites().len()
    }

    fn params(&self) -> ParamLayout {
        self.cnn.params()
    }

    fn prepare(&self, theta: &[T], prepared: &mut Packed<T>) {
        self.cnn.pack(theta, prepared);
    }

    fn forward<'t>(
        &self,
        weights: Weights<'_, T, Packed<T>>,
        c: &Batch<T>,
        tape: &'t mut LatticeTape<T>,
        scratch: &mut LatticeScratch<T>,
    ) -> &'t Batch<T> {
        let (LatticeTape { hidden, output }, LatticeScratch { net, at, .. }) = (tape, scratch);
        hidden.reshape(c.samples().div_ceil(lanes::<T>()), self.cnn.tape_len::<T>());
        output.reshape(Conditioner::<T>::outputs(self), c.samples());
        at.reshape(&self.cnn);
        for tile in Tile::all::<T>(c.samples()) {
            let features = numbers(tile, c, &mut at.features);
            let hidden = hidden.row_mut(tile.index);
            fill_numbers(tile, output, &mut at.outputs, |out| {
                self.cnn.forward(weights.prepared, features, hidden, net, out);
            });
        }
        output
    }

    fn value<'s>(
        &self,
        weights: Weights<'_, T, Packed<T>>,
        c: &Batch<T>,
        scratch: &'s mut LatticeScratch<T>,
    ) -> &'s Batch<T> {
        let LatticeScratch { net, at, result, .. } = scratch;
        result.reshape(Conditioner::<T>::outputs(self), c.samples());
        at.reshape(&self.cnn);
        for tile in Tile::all::<T>(c.samples()) {
            let features = numbers(tile, c, &mut at.features);
            fill_numbers(tile, result, &mut at.outputs, |out| self.cnn.value(weights.prepared, features, net, out));
        }
        result
    }

    fn vjp<'s>(
        &self,
        weights: Weights<'_, T, Packed<T>>,
        c: &Batch<T>,
        tape: &LatticeTape<T>,
        v: &Batch<T>,
        grad: Option<(&mut [T], Accum)>,
        scratch: &'s mut LatticeScratch<T>,
    ) -> &'s Batch<T> {
        let LatticeScratch { net, sums, at, through, result } = scratch;
        result.reshape(Conditioner::<T>::inputs(self), c.samples());
        at.reshape(&self.cnn);
        through.reshape(at.features.rows(), lanes::<T>());
        if grad.is_some() {
            self.cnn.clear(sums);
        }
        for tile in Tile::all::<T>(c.samples()) {
            let features = numbers(tile, c, &mut at.features);
            let v = numbers(tile, v, &mut at.outputs);
            let kept = Kept { features, tape: tape.hidden.row(tile.index) };
            let sums = grad.is_some().then_some(&mut *sums);
            fill_numbers(tile, result, through, |into| self.cnn.vjp(weights.prepared, kept, v, into, net, sums));
        }
        if let Some((into, accum)) = grad {
            self.cnn.write_gradient(sums, into, accum);
        }
        result
    }
}
