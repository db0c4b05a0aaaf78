//! Samples of a target, to train the forward KL on and to test with.
//!
//! Where a target has no exact sampler they come from the chains of [`chains`](crate::chains). Samples are shuffled, so any part of them represents all chains and times, and a cut
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
    chains::{ChainPlan, ChainReport, Visit, equilibrium_chains},
    error::TargetError,
    exact::ExactSampler,
    hmc::Proposal,
};
use ndarray::Array2;
use rand::seq::SliceRandom;
use std::ops::ControlFlow;
use upg_core::{Base, Batch, Cpu, Real, Rng, Target};

/// How samples are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Exactly: they are independent.
    Exact,
    /// By HMC chains.
    Chains,
}

/// A target that can be sampled, in precision `T`: by [`equilibrium_chains`], or by [`exact_samples`] and [`exact_rounds`].
pub trait DataSampler<T: Real>: Send + Sync {
    /// How samples are made.
    fn sampling(&self) -> Sampling;

    /// Runs chains and shows the states of all of them, shape `[dof, chains]`, after every [`ChainPlan::thin`] sweeps, in the order of time,
    /// until there are as many samples as the plan wants; the last round is shown as a whole. With an exact sampler a state is a sample of
    /// its own.
    ///
    /// # Errors
    /// A plan without samples, chains or sweeps; options of HMC out of their range.
    fn run_chains(&self, plan: &ChainPlan, rng: Rng, visit: Visit<'_, T>) -> Result<ChainReport, TargetError>;

    /// Samples of the target, shape `[samples, dof]`, decided by `plan` and `rng`, shuffled. Those of other chains than the [part](ChainPlan::part)
    /// that is run are zero, so that the data of all parts add up to all samples.
    ///
    /// # Errors
    /// As [`run_chains`](Self::run_chains).
    fn draw_data(&self, plan: &ChainPlan, rng: Rng) -> Result<(Array2<T>, ChainReport), TargetError> {
        Ok(self.draw_data_while(plan, rng, &mut || true)?.expect("nobody has ended it"))
    }

    /// The same, as long as `goes_on`, which is asked now and then; `None` if it has ended it.
    ///
    /// # Errors
    /// As [`run_chains`](Self::run_chains).
    fn draw_data_while(
        &self,
        plan: &ChainPlan,
        rng: Rng,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<(Array2<T>, ChainReport)>, TargetError> {
        shuffled(plan, rng, goes_on, |rng, visit| self.run_chains(plan, rng, visit))
    }
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
    Ok((x.to_samples(), ChainReport::EXACT))
}

/// The same in rounds of as many as the plan has chains, for [`DataSampler::run_chains`].
///
/// # Errors
/// A plan without samples, chains or sweeps.
pub fn exact_rounds<T: Real>(
    target: &(impl ExactSampler<T> + Target<Cpu<T>>),
    plan: &ChainPlan,
    mut rng: Rng,
    visit: Visit<'_, T>,
) -> Result<ChainReport, TargetError> {
    plan.check()?;
    let mut x = Batch::zeros(target.dof(), plan.running());
    for _ in 0..plan.rounds() {
        target.sample(&mut rng, &mut x);
        if visit(&mut x).is_break() {
            break;
        }
    }
    Ok(ChainReport::EXACT)
}

/// Samples of `target` by chains that start at draws of `start` and apply `proposals` in every sweep, shape `[samples, dof]`, shuffled.
///
/// # Errors
/// As [`equilibrium_chains`].
///
/// # Panics
/// If `start` and `target` have different numbers of degrees of freedom.
#[track_caller]
pub fn equilibrium_samples<T: Real>(
    target: &dyn Target<Cpu<T>>,
    start: &dyn Base<Cpu<T>>,
    proposals: &[&dyn Proposal<T>],
    plan: &ChainPlan,
    rng: Rng,
) -> Result<(Array2<T>, ChainReport), TargetError> {
    let run = |rng, visit: Visit<'_, T>| equilibrium_chains(target, start, proposals, plan, rng, visit);
    Ok(shuffled(plan, rng, &mut || true, run)?.expect("nobody has ended it"))
}

/// The samples that `run` shows, shape `[samples, dof]`, shuffled; `None` if `goes_on` has ended it.
#[track_caller]
fn shuffled<T: Real>(
    plan: &ChainPlan,
    mut rng: Rng,
    goes_on: &mut dyn FnMut() -> bool,
    run: impl FnOnce(Rng, Visit<'_, T>) -> Result<ChainReport, TargetError>,
) -> Result<Option<(Array2<T>, ChainReport)>, TargetError> {
    plan.check()?;
    let mut places: Vec<usize> = (0..plan.samples).collect();
    places.shuffle(&mut rng);
    let (running, own) = (plan.running(), plan.chains_of(plan.part));
    let (mut data, mut visits, mut shown, mut is_ended) = (Array2::zeros((0, 0)), 0, 0, false);
    let report = run(rng, &mut |x| {
        if x.samples() > 0 || visits >= plan.questions() {
            if shown == 0 {
                data = Array2::zeros((plan.samples, x.rows()));
            }
            // The last round may have more than are wanted.
            let first = shown + if x.samples() == running { 0 } else { own.start };
            for (sample, &place) in x.as_array().columns().into_iter().zip(&places[first.min(plan.samples)..]) {
                data.row_mut(place).assign(&sample);
            }
            shown += running;
        }
        visits += 1;
        is_ended = shown < plan.samples && !goes_on();
        if is_ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok((!is_ended).then_some((data, report)))
}
