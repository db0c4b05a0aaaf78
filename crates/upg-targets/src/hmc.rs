//! Hybrid (Hamiltonian) Monte Carlo for any target: exact sampling from p ∝ e^{−S} in the limit of long chains.
//!
//! All samples of the batch are independent chains that move together. One trajectory draws momenta π ~ N(0, 1),
//! integrates x' = π, π' = −∇S with the leapfrog of step ε for a fixed length, and accepts each chain with
//! min(1, e^{−ΔH}), H = π²/2 + S. The step is tuned to an acceptance during [`Hmc::warm_up`] and kept afterwards, apart from a random
//! factor close to one for each trajectory, which avoids resonances with the period of a mode.
//! (S. Duane et al., Phys. Lett. B 195 (1987) 216.)
//!
//! A start far from the bulk needs [`Hmc::approach`] first: no step size is right for both. What became of each chain is in [`Hmc::tally`].
//!
//! Barriers that HMC cannot cross (modes, topological sectors) a [`Proposal`] crosses: [`SignFlip`], [`SiteFlip`], [`crate::u1::Instanton`].
//!
//! ```
//! use upg_core::{Base, Batch, Cpu, SampleStream, Streams, UniformTorus};
//! use upg_targets::{Hmc, HmcOptions, U1, u1::Instanton};
//!
//! let theory = U1::new(&[4, 4], 2.0)?;
//! let mut rng = Streams::new(1).next_stream();
//! let mut start = Batch::<f64>::zeros(32, 100); // [links, chains]
//! UniformTorus::new(32).draw(&Cpu::here(), SampleStream::new(1, 0, 0), 0, &mut start);
//! let mut chains = Hmc::new(&theory, start, HmcOptions::default(), rng)?;
//! let instanton = Instanton::new(&theory);
//! chains.warm_up(100, &[&instanton]);
//! for _ in 0..10 {
//!     chains.sweep(&[&instanton]);
//! }
//! theory.wrap(chains.x_mut());
//! let mut plaquette = vec![];
//! theory.plaquette(chains.x(), &mut plaquette);
//! let mean = plaquette.iter().sum::<f64>() / 100.0;
//! assert!((mean - theory.exact().plaquette).abs() < 0.05);
//! # Ok::<(), upg_targets::TargetError>(())
//! ```

mod approach;
mod site_flip;
mod tally;

pub use site_flip::SiteFlip;
pub use tally::Tally;

use crate::{
    error::{TargetError, require},
    step_size::StepSize,
};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use upg_core::{Batch, Cpu, Real, Rng, Target, Vectors};

/// A move that is symmetric (x → y is as probable as y → x) and preserves the flat measure; accepted with min(1, e^{−ΔS}).
pub trait Proposal<T: Real>: Send + Sync {
    /// Replaces every sample of `x`, shape `[dof, samples]`, with a proposal.
    fn propose(&self, rng: &mut Rng, x: &mut Batch<T>);
}

/// x → −x, with probability ½: for targets with that symmetry it is always accepted.
#[derive(Clone, Copy, Debug)]
pub struct SignFlip;

impl<T: Real> Proposal<T> for SignFlip {
    fn propose(&self, rng: &mut Rng, x: &mut Batch<T>) {
        let signs: Vec<T> = (0..x.samples()).map(|_| if rng.random::<bool>() { T::one() } else { -T::one() }).collect();
        for i in 0..x.rows() {
            x.row_mut(i).iter_mut().zip(&signs).for_each(|(x, &sign)| *x *= sign);
        }
    }
}

/// How to integrate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HmcOptions {
    /// Length of a trajectory, number of steps times step size, in units of time.
    pub length: f64,
    /// Mean acceptance probability to tune the step for.
    pub acceptance: f64,
    /// The step of every trajectory is multiplied by a number drawn from [1 − jitter, 1 + jitter].
    pub jitter: f64,
}

impl Default for HmcOptions {
    /// Length 1, acceptance 0.8, jitter 0.1.
    fn default() -> Self {
        Self { length: 1.0, acceptance: 0.8, jitter: 0.1 }
    }
}

