//! From the description of an experiment to everything an engine is made of.

use super::data::Data;
use super::experiment::Config;
use super::flow::BuiltFlow;
use super::invalid::Invalid;
use super::limits;
use super::space::Space;
use super::target::AnyTarget;
use upg_core::{Base, Cpu, Cut, Real, StandardNormal, UniformTorus};
use upg_flows::Flow;
use upg_train::{Annealing, Problem};

/// Any base density on the host.
pub type AnyBase<T> = Box<dyn Base<Cpu<T>>>;

/// Everything an engine is made of.
pub struct Model<T: Real> {
    /// The flow.
    pub flow: Flow<T>,
    /// How it likes its batches cut.
    pub cut: Cut,
    /// The base density.
    pub base: AnyBase<T>,
    /// The target.
    pub target: AnyTarget<T>,
    /// Shape of a single sample, `[lattice…]` or `[2, lattice…]`; its product is the number of degrees of freedom.
    pub sample_shape: Vec<usize>,
    /// Where the samples live.
    pub space: Space,
    /// Number of sites; of degrees of freedom where there is no lattice.
    pub sites: usize,
}

impl<T: Real> Model<T> {
    /// The problem to be trained and evaluated.
    pub fn problem(self) -> Problem<Cpu<T>> {
        let Self { flow, cut, base, target, sites, .. } = self;
        Problem::new(flow, base, target.clone())
            .with_cut(cut)
            .with_sites(sites)
            .with_observables(target.clone())
            .with_exact(target.clone())
            .with_sampler(target)
    }
}

impl Config {
    /// Checks all that can be checked without building anything: the ranges of the sections beside flow and target, and how much is
    /// asked for.
    ///
    /// # Errors
    /// The first field whose value isn't accepted.
    pub fn check(&self) -> Result<(), Invalid> {
        self.training.check()?;
        self.data.iter().try_for_each(Data::check)?;
        self.evaluation.check()?;
        self.flow.size()?;
        limits::check(self)?;
        match &self.training.anneal {
            None => Ok(()),
            Some(anneal) => self.target.annealed(anneal, anneal.ramp().from).map(|_| ()),
        }
    }

    /// Makes the flow and the target.
    ///
    /// # Errors
    /// If a value isn't accepted, or the target doesn't live where the flow does.
    pub fn build<T: Real>(&self) -> Result<Model<T>, Invalid> {
        self.check()?;
        let BuiltFlow { flow, cut, space, lattice } = self.flow.build::<T>()?;
        let (target, domain) = self.target.build::<T>()?;
        domain.fits(space, lattice)?;
        let sample_shape = space.sample_shape(lattice);
        let (base, sites) = (base_of(space, sample_shape.iter().product()), self.sites());
        Ok(Model { flow, cut, base, target, sample_shape, space, sites })
    }

    /// The course of the coupling that moves during a training, if one does.
    ///
    /// # Panics
    /// If the configuration isn't accepted.
    pub fn annealing<T: Real>(&self) -> Option<Annealing<Cpu<T>>> {
        let anneal = self.training.anneal.clone()?;
        let (ramp, to, target) = (*anneal.ramp(), self.target.coupling(&anneal), self.target.clone());
        Some(Annealing::new(ramp, to, move |value| {
            let moved = target.annealed(&anneal, value).and_then(|target| target.theory::<T>());
            moved.expect("every value between two accepted ones is accepted")
        }))
    }
}

/// The base density that fits.
fn base_of<T: Real>(space: Space, dof: usize) -> AnyBase<T> {
    match space {
        Space::Sites => Box::new(StandardNormal::new(dof)),
        Space::Links => Box::new(UniformTorus::new(dof)),
    }
}
