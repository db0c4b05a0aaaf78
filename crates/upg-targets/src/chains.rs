//! Many [`Hmc`] chains at once, shown in the order of time.
//!
//! Every chain starts at an independent draw of a base density, [approaches](Hmc::approach) the bulk, warms up, and is shown every few
//! sweeps. Chains run in groups, each with its own random stream and its own step size, on the rayon threads of whoever calls (see
//! [`upg_core::Execution::install`]); the result depends on `rng` and the plan alone, not on the number of threads.

use crate::{
    error::TargetError,
    hmc::{Hmc, HmcOptions, Proposal},
};
use rand::RngExt;
use rayon::prelude::*;
use std::ops::{ControlFlow, Range};
use upg_core::{Base, Batch, Cpu, Real, Rng, SampleStream, Target, share};

/// Sees the states of all chains, shape `[dof, chains]`; may overwrite what it is shown, and says whether to go on. During the warm-up it is shown
/// no states, shape `[dof, 0]`, now and then: only to say whether to go on.
pub type Visit<'a, T> = &'a mut dyn FnMut(&mut Batch<T>) -> ControlFlow<()>;

/// How many samples, and how chains make them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainPlan {
    /// Number of samples.
    pub samples: usize,
    /// Number of independent chains; no more than there are samples are run.
    pub chains: usize,
    /// Sweeps before the first sample, during which the step size is tuned, after an [approach](Hmc::approach) to the bulk. With 0 chains
    /// begin where they start.
    pub warm_up: usize,
    /// Sweeps per sample of a chain.
    pub thin: usize,
    /// How to integrate.
    pub hmc: HmcOptions,
    /// Which of the chains are run here.
    pub part: Part,
}

/// One of several equal parts of the chains, for several processes that share them: every chain is the same whoever runs it. [`Part::WHOLE`] by
/// default. An exact sampler isn't shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the part, from 0.
    pub number: usize,
    /// How many there are, at least 1.
    pub of: usize,
}

impl Part {
    /// All chains.
    pub const WHOLE: Self = Self { number: 0, of: 1 };
}

impl Default for ChainPlan {
    /// 10,000 samples of 512 chains, 200 sweeps of warm-up, 10 sweeps per sample, trajectories of length 2.
    ///
    /// At the settings of the paper (φ⁴ on 16×8, U(1) on 16×16 at β = 3) no observable then has an integrated
    /// autocorrelation time above 3.5 sweeps. With trajectories of length 1 that of |m| in φ⁴ is 10, of length ½ 100 sweeps.
    fn default() -> Self {
        let hmc = HmcOptions { length: 2.0, ..HmcOptions::default() };
        Self { samples: 10_000, chains: 512, warm_up: 200, thin: 10, hmc, part: Part::WHOLE }
    }
}

impl ChainPlan {
    pub(crate) fn check(&self) -> Result<(), TargetError> {
        for (field, value) in [("samples", self.samples), ("chains", self.chains), ("thin", self.thin)] {
            if value == 0 {
                return Err(TargetError::new(field, "0", "at least 1"));
            }
        }
        let Part { number, of } = self.part;
        if number >= of {
            let accepted = "parts from 0 on, fewer than there are";
            return Err(TargetError::new("part", format!("{number} of {of}"), accepted));
        }
        Ok(())
    }

    /// Chains that run, those of all parts: no more than there are samples.
    pub fn running(&self) -> usize {
        self.chains.min(self.samples)
    }

    /// The chains of a part, by their numbers; none where there are more parts than groups of chains.
    pub fn chains_of(&self, part: Part) -> Range<usize> {
        let groups = part.groups(self.running());
        boundary(groups.start, self.running())..boundary(groups.end, self.running())
    }

    /// How often chains are shown without states, in the warm-up.
    pub fn questions(&self) -> usize {
        self.warm_up.div_ceil(ASKED_EVERY)
    }

    /// Samples of each chain; the last ones may be more than are wanted.
    pub fn rounds(&self) -> usize {
        self.samples.div_ceil(self.running())
    }
}

/// How the drawing of samples went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainReport {
    /// Mean acceptance probability of the trajectories after the warm-up; 1 for an exact sampler.
    pub acceptance: f64,
    /// The same of the chain that has the smallest.
    pub smallest_acceptance: f64,
    /// Mean step size of the trajectories; `None` for an exact sampler.
    pub step_size: Option<f64>,
    /// Number of chains; 0 for an exact sampler.
    pub chains: usize,
    /// Trajectories of each chain after the warm-up.
    pub trajectories: usize,
    /// Chains none of whose trajectories was accepted.
    pub never_moved: usize,
}

impl ChainReport {
    /// That of an exact sampler.
    pub const EXACT: Self =
        Self { acceptance: 1.0, smallest_acceptance: 1.0, step_size: None, chains: 0, trajectories: 0, never_moved: 0 };

    /// That of all chains, by those of their parts; means to round-off.
    pub fn of_parts(parts: &[Self]) -> Self {
        let Some(chains) = Some(parts.iter().map(|part| part.chains).sum()).filter(|&chains| chains > 0) else {
            return Self::EXACT;
        };
        let mean = |of: fn(&Self) -> f64| {
            parts.iter().filter(|part| part.chains > 0).map(|part| part.chains as f64 * of(part)).sum::<f64>()
                / chains as f64
        };
        Self {
            acceptance: mean(|part| part.acceptance),
            smallest_acceptance: parts.iter().map(|part| part.smallest_acceptance).fold(1.0, f64::min),
            step_size: Some(mean(|part| part.step_size.unwrap_or(0.0))),
            chains,
            trajectories: parts.iter().map(|part| part.trajectories).max().unwrap_or(0),
            never_moved: parts.iter().map(|part| part.never_moved).sum(),
        }
    }

