//! Sites of a striped lattice, and where the values of a field on some of them lie in memory.

use crate::error::FlowError;
use upg_core::Real;

/// The period of the stripes: a site is in one of this many residue classes.
pub(super) const PERIOD: usize = 4;

/// A choice of residue classes.
pub(super) type Classes = [bool; PERIOD];

/// Sites to be transformed.
pub(super) const ACTIVE: Classes = [true, false, false, false];
/// Sites whose features enter the network.
pub(super) const FROZEN: Classes = [false, true, true, false];

/// Stripes of period four on a periodic two-dimensional lattice, MATH §"Gauge theory".
///
/// Site x has the residue r(x) = (x_cross − offset) mod 4: active for r = 0, frozen for 1 and 2, passive for 3. For links of direction
/// μ the stripes are crossed by going along the other axis, cross = 1 − μ. The flat index of a site is in C order, x_0·L_1 + x_1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripes {
    /// Extents [L_0, L_1], multiples of 4.
    pub lattice: [usize; 2],
    /// The axis along which the residue changes, 0 or 1.
    pub cross: usize,
    /// Coordinate of the first active stripe, 0 to 3.
    pub offset: usize,
}

impl Stripes {
    /// Refuses what isn't a striped lattice.
    pub(super) fn check(&self) -> Result<(), FlowError> {
        if self.lattice.iter().any(|&extent| extent == 0 || !extent.is_multiple_of(PERIOD)) {
            return Err(FlowError::new("lattice", self.lattice, "two extents that are positive multiples of 4"));
        }
        if self.cross > 1 {
            return Err(FlowError::new("cross", self.cross, "an axis, 0 or 1"));
        }
        if self.offset >= PERIOD {
            return Err(FlowError::new("offset", self.offset, "a coordinate from 0 to 3"));
        }
        Ok(())
    }

    /// Residue class of a flat index.
    pub(super) fn class(&self, site: usize) -> usize {
        (self.coordinates(site)[self.cross] + PERIOD - self.offset) % PERIOD
    }

    /// Flat indices of the sites in some of the classes, ascending.
    pub(super) fn sites(&self, classes: Classes) -> Vec<usize> {
        (0..self.volume()).filter(|&site| classes[self.class(site)]).collect()
    }

    /// The flat index of the site at `site` + `by`.
    pub(super) fn shifted(&self, site: usize, by: [isize; 2]) -> usize {
        let x = self.coordinates(site);
        let wrap = |axis: usize| (x[axis] as isize + by[axis]).rem_euclid(self.lattice[axis] as isize) as usize;
        wrap(0) * self.lattice[1] + wrap(1)
    }

    /// The coordinate of a flat index along the stripes.
    pub(super) fn along(&self, site: usize) -> usize {
        self.coordinates(site)[1 - self.cross]
    }

    pub(super) fn volume(&self) -> usize {
        self.lattice[0] * self.lattice[1]
    }

    fn coordinates(&self, site: usize) -> [usize; 2] {
        [site / self.lattice[1], site % self.lattice[1]]
    }
}

/// A square kernel of odd extent k. Its taps are numbered in C order, k_0·k + k_1, as in a weight tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub extent: usize,
}

impl Window {
    pub fn taps(self) -> usize {
        self.extent * self.extent
    }

    /// The displacement d of a tap: the weight multiplies the value at x + d.
    pub fn displacement(self, tap: usize) -> [isize; 2] {
        let centred = |k: usize| k as isize - (self.extent / 2) as isize;
        [centred(tap / self.extent), centred(tap % self.extent)]
    }

    /// The class in which a tap lands from `class`, going by +d or by −d.
    pub fn landing(self, stripes: Stripes, class: usize, tap: usize, way: Way) -> usize {
        let d = way.along(self.displacement(tap))[stripes.cross];
        (class as isize + d).rem_euclid(PERIOD as isize) as usize
    }

    /// The classes that the kernel reads to give its values in `classes`.
    pub fn reads(self, stripes: Stripes, classes: Classes) -> Classes {
        let mut read = [false; PERIOD];
        for class in (0..PERIOD).filter(|&class| classes[class]) {
            for tap in 0..self.taps() {
                read[self.landing(stripes, class, tap, Way::Forward)] = true;
            }
        }
        read
    }
}

/// Which way a convolution goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From inputs to outputs: tap d reads at x + d.
    Forward,
    /// From cotangents of outputs to those of inputs: tap d reads at x − d.
    Transposed,
}

impl Way {
    pub fn along(self, d: [isize; 2]) -> [isize; 2] {
        match self {
            Self::Forward => d,
            Self::Transposed => d.map(|d| -d),
        }
    }
}

/// Bytes of one number of all samples of a tile.
const TILE: usize = 64;

/// Samples in a tile of 64 bytes: 16 in single precision, 8 in double precision.
///
/// ```
/// assert_eq!((upg_flows::cnn::lanes::<f32>(), upg_flows::cnn::lanes::<f64>()), (16, 8));
/// ```
pub const fn lanes<T: Real>() -> usize {
    TILE / size_of::<T>()
}

/// The order of a field in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// `[channel][site][lane]`: what users hand in and get.
    ChannelFirst,
    /// `[site][channel][lane]`, for hidden values and cotangents: all channels of a site are read together. Where the number of
    /// channels is even, one vector of padding follows: with a power of two, one channel of all sites would compete for
    /// the same few sets of the cache.
    SiteFirst,
}

/// A field of several channels on the sites of some classes. A *vector* is one tile's lanes, [`TILE`] bytes in either precision.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Where the field has values.
    pub classes: Classes,
    /// Flat indices of these sites, ascending.
    pub sites: Vec<usize>,
    /// Number of channels.
    pub channels: usize,
    order: Order,
}

impl Field {
    /// Of more than these the addresses in bytes wouldn't fit their type.
    pub const MOST_VECTORS: usize = u32::MAX as usize / TILE;

    pub fn new(stripes: Stripes, classes: Classes, channels: usize, order: Order) -> Self {
        Self { classes, sites: stripes.sites(classes), channels, order }
    }

    /// Number of vectors, padding included.
    pub fn vectors(&self) -> usize {
        match self.order {
            Order::ChannelFirst => self.sites.len() * self.channels,
            Order::SiteFirst => self.sites.len() * self.site_stride(),
        }
    }

    /// Length of a slice that holds one tile of the field.
    pub fn len<T: Real>(&self) -> usize {
        self.vectors() * lanes::<T>()
    }

    /// The vector of a channel at the site of a given position in the list.
    pub fn vector(&self, position: usize, channel: usize) -> usize {
        position * self.site_stride() + channel * self.channel_stride()
    }

    /// Vectors from one channel to the next.
    pub fn channel_stride(&self) -> usize {
        match self.order {
            Order::ChannelFirst => self.sites.len(),
            Order::SiteFirst => 1,
        }
    }

    /// Vectors from one site to the next.
    fn site_stride(&self) -> usize {
        match self.order {
            Order::ChannelFirst => 1,
            Order::SiteFirst => self.channels | 1,
        }
    }

    /// For every flat index the address in bytes of the vector of channel 0 there, if the field has it.
    pub fn addresses(&self, volume: usize) -> Vec<Option<u32>> {
        let mut addresses = vec![None; volume];
        for (position, &site) in self.sites.iter().enumerate() {
            let address = u32::try_from(self.vector(position, 0) * TILE);
            addresses[site] = Some(address.expect("a field of a tile is smaller than 4 GB"));
        }
        addresses
    }
}