impl HmcOptions {
    fn check(self) -> Result<Self, TargetError> {
        require(self.length.is_finite() && self.length > 0.0, "length", self.length, "a finite number, above 0")?;
        require(self.acceptance > 0.0 && self.acceptance < 1.0, "acceptance", self.acceptance, "between 0 and 1")?;
        require((0.0..1.0).contains(&self.jitter), "jitter", self.jitter, "at least 0, below 1")?;
        Ok(self)
    }
}

/// Steps of one trajectory at most.
const MOST_STEPS: f64 = 1000.0;

/// The probability that a chain with the acceptance asked for is taken for one that can't bear the step.
const BY_CHANCE: f64 = 1e-9;

/// Many chains, one per sample of a batch; see the [module documentation](self).
pub struct Hmc<'a, T: Real> {
    target: &'a dyn Target<Cpu<T>>,
    options: HmcOptions,
    rng: Rng,
    step: StepSize,
    x: Batch<T>,
    proposed: Batch<T>,
    momentum: Batch<T>,
    force: Batch<T>,
    /// −S − π²/2 (or −S), per chain, before and after.
    log_before: Vec<f64>,
    log_after: Vec<f64>,
    /// Acceptance probability and outcome of the last proposal, per chain.
    probability: Vec<f64>,
    accepted: Vec<bool>,
    /// Trajectories of the warm-up that were refused in a row, per chain.
    refusals: Vec<f64>,
    tally: Tally,
}

impl<'a, T: Real> Hmc<'a, T> {
    /// Chains that start at `start`, shape `[dof, chains]`; `rng` decides everything that is random.
    ///
    /// # Errors
    /// No chains, a start that is not finite, options out of their range.
    ///
    /// # Panics
    /// If the rows of `start` are not the degrees of freedom of the target.
    #[track_caller]
    pub fn new(
        target: &'a dyn Target<Cpu<T>>,
        start: Batch<T>,
        options: HmcOptions,
        rng: Rng,
    ) -> Result<Self, TargetError> {
        assert_eq!(start.rows(), target.dof(), "rows of the start, and degrees of freedom of the target");
        if start.samples() == 0 {
            return Err(TargetError::new("start", "0 chains", "at least 1"));
        }
        if !start.as_slice().iter().all(|x| x.is_finite()) {
            return Err(TargetError::new("start", "not finite", "finite numbers"));
        }
        let options = options.check()?;
        Ok(Self {
            target,
            step: StepSize::new(0.1 * options.length, options.acceptance),
            options,
            rng,
            tally: Tally::new(start.samples()),
            refusals: vec![0.0; start.samples()],
            x: start,
            proposed: Batch::default(),
            momentum: Batch::default(),
            force: Batch::default(),
            log_before: vec![],
            log_after: vec![],
            probability: vec![],
            accepted: vec![],
        })
    }

    /// The present states, shape `[dof, chains]`.
    pub fn x(&self) -> &Batch<T> {
        &self.x
    }

    /// The present states, to be replaced by equivalent ones (angles wrapped, say).
    pub fn x_mut(&mut self) -> &mut Batch<T> {
        &mut self.x
    }

    /// The step size as tuned so far.
    pub fn step_size(&self) -> f64 {
        self.step.tuned()
    }

    /// What became of the trajectories of each chain since the warm-up.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Tunes the step size during `sweeps` sweeps: to the acceptance asked for, of all chains together, and to one that each of them can
    /// bear. While a chain is refused so often in a row that it is no accident, the step shrinks, down to the smallest there is. A warm-up may be made
    /// in several parts.
    pub fn warm_up(&mut self, sweeps: usize, proposals: &[&dyn Proposal<T>]) {
        let patience = BY_CHANCE.ln() / (-self.options.acceptance).ln_1p();
        for _ in 0..sweeps {
            let acceptance = self.move_along(self.step.exploring());
            for (refusals, &accepted) in self.refusals.iter_mut().zip(&self.accepted) {
                *refusals = if accepted { 0.0 } else { *refusals + 1.0 };
            }
            if self.refusals.iter().any(|&refusals| refusals > patience) {
                self.step.lower_ceiling(self.options.length / MOST_STEPS);
            }
            self.step.update(acceptance);
            proposals.iter().for_each(|&proposal| _ = self.metropolis(proposal));
        }
    }

