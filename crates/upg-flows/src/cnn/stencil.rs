//! Addresses of a convolution on a lattice in residue classes: for every target site those of the sources of its taps.
//!
//! Sites of one residue class have the same taps with a source, so they form a group; taps that would read outside the
//! source field (a constant, or a cotangent that is zero) are left out.

use super::geometry::{Field, Lattice, Way, Window};

/// Sites are taken in blocks of a multiple of so many.
const BLOCK: usize = 4;

/// The target sites of one residue class.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The class.
    pub class: usize,
    /// The taps that have a source, ascending.
    pub taps: Vec<usize>,
    /// Number of target sites.
    pub sites: usize,
    /// Address of channel 0 of each target site, in bytes; the last site is repeated up to a multiple of [`BLOCK`].
    pub targets: Vec<u32>,
    /// Address of channel 0 of the source, in bytes, `[site][tap]`.
    pub sources: Vec<u32>,
}

/// All groups of a convolution from one field to another, or back.
#[derive(Clone, Debug)]
pub(super) struct Stencil {
    /// The groups, by ascending class.
    pub groups: Vec<Group>,
    /// Taps of the kernel, with a source or without.
    pub taps: usize,
    /// Classes of the lattice.
    pub classes: usize,
}

impl Stencil {
    pub fn new(lattice: &Lattice, window: Window, way: Way, from: &Field, to: &Field) -> Self {
        let (sources, targets) = (from.addresses(lattice), to.addresses(lattice));
        let group = |class: usize| {
            let lands = |tap: usize| lattice.landing(class, way.along(window.displacement(tap)));
            let taps: Vec<usize> = (0..window.taps()).filter(|&tap| from.classes[lands(tap)]).collect();
            let mut group = Group { class, taps, sites: 0, targets: vec![], sources: vec![] };
            for &site in to.sites.iter().filter(|&&site| lattice.class(site) == class) {
                let source = |&tap: &usize| sources[lattice.shifted(site, way.along(window.displacement(tap)))];
                let sources = group.taps.iter().map(|tap| source(tap).expect("the tap has a source")).collect();
                group.push(targets[site].expect("a site of the field"), sources);
            }
            group.pad();
            group
        };
        let groups = (0..lattice.classes()).filter(|&class| to.classes[class]).map(group).collect();
        Self { groups, taps: window.taps(), classes: lattice.classes() }
    }

    /// Pairs of a class and a tap that has no source there.
    pub fn taps_without_source(&self) -> Vec<(usize, usize)> {
        let missing = |group: &Group| (0..self.taps).filter(|tap| !group.taps.contains(tap)).collect::<Vec<_>>();
        self.groups.iter().flat_map(|group| missing(group).into_iter().map(|tap| (group.class, tap))).collect()
    }
}

impl Group {
    fn push(&mut self, target: u32, sources: Vec<u32>) {
        self.sites += 1;
        self.targets.push(target);
        self.sources.extend(sources);
    }

    /// Repeats the last site until there is a multiple of [`BLOCK`]: its value is then computed and written more than once.
    fn pad(&mut self) {
        let last = self.sources.len() - self.taps.len()..self.sources.len();
        while !self.targets.len().is_multiple_of(BLOCK) {
            self.targets.push(self.targets[self.sites - 1]);
            self.sources.extend_from_within(last.clone());
        }
    }
}
