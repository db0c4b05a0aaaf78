//! The runs: pairs that differ in the estimator of the gradient alone.

use super::error::FiguresError;
use super::problems::Problem;
use crate::config::{Config, Invalid, Model};
use crate::io::data::DataRequest;
use serde::Serialize;
use std::time::Instant;
use upg_core::{Cpu, Execution, ForwardKl, ReverseKl};
use upg_train::method::{Divergence, Estimator};
use upg_train::{DataSets, Objective, Purpose, Tested, Trainer};

/// The precision of the comparison.
type T = f32;

/// A test during a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moment {
    /// Steps made.
    pub step: u64,
    /// Seconds they took.
    pub seconds: f64,
    /// The outcome of the test.
    pub tested: Tested,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// The estimator of its gradient.
    pub estimator: Estimator,
    /// Its tests, the first one before any step.
    pub course: Vec<Moment>,
    /// The test after the steps of the problem.
    pub at_steps: Moment,
    /// The test after the seconds of the run with path gradients.
    pub at_seconds: Moment,
}

/// Two runs from the same seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The seed.
    pub seed: u64,
    /// With the ordinary gradient.
    pub ordinary: Run,
    /// With the path gradient.
    pub path: Run,
}

/// All pairs of one problem and one divergence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Name of the problem.
    pub problem: String,
    /// The problem in words.
    pub title: String,
    /// The divergence.
    pub divergence: Divergence,
    /// The pairs, one a seed.
    pub pairs: Vec<Pair>,
}

/// Trains `problem` for both divergences from `seeds` on `threads` threads; `say` hears of every run.
///
/// # Errors
/// If the problem describes no model, or its target can't be sampled.
pub fn compare(
    problem: &Problem,
    seeds: impl Iterator<Item = u64> + Clone,
    threads: usize,
    mut say: impl FnMut(&str),
) -> Result<Vec<Outcome>, FiguresError> {
    let device = Cpu::<T>::new(threads);
    let data = data_of(&problem.config, &device)?;
    let mut outcomes = vec![];
    for divergence in [Divergence::Reverse, Divergence::Forward] {
        let mut pairs = vec![];
        for seed in seeds.clone() {
            say(&format!("{}, {divergence} KL, seed {seed}", problem.title));
            pairs.push(pair(&problem.config, divergence, seed, &device, &data)?);
        }
        let (problem, title) = (problem.name.to_owned(), problem.title.clone());
        outcomes.push(Outcome { problem, title, divergence, pairs });
    }
    Ok(outcomes)
}

fn data_of(config: &Config, device: &Cpu<T>) -> Result<DataSets<T>, FiguresError> {
    let Model { target, sample_shape, .. } = config.build::<T>()?;
    let data = config.data().unwrap_or_default();
    let seed = config.training.seed;
    let request = DataRequest { data: &data, target: &target, sample_shape: &sample_shape, seed, keep: None };
    let fetch = |purpose| request.fetch(purpose).map_err(|e| FiguresError::Data(e.to_string()));
    device.install(|| Ok(DataSets { train: Some(fetch(Purpose::TrainData)?), test: Some(fetch(Purpose::TestData)?) }))
}

fn pair(
    config: &Config,
    divergence: Divergence,
    seed: u64,
    device: &Cpu<T>,
    data: &DataSets<T>,
) -> Result<Pair, FiguresError> {
    let (ordinary, path) = match divergence {
        Divergence::Reverse => (Objective::Reverse(ReverseKl::Reparam), Objective::Reverse(ReverseKl::PathFast)),
        Divergence::Forward => (Objective::Forward(ForwardKl::MaxLikelihood), Objective::Forward(ForwardKl::PathFast)),
    };
    let begin = |objective| -> Result<Clocked, FiguresError> {
        let mut config = config.clone();
        config.training.objective = objective;
        config.training.seed = seed;
        let problem = config.build()?.problem();
        let trainer = Trainer::new(problem, device.clone(), config.training.plan(), data.clone());
        Ok(Clocked { trainer: trainer.map_err(Invalid::from)?, config, seconds: 0.0 })
    };
    let path = begin(path)?.run(|clocked| clocked.seconds);
    let seconds = path.at_steps.seconds;
    let ordinary = begin(ordinary)?.run(|_| seconds);
    Ok(Pair { seed, ordinary, path })
}

/// A trainer whose steps are timed.
struct Clocked {
    trainer: Trainer<Cpu<T>>,
    config: Config,
    seconds: f64,
}

impl Clocked {
    /// The steps of the problem, then on until `until` seconds, as told once the steps are made.
    fn run(mut self, until: impl Fn(&Self) -> f64) -> Run {
        let (steps, every) = (self.config.training.steps, self.config.training.validation.every);
        let mut course = vec![self.test()];
        for step in 1..=steps {
            self.step();
            if step.is_multiple_of(every) || step == steps {
                course.push(self.test());
            }
        }
        let at_steps = course[course.len() - 1];
        let until = until(&self);
        while self.seconds < until {
            self.step();
        }
        let at_seconds = if self.trainer.progress().step > steps { self.test() } else { at_steps };
        if at_seconds != at_steps {
            course.push(at_seconds);
        }
        let estimator = self.config.training.objective.terms()[0].1.estimator();
        Run { estimator, course, at_steps, at_seconds }
    }

    fn step(&mut self) {
        let begin = Instant::now();
        self.trainer.step().expect("the processor doesn't fail");
        self.seconds += begin.elapsed().as_secs_f64();
    }

    fn test(&mut self) -> Moment {
        let tested = self.trainer.validate().expect("the processor doesn't fail");
        Moment { step: self.trainer.progress().step, seconds: self.seconds, tested }
    }
}
