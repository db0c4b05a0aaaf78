//! The modes of one axis, in blocks that the folded sites meet.

use crate::orbits::frequency;
use std::f64::consts::TAU;
use upg_core::Real;

/// The sites of a line that are folded together: n stands for L − n, and for L/2 ± n where L is even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// Site 0 of an odd axis.
    Alone,
    /// n and L − n of an odd axis.
    Two,
    /// 0 and L/2.
    Ends,
    /// L/4 and 3L/4.
    Quarters,
    /// n, L − n, L/2 − n and L/2 + n.
    Four,
}

/// A kind of modes: by symmetry a mode is one, under n → L − n, and under n → L/2 − n where L is even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Cosines of even k; all of them on an odd axis.
    EvenCosine,
    /// Cosines of odd k.
    OddCosine,
    /// Sines of odd k; all of them on an odd axis.
    OddSine,
    /// Sines of even k.
    EvenSine,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::EvenCosine, Self::OddCosine, Self::OddSine, Self::EvenSine];

    fn of_mode(r: usize, extent: usize) -> Self {
        let (k, sine) = (frequency(r), r > 0 && r.is_multiple_of(2));
        match (sine, extent.is_multiple_of(2) && k % 2 == 1) {
            (false, false) => Self::EvenCosine,
            (false, true) => Self::OddCosine,
            (true, odd) if odd || !extent.is_multiple_of(2) => Self::OddSine,
            (true, _) => Self::EvenSine,
        }
    }
}

impl Fold {
    /// Whether the folded sites meet modes of a kind.
    pub fn meets(self, kind: Kind) -> bool {
        match self {
            Self::Alone => kind == Kind::EvenCosine,
            Self::Two | Self::Quarters => matches!(kind, Kind::EvenCosine | Kind::OddSine),
            Self::Ends => matches!(kind, Kind::EvenCosine | Kind::OddCosine),
            Self::Four => true,
        }
    }
}

/// The modes of one kind on the folded sites that meet them.
#[derive(Clone, Debug)]
pub(super) struct Block<T> {
    /// m_r(n), `[folded site][mode]`.
    pub by_site: Vec<T>,
    /// The same as `[mode][folded site]`.
    pub by_mode: Vec<T>,
    /// r of the modes.
    pub modes: Vec<usize>,
    /// Where the values of the folded sites begin among all folded values, and how many there are.
    pub first: usize,
    pub sites: usize,
}

/// One axis of a lattice.
#[derive(Clone, Debug)]
pub(super) struct Axis<T> {
    extent: usize,
    /// The folded sites n, with the places of their values of each kind among the folded values.
    pub folds: Vec<(Fold, usize, [usize; 4])>,
    pub blocks: Vec<Block<T>>,
}

impl<T: Real> Axis<T> {
    pub fn new(extent: usize) -> Self {
        let folds: Vec<(Fold, usize)> = folds(extent).collect();
        let mut blocks: Vec<Block<T>> = vec![];
        let mut places = vec![[0; 4]; folds.len()];
        let mut first = 0;
        for kind in Kind::ALL {
            let met: Vec<usize> = (0..folds.len()).filter(|&i| folds[i].0.meets(kind)).collect();
            met.iter().enumerate().for_each(|(at, &i)| places[i][kind as usize] = first + at);
            let modes: Vec<usize> = (0..extent).filter(|&r| Kind::of_mode(r, extent) == kind).collect();
            let sites: Vec<usize> = met.iter().map(|&i| folds[i].1).collect();
            if !modes.is_empty() {
                blocks.push(Block::new(extent, modes, &sites, first));
            }
            first += met.len();
        }
        Self { extent, folds: folds.iter().zip(places).map(|(&(fold, n), places)| (fold, n, places)).collect(), blocks }
    }
}

impl<T> Axis<T> {
    pub fn extent(&self) -> usize {
        self.extent
    }
}

/// The folded sites of an axis.
fn folds(extent: usize) -> impl Iterator<Item = (Fold, usize)> {
    let even = extent.is_multiple_of(2);
    let last = if even { extent / 4 } else { extent / 2 };
    (0..=last).map(move |n| match (even, n) {
        (true, 0) => (Fold::Ends, 0),
        (true, n) if 4 * n == extent => (Fold::Quarters, n),
        (true, n) => (Fold::Four, n),
        (false, 0) => (Fold::Alone, 0),
        (false, n) => (Fold::Two, n),
    })
}

impl<T: Real> Block<T> {
    fn new(extent: usize, modes: Vec<usize>, sites: &[usize], first: usize) -> Self {
        let at = |&r: &usize, &n: &usize| T::of(mode(extent, r, n));
        let by_site = sites.iter().flat_map(|n| modes.iter().map(move |r| at(r, n))).collect();
        let by_mode = modes.iter().flat_map(|r| sites.iter().map(move |n| at(r, n))).collect();
        Self { by_site, by_mode, modes, first, sites: sites.len() }
    }
}

/// m_r(n), orthonormal over the sites of the axis.
pub fn mode(extent: usize, r: usize, n: usize) -> f64 {
    let k = frequency(r);
    let angle = TAU * ((k * n) % extent) as f64 / extent as f64;
    let norm = if r == 0 || 2 * k == extent { 1.0 } else { 2.0 } / extent as f64;
    norm.sqrt() * if r > 0 && r.is_multiple_of(2) { angle.sin() } else { angle.cos() }
}
