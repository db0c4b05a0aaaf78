//! Addresses of a convolution whose window has extent 3, for two neighbouring target sites at a time.
//!
//! Neighbours along the stripes, x and x + 1, read the same four sources of a row of the window, x − 1 … x + 2 with the row's
//! displacement across the stripes: the products of a row can then be formed from differences and sums of these, see `winograd`.

use super::geometry::{Field, PERIOD, Stripes, Way, Window};

/// Extent of the window.
pub(super) const EXTENT: usize = 3;

/// The target sites of one residue class, in pairs.
#[derive(Clone, Debug)]
pub(super) struct PairGroup {
    /// The class.
    pub class: usize,
    /// The rows of the window that have a source, ascending.
    pub rows: Vec<usize>,
    /// Addresses of channel 0 of both targets, in bytes. The number of pairs is even.
    pub targets: Vec<[u32; 2]>,
    /// Addresses of channel 0 of the four sources, in bytes, `[pair][row]`.
    pub sources: Vec<[u32; 4]>,
}

/// All pairs of a convolution from one field to another, or back, by ascending class.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    pub groups: Vec<PairGroup>,
}

impl Pairs {
    pub fn new(stripes: Stripes, way: Way, from: &Field, to: &Field) -> Self {
        let classes = (0..PERIOD).filter(|&class| to.classes[class]);
        Self { groups: classes.map(|class| PairGroup::new(stripes, way, from, to, class)).collect() }
    }
}

/// The tap of `row` of the window that reads the source at `offset`, 0 to 2, from the first of the three along the stripes.
pub(super) fn tap(stripes: Stripes, way: Way, row: usize, offset: usize) -> usize {
    let along = match way {
        Way::Forward => offset,
        Way::Transposed => EXTENT - 1 - offset,
    };
    if stripes.cross == 0 { EXTENT * row + along } else { EXTENT * along + row }
}

impl PairGroup {
    fn new(stripes: Stripes, way: Way, from: &Field, to: &Field, class: usize) -> Self {
        let window = Window { extent: EXTENT };
        let has_source = |&row: &usize| from.classes[window.landing(stripes, class, tap(stripes, way, row, 0), way)];
        let rows: Vec<usize> = (0..EXTENT).filter(has_source).collect();
        let (sources, targets) = (from.addresses(stripes.volume()), to.addresses(stripes.volume()));
        let shifted = |site: usize, across: isize, along: isize| {
            stripes.shifted(site, if stripes.cross == 0 { [across, along] } else { [along, across] })
        };
        let mut group = Self { class, rows, targets: vec![], sources: vec![] };
        let first_of_a_pair = |site: usize| stripes.class(site) == class && stripes.along(site).is_multiple_of(2);
        for &site in to.sites.iter().filter(|&&site| first_of_a_pair(site)) {
            let target = |site: usize| targets[site].expect("a site of the field");
            group.targets.push([target(site), target(shifted(site, 0, 1))]);
            for &row in &group.rows {
                let across = way.along([row as isize - 1, 0])[0];
                let source = |offset| sources[shifted(site, across, offset)].expect("the row has a source");
                group.sources.push([-1, 0, 1, 2].map(source));
            }
        }
        group
    }
}
