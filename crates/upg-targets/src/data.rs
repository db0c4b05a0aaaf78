//! Samples of a target, to train the forward KL on and to test with.
//!
//! Where a target has no exact sampler they come from [`Hmc`] chains: every chain starts at an independent draw of a base
//! density, warms up, and gives one sample every few sweeps. Chains run in groups, each with its own random stream and its own
//! step size, on the rayon threads of whoever calls (see [`upg_core::Execution::install`]); the result depends on `rng` and the plan
//! alone, not on the number of threads. Samples are shuffled, so any part of them represents all chains and times, and a cut
//! into training and test data is fair; samples of one chain are correlated, though, unless the sweeps between them are many.
//!
//! ```
//! use upg_core::Streams;
//! use upg_targets::{ChainPlan, DataSampler, Phi4};
//!
//! let theory = Phi4::new(&[4, 4], 0.25, 0.1)?;
//! let plan = ChainPlan { samples: 1000, chains: 100, warm_up: 50, ..ChainPlan::default() };
//! let (data, report) = DataSampler::<f32>::draw_data(&theory, &plan, Streams::new(1).next_stream())?;
//! assert_eq!(data.dim(), (1000, 16));
//! assert!(report.acceptance > 0.5);
//! # Ok::<(), upg_targets::TargetError>(())
//! ```

use crate::{
    error::TargetError,
    exact::ExactSampler,
    hmc::{Hmc, HmcOptions, Proposal},
};
use ndarray::Array2;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use upg_core::{Base, Batch, Cpu, Real, Rng, SampleStream, Target};

/// How many samples, and how chains make them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainPlan {
    /// Number of samples.
    pub samples: usize,
    /// Number of independent chains; no more than there are samples are run.
    pub chains: usize,
    /// Sweeps before the first sample, during which the step size is tuned.
    pub warm_up: usize,
    /// Sweeps per sample of a chain.
    pub thin: usize,
    /// How to integrate.
    pub hmc: HmcOptions,
}

impl Default for ChainPlan {
    /// 10,000 samples of 512 chains, 200 sweeps of warm-up, 10 sweeps per sample, trajectories of length 2.
    ///
    /// At the settings of the paper (φ⁴ on 16×8, U(1) on 16×16 at β = 3) no observable then has an integrated
    /// autocorrelation time above 3.5 sweeps. With trajectories of length 1 that of |m| in φ⁴ is 10, of length ½ 100 sweeps.
    fn default() -> Self {
        let hmc = HmcOptions { length: 2.0, ..HmcOptions::default() };
        Self { samples: 10_000, chains: 512, warm_up: 200, thin: 10, hmc }
    }
}

impl ChainPlan {
    fn check(&self) -> Result<(), TargetError> {
        for (field, value) in [("samples", self.samples), ("chains", self.chains), ("thin", self.thin)] {
            if value == 0 {
                return Err(TargetError::new(field, "0", "at least 1"));
            }
        }
        Ok(())
    }
}

/// How the drawing of samples went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainReport {
    /// Mean acceptance probability of the trajectories after the warm-up; 1 for an exact sampler.
    pub acceptance: f64,
    /// Mean step size of the trajectories; `None` for an exact sampler.
    pub step_size: Option<f64>,
}

/// A target that can be sampled, in precision `T`: by [`equilibrium_samples`], or by [`exact_samples`].
pub trait DataSampler<T: Real>: Send + Sync {
    /// Samples of the target, shape `[samples, dof]`, decided by `plan` and `rng`.
    ///
    /// # Errors
    /// A plan without samples, chains or sweeps; options of HMC out of their range.
    fn draw_data(&self, plan: &ChainPlan, rng: Rng) -> Result<(Array2<T>, ChainReport), TargetError>;
}

/// Independent samples of `target`, shape `[samples, dof]`; of `plan` only their number is used.
///
/// # Errors
/// A plan without samples, chains or sweeps.
pub fn exact_samples<T: Real>(
    target: &(impl ExactSampler<T> + Target<Cpu<T>>),
    plan: &ChainPlan,
    mut rng: Rng,
) -> Result<(Array2<T>, ChainReport), TargetError> {
    plan.check()?;
    let mut x = Batch::zeros(target.dof(), plan.samples);
    target.sample(&mut rng, &mut x);
    Ok((x.to_samples(), ChainReport { acceptance: 1.0, step_size: None }))
}

/// Chains that move together: few enough to stay in cache, many enough to fill SIMD registers and to tune a step size.
const GROUP: usize = 64;

