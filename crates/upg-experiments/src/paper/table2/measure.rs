//! The timing loop.

use super::cases::{Case, LEAST_ROUNDS, Plan};
use super::error::TableError;
use super::rows::{Group, Row};
use crate::config::{AnyBase, Model, Place};
use crate::io::console::say;
use crate::io::output::processor;
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array2, s};
use std::hint::black_box;
use std::io::IsTerminal;
use std::time::Instant;
use upg_core::{Base, Batch, Cpu, Domain, Engine, Real, SampleStream, StandardNormal, Start, Streams, UniformTorus};
use upg_train::method::Method;

/// Seed of the parameters, of the base samples and of the data; their values don't matter to the time.
pub const SEED: u64 = 1;

/// Measures all cases on `device`; tells on standard error how far it is.
///
/// # Errors
/// If a case describes no model, or the device has no kernels for it.
pub fn run<D: Place>(cases: &[Case], plan: &[Plan], device: &D) -> Result<Vec<Row>, TableError> {
    let progress = Progress::new(cases, plan);
    let mut rows = vec![];
    for case in cases {
        rows.extend(measure(case, plan, device, &progress)?);
    }
    progress.finish();
    Ok(rows)
}

/// Measures all groups of one case. They share one engine, so memory is that of the hungriest estimator.
///
/// # Errors
/// As [`run`].
pub fn measure<D: Place>(case: &Case, plan: &[Plan], device: &D, progress: &Progress) -> Result<Vec<Row>, TableError> {
    let mut bench = Bench::new(case.config.build_on(device)?, plan, device);
    let (name, threads, products) = (hardware(device), device.host().threads(), device.products());
    let mut rows = vec![];
    for &plan in plan {
        let (flow, target, batch) = (case.flow, case.target, plan.batch);
        let group = Group { flow, target, batch, device: &name, threads, products };
        for &divergence in case.divergences {
            let methods: Vec<_> = Method::of(divergence).collect();
            progress.say(format!("{} {divergence} batch {}", case.flow, plan.batch));
            let times = bench.group(&methods, &plan, progress);
            rows.extend(group.rows(&methods, &times));
        }
    }
    Ok(rows)
}

/// Name of the processor, or the words of the card.
fn hardware<D: Place>(device: &D) -> String {
    match device.card() {
        None => processor(),
        Some(card) => format!("{} ({card})", device.name()),
    }
}

/// An engine with parameters and data.
struct Bench<D: Place> {
    engine: Engine<D>,
    theta: D::Buffer,
    /// Number of the round.
    round: u64,
    /// Shape `[largest batch, dof]`.
    data: Array2<D::Real>,
}

impl<D: Place> Bench<D> {
    fn new(model: Model<D>, plan: &[Plan], device: &D) -> Self {
        let Model { flow, cut, base, target, theory, .. } = model;
        let largest = plan.iter().map(|plan| plan.batch).max().unwrap_or(1);
        let data = draw(theory.domain(0), theory.dof(), largest);
        let engine = Engine::new(device.clone(), flow, base, target, cut);
        let theta: Vec<D::Real> = engine.layout().initialise(&mut Streams::new(SEED).next_stream());
        Self { engine, theta: device.buffer(&theta), round: 0, data }
    }

    /// Times of every method in every counted round, `[method][round]`, seconds.
    fn group(&mut self, methods: &[Method], plan: &Plan, progress: &Progress) -> Vec<Vec<f64>> {
        let begin = Instant::now();
        let mut times = vec![vec![]; methods.len()];
        for round in 0..=plan.rounds {
            if round > LEAST_ROUNDS && begin.elapsed() >= plan.budget {
                progress.advance(plan, plan.rounds + 1 - round);
                break;
            }
            for turn in 0..methods.len() {
                let m = (turn + round as usize) % methods.len();
                let seconds = self.time(methods[m], plan.batch);
                if round > 0 {
                    times[m].push(seconds);
                }
            }
            self.round += 1;
            progress.advance(plan, 1);
        }
        times
    }

    /// Seconds that one gradient takes, until one of its numbers is on the host: no device is still at work then.
    fn time(&mut self, method: Method, batch: usize) -> f64 {
        let Self { engine, theta, round, data } = self;
        let start = Start::Draw { stream: SampleStream::new(SEED, 1, *round), first: 0, samples: batch };
        let device = engine.device().clone();
        let begin = Instant::now();
        let gradient = match method {
            Method::Reverse(how) => engine.reverse_kl(how, theta, start),
            Method::Forward(how) => engine.forward_kl(how, theta, data.slice(s![..batch, ..])),
        }
        .unwrap_or_else(|error| panic!("{error}"));
        let first = || D::slice(device.params(gradient.grad), 0..1);
        black_box(device.dot(first(), first()));
        begin.elapsed().as_secs_f64()
    }
}

/// Points of `domain`, shape `[samples, dof]`: as good data as any, for a time.
fn draw<T: Real>(domain: Domain, dof: usize, samples: usize) -> Array2<T> {
    let base: AnyBase<T> = match domain {
        Domain::Line => Box::new(StandardNormal::new(dof)),
        Domain::Circle => Box::new(UniformTorus::new(dof)),
    };
    let mut batch = Batch::zeros(dof, samples);
    base.draw(&Cpu::here(), SampleStream::new(SEED, 0, 0), 0, &mut batch);
    batch.to_samples()
}

/// A bar on standard error if it is a terminal, else a line for every group.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// For these cases; the unit is one sample of one round.
    pub fn new(cases: &[Case], plan: &[Plan]) -> Self {
        let groups: usize = cases.iter().map(|case| case.divergences.len()).sum();
        let work: usize = plan.iter().map(|plan| plan.batch * (plan.rounds as usize + 1)).sum();
        let style =
            ProgressStyle::with_template("{elapsed_precise} [{wide_bar}] {percent}% {msg}").expect("a template");
        let bar = || ProgressBar::new((groups * work) as u64).with_style(style);
        Self(std::io::stderr().is_terminal().then(bar))
    }

    fn say(&self, what: String) {
        match &self.0 {
            Some(bar) => bar.set_message(what),
            None => say(format_args!("measuring {what}")),
        }
    }

    fn advance(&self, plan: &Plan, rounds: u32) {
        if let Some(bar) = &self.0 {
            bar.inc(plan.batch as u64 * u64::from(rounds));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::time::Duration;
    use upg_train::method::Divergence;

    const SMALL: &str = "(flow: RealNvp(lattice: [3], couplings: 1, hidden: [2], activation: Tanh, mask: Alternating), \
                         target: Gmm(dim: 3))";

    #[test]
    fn the_first_round_is_not_counted_and_the_budget_ends_the_rest() {
        let rounds = |rounds, budget| {
            let plan = Plan { batch: 3, rounds, budget };
            let mut bench = Bench::new(Config::parse(SMALL).unwrap().build().unwrap(), &[plan], &Cpu::<f32>::new(1));
            let methods: Vec<_> = Method::of(Divergence::Forward).collect();
            bench.group(&methods, &plan, &Progress(None)).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(rounds(5, Duration::MAX), [5; 3]);
        assert_eq!(rounds(1, Duration::ZERO), [1; 3]);
        assert_eq!(rounds(500, Duration::ZERO), [LEAST_ROUNDS as usize; 3]);
    }
}
