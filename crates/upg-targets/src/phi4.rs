//! φ⁴ theory on a periodic lattice in d dimensions.
//!
//! S(φ) = Σ_x [ −2κ Σ_μ φ(x) φ(x+μ̂) + a φ(x)² + λ φ(x)⁴ ], μ = 0 … d−1, with a = 1−2λ in the hopping form, [`Phi4::new`]; by the mass in
//! the conventions of [`Phi4::by_mass`], each of them for a field of its own.
//!
//! With h(x) = κ Σ_μ [φ(x+μ̂) + φ(x−μ̂)] every bond is counted from both its ends, and
//!
//! ```text
//! S = Σ_x φ(x) [ ℓ(x) + c(x) ],   −∂S/∂φ(x) = −2 [ ℓ(x) + 2 c(x) ],   ℓ = a φ − h,   c = λ φ³ .
//! ```
//!
//! The flat index x is C order of the lattice. On an extent of 2 both neighbours are the same site (the bond counts twice),
//! on an extent of 1 the neighbour is the site itself. Shapes: φ and force `[sites, samples]`, action `[samples]`.
//!
//! Exact results: [`Phi4::exact`]. Observables: [`observables`]. How conventions of the couplings go over: [`Phi4::from_mass_convention`],
//! [`Phi4::from_continuum_convention`].

mod conventions;
mod exact;
pub mod observables;
mod ordered;
mod transfer;

pub use conventions::{ContinuumCouplings, FieldScale, MassConvention, MassCouplings};
pub use exact::single_site;

use crate::{
    chains::{ChainPlan, ChainReport, Visit, equilibrium_chains},
    data::{DataSampler, Sampling},
    error::{TargetError, finite, require, sites_of},
    exact::Exact,
    hmc::{Proposal, SignFlip, SiteFlip},
    rows::{RowAction, action_and_force},
    space::SampleSpace,
};
use ordered::Ordered;
use std::ops::Range;
use upg_core::{Batch, Cpu, Domain, Real, Rng, Target, vmath::MulAdd};

/// The φ⁴ target; see the [module documentation](self).
#[derive(Clone, Debug)]
pub struct Phi4 {
    lattice: Vec<usize>,
    kappa: f64,
    /// a, the coefficient of φ².
    quadratic: f64,
    lambda: f64,
    /// Flat indices of the 2d neighbours of every site, shape `[sites, 2d]`.
    neighbours: Vec<usize>,
}

/// Exact results for one theory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phi4Exact {
    /// log Z = log ∫ e^{−S(φ)} dφ.
    pub log_z: f64,
    /// ⟨φ²⟩ per site.
    pub phi2: f64,
}

impl Phi4 {
    /// The hopping form on `lattice` (the extents) with hopping parameter `kappa` and quartic coupling `lambda`.
    ///
    /// # Errors
    /// No extent or one that is 0; `kappa` not finite; `lambda` negative or not finite; `lambda` = 0 with a `kappa` for which
    /// e^{−S} cannot be normalised (κ ≥ 1/(2d), and for even extents κ ≤ −1/(2d)).
    pub fn new(lattice: &[usize], kappa: f64, lambda: f64) -> Result<Self, TargetError> {
        finite("kappa", kappa)?;
        let theory = Self::general(lattice, kappa, 1.0 - 2.0 * lambda, lambda, lambda)?;
        let accepted = "less than 1/(2d) in size where there is no quartic term (lambda = 0)";
        require(theory.is_normalisable(), "kappa", kappa, accepted)?;
        Ok(theory)
    }

    /// The theory with these coefficients of S, `lambda` being what the user calls λ.
    fn general(lattice: &[usize], kappa: f64, quadratic: f64, quartic: f64, lambda: f64) -> Result<Self, TargetError> {
        let sites = sites_of(lattice)?;
        require(lambda.is_finite() && lambda >= 0.0, "lambda", lambda, "a finite number, at least 0")?;
        let neighbours = (0..sites).flat_map(|site| neighbours_of(lattice, site)).collect();
        Ok(Self { lattice: lattice.to_vec(), kappa, quadratic, lambda: quartic, neighbours })
    }

    /// Whether e^{−S} has an integral.
    fn is_normalisable(&self) -> bool {
        self.lambda > 0.0 || self.smallest_kernel() > 0.0
    }

    /// The extents.
    pub fn lattice(&self) -> &[usize] {
        &self.lattice
    }