/// Samples of `target` by chains that start at draws of `start` and apply `proposals` in every sweep, shape `[samples, dof]`, shuffled.
///
/// # Errors
/// A plan without samples, chains or sweeps; a start that is not finite; options of HMC out of their range.
///
/// # Panics
/// If `start` and `target` have different numbers of degrees of freedom.
#[track_caller]
pub fn equilibrium_samples<T: Real>(
    target: &dyn Target<Cpu<T>>,
    start: &dyn Base<Cpu<T>>,
    proposals: &[&dyn Proposal<T>],
    plan: &ChainPlan,
    mut rng: Rng,
) -> Result<(Array2<T>, ChainReport), TargetError> {
    assert_eq!(start.dof(), target.dof(), "degrees of freedom of the start, and of the target");
    plan.check()?;
    let mut places: Vec<usize> = (0..plan.samples).collect();
    places.shuffle(&mut rng);
    let groups: Vec<Group> = groups(plan, rng);
    let run = |group: &Group| group.run(target, start, proposals, plan);
    let runs = groups.par_iter().map(run).collect::<Result<Vec<_>, _>>()?;
    let mut data = Array2::zeros((plan.samples, target.dof()));
    for run in &runs {
        run.write(&places, &mut data);
    }
    Ok((data, report(&runs)))
}

/// Some of the chains.
struct Group {
    /// The first one, counted among all.
    first: usize,
    chains: usize,
    all_chains: usize,
    rng: Rng,
}

/// The samples of a group.
struct Run<T> {
    /// Places of the samples of sweep after sweep, before they are shuffled.
    kept: Vec<(usize, Batch<T>)>,
    chains: f64,
    acceptance: f64,
    step_size: f64,
}

/// Groups of equal size, to within one chain, at most [`GROUP`]; their streams are 2¹⁹² numbers apart, so that they stay
/// clear of streams that lie 2¹²⁸ apart, as those of [`upg_core::Streams`] do.
fn groups(plan: &ChainPlan, mut rng: Rng) -> Vec<Group> {
    let all_chains = plan.chains.min(plan.samples);
    let count = all_chains.div_ceil(GROUP);
    let boundary = |g: usize| g * all_chains / count;
    (0..count)
        .map(|g| {
            rng.long_jump();
            Group { first: boundary(g), chains: boundary(g + 1) - boundary(g), all_chains, rng: rng.clone() }
        })
        .collect()
}

impl Group {
    fn run<T: Real>(
        &self,
        target: &dyn Target<Cpu<T>>,
        start: &dyn Base<Cpu<T>>,
        proposals: &[&dyn Proposal<T>],
        plan: &ChainPlan,
    ) -> Result<Run<T>, TargetError> {
        let (mut rng, mut x) = (self.rng.clone(), Batch::zeros(target.dof(), self.chains));
        start.draw(&Cpu::here(), SampleStream::new(rng.random(), 0, 0), 0, &mut x);
        let mut hmc = Hmc::new(target, x, plan.hmc, rng)?;
        hmc.warm_up(plan.warm_up, proposals);
        let (mut kept, mut acceptance) = (vec![], 0.0);
        for round in 0..plan.samples.div_ceil(self.all_chains) {
            acceptance += (0..plan.thin).map(|_| hmc.sweep(proposals)).sum::<f64>();
            kept.push((round * self.all_chains + self.first, hmc.x().clone()));
        }
        let sweeps = (plan.thin * kept.len()) as f64;
        Ok(Run { kept, chains: self.chains as f64, acceptance: acceptance / sweeps, step_size: hmc.step_size() })
    }
}

impl<T: Real> Run<T> {
    /// Writes the samples to the rows `places` of `data`; the last round may have more than are wanted.
    fn write(&self, places: &[usize], data: &mut Array2<T>) {
        for (first, x) in &self.kept {
            for (sample, &place) in x.as_array().columns().into_iter().zip(places.iter().skip(*first)) {
                data.row_mut(place).assign(&sample);
            }
        }
    }
}

/// Means over all chains.
fn report<T>(runs: &[Run<T>]) -> ChainReport {
    let mean = |of: fn(&Run<T>) -> f64| {
        runs.iter().map(|run| run.chains * of(run)).sum::<f64>() / runs.iter().map(|run| run.chains).sum::<f64>()
    };
    ChainReport { acceptance: mean(|run| run.acceptance), step_size: Some(mean(|run| run.step_size)) }
}
