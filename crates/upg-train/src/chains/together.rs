//! Chains shared by the processes of a run: each runs a [part](ChainPlan::part) of them, and they are the same as those of one process.

use crate::peers::Peers;
use crate::problem::{Drawn, Known};
use ndarray::Array2;
use std::ops::ControlFlow;
use upg_core::{Batch, Device, DeviceError, Real, Rng};

use upg_targets::{ChainPlan, ChainReport, DataSampler, Part, Sampling, TargetError};

impl Peers {
    /// The part of this process.
    fn own_part(&self) -> Part {
        self.part_of(self.rank())
    }

    fn part_of(&self, number: usize) -> Part {
        Part { number, of: self.size() }
    }
}

/// Samples of a target, shape `[samples, dof]`, drawn by all processes together and had by all of them: those of
/// [`DataSampler::draw_data_while`] for one. An exact sampler takes no time: every process draws all by itself.
///
/// Each process is seen to be there whenever `goes_on` is asked.
///
/// # Errors
/// If the sampler doesn't accept the plan, or the processes part.
pub fn draw_together<T: Real, E: From<TargetError> + From<DeviceError>>(
    sampler: &dyn DataSampler<T>,
    peers: &Peers,
    plan: &ChainPlan,
    rng: Rng,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Drawn<T>>, E> {
    if sampler.sampling() == Sampling::Exact || peers.is_alone() {
        return Ok(sampler.draw_data_while(plan, rng, goes_on)?);
    }
    let mut failure = None;
    let mut all_go_on = || {
        failure = peers.go_on().err();
        failure.is_none() && goes_on()
    };
    let drawn = sampler.draw_data_while(&ChainPlan { part: peers.own_part(), ..*plan }, rng, &mut all_go_on)?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let Some((mut samples, report)) = drawn else { return Ok(None) };
    peers.sum(samples.as_slice_mut().expect("standard layout"))?;
    Ok(Some((samples, report_of_all(peers, &report)?)))
}

/// What the chains of all processes report, by what those of each do.
fn report_of_all(peers: &Peers, own: &ChainReport) -> Result<ChainReport, DeviceError> {
    const NUMBERS: usize = 6;
    let ChainReport { acceptance, smallest_acceptance, step_size, chains, trajectories, never_moved } = *own;
    let counts = [chains, trajectories, never_moved].map(|count| count as f64);
    let numbers = [&[acceptance, smallest_acceptance, step_size.unwrap_or(0.0)][..], &counts].concat();
    let all = peers.gather(&numbers, |_| NUMBERS)?;
    let report = |of: &[f64]| ChainReport {
        acceptance: of[0],
        smallest_acceptance: of[1],
        step_size: Some(of[2]),
        chains: of[3] as usize,
        trajectories: of[4] as usize,
        never_moved: of[5] as usize,
    };
    Ok(ChainReport::of_parts(&all.chunks_exact(NUMBERS).map(report).collect::<Vec<_>>()))
}

/// What is seen of chains after a sweep.
pub(super) enum Seen<'a, T> {
    /// They are still warming up.
    Nothing,
    /// The primaries of all of them, shape `[primaries, chains]`, and, if they were wanted, their states, shape `[chains, dof]`.
    Sweep(&'a Batch<f64>, Option<Array2<T>>),
}

/// Whoever sees it, and may end the chains.
type See<'a, T, E> = &'a mut dyn FnMut(Seen<'_, T>) -> Result<(), E>;

impl<D: Device> Known<D> {
    /// Runs chains together, measures after every visit of the plan, and lets the first process `see` what all of them found; states come with every
    /// `thin`-th visit.
    pub(super) fn run_together<E: From<TargetError> + From<DeviceError>>(
        &self,
        sampler: &dyn DataSampler<D::Real>,
        peers: &Peers,
        plan: &ChainPlan,
        rng: Rng,
        thin: usize,
        see: See<'_, D::Real, E>,
    ) -> Result<ChainReport, E> {
        let is_shared = sampler.sampling() == Sampling::Chains && !peers.is_alone();
        if !is_shared && !peers.is_first() {
            return Ok(ChainReport::EXACT);
        }
        let plan = ChainPlan { part: if is_shared { peers.own_part() } else { Part::WHOLE }, ..*plan };
        let chains_of = |rank| plan.chains_of(peers.part_of(rank)).len();
        let (mut own, mut all, mut visits, mut sweep, mut failure) = (Batch::default(), Batch::default(), 0, 0, None);
        let report = sampler.run_chains(&plan, rng, &mut |x| {
            visits += 1;
            let mut visit = || {
                if is_shared {
                    peers.go_on()?; // whoever is gone is missed here, not at the end of the warm-up
                }
                if x.samples() == 0 && visits <= plan.questions() {
                    return if peers.is_first() { see(Seen::Nothing) } else { Ok(()) };
                }
                sweep += 1;
                self.measure(x, &mut own);
                let is_wanted = sweep % thin == 0;
                if !is_shared {
                    return see(Seen::Sweep(&own, is_wanted.then(|| x.to_samples())));
                }
                let found = peers.collect(own.as_slice().to_vec(), |rank| own.rows() * chains_of(rank))?;
                let states = match is_wanted {
                    true => Some(peers.collect(wide(&x.to_samples()), |rank| x.rows() * chains_of(rank))?),
                    false => None,
                };
                if !peers.is_first() {
                    return Ok(());
                }
                beside_each_other(&found, own.rows(), (0..peers.size()).map(chains_of), &mut all);
                let states = states.map(|states| {
                    let states = states.into_iter().map(D::Real::of).collect();
                    Array2::from_shape_vec((plan.running(), x.rows()), states).expect("a row for each chain")
                });
                see(Seen::Sweep(&all, states))
            };
            match visit() {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        let report = report?;
        match failure {
            Some(error) => Err(error),
            None if is_shared => Ok(report_of_all(peers, &report)?),
            None => Ok(report),
        }
    }
}

fn wide<T: Real>(rows: &Array2<T>) -> Vec<f64> {
    rows.iter().map(|&x| x.wide()).collect()
}

/// Puts matrices of so many rows, one after the other in `found`, with so many columns each, beside each other.
fn beside_each_other(found: &[f64], rows: usize, columns: impl Iterator<Item = usize> + Clone, all: &mut Batch<f64>) {
    all.reshape(rows, columns.clone().sum());
    let (mut rest, mut first) = (found, 0);
    for columns in columns {
        let (part, others) = rest.split_at(rows * columns);
        for (i, row) in part.chunks_exact(columns.max(1)).enumerate() {
            all.row_mut(i)[first..first + columns].copy_from_slice(row);
        }
        (rest, first) = (others, first + columns);
    }
}