    fn of<T: Real>(groups: &[Hmc<'_, T>]) -> Self {
        if groups.is_empty() {
            return Self::EXACT;
        }
        let (mut report, mut step) = (Self { acceptance: 0.0, ..Self::EXACT }, 0.0);
        for group in groups {
            let tally = group.tally();
            let chains = tally.moves().len();
            report.acceptance += tally.acceptance().sum::<f64>();
            report.smallest_acceptance = tally.acceptance().fold(report.smallest_acceptance, f64::min);
            report.never_moved += tally.moves().iter().filter(|&&moves| moves == 0).count();
            report.trajectories = tally.trajectories();
            report.chains += chains;
            step += chains as f64 * group.step_size();
        }
        let chains = report.chains as f64;
        Self { acceptance: report.acceptance / chains, step_size: Some(step / chains), ..report }
    }
}

/// Chains that move together: few enough to stay in cache, many enough to fill SIMD registers and to tune a step size.
const GROUP: usize = 64;

/// Sweeps of the warm-up between two questions whether to go on.
const ASKED_EVERY: usize = 10;

/// Runs chains of `target` that start at draws of `start` and apply `proposals` in every sweep, and shows the states of all of them, shape
/// `[dof, chains]`, every `plan.thin` sweeps until there are as many samples as the plan wants. Of a plan's part only its chains are run and shown, as often as
/// those of every other part, even if there are none.
///
/// # Errors
/// A plan without samples, chains or sweeps; a start that is not finite; options of HMC out of their range.
///
/// # Panics
/// If `start` and `target` have different numbers of degrees of freedom.
#[track_caller]
pub fn equilibrium_chains<T: Real>(
    target: &dyn Target<Cpu<T>>,
    start: &dyn Base<Cpu<T>>,
    proposals: &[&dyn Proposal<T>],
    plan: &ChainPlan,
    rng: Rng,
    visit: Visit<'_, T>,
) -> Result<ChainReport, TargetError> {
    assert_eq!(start.dof(), target.dof(), "degrees of freedom of the start, and of the target");
    plan.check()?;
    let begin = |group: Group| group.begin(target, start, plan);
    let mut groups = groups(plan, rng).into_par_iter().map(begin).collect::<Result<Vec<_>, _>>()?;
    let mut nothing = Batch::zeros(target.dof(), 0);
    for first in (0..plan.warm_up).step_by(ASKED_EVERY) {
        let sweeps = ASKED_EVERY.min(plan.warm_up - first);
        groups.par_iter_mut().for_each(|group| group.warm_up(sweeps, proposals));
        if visit(&mut nothing).is_break() {
            return Ok(ChainReport::of(&groups));
        }
    }
    let mut states = Batch::zeros(target.dof(), plan.chains_of(plan.part).len());
    for _ in 0..plan.rounds() {
        groups.par_iter_mut().for_each(|group| (0..plan.thin).for_each(|_| _ = group.sweep(proposals)));
        copy_states(&groups, &mut states);
        if visit(&mut states).is_break() {
            break;
        }
    }
    Ok(ChainReport::of(&groups))
}

/// The chains of all groups beside each other.
fn copy_states<T: Real>(groups: &[Hmc<'_, T>], states: &mut Batch<T>) {
    for i in 0..states.rows() {
        let rows = groups.iter().flat_map(|group| group.x().row(i));
        states.row_mut(i).iter_mut().zip(rows).for_each(|(state, &x)| *state = x);
    }
}

/// Some of the chains.
struct Group {
    chains: usize,
    rng: Rng,
}

/// Number of the first chain of group `g`: groups are of equal size, to within one chain, of at most [`GROUP`].
fn boundary(g: usize, all_chains: usize) -> usize {
    g * all_chains / all_chains.div_ceil(GROUP).max(1)
}

impl Part {
    /// The groups of the part.
    fn groups(self, all_chains: usize) -> Range<usize> {
        share(self.number, self.of, all_chains.div_ceil(GROUP))
    }
}

/// The groups of the plan's part; their streams are 2¹⁹² numbers apart, so that they stay clear of streams that lie 2¹²⁸ apart, as those of
/// [`upg_core::Streams`] do.
fn groups(plan: &ChainPlan, mut rng: Rng) -> Vec<Group> {
    let own = plan.part.groups(plan.running());
    let mut next = |g| {
        rng.long_jump();
        Group { chains: boundary(g + 1, plan.running()) - boundary(g, plan.running()), rng: rng.clone() }
    };
    let all = (0..own.end).map(&mut next).collect::<Vec<_>>();
    all.into_iter().skip(own.start).collect()
}

impl Group {
    /// The chains before their warm-up.
    fn begin<'a, T: Real>(
        self,
        target: &'a dyn Target<Cpu<T>>,
        start: &dyn Base<Cpu<T>>,
        plan: &ChainPlan,
    ) -> Result<Hmc<'a, T>, TargetError> {
        let (mut rng, mut x) = (self.rng, Batch::zeros(target.dof(), self.chains));
        start.draw(&Cpu::here(), SampleStream::new(rng.random(), 0, 0), 0, &mut x);
        let mut hmc = Hmc::new(target, x, plan.hmc, rng)?;
        if plan.warm_up > 0 {
            hmc.approach();
        }
        Ok(hmc)
    }
}
