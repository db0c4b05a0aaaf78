//! The worth of a trained flow, in numbers with errors.
//!
//! N independent samples x of q with weights w = p̃(x)/q(x) give, all in double precision, MATH (12) to (14):
//!
//! | number | how |
//! |---|---|
//! | reverse ESS | mean(w)²/mean(w²) |
//! | log Z | log mean w to second order, [`interval`](crate::stats::interval) |
//! | loss | mean(log q + S), a bound on −log Z |
//! | observables, reweighted | f(Σ w a/Σ w), to second order by the jackknife over samples |
//! | observables along the chain | independence Metropolis with proposals from q; its variance from the weights of all proposals, [`metropolis`](crate::stats::metropolis), τ_int by the Γ method |
//! | forward ESS, log Z, −log q on the test data | 1/(mean(w) mean(1/w)), −log mean(1/w), mean(−log q) over samples of p |
//! | integration | what twice the steps of a continuous flow change: log-weights, log Z and scores of some samples, and of some data |
//!
//! Memory doesn't grow with N: sums are kept, and single numbers of the first samples alone. From those come τ_int and the tail index of the
//! largest tenth, and the errors along the chain, where N is beyond 2²⁰ samples, or 2²⁴ primaries.
//!
//! log Z isn't to be trusted where it rests on few samples, or where witnesses disagree; [`trust`] says which.

mod chain;
mod collect;
pub(crate) mod extent;
mod integration;
mod summary;
pub mod trust;

pub use collect::FEW;
pub use integration::{Change, Integration};
pub use summary::{LogZ, Number, Observed, Summary};

use crate::trained::Trained;
use extent::Extent;
use ndarray::Array2;
use upg_core::{Device, DeviceError};

/// The extent of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationPlan {
    /// Samples of the flow.
    pub samples: usize,
    /// Blocks of the jackknife at most, at least 2; where there are as many samples at most, each is one.
    pub blocks: usize,
    /// Decides the samples and the chain.
    pub seed: u64,
}

impl Default for EvaluationPlan {
    fn default() -> Self {
        Self { samples: 100_000, blocks: 1 << 16, seed: 1 }
    }
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The numbers.
    pub summary: Summary,
    /// log w of the first 2²⁰ samples at most.
    pub log_weights: Vec<f64>,
    /// ρ(t) of the primaries along the beginning of the chain, by name.
    pub rho: Vec<(String, Vec<f64>)>,
    /// Some samples: many of few degrees of freedom, one of many.
    pub shown: Array2<f64>,
}

impl<D: Device + Clone> Trained<D> {
    /// All numbers, on fresh samples and on `data`, shape `[samples, dof]`.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If there are fewer than two samples or blocks.
    #[track_caller]
    pub fn evaluate(
        &mut self,
        plan: EvaluationPlan,
        data: Option<&Array2<D::Real>>,
    ) -> Result<Evaluation, DeviceError> {
        self.evaluate_while(plan, data, &mut || Ok(()))
    }

    /// The same, as long as `go_on` says so, which is asked after every piece of samples.
    ///
    /// # Errors
    /// If the device fails, or `go_on` ends it.
    ///
    /// # Panics
    /// As [`evaluate`](Self::evaluate).
    #[track_caller]
    pub fn evaluate_while<E: From<DeviceError>>(
        &mut self,
        plan: EvaluationPlan,
        data: Option<&Array2<D::Real>>,
        go_on: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Evaluation, E> {
        let EvaluationPlan { samples, blocks, seed } = plan;
        assert!(blocks >= 2 && samples >= 2, "{samples} samples in {blocks} blocks");
        self.evaluate_to(Extent::new(samples, blocks), seed, data, go_on)
    }

    /// Does the part of another process than the first in an evaluation, which the first alone gets. That costs nothing but the samples: what is made of
    /// them the first makes.
    ///
    /// # Errors
    /// If the device fails, or the processes part.
    ///
    /// # Panics
    /// As [`evaluate`](Self::evaluate).
    #[track_caller]
    pub fn help_to_evaluate(
        &mut self,
        plan: EvaluationPlan,
        data: Option<&Array2<D::Real>>,
    ) -> Result<(), DeviceError> {
        let EvaluationPlan { samples, blocks, seed } = plan;
        assert!(blocks >= 2 && samples >= 2, "{samples} samples in {blocks} blocks");
        self.draw(Extent::new(samples, blocks), seed, |_, _| Ok::<_, DeviceError>(()))?;
        data.map(|data| self.weigh(data, &mut || Ok::<_, DeviceError>(()))).transpose()?;
        Ok(())
    }

    /// As [`evaluate_while`](Self::evaluate_while), keeping as much as `extent` says.
    pub(crate) fn evaluate_to<E: From<DeviceError>>(
        &mut self,
        extent: Extent,
        seed: u64,
        data: Option<&Array2<D::Real>>,
        go_on: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Evaluation, E> {
        let collected = self.collect(extent, seed, go_on)?;
        let weighed = data.map(|data| self.weigh(data, go_on)).transpose()?;
        let integration = self.integration(seed, extent.samples, data)?;
        let summary = summary::summarise(&self.known, &collected, weighed.as_ref(), integration);
        let rho = collected.chain.rho();
        Ok(Evaluation { summary, log_weights: collected.log_weights, rho, shown: collected.shown })
    }
}
