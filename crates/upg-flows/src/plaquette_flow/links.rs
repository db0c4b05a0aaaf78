//! The map D from links to plaquettes, its transpose, and (D Dᵀ)⁺.

use crate::{modes::Modes, orbits::Orbits, simd::lanes};
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};
use upg_core::{Batch, Real};

/// The links and plaquettes of one lattice, V = L_0 L_1 plaquettes and 2V links.
#[derive(Debug)]
pub(super) struct Links<T> {
    lattice: [usize; 2],
    modes: Modes<T>,
    /// 1/p̂² of every mode; 0 for mode 0.
    inverse: Vec<T>,
}

/// Memory of [`Links::divide`].
pub(super) struct Line<T: Real> {
    wide: Batch<T>,
    line: Vec<T>,
}

impl<T: Real> Default for Line<T> {
    fn default() -> Self {
        Self { wide: Batch::default(), line: vec![] }
    }
}

impl<T: Real> Links<T> {
    pub fn new(lattice: [usize; 2]) -> Self {
        let orbits = Orbits::new(&lattice);
        let inverse = |&orbit: &usize| match orbits.p_hat_squared()[orbit] {
            0.0 => T::zero(),
            p_hat_squared => T::of(1.0 / p_hat_squared),
        };
        Self { lattice, modes: Modes::new(&lattice), inverse: orbits.of_mode().iter().map(inverse).collect() }
    }

    pub fn dof(&self) -> usize {
        2 * self.modes.volume()
    }

    /// Rows of the plaquette at x, and of its links u_0(x), u_1(x+ê_0), u_0(x+ê_1), u_1(x).
    fn rows(&self) -> impl Iterator<Item = (usize, [usize; 4])> {
        let ([rows, columns], volume) = (self.lattice, self.modes.volume());
        (0..volume).map(move |site| {
            let (x_0, x_1) = (site / columns, site % columns);
            let (down, right) = ((x_0 + 1) % rows * columns + x_1, x_0 * columns + (x_1 + 1) % columns);
            (site, [site, volume + down, right, volume + site])
        })
    }

    /// `plaquettes` ← D `links`, `[V, samples]` of `[2V, samples]`.
    pub fn plaquettes(&self, links: &Batch<T>, plaquettes: &mut Batch<T>) {
        assert_eq!(links.rows(), self.dof(), "rows of a batch, and links of the lattice");
        plaquettes.reshape(self.modes.volume(), links.samples());
        for (site, around) in self.rows() {
            let [a, b, c, d] = around.map(|link| links.row(link));
            let signed = a.iter().zip(b).zip(c.iter().zip(d));
            for (p, ((&a, &b), (&c, &d))) in plaquettes.row_mut(site).iter_mut().zip(signed) {
                *p = (a - d) + (b - c);
            }
        }
    }

    /// `links` += Dᵀ `plaquettes`.
    pub fn add_transposed(&self, plaquettes: &Batch<T>, links: &mut Batch<T>) {
        for (site, [a, b, c, d]) in self.rows() {
            for link in [a, b] {
                links.row_mut(link).iter_mut().zip(plaquettes.row(site)).for_each(|(u, &p)| *u += p);
            }
            for link in [c, d] {
                links.row_mut(link).iter_mut().zip(plaquettes.row(site)).for_each(|(u, &p)| *u -= p);
            }
        }
    }

    /// `plaquettes` ← (D Dᵀ)⁺ `plaquettes`.
    pub fn divide(&self, plaquettes: &mut Batch<T>, Line { wide, line }: &mut Line<T>) {
        let samples = plaquettes.samples();
        wide.reshape(plaquettes.rows(), samples.next_multiple_of(lanes::<T>()));
        for row in 0..plaquettes.rows() {
            wide.row_mut(row)[..samples].copy_from_slice(plaquettes.row(row));
            wide.row_mut(row)[samples..].fill(T::zero());
        }
        let lanes = wide.samples();
        self.modes.to_modes(wide.as_mut_slice(), lanes, line);
        for (mode, &inverse) in self.inverse.iter().enumerate() {
            wide.row_mut(mode).iter_mut().for_each(|amplitude| *amplitude *= inverse);
        }
        self.modes.to_sites(wide.as_mut_slice(), lanes, line);
        for row in 0..plaquettes.rows() {
            plaquettes.row_mut(row).copy_from_slice(&wide.row(row)[..samples]);
        }
    }

    /// `after` ← `after` − `before`.
    pub fn subtract(before: &Batch<T>, after: &mut Batch<T>) {
        after.as_mut_slice().iter_mut().zip(before.as_slice()).for_each(|(after, &before)| *after -= before);
    }

    /// All angles into [0, 2π).
    pub fn wrap(links: &mut Batch<T>) {
        dispatch(Wrap(links.as_mut_slice()));
    }
}

struct Wrap<'a, T>(&'a mut [T]);

impl<T: Real> Kernel for Wrap<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        self.0.iter_mut().for_each(|u| *u = scalar::wrap_angle(*u));
    }
}
