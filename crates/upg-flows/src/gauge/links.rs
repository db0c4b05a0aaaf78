//! Links and plaquettes of a striped lattice: which rows of a batch they are, and the plaquette map with its transpose.

use crate::cnn::{Stripes, Tile};
use crate::simd::lanes;
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};
use upg_core::{Batch, Real};

/// The rows of the four links of a plaquette: two that enter with +, two with −.
pub(super) type Plaquette = [usize; 4];

/// The part of a lattice that a gauge coupling works with.
#[derive(Clone, Debug)]
pub(super) struct Links {
    /// 2V.
    pub dof: usize,
    /// Plaquettes at active sites.
    pub active: Vec<Plaquette>,
    /// Plaquettes at frozen sites.
    pub frozen: Vec<Plaquette>,
    /// Which entry of an active plaquette is its active link: 0 (with +) for direction 0, 3 (with −) for direction 1.
    active_entry: usize,
}

impl Links {
    pub fn new(stripes: Stripes, active: &[usize], frozen: &[usize]) -> Self {
        let [rows, columns] = stripes.lattice;
        let link = |direction: usize, x: [usize; 2]| (direction * rows + x[0] % rows) * columns + x[1] % columns;
        let plaquette = |&site: &usize| {
            let x = [site / columns, site % columns];
            [link(0, x), link(1, [x[0] + 1, x[1]]), link(0, [x[0], x[1] + 1]), link(1, x)]
        };
        let direction = 1 - stripes.cross;
        Self {
            dof: 2 * rows * columns,
            active: active.iter().map(plaquette).collect(),
            frozen: frozen.iter().map(plaquette).collect(),
            active_entry: 3 * direction,
        }
    }

    /// σ: the sign with which an active link enters its plaquette.
    fn orientation<T: Real>(&self) -> T {
        if self.active_entry == 0 { T::one() } else { -T::one() }
    }

    /// Fills `angles`, `[plaquette][lane]`, with P of the links in `x`; zero in lanes without a sample.
    pub fn plaquettes<T: Real>(&self, which: &[Plaquette], x: &Batch<T>, tile: Tile, angles: &mut [T]) {
        for (&links, angles) in which.iter().zip(angles.chunks_exact_mut(lanes::<T>())) {
            let [a, b, c, d] = links.map(|link| &x.row(link)[tile.range()]);
            angles[tile.samples..].fill(T::zero());
            for ((angle, (&a, &b)), (&c, &d)) in angles.iter_mut().zip(a.iter().zip(b)).zip(c.iter().zip(d)) {
                *angle = (a - d) + (b - c);
            }
        }
    }

    /// Fills `covectors`, `[active][lane]`, with σ times the covector on the active links; zero in lanes without a sample.
    pub fn covectors<T: Real>(&self, covector: &Batch<T>, tile: Tile, covectors: &mut [T]) {
        let orientation = self.orientation::<T>();
        for (links, to) in self.active.iter().zip(covectors.chunks_exact_mut(lanes::<T>())) {
            to[tile.samples..].fill(T::zero());
            for (to, &s) in to.iter_mut().zip(&covector.row(links[self.active_entry])[tile.range()]) {
                *to = orientation * s;
            }
        }
    }

    /// covector ← covector + Pᵀ Δ for the plaquettes `which`, Δ of shape `[plaquette][lane]`.
    pub fn add_transposed<T: Real>(&self, which: &[Plaquette], covector: &mut Batch<T>, tile: Tile, delta: &[T]) {
        for (&[a, b, c, d], delta) in which.iter().zip(delta.chunks_exact(lanes::<T>())) {
            for link in [a, b] {
                covector.row_mut(link)[tile.range()].iter_mut().zip(delta).for_each(|(s, &delta)| *s += delta);
            }
            for link in [c, d] {
                covector.row_mut(link)[tile.range()].iter_mut().zip(delta).for_each(|(s, &delta)| *s -= delta);
            }
        }
    }

    /// u ← u + σ (after − before) mod 2π for the active links, in [0, 2π).
    pub fn turn<T: Real>(&self, x: &mut Batch<T>, tile: Tile, before: &[T], after: &[T]) {
        let (before, after) = (before.chunks_exact(lanes::<T>()), after.chunks_exact(lanes::<T>()));
        for (links, (before, after)) in self.active.iter().zip(before.zip(after)) {
            let u = &mut x.row_mut(links[self.active_entry])[tile.range()];
            dispatch(Turn { u, before, after, orientation: self.orientation() });
        }
    }
}

/// One row of [`Links::turn`].
struct Turn<'a, T> {
    u: &'a mut [T],
    before: &'a [T],
    after: &'a [T],
    orientation: T,
}

impl<T: Real> Kernel for Turn<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        for (u, (&before, &after)) in self.u.iter_mut().zip(self.before.iter().zip(self.after)) {
            *u = scalar::wrap_angle(*u + self.orientation * (after - before));
        }
    }
}
