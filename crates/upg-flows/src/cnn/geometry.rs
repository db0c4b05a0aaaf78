//! Periodic lattices in residue classes, windows, and where the values of a field on some classes lie in memory.

use crate::simd::{TILE, lanes};
use upg_core::Real;

/// Most dimensions of a lattice.
pub(crate) const DIMENSIONS: usize = 4;

/// One number for every axis. A lattice of fewer dimensions has leading axes of extent 1: flat indices and taps are the same.
pub(super) type Axes<N> = [N; DIMENSIONS];

/// A choice of residue classes.
pub(super) type Classes = Vec<bool>;

/// A periodic lattice of one to four dimensions, its sites divided into *residue classes*: a translation takes all sites of a class to
/// sites of one class. The flat index of a site is in C order.
#[derive(Clone, Debug)]
pub(super) struct Lattice {
    extents: Axes<usize>,
    dimensions: usize,
    /// The class of every site.
    class_of: Vec<u32>,
    /// A site of every class.
    site_of: Vec<usize>,
}

impl Lattice {
    /// The lattice on which `class` tells the class of a site from its coordinates, as a number from 0 without gaps.
    ///
    /// # Panics
    /// If there are no extents, or more than four.
    #[track_caller]
    pub fn new(extents: &[usize], class: impl Fn(&[usize]) -> usize) -> Self {
        let dimensions = extents.len();
        assert!((1..=DIMENSIONS).contains(&dimensions), "dimensions of the lattice: {dimensions}");
        let extents = all_axes(extents);
        let mut lattice = Self { extents, dimensions, class_of: vec![], site_of: vec![] };
        let class = |site| class(&lattice.coordinates(site)[DIMENSIONS - dimensions..]) as u32;
        lattice.class_of = (0..lattice.volume()).map(class).collect();
        let classes = lattice.class_of.iter().max().map_or(0, |&last| last as usize + 1);
        lattice.site_of = vec![0; classes];
        for site in (0..lattice.volume()).rev() {
            lattice.site_of[lattice.class_of[site] as usize] = site;
        }
        lattice
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.site_of.len()
    }

    /// Number of dimensions.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The extent of an axis.
    pub fn extent(&self, axis: usize) -> usize {
        self.extents[axis]
    }

    /// Number of sites.
    pub fn volume(&self) -> usize {
        self.extents.iter().product()
    }

    /// The class of a site.
    pub fn class(&self, site: usize) -> usize {
        self.class_of[site] as usize
    }

    /// A site of a class.
    pub fn site_in(&self, class: usize) -> usize {
        self.site_of[class]
    }

    /// Flat indices of the sites in some of the classes, ascending.
    pub fn sites(&self, classes: &[bool]) -> Vec<usize> {
        (0..self.volume()).filter(|&site| classes[self.class(site)]).collect()
    }

    /// The flat index of the site at `site` + `by`.
    pub fn shifted(&self, site: usize, by: Axes<isize>) -> usize {
        let x = self.coordinates(site);
        let wrap = |axis: usize| (x[axis] as isize + by[axis]).rem_euclid(self.extents[axis] as isize) as usize;
        (0..DIMENSIONS).fold(0, |flat, axis| flat * self.extents[axis] + wrap(axis))
    }

    /// The class to which a translation takes `class`.
    pub fn landing(&self, class: usize, by: Axes<isize>) -> usize {
        self.class(self.shifted(self.site_of[class], by))
    }

    /// Whether a step along the axis takes every class to itself.
    pub fn is_striped_along(&self, axis: usize) -> bool {
        (0..self.classes()).all(|class| self.landing(class, step(axis, 1)) == class)
    }

    /// The coordinates of a flat index.
    pub fn coordinates(&self, site: usize) -> Axes<usize> {
        let (mut x, mut rest) = ([0; DIMENSIONS], site);
        for axis in (0..DIMENSIONS).rev() {
            (rest, x[axis]) = (rest / self.extents[axis], rest % self.extents[axis]);
        }
        x
    }
}

/// Numbers of the last axes, 1 for those before.
fn all_axes(last: &[usize]) -> Axes<usize> {
    let mut all = [1; DIMENSIONS];
    all[DIMENSIONS - last.len()..].copy_from_slice(last);
    all
}

/// So many steps along an axis.
pub(super) fn step(axis: usize, length: isize) -> Axes<isize> {
    let mut by = [0; DIMENSIONS];
    by[axis] = length;
    by
}

/// a + b.
pub(super) fn sum(a: Axes<isize>, b: Axes<isize>) -> Axes<isize> {
    std::array::from_fn(|axis| a[axis] + b[axis])
}

/// A kernel of odd extents. Its taps are numbered in C order, as in a weight tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    extents: Axes<usize>,
    dimensions: usize,
}

impl Window {
    /// The same extent along every axis of a lattice of so many dimensions.
    pub fn cube(extent: usize, dimensions: usize) -> Self {
        Self { extents: all_axes(&vec![extent; dimensions]), dimensions }
    }

    /// Its extents, one for each axis of the lattice.
    pub fn extents(&self) -> &[usize] {
        &self.extents[DIMENSIONS - self.dimensions..]
    }

    /// The extent along an axis.
    pub fn extent(&self, axis: usize) -> usize {
        self.extents[axis]
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.extents.iter().product()
    }

    /// The displacement d of a tap: the weight multiplies the value at x + d.
    pub fn displacement(&self, tap: usize) -> Axes<isize> {
        let (mut d, mut rest) = ([0; DIMENSIONS], tap);
        for axis in (0..DIMENSIONS).rev() {
            d[axis] = (rest % self.extents[axis]) as isize - (self.extents[axis] / 2) as isize;
            rest /= self.extents[axis];
        }
        d
    }

    /// The tap of a displacement.
    pub fn tap(&self, d: Axes<isize>) -> usize {
        let position = |axis: usize| (d[axis] + (self.extents[axis] / 2) as isize) as usize;
        (0..DIMENSIONS).fold(0, |tap, axis| tap * self.extents[axis] + position(axis))
    }

    /// The classes that the kernel reads to give its values in `classes`.
    pub fn reads(&self, lattice: &Lattice, classes: &[bool]) -> Classes {
        let mut read = vec![false; classes.len()];
        for class in (0..classes.len()).filter(|&class| classes[class]) {
            for tap in 0..self.taps() {
                read[lattice.landing(class, self.displacement(tap))] = true;
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
    pub fn along(self, d: Axes<isize>) -> Axes<isize> {
        match self {
            Self::Forward => d,
            Self::Transposed => d.map(|d| -d),
        }
    }
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

    pub fn new(lattice: &Lattice, classes: &[bool], channels: usize, order: Order) -> Self {
        Self { classes: classes.to_vec(), sites: lattice.sites(classes), channels, order }
    }

    /// Whether it has values at all sites.
    pub fn is_everywhere(&self) -> bool {
        self.classes.iter().all(|&class| class)
    }

    /// Number of vectors, padding included.
    pub fn vectors(&self) -> usize {
        match self.order {
            Order::ChannelFirst => self.sites.len().saturating_mul(self.channels),
            Order::SiteFirst => self.sites.len().saturating_mul(self.site_stride()),
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
    pub fn addresses(&self, lattice: &Lattice) -> Vec<Option<u32>> {
        let mut addresses = vec![None; lattice.volume()];
        for (position, &site) in self.sites.iter().enumerate() {
            let address = u32::try_from(self.vector(position, 0) * TILE);
            addresses[site] = Some(address.expect("a field of a tile is smaller than 4 GB"));
        }
        addresses
    }
}
