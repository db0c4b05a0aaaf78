//! The runs: pairs that differ in the estimator of the gradient alone.

use super::cost::{Cost, calibrate, equal_seconds};
use super::error::FiguresError;
use super::noise::{NoiseAt, Passed};
use super::problems::Problem;
use super::run::{Course, Run, T, run};
use crate::config::{AllInvalid, Config, Invalid, Model};
use crate::io::data::DataRequest;
use crate::paper::table2::Seconds;
use serde::Serialize;
use upg_core::{Cpu, Execution, ForwardKl, ReverseKl};
use upg_train::method::{Divergence, Method};
use upg_train::{DataSets, Objective, Purpose, Trainer};

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
    /// The divergence.
    pub divergence: Divergence,
    /// The cost of a step with the ordinary gradient.
    pub ordinary: Cost,
    /// The cost of a step with the path gradient.
    pub path: Cost,
    /// The pairs, one a seed.
    pub pairs: Vec<Pair>,
    /// The noise of the gradients in the course of the first run with path gradients.
    pub noise: Vec<NoiseAt>,
}

/// All that is compared on one problem.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Study {
    /// Name of the problem.
    pub problem: String,
    /// The problem in words.
    pub title: String,
    /// The experiment; objectives and seeds vary.
    pub config: Config,
    /// One for each divergence.
    pub outcomes: Vec<Outcome>,
}

/// Measures the costs of the steps of `problem`, then trains it for both divergences from `seeds` on `threads` threads; `say` hears of
/// every run.
///
/// # Errors
/// If the problem describes no model, or its target can't be sampled.
pub fn compare(
    problem: &Problem,
    seeds: impl Iterator<Item = u64> + Clone,
    threads: usize,
    mut say: impl FnMut(&str),
) -> Result<Study, FiguresError> {
    let device = Cpu::<T>::new(threads);
    let data = data_of(&problem.config, &device)?;
    let bench = Bench { config: &problem.config, device, data };
    say(&format!("{}, cost of a step", problem.title));
    let costs = bench.costs(problem)?;
    let mut outcomes = vec![];
    for (divergence, [ordinary, path]) in costs {
        let (mut pairs, mut noise) = (vec![], vec![]);
        for seed in seeds.clone() {
            say(&format!("{}, {divergence} KL, seed {seed}", problem.title));
            let mut passed = Passed::of(problem.config.training.steps);
            pairs.push(bench.pair([&ordinary, &path], seed, &mut passed)?);
            if noise.is_empty() {
                noise = passed.noise(&problem.config, divergence, &bench.device, bench.data.train.as_ref())?;
            }
        }
        outcomes.push(Outcome { divergence, ordinary, path, pairs, noise });
    }
    Ok(Study { problem: problem.name.into(), title: problem.title.clone(), config: problem.config.clone(), outcomes })
}

/// Samples of the target of `config`, to train and to test on.
pub(super) fn data_of(config: &Config, device: &Cpu<T>) -> Result<DataSets<T>, FiguresError> {
    let Model { target, sample_shape, .. } = config.build::<T>()?;
    let data = config.data().unwrap_or_default();
    let seed = config.training.seed;
    let request = DataRequest { data: &data, target: &target, sample_shape: &sample_shape, seed, keep: None };
    let fetch = |purpose| request.fetch(purpose).map_err(|e| FiguresError::Data(e.to_string()));
    device.install(|| Ok(DataSets { train: Some(fetch(Purpose::TrainData)?), test: Some(fetch(Purpose::TestData)?) }))
}

/// The ordinary and the path gradient of a divergence.
fn both(divergence: Divergence) -> [Objective; 2] {
    match divergence {
        Divergence::Reverse => [ReverseKl::Reparam, ReverseKl::PathFast].map(Objective::Reverse),
        Divergence::Forward => [ForwardKl::MaxLikelihood, ForwardKl::PathFast].map(Objective::Forward),
    }
}

/// A training of `config` with another objective and seed. A continuous flow is tested with `evaluation.ode_steps` steps of its integrator, if the
/// configuration has some: the ordinary gradient learns to profit from the error of the fewer steps it is trained with.
pub(super) fn trainer(
    config: &Config,
    objective: Objective,
    seed: u64,
    device: &Cpu<T>,
    data: &DataSets<T>,
) -> Result<Trainer<Cpu<T>>, FiguresError> {
    let mut config = config.clone();
    config.training.objective = objective;
    config.training.seed = seed;
    let problem = config.build()?.problem();
    let trainer = Trainer::new(problem, device.clone(), config.training.plan(), data.clone());
    let trainer = trainer.map_err(|refused| AllInvalid::from(Invalid::from(refused)))?;
    Ok(match config.evaluation.ode_steps {
        Some(_) => trainer.with_tests_by(config.build_for_evaluation()?.problem()),
        None => trainer,
    })
}

/// What all runs of a problem have in common.
struct Bench<'a> {
    config: &'a Config,
    device: Cpu<T>,
    data: DataSets<T>,
}

impl Bench<'_> {
    fn trainer(&self, objective: Objective, seed: u64) -> Result<Trainer<Cpu<T>>, FiguresError> {
        trainer(self.config, objective, seed, &self.device, &self.data)
    }

    /// Costs of a step with the ordinary and with the path gradient of each divergence, all measured together.
    fn costs(&self, problem: &Problem) -> Result<Vec<(Divergence, [Cost; 2])>, FiguresError> {
        let objectives = Divergence::ALL.into_iter().flat_map(both);
        let trainers: Result<Vec<_>, _> =
            objectives.map(|objective| self.trainer(objective, self.config.training.seed)).collect();
        let times = calibrate(&mut trainers?, problem.calibration);
        let mut times = times.iter();
        let mut cost = |objective: Objective| {
            let times = times.next().expect("every estimator was timed");
            let method: Method = objective.terms()[0].1;
            let (divergence, estimator) = (method.divergence(), method.estimator());
            Cost { divergence, estimator, seconds: Seconds::of(times), rounds: times.len() }
        };
        Ok(Divergence::ALL.into_iter().map(|divergence| (divergence, both(divergence).map(&mut cost))).collect())
    }

    /// A run with each of both gradients; the one with the path gradient is watched.
    fn pair(&self, [ordinary, path]: [&Cost; 2], seed: u64, passed: &mut Passed) -> Result<Pair, FiguresError> {
        let (steps, every) = (self.config.training.steps, self.config.training.validation.every);
        let course = |own: &Cost| {
            let equal_seconds = equal_seconds(steps, path, own);
            Course { steps, every, equal_seconds, cost: own.seconds.median }
        };
        let [ordinary_objective, path_objective] = both(path.divergence);
        let with_path = run(self.trainer(path_objective, seed)?, course(path), path.estimator, |trainer| {
            passed.watch(trainer.progress().step, || trainer.theta());
        });
        let with_ordinary = run(self.trainer(ordinary_objective, seed)?, course(ordinary), ordinary.estimator, |_| ());
        Ok(Pair { seed, ordinary: with_ordinary, path: with_path })
    }
}
