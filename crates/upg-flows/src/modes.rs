//! The real Fourier transform of a field on a periodic lattice, 1 to any number of dimensions, samples in lanes.
//!
//! Along an axis of L sites the modes are orthonormal (their order is that of [`orbits`](crate::orbits)):
//!
//! m_0(x) = 1/√L, m_{2k−1}(x) = √(2/L) cos(2πkx/L), m_{2k}(x) = √(2/L) sin(2πkx/L), and m_{L−1}(x) = (−1)^x/√L for even L.
//!
//! Those of the lattice are their products, so the transform goes axis by axis, and its inverse is its transpose.
//!
//! Fields have shape `[site][sample]`, the number of samples a multiple of [`lanes`], 64 bytes. A line of L sites is folded at 0 and L/2, and for even L at
//! ±L/4 as well: sums and differences of mirrored sites meet only the cosines of even k, those of odd k, the sines of odd k, or those of
//! even k, so that L²/4 multiply-adds do instead of L².

mod axis;
mod line;

pub use axis::mode;

use crate::simd::{self, lanes};
use axis::Axis;
use line::Lines;
use upg_core::Real;

/// The transform of fields on one lattice.
#[derive(Clone, Debug)]
pub struct Modes<T> {
    axes: Vec<Axis<T>>,
    volume: usize,
}

/// Which way fields are transformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToModes,
    ToSites,
}

impl<T: Real> Modes<T> {
    /// The transform on a lattice of these extents, each at least 1.
    pub fn new(lattice: &[usize]) -> Self {
        Self { axes: lattice.iter().map(|&extent| Axis::new(extent)).collect(), volume: lattice.iter().product() }
    }

    /// Sites of the lattice, and modes.
    pub fn volume(&self) -> usize {
        self.volume
    }

    /// Replaces the values at the sites by the amplitudes of the modes, in each of the fields one behind the other in `fields`.
    ///
    /// # Panics
    /// If `samples` isn't a multiple of [`lanes`], or `fields` doesn't consist of whole fields.
    #[track_caller]
    pub fn to_modes(&self, fields: &mut [T], samples: usize, memory: &mut Vec<T>) {
        self.transform(Way::ToModes, fields, samples, memory);
    }

    /// Replaces the amplitudes of the modes by the values at the sites.
    ///
    /// # Panics
    /// As [`to_modes`](Self::to_modes).
    #[track_caller]
    pub fn to_sites(&self, fields: &mut [T], samples: usize, memory: &mut Vec<T>) {
        self.transform(Way::ToSites, fields, samples, memory);
    }

    #[track_caller]
    fn transform(&self, way: Way, fields: &mut [T], samples: usize, memory: &mut Vec<T>) {
        let field = self.volume * samples;
        assert!(fields.len().is_multiple_of(field), "{} numbers, fields of {field}", fields.len());
        assert!(samples.is_multiple_of(lanes::<T>()), "{samples} samples, lanes {}", lanes::<T>());
        let longest = self.axes.iter().map(Axis::extent).max().unwrap_or(1);
        memory.resize(longest * lanes::<T>(), T::zero());
        let mut inner = samples;
        for axis in self.axes.iter().rev().filter(|axis| axis.extent() > 1) {
            simd::run(Lines { axis, way, fields, stride: inner, folded: memory });
            inner *= axis.extent();
        }
    }
}

/// Multiply-adds of a transform of one field, either way.
pub(crate) fn multiply_adds(lattice: &[usize]) -> u64 {
    let volume = lattice.iter().fold(1, |volume: u64, &extent| volume.saturating_mul(extent as u64));
    let folded = |extent: usize| if extent.is_multiple_of(2) { extent.div_ceil(4) } else { extent.div_ceil(2) };
    lattice.iter().fold(0, |sum: u64, &extent| sum.saturating_add(volume.saturating_mul(folded(extent) as u64)))
}
