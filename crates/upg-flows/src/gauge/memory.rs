//! Memory of the gauge couplings. A tile's numbers of one kind are neighbours: `[row][site][lane]`.

use crate::cnn::{Cnn, CnnScratch, GradAcc, Tile};
use crate::simd::lanes;
use upg_core::{Batch, Real};

/// The tape: one row per tile.
#[derive(Default)]
pub(super) struct Tape<T: Real> {
    features: Batch<T>,
    hidden: Batch<T>,
    partials: Batch<T>,
}

/// A tile's part of the tape.
pub(super) struct TapeOfTile<S> {
    /// cos P and sin P of the frozen plaquettes, `[2][frozen][lane]`.
    pub features: S,
    /// Hidden values of the net.
    pub hidden: S,
    /// λ and partials, `[row][active][lane]`.
    pub partials: S,
}

impl<T: Real> Tape<T> {
    /// For a transform that keeps `rows` rows.
    pub fn reshape(&mut self, net: &Cnn, rows: usize, tiles: usize) {
        self.features.reshape(tiles, net.features_len::<T>());
        self.hidden.reshape(tiles, net.tape_len::<T>());
        self.partials.reshape(tiles, rows * net.active_sites().len() * lanes::<T>());
    }

    pub fn tiles(&self) -> usize {
        self.features.rows()
    }

    pub fn tile(&self, tile: Tile) -> TapeOfTile<&[T]> {
        let Self { features, hidden, partials } = self;
        let i = tile.index;
        TapeOfTile { features: features.row(i), hidden: hidden.row(i), partials: partials.row(i) }
    }

    pub fn tile_mut(&mut self, tile: Tile) -> TapeOfTile<&mut [T]> {
        let Self { features, hidden, partials } = self;
        let i = tile.index;
        TapeOfTile { features: features.row_mut(i), hidden: hidden.row_mut(i), partials: partials.row_mut(i) }
    }
}

/// Memory that all gauge couplings share.
#[derive(Default)]
pub(super) struct Scratch<T: Real> {
    pub net: CnnScratch<T>,
    pub sums: GradAcc<T>,
    pub plaquettes: Plaquettes<T>,
    pub untaped: Untaped<T>,
    pub covectors: Covectors<T>,
}

/// A tile on its way through the layer.
#[derive(Default)]
pub(super) struct Plaquettes<T: Real> {
    /// Frozen plaquettes, `[frozen][lane]`.
    pub frozen: Batch<T>,
    /// φ, `[width][active][lane]`.
    pub phi: Batch<T>,
    /// Active plaquettes before and after, `[active][lane]`.
    pub p: Batch<T>,
    pub y: Batch<T>,
}

impl<T: Real> Plaquettes<T> {
    pub fn reshape(&mut self, net: &Cnn) {
        let (active, frozen) = (net.active_sites().len(), net.frozen_sites().len());
        self.frozen.reshape(frozen, lanes::<T>());
        self.phi.reshape(net.outputs() * active, lanes::<T>());
        self.p.reshape(active, lanes::<T>());
        self.y.reshape(active, lanes::<T>());
    }
}

/// Memory in the place of a tape.
#[derive(Default)]
pub(super) struct Untaped<T: Real> {
    /// As on the tape.
    pub features: Batch<T>,
    /// λ, `[active][lane]`.
    pub lambda: Batch<T>,
    /// The transform's own.
    pub transform: Batch<T>,
}

impl<T: Real> Untaped<T> {
    pub fn reshape(&mut self, net: &Cnn) {
        self.features.reshape(2 * net.frozen_sites().len(), lanes::<T>());
        self.lambda.reshape(net.active_sites().len(), lanes::<T>());
    }
}

/// A tile of covectors on its way through the layer, forth or back.
#[derive(Default)]
pub(super) struct Covectors<T: Real> {
    /// a_p on the active plaquettes, and its change, `[active][lane]`.
    pub a_p: Batch<T>,
    pub change: Batch<T>,
    /// v, `[width][active][lane]`.
    pub v: Batch<T>,
    /// Cotangents of the features, `[2][frozen][lane]`, and of the frozen plaquettes, `[frozen][lane]`.
    pub features: Batch<T>,
    pub frozen: Batch<T>,
}

impl<T: Real> Covectors<T> {
    pub fn reshape(&mut self, net: &Cnn) {
        let (active, frozen) = (net.active_sites().len(), net.frozen_sites().len());
        self.a_p.reshape(active, lanes::<T>());
        self.change.reshape(active, lanes::<T>());
        self.v.reshape(net.outputs() * active, lanes::<T>());
        self.features.reshape(2 * frozen, lanes::<T>());
        self.frozen.reshape(frozen, lanes::<T>());
    }
}
