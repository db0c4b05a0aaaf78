//! The target by its own sampler, HMC or an exact one: what a flow is to be compared with.
//!
//! Chains are independent of each other, so blocks of the jackknife are whole chains, whatever their autocorrelation; where there are fewer
//! than 20, each is cut into as many pieces as make 20 blocks. Primaries are measured after every sweep, and times are in sweeps: τ_int by the
//! Γ method, with Γ averaged over chains. Of each chain its sums are kept, and the primaries of as many chains as fit into 2²⁶ numbers; states
//! are handed out and forgotten.

mod series;
mod together;

pub use together::draw_together;

use crate::evaluate::{Number, Observed, trust};
use crate::peers::Peers;
use crate::problem::{Known, Problem};
use crate::stats::Estimate;
use ndarray::{ArrayView2, s};
use series::Series;
use std::collections::BTreeMap;
use std::sync::Arc;
use together::Seen;
use upg_core::{Cpu, Device, DeviceError, Real, Rng};
use upg_targets::{ChainPlan, ChainReport, DataSampler, Observable, Observables, Sampling, TargetError};

/// A chain whose acceptance is below this hardly moves.
const LOW: f64 = 0.1;
/// Trajectories after which a chain is judged.
const ENOUGH: usize = 10;
/// Autocorrelation times that a chain must have.
const LONG: f64 = 20.0;

/// Samples of the target, measured.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChainSummary {
    /// Number of samples handed out.
    pub samples: usize,
    /// Number of states that were measured.
    pub measured: usize,
    /// The chains; `None` where the sampler is exact, and samples are independent.
    pub chains: Option<Chains>,
    /// The integrated autocorrelation time of each primary, in sweeps; `None` where it can't be computed, or samples are independent.
    pub tau_int: BTreeMap<String, Option<Estimate>>,
    /// The observables.
    pub observables: BTreeMap<String, Observed>,
    /// All that speaks against these numbers.
    pub warnings: Vec<String>,
}

/// How the chains went.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Chains {
    /// Number of chains.
    pub number: usize,
    /// Sweeps of each, after the warm-up.
    pub sweeps: usize,
    /// Sweeps from one sample of a chain to the next.
    pub thin: usize,
    /// Mean acceptance probability of the trajectories.
    pub acceptance: f64,
    /// The same of the chain that has the smallest.
    pub smallest_acceptance: f64,
    /// Chains that never moved.
    pub never_moved: usize,
    /// Mean step size.
    pub step_size: Option<f64>,
}