    /// One trajectory, then each of `proposals`; returns the mean acceptance probability of the trajectory.
    pub fn sweep(&mut self, proposals: &[&dyn Proposal<T>]) -> f64 {
        let acceptance = self.trajectory();
        proposals.iter().for_each(|&proposal| _ = self.metropolis(proposal));
        acceptance
    }

    /// One trajectory with the tuned step; returns the mean acceptance probability.
    pub fn trajectory(&mut self) -> f64 {
        let acceptance = self.move_along(self.step.tuned());
        self.tally.add(&self.probability, &self.accepted);
        acceptance
    }

    /// One Metropolis step with `proposal`; returns the mean acceptance probability.
    pub fn metropolis(&mut self, proposal: &dyn Proposal<T>) -> f64 {
        let here = Cpu::here();
        self.proposed.copy_from(&self.x);
        proposal.propose(&mut self.rng, &mut self.proposed);
        self.target.action_and_force(&here, &self.x, &mut self.log_before, None);
        self.target.action_and_force(&here, &self.proposed, &mut self.log_after, None);
        here.negate(&mut self.log_before);
        here.negate(&mut self.log_after);
        self.accept()
    }

    /// One trajectory with a step of about `step`.
    fn move_along(&mut self, step: f64) -> f64 {
        let jitter = self.options.jitter * (2.0 * self.rng.random::<f64>() - 1.0);
        let steps = (self.options.length / step).ceil().clamp(1.0, MOST_STEPS) as usize;
        self.draw_momentum();
        self.proposed.copy_from(&self.x);
        self.leapfrog(step * (1.0 + jitter), steps);
        self.accept()
    }

    fn draw_momentum(&mut self) {
        self.momentum.reshape(self.x.rows(), self.x.samples());
        for momentum in self.momentum.as_mut_slice() {
            let draw: f64 = StandardNormal.sample(&mut self.rng);
            *momentum = T::of(draw);
        }
    }

    /// Half a step of momentum, then steps of x and momentum in turn, the last of momentum half again; −H before and after.
    fn leapfrog(&mut self, step: f64, steps: usize) {
        let here = Cpu::here();
        self.energy_before();
        here.axpby(0.5 * step, &self.force, 1.0, &mut self.momentum);
        for k in 1..=steps {
            here.axpby(step, &self.momentum, 1.0, &mut self.proposed);
            self.target.action_and_force(&here, &self.proposed, &mut self.log_after, Some(&mut self.force));
            let kick = if k == steps { 0.5 * step } else { step };
            here.axpby(kick, &self.force, 1.0, &mut self.momentum);
        }
        self.energy_after();
    }

    /// −H and the force where a trajectory begins.
    fn energy_before(&mut self) {
        let here = Cpu::here();
        self.target.action_and_force(&here, &self.proposed, &mut self.log_before, Some(&mut self.force));
        add_kinetic(&self.momentum, &mut self.log_before);
        here.negate(&mut self.log_before);
    }

    /// −H where it ends, from the action, which is known.
    fn energy_after(&mut self) {
        add_kinetic(&self.momentum, &mut self.log_after);
        Cpu::<T>::here().negate(&mut self.log_after);
    }

    /// Takes over the proposals that are accepted; returns the mean acceptance probability. A proposal that is not finite is refused.
    fn accept(&mut self) -> f64 {
        self.probability.clear();
        self.accepted.clear();
        for (before, after) in self.log_before.iter().zip(&self.log_after) {
            let ratio = (after - before).exp();
            let probability = if ratio.is_nan() { 0.0 } else { ratio.min(1.0) };
            self.probability.push(probability);
            self.accepted.push(self.rng.random::<f64>() < probability);
        }
        for i in 0..self.x.rows() {
            let proposals = self.proposed.row(i).iter().zip(&self.accepted);
            for (x, (&proposed, &accepted)) in self.x.row_mut(i).iter_mut().zip(proposals) {
                *x = if accepted { proposed } else { *x };
            }
        }
        self.probability.iter().sum::<f64>() / self.accepted.len() as f64
    }
}

/// sums += π²/2, per chain.
fn add_kinetic<T: Real>(momentum: &Batch<T>, sums: &mut [f64]) {
    for i in 0..momentum.rows() {
        for (sum, momentum) in sums.iter_mut().zip(momentum.row(i)) {
            *sum += 0.5 * momentum.wide() * momentum.wide();
        }
    }
}
