//! The real Fourier transform of fields on a periodic lattice, axis by axis: see [`upg_flows::modes`]. Kernels: `modes.cu`.

use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::Batch;
use std::sync::Arc;
use upg_core::{DeviceError, Memory, Real};
use upg_flows::modes::mode;

/// The transform of fields on one lattice.
pub(crate) struct Modes<G: Gpu> {
    /// Those of more than one site, in C order.
    axes: Vec<Axis<G>>,
    volume: usize,
    kernels: Arc<Kernels<G>>,
}

/// One axis: m_r(n) as `[site][mode]`, and as `[mode][site]`.
struct Axis<G: Gpu> {
    extent: usize,
    by_site: Table<G>,
    by_mode: Table<G>,
}

/// Which way fields are transformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToModes,
    ToSites,
}

/// Threads of a block, and results of each, as the kernel has them.
const THREADS: u32 = 256;
const RESULTS: usize = 8;

impl<G: Gpu> Axis<G> {
    fn new<T: Real>(device: &Cuda<T, G>, extent: usize) -> Self {
        let numbers = |at: &dyn Fn(usize, usize) -> f64| {
            let all = (0..extent).flat_map(|i| (0..extent).map(move |j| (i, j)));
            device.numbers(&all.map(|(i, j)| at(i, j)).collect::<Vec<f64>>())
        };
        let (by_site, by_mode) = (numbers(&|n, r| mode(extent, r, n)), numbers(&|r, n| mode(extent, r, n)));
        Self { extent, by_site, by_mode }
    }

    /// What meets sites, or what meets modes, by rows.
    fn matrix(&self, way: Way) -> Address {
        match way {
            Way::ToModes => self.by_site.at(),
            Way::ToSites => self.by_mode.at(),
        }
    }
}

impl<G: Gpu> Modes<G> {
    /// The transform on a lattice of these extents, each at least 1.
    ///
    /// # Errors
    /// If its kernel can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, lattice: &[usize]) -> Result<Self, DeviceError> {
        let kernels = device.kernels(kernels::MODES, vec![])?;
        let axes = lattice.iter().filter(|&&extent| extent > 1).map(|&extent| Axis::new(device, extent)).collect();
        Ok(Self { axes, volume: lattice.iter().product(), kernels })
    }

    /// Sites of the lattice, and modes.
    pub fn volume(&self) -> usize {
        self.volume
    }

    /// Fills `to` with the transforms of the fields in `from`, one behind the other, shape `[fields·volume, samples]`; `spare` is memory.
    ///
    /// # Panics
    /// If there aren't whole fields.
    #[track_caller]
    pub fn transform<T: Real>(
        &self,
        device: &Cuda<T, G>,
        way: Way,
        from: &Batch<T, G>,
        to: &mut Batch<T, G>,
        spare: &mut Batch<T, G>,
    ) {
        let (rows, samples) = (from.rows(), from.samples());
        assert!(rows.is_multiple_of(self.volume), "{rows} rows, fields of {}", self.volume);
        device.reshape(to, rows, samples);
        device.reshape(spare, rows, samples);
        if self.axes.is_empty() {
            return device.copy(from, to);
        }
        let (mut at, mut inner) = (from.at(), samples);
        for (left, axis) in self.axes.iter().enumerate().rev() {
            let next = if left % 2 == 0 { to.at() } else { spare.at() };
            self.along_axis(device, axis.matrix(way), [at, next], [axis.extent, inner, rows * samples / axis.extent]);
            (at, inner) = (next, inner * axis.extent);
        }
    }

    /// One axis: its extent, numbers from one site to the next, and its lines.
    fn along_axis<T: Real>(
        &self,
        device: &Cuda<T, G>,
        matrix: Address,
        [from, to]: [Address; 2],
        [extent, inner, lines]: [usize; 3],
    ) {
        let grid = [lines.div_ceil(THREADS as usize) as u32, extent.div_ceil(RESULTS) as u32, 1];
        let spread = Spread { grid, block: [THREADS, 1], shared: 0 };
        device.launch(&self.kernels, "modes_along_axis", spread, arguments![from, to, matrix, extent, inner, lines]);
    }
}
