//! U(1) gauge theory on a two-dimensional torus, Wilson action.
//!
//! Links u_μ(x) are angles; plaquette P(x) = u_0(x) + u_1(x+ê_0) − u_0(x+ê_1) − u_1(x), and
//!
//! ```text
//! S = −β Σ_x cos P(x),   −∂S/∂u_0(x) = −β [sin P(x) − sin P(x−ê_1)],   −∂S/∂u_1(x) = β [sin P(x) − sin P(x−ê_0)] .
//! ```
//!
//! Array of links [μ, x_0, x_1] in C order: link μ at (x_0, x_1) is row (μ L_0 + x_0) L_1 + x_1. Links need not lie in
//! [0, 2π); plaquettes up to 10⁴ in size are as accurate as their own rounding. Shapes: u and force `[2V, samples]`,
//! action `[samples]`. Exact results: [`U1::exact`]. Observables: [`observables`].

mod exact;
mod instanton;
pub mod observables;

pub use exact::U1Exact;
pub use instanton::Instanton;

use crate::{
    chains::{ChainPlan, ChainReport, Visit, equilibrium_chains},
    data::{DataSampler, Sampling},
    error::{TargetError, require, sites_of},
    exact::Exact,
    rows::{BLOCK, blocks},
    space::SampleSpace,
};
use std::ops::Range;
use upg_core::{
    Batch, Cpu, Domain, Real, Rng, Target, UniformTorus,
    vmath::{self, Kernel, MulAdd, scalar},
};

/// The U(1) target; see the [module documentation](self).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct U1 {
    lattice: [usize; 2],
    beta: f64,
}

/// Beyond, the exact sums have too many terms, and plaquettes move by less than f32 can tell from 0.
const LARGEST_BETA: f64 = 1e6;

impl U1 {
    /// The theory on `lattice` (two extents, each at least 1) with inverse coupling `beta`.
    ///
    /// # Errors
    /// Not two extents, or one that is 0; `beta` negative, above 10⁶ or not a number.
    pub fn new(lattice: &[usize], beta: f64) -> Result<Self, TargetError> {
        let &[rows, columns] = lattice else {
            return Err(TargetError::new("lattice", format!("{lattice:?}"), "two extents"));
        };
        sites_of(lattice)?;
        require((0.0..=LARGEST_BETA).contains(&beta), "beta", beta, "a number from 0 to 1e6")?;
        Ok(Self { lattice: [rows, columns], beta })
    }

    /// The extents L_0, L_1.
    pub fn lattice(&self) -> [usize; 2] {
        self.lattice
    }

    /// β.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// V = L_0 L_1, the number of sites and of plaquettes; there are 2V links.
    pub fn volume(&self) -> usize {
        self.lattice[0] * self.lattice[1]
    }

    /// The row of link μ at `site`, whose coordinates are taken modulo the extents.
    fn link(&self, direction: usize, site: [usize; 2]) -> usize {
        let [rows, columns] = self.lattice;
        (direction * rows + site[0] % rows) * columns + site[1] % columns
    }

    /// The rows of the links of P(x): the two that enter with +, then the two that enter with −.
    fn plaquette_links(&self, x: [usize; 2]) -> [usize; 4] {
        let [along_0, along_1] = [[x[0] + 1, x[1]], [x[0], x[1] + 1]];
        [self.link(0, x), self.link(1, along_0), self.link(0, along_1), self.link(1, x)]
    }

    /// All sites, in C order.
    fn sites(&self) -> impl Iterator<Item = [usize; 2]> {
        let [rows, columns] = self.lattice;
        (0..rows).flat_map(move |i| (0..columns).map(move |j| [i, j]))
    }
}

impl<T: Real> Target<Cpu<T>> for U1 {
    fn dof(&self) -> usize {
        2 * self.volume()
    }

    fn action_and_force(&self, _: &Cpu<T>, u: &Batch<T>, action: &mut Vec<f64>, mut force: Option<&mut Batch<T>>) {
        assert_eq!(u.rows(), 2 * self.volume(), "rows of the links, and links of the lattice");
        action.clear();
        action.resize(u.samples(), 0.0);
        if let Some(force) = &mut force {
            force.reshape(u.rows(), u.samples());
            force.fill(T::zero());
        }
        vmath::dispatch(PlaquetteLoop { theory: self, u, action, force });
    }
}

struct PlaquetteLoop<'a, T> {
    theory: &'a U1,
    u: &'a Batch<T>,
    action: &'a mut [f64],
    force: Option<&'a mut Batch<T>>,
}

impl<T: Real> Kernel for PlaquetteLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(mut self) {
        for site in self.theory.sites() {
            let links = self.theory.plaquette_links(site);
            for block in blocks(self.u.samples()) {
                self.plaquette::<M>(links, block);
            }
        }
    }
}

impl<T: Real> PlaquetteLoop<'_, T> {
    /// Adds −β cos P to the action and ∓β sin P to the force on the four links of one plaquette.
    #[inline(always)]
    fn plaquette<M: MulAdd>(&mut self, links: [usize; 4], block: Range<usize>) {
        let mut buffer = [T::zero(); BLOCK];
        let sine = &mut buffer[..block.len()];
        let [a, b, c, d] = links.map(|link| &self.u.row(link)[block.clone()]);
        for ((angle, (&a, &d)), (&b, &c)) in sine.iter_mut().zip(a.iter().zip(d)).zip(b.iter().zip(c)) {
            *angle = (a - d) + (b - c);
        }
        let beta = self.theory.beta;
        for (sine, action) in sine.iter_mut().zip(&mut self.action[block.clone()]) {
            let (s, cosine) = scalar::sin_cos::<T, M>(*sine);
            *action -= beta * cosine.wide();
            *sine = T::of(beta) * s;
        }
        if let Some(force) = self.force.as_mut() {
            for (link, sign) in links.into_iter().zip([-T::one(), -T::one(), T::one(), T::one()]) {
                for (force, &sine) in force.row_mut(link)[block.clone()].iter_mut().zip(&*sine) {
                    *force = M::mul_add(sign, sine, *force);
                }
            }
        }
    }
}

impl SampleSpace for U1 {
    fn lattice_shape(&self) -> Option<Vec<usize>> {
        Some([&[2], &self.lattice[..]].concat())
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::Circle
    }
}

impl Exact for U1 {
    fn log_z(&self) -> Option<f64> {
        Some(self.exact().log_z)
    }
}

impl<T: Real> DataSampler<T> for U1 {
    fn sampling(&self) -> Sampling {
        Sampling::Chains
    }

    /// By chains that start at uniform links, with [`Instanton`] moves; links in [0, 2π).
    fn run_chains(&self, plan: &ChainPlan, rng: Rng, visit: Visit<'_, T>) -> Result<ChainReport, TargetError> {
        let (start, moves) = (UniformTorus::new(2 * self.volume()), Instanton::new(self));
        equilibrium_chains(self, &start, &[&moves], plan, rng, &mut |links| {
            self.wrap(links);
            visit(links)
        })
    }
}