impl<D: Device> Problem<D> {
    /// Runs the sampler of the target and measures after every sweep; `take` gets the samples in the order of time, shape `[piece, dof]`:
    /// sample i is of chain i mod C, of C chains. `go_on` is asked after every sweep, in the warm-up after every few. `None` without a sampler.
    ///
    /// Of several `peers` each runs a part of the chains; the first one takes the samples of all, and has the summary that it would have alone, but
    /// for the last digits of mean acceptance and step size. That of the others is of nothing.
    ///
    /// # Errors
    /// If the sampler doesn't accept the plan, `take` fails, `go_on` ends it, or the processes part.
    pub fn measure_chains<E: From<TargetError> + From<DeviceError>>(
        &self,
        peers: &Peers,
        plan: &ChainPlan,
        rng: Rng,
        take: impl FnMut(ArrayView2<'_, D::Real>) -> Result<(), E>,
        go_on: &mut dyn FnMut() -> Result<(), E>,
    ) -> Option<Result<ChainSummary, E>> {
        self.known.measure_chains(peers, plan, rng, take, go_on)
    }
}

/// The same of a target without a flow: of its observables and its sampler.
///
/// # Errors
/// As [`Problem::measure_chains`].
pub fn measure_chains<T: Real, E: From<TargetError> + From<DeviceError>>(
    observables: Arc<dyn Observables<T>>,
    sampler: Arc<dyn DataSampler<T>>,
    plan: &ChainPlan,
    rng: Rng,
    take: impl FnMut(ArrayView2<'_, T>) -> Result<(), E>,
    go_on: &mut dyn FnMut() -> Result<(), E>,
) -> Result<ChainSummary, E> {
    let known = Known::<Cpu<T>>::of_sampler(observables, sampler);
    known.measure_chains(&Peers::alone(), plan, rng, take, go_on).expect("it has a sampler")
}

impl<D: Device> Known<D> {
    fn measure_chains<E: From<TargetError> + From<DeviceError>>(
        &self,
        peers: &Peers,
        plan: &ChainPlan,
        rng: Rng,
        mut take: impl FnMut(ArrayView2<'_, D::Real>) -> Result<(), E>,
        go_on: &mut dyn FnMut() -> Result<(), E>,
    ) -> Option<Result<ChainSummary, E>> {
        let sampler = self.sampler.as_ref()?;
        let sampling = sampler.sampling();
        let thin = if sampling == Sampling::Exact { 1 } else { plan.thin };
        let (chains, sweeps) = (plan.chains.min(plan.samples), plan.samples.div_ceil(plan.chains.max(1)) * thin);
        let states = chains.saturating_mul(sweeps).max(plan.samples.min(1)); // at least one of a plan that is refused for other reasons
        let every_sweep = ChainPlan { samples: states, chains, thin: plan.thin.min(1), ..*plan };
        let mut series = Series::new(self.primaries(), chains, sweeps);
        let mut left = plan.samples;
        let report = self.run_together(&**sampler, peers, &every_sweep, rng, thin, &mut |seen| {
            if let Seen::Sweep(measured, states) = seen {
                series.push(measured);
                if let Some(states) = states {
                    let wanted = left.min(states.nrows());
                    left -= wanted;
                    take(states.slice(s![..wanted, ..]))?;
                }
            }
            go_on()
        });
        Some(report.map(|report| {
            let chains = (sampling == Sampling::Chains).then(|| Chains::new(&report, thin));
            summarise(plan.samples, chains, &series, &self.observables(), warnings_of(&report))
        }))
    }
}

impl Chains {
    fn new(report: &ChainReport, thin: usize) -> Self {
        let ChainReport { acceptance, smallest_acceptance, step_size, chains, trajectories, never_moved } = *report;
        Self { number: chains, sweeps: trajectories, thin, acceptance, smallest_acceptance, never_moved, step_size }
    }
}

/// All that speaks against samples that were drawn so: chains that never moved, or hardly. A few trajectories say nothing.
pub fn warnings_of(report: &ChainReport) -> Vec<String> {
    let ChainReport { chains, trajectories, never_moved, .. } = *report;
    let mut warnings = vec![];
    if chains == 0 || trajectories < ENOUGH {
        return warnings;
    }
    if never_moved > 0 {
        warnings.push(format!("{never_moved} of {chains} chains never moved in {trajectories} trajectories"));
    }
    if report.smallest_acceptance < LOW && never_moved < chains {
        let (smallest, mean) = (report.smallest_acceptance, report.acceptance);
        warnings.push(format!("the acceptance of a chain is {smallest:.3}, that of all {mean:.3}"));
    }
    warnings
}

fn summarise(
    samples: usize,
    chains: Option<Chains>,
    series: &Series,
    observables: &[Observable],
    mut warnings: Vec<String>,
) -> ChainSummary {
    let tau_int = match &chains {
        Some(chains) if chains.never_moved < chains.number => series.times(),
        _ => series.names().iter().map(|name| (name.clone(), None)).collect(),
    };
    let blocks = series.blocks();
    let observed = |o: &Observable| {
        let estimate = blocks.as_ref().and_then(|blocks| blocks.estimate(&|means| o.value(means)));
        let tau_int = tau_int.get(&o.name).copied().flatten().map(|tau| tau.value);
        Observed { number: Number::of(estimate, o.exact), tau_int }
    };
    let observables: BTreeMap<_, _> = observables.iter().map(|o| (o.name.clone(), observed(o))).collect();
    let slowest = tau_int.values().flatten().map(|tau| tau.value).reduce(f64::max);
    if let (Some(Chains { sweeps, .. }), Some(tau)) = (chains, slowest)
        && (sweeps as f64) < LONG * tau
    {
        warnings.push(format!("chains of {sweeps} sweeps, fewer than {LONG} autocorrelation times of {tau:.1}"));
    }
    for (name, observed) in &observables {
        if let Number { value: Some(value), error: Some(error), exact: Some(exact), .. } = observed.number {
            warnings.extend(trust::of_exact(name, Estimate { value, error }, exact));
        }
    }
    ChainSummary { samples, measured: series.measured(), chains, tau_int, observables, warnings }
}

#[cfg(test)]
mod tests;
