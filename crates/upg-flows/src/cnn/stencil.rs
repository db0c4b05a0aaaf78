//! Addresses of a convolution on a striped lattice: for every target site those of the sources of its taps.
//!
//! Sites of one residue class have the same taps with a source, so they form a group; taps that would read outside the
//! source field (a constant, or a cotangent that is zero) are left out.

use super::geometry::{Field, PERIOD, Stripes, Way, Window};

/// The target sites of one residue class.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The class.
    pub class: usize,
    /// The taps that have a source, ascending.
    pub taps: Vec<usize>,
    /// Address of channel 0 of each target site, in bytes. Their number is a multiple of 4.
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
}

impl Stencil {
    pub fn new(stripes: Stripes, window: Window, way: Way, from: &Field, to: &Field) -> Self {
        let group = |class: usize| Group::new(stripes, window, way, from, to, class);
        Self { groups: (0..PERIOD).filter(|&class| to.classes[class]).map(group).collect(), taps: window.taps() }
    }

    /// Pairs of a class and a tap that has no source there.
    pub fn taps_without_source(&self) -> Vec<(usize, usize)> {
        let missing = |group: &Group| (0..self.taps).filter(|tap| !group.taps.contains(tap)).collect::<Vec<_>>();
        self.groups.iter().flat_map(|group| missing(group).into_iter().map(|tap| (group.class, tap))).collect()
    }
}

impl Group {
    fn new(stripes: Stripes, window: Window, way: Way, from: &Field, to: &Field, class: usize) -> Self {
        let has_source = |&tap: &usize| from.classes[window.landing(stripes, class, tap, way)];
        let taps: Vec<usize> = (0..window.taps()).filter(has_source).collect();
        let (sources, targets) = (from.addresses(stripes.volume()), to.addresses(stripes.volume()));
        let mut group = Self { class, taps, targets: vec![], sources: vec![] };
        for &site in to.sites.iter().filter(|&&site| stripes.class(site) == class) {
            group.targets.push(targets[site].expect("a site of the field"));
            for &tap in &group.taps {
                let source = stripes.shifted(site, way.along(window.displacement(tap)));
                group.sources.push(sources[source].expect("the tap has a source"));
            }
        }
        group
    }
}
