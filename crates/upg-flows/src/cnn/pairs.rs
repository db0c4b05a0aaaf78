//! Addresses of a convolution whose window has extent 3 along some axis, for two neighbouring target sites at a time.
//!
//! Neighbours along the axis, x and x + 1, read the same four sources of a *row* of the window (its taps in a line along the axis), x − 1 … x + 2
//! with the row's displacement across: the products of a row can then be formed from differences and sums of these, see
//! `winograd`. Both must have the same rows with a source. So the axis is one along which the residue class doesn't change, or
//! both fields live on all sites, which are then one group.

use super::geometry::{Field, Lattice, Way, Window, step, sum};

/// Extent of the window along the axis.
pub(super) const EXTENT: usize = 3;
/// Pairs are taken in blocks of a multiple of so many.
const BLOCK: usize = 2;

/// Target sites that have their rows in common, in pairs.
#[derive(Clone, Debug)]
pub(super) struct PairGroup {
    /// Their residue class; 0 for a group of all sites.
    pub class: usize,
    /// The rows of the window that have a source, ascending.
    pub rows: Vec<usize>,
    /// Rows of the window, with a source or without.
    pub window_rows: usize,
    /// Number of pairs.
    pub pairs: usize,
    /// Addresses of channel 0 of both targets, in bytes; the last pair is repeated up to a multiple of [`BLOCK`].
    pub targets: Vec<[u32; 2]>,
    /// Addresses of channel 0 of the four sources, in bytes, `[pair][row]`.
    pub sources: Vec<[u32; 4]>,
}

/// All pairs of a convolution from one field to another, or back, by ascending class.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    pub groups: Vec<PairGroup>,
    /// Taps of the window, `[row][position along the axis]`.
    taps: Vec<[usize; EXTENT]>,
    /// Classes of the lattice.
    pub classes: usize,
}

impl Pairs {
    /// The axis along which sites can be taken in pairs, if there is one.
    pub fn axis(lattice: &Lattice, window: Window, fields: [&Field; 2]) -> Option<usize> {
        let fits = |&axis: &usize| window.extent(axis) == EXTENT && lattice.extent(axis).is_multiple_of(2);
        let axes: Vec<usize> = (0..super::geometry::DIMENSIONS).filter(fits).collect();
        let striped = axes.iter().copied().find(|&axis| lattice.is_striped_along(axis));
        striped.or_else(|| axes.last().copied().filter(|_| fields.iter().all(|field| field.is_everywhere())))
    }

    pub fn new(lattice: &Lattice, window: Window, axis: usize, way: Way, [from, to]: [&Field; 2]) -> Self {
        let rows: Vec<_> = (0..window.taps()).map(|tap| window.displacement(tap)).filter(|d| d[axis] == 0).collect();
        let taps = rows.iter().map(|&d| [-1, 0, 1].map(|along| window.tap(sum(d, step(axis, along))))).collect();
        let (sources, targets) = (from.addresses(lattice), to.addresses(lattice));
        let group = |class: usize, of_group: &dyn Fn(usize) -> bool| {
            let has_source = |&row: &usize| from.classes[lattice.landing(class, way.along(rows[row]))];
            let with_source: Vec<usize> = (0..rows.len()).filter(has_source).collect();
            let mut group = PairGroup {
                class,
                rows: with_source,
                window_rows: rows.len(),
                pairs: 0,
                targets: vec![],
                sources: vec![],
            };
            let is_first = |site: usize| lattice.coordinates(site)[axis].is_multiple_of(2);
            for &site in to.sites.iter().filter(|&&site| of_group(site) && is_first(site)) {
                let target = |site: usize| targets[site].expect("a site of the field");
                group.targets.push([target(site), target(lattice.shifted(site, step(axis, 1)))]);
                for &row in &group.rows {
                    let source = |along| sources[lattice.shifted(site, sum(way.along(rows[row]), step(axis, along)))];
                    group.sources.push([-1, 0, 1, 2].map(|along| source(along).expect("the row has a source")));
                }
            }
            group.pad();
            group
        };
        let groups = match lattice.is_striped_along(axis) {
            true => {
                let classes = (0..lattice.classes()).filter(|&class| to.classes[class]);
                classes.map(|class| group(class, &|site| lattice.class(site) == class)).collect()
            }
            false => vec![group(0, &|_| true)],
        };
        Self { groups, taps, classes: lattice.classes() }
    }

    /// Rows of the window.
    pub fn rows(&self) -> usize {
        self.taps.len()
    }

    /// The tap of `row` of the window that reads the source at `offset`, 0 to 2, from the first of the three along the axis.
    pub fn tap(&self, way: Way, row: usize, offset: usize) -> usize {
        match way {
            Way::Forward => self.taps[row][offset],
            Way::Transposed => self.taps[row][EXTENT - 1 - offset],
        }
    }
}

impl PairGroup {
    /// Counts the pairs, and repeats the last one until there is a multiple of [`BLOCK`].
    fn pad(&mut self) {
        self.pairs = self.targets.len();
        let last = self.sources.len() - self.rows.len()..self.sources.len();
        while !self.targets.len().is_multiple_of(BLOCK) {
            self.targets.push(self.targets[self.pairs - 1]);
            self.sources.extend_from_within(last.clone());
        }
    }
}
