//! The network as lists: on which sites each layer lives, and which site of one layer a tap reads to give the value at a site of the next.
//!
//! What is here of [`Cnn`](super::Cnn) leaves open how values lie in memory: it is for devices that compute site by site.

use super::geometry::{Lattice, Window};
use super::sites::Sites;

/// The sites of all layers, and what is read of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Flat indices of the sites of the input, of every hidden layer, and of the output; ascending.
    pub fields: Vec<Vec<usize>>,
    /// Of every convolution, from field k to field k + 1; ascending by target, then by tap. Taps without a source are left out.
    pub convolutions: Vec<Vec<Link>>,
    /// Taps of the window.
    pub taps: usize,
}

/// A weight of tap d multiplies the value at x + d for the value at x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Position of x among the sites of its field.
    pub target: usize,
    /// Position of x + d among the sites of the field before.
    pub source: usize,
    /// Number of d in C order, as in a weight tensor.
    pub tap: usize,
}

impl Links {
    /// Those of a network with windows of the extent `kernel` and so many hidden layers.
    pub fn new(sites: &Sites, kernel: usize, hidden: usize) -> Self {
        let (lattice, window) = (&sites.lattice, Window::cube(kernel, sites.dimensions()));
        let mut fields = vec![lattice.sites(&sites.active)];
        let mut classes = sites.active.clone();
        for _ in 0..hidden {
            classes = window.reads(lattice, &classes);
            fields.push(lattice.sites(&classes));
        }
        fields.push(lattice.sites(&sites.frozen));
        fields.reverse();
        let convolutions = fields.windows(2).map(|pair| links(lattice, window, [&pair[0], &pair[1]])).collect();
        Self { fields, convolutions, taps: window.taps() }
    }
}

/// The links from some sites to others.
fn links(lattice: &Lattice, window: Window, [from, to]: [&[usize]; 2]) -> Vec<Link> {
    let mut position = vec![None; lattice.volume()];
    from.iter().enumerate().for_each(|(at, &site)| position[site] = Some(at));
    let displacements: Vec<_> = (0..window.taps()).map(|tap| window.displacement(tap)).collect();
    let of_target = |(target, &site): (usize, &usize)| {
        let source = |d| position[lattice.shifted(site, d)];
        let link = |(tap, &d)| source(d).map(|source| Link { target, source, tap });
        displacements.iter().enumerate().filter_map(link).collect::<Vec<_>>()
    };
    to.iter().enumerate().flat_map(of_target).collect()
}