    /// Number of sites: degrees of freedom.
    pub fn sites(&self) -> usize {
        self.lattice.iter().product()
    }

    /// κ, half the coefficient of −φφ₊.
    pub fn kappa(&self) -> f64 {
        self.kappa
    }

    /// λ, the coefficient of φ⁴.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// Height of the barrier between the two wells of a site, a²/4b; 0 if there is one well.
    fn barrier(&self) -> f64 {
        if self.quadratic < 0.0 { self.quadratic.powi(2) / (4.0 * self.lambda) } else { 0.0 }
    }

    /// Where chains start. From a disordered start sites of either sign would form domains, which in the ordered phase of a large lattice
    /// outlive any warm-up.
    fn ordered(&self) -> Ordered {
        let mu = self.quadratic - 2.0 * self.lattice.len() as f64 * self.kappa;
        Ordered { sites: self.sites(), field: if mu < 0.0 { (-mu / (2.0 * self.lambda)).sqrt() } else { 0.0 } }
    }

    /// a, the coefficient of φ².
    pub fn quadratic(&self) -> f64 {
        self.quadratic
    }

    /// Flat indices of the 2d neighbours of every site, shape `[sites, 2d]`.
    pub fn neighbours(&self) -> &[usize] {
        &self.neighbours
    }
}

/// The neighbours x+μ̂, x−μ̂ of a site, for μ = 0 … d−1.
fn neighbours_of(lattice: &[usize], site: usize) -> impl Iterator<Item = usize> {
    (0..lattice.len()).flat_map(move |axis| {
        let (extent, stride) = (lattice[axis], lattice[axis + 1..].iter().product::<usize>());
        let at = site / stride % extent;
        [(at + 1) % extent, (at + extent - 1) % extent].map(|to| site - at * stride + to * stride)
    })
}

impl<T: Real> RowAction<T> for Phi4 {
    fn rows(&self) -> usize {
        self.sites()
    }

    #[inline(always)]
    fn row<M: MulAdd>(&self, site: usize, x: &Batch<T>, block: Range<usize>, action: &mut [f64], force: &mut [T]) {
        let (kappa, quadratic, lambda) = (T::of(self.kappa), T::of(self.quadratic()), T::of(self.lambda));
        let degree = 2 * self.lattice.len();
        for &neighbour in &self.neighbours[site * degree..][..degree] {
            for (sum, &phi) in force.iter_mut().zip(&x.row(neighbour)[block.clone()]) {
                *sum += phi;
            }
        }
        for ((force, action), &phi) in force.iter_mut().zip(action).zip(&x.row(site)[block]) {
            let linear = M::mul_add(quadratic, phi, -kappa * *force);
            let cubic = lambda * phi * phi * phi;
            *action += (phi * (linear + cubic)).wide();
            *force = -(linear + cubic + cubic) * T::of(2.0);
        }
    }
}

impl<T: Real> Target<Cpu<T>> for Phi4 {
    fn dof(&self) -> usize {
        self.sites()
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        action_and_force(self, 0.0, x, action, force);
    }
}

impl SampleSpace for Phi4 {
    fn lattice_shape(&self) -> Option<Vec<usize>> {
        Some(self.lattice.clone())
    }

    fn domain(&self, _: usize) -> Domain {
        Domain::Line
    }
}

impl Exact for Phi4 {
    fn log_z(&self) -> Option<f64> {
        self.exact().map(|exact| exact.log_z)
    }
}

/// A barrier between the wells of a site, in units of the action, that chains cross too rarely.
const HIGH: f64 = 2.0;
/// Most flips of single sites in a sweep.
const FLIPS: usize = 16;

impl<T: Real> DataSampler<T> for Phi4 {
    fn sampling(&self) -> Sampling {
        Sampling::Chains
    }

    /// By chains that start about the constant field of least action, with [`SignFlip`]; where the barrier between the two wells of a site is
    /// high, with [`SiteFlip`]s.
    fn run_chains(&self, plan: &ChainPlan, rng: Rng, visit: Visit<'_, T>) -> Result<ChainReport, TargetError> {
        let mut proposals: Vec<&dyn Proposal<T>> = vec![&SignFlip];
        if self.barrier() > HIGH {
            proposals.resize(1 + self.sites().min(FLIPS), &SiteFlip);
        }
        equilibrium_chains(self, &self.ordered(), &proposals, plan, rng, visit)
    }
}
