//! The runs: pairs that differ in the estimator of the gradient alone.

use super::cost::{Cost, calibrate, equal_seconds};
use super::error::FiguresError;
use super::noise::{NoiseAt, Passed};
use super::problems::Problem;
use super::run::{Course, Run, T, run};
use crate::config::{AllInvalid, Config, Invalid, Model};
use crate::io::data::DataRequest;
use crate::io::signals::nobody;
use crate::paper::table2::Seconds;
use serde::Serialize;
use upg_core::{Cpu, Execution, ForwardKl, ReverseKl};
use upg_train::method::{Divergence, Method};
use upg_train::schedule::Schedule;
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
    let Model { theory: target, sample_shape, .. } = config.build::<T>()?;
    let data = config.data().unwrap_or_default();
    let seed = config.training.seed;
    let request =
        DataRequest { data: &data, target: &target, sample_shape: &sample_shape, seed, keep: None, caller: &nobody };
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

/// A training of `config` with another objective and seed. A continuous flow is tested with the steps of its evaluation: the ordinary
/// gradient learns to profit from the error of the fewer steps it is trained with.
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
    let tested = match config.evaluation.ode_steps {
        Some(_) => Some(config.build_for_evaluation(device)?),
        None => config.build_for_tests(device)?,
    };
    Ok(tested.map(Model::problem).into_iter().fold(trainer, Trainer::with_tests_by))
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
        let [ordinary_objective, path_objective] = both(path.divergence);
        let steps = self.config.training.steps;
        let trainer = self.trainer(path_objective, seed)?;
        let with_path = run(trainer, self.course(path, steps, steps), path.estimator, |trainer| {
            passed.watch(trainer.progress().step, || trainer.theta());
        });
        let ordinary = self.as_long(ordinary, equal_seconds(steps, path, ordinary), ordinary_objective, seed)?;
        Ok(Pair { seed, ordinary, path: with_path })
    }

    /// A run that is tested after the steps of the problem, and after `equal_seconds` steps. Where the learning rate falls until the end of a training
    /// these are two trainings: further steps behind the end of the first would be worth nothing.
    fn as_long(&self, own: &Cost, equal_seconds: u64, objective: Objective, seed: u64) -> Result<Run, FiguresError> {
        let steps = self.config.training.steps;
        let of_steps = |steps, course| {
            let mut config = self.config.clone();
            config.training.steps = steps;
            Ok(run(trainer(&config, objective, seed, &self.device, &self.data)?, course, own.estimator, |_| ()))
        };
        if equal_seconds == steps || !falls_until_the_end(self.config.training.schedule) {
            return of_steps(steps, self.course(own, steps, equal_seconds));
        }
        let first: Run = of_steps(steps, self.course(own, steps, steps))?;
        let second = of_steps(equal_seconds, self.course(own, equal_seconds, equal_seconds))?;
        Ok(Run {
            at_seconds: second.at_seconds,
            given_up: first.given_up.or(second.given_up),
            stretched: Some(second.course),
            ..first
        })
    }

    fn course(&self, own: &Cost, steps: u64, equal_seconds: u64) -> Course {
        Course { steps, every: self.config.training.validation.every, equal_seconds, cost: own.seconds.median }
    }
}

/// Whether the learning rate depends on the number of steps.
fn falls_until_the_end(schedule: Schedule) -> bool {
    matches!(schedule, Schedule::Cosine { steps: None, .. })
}

#[cfg(test)]
mod tests {
    use super::super::run::Moment;
    use super::*;
    use upg_train::method::Estimator;

    const SMALL: &str = "(flow: RealNvp(lattice: [2], couplings: 2, hidden: [6], activation: Tanh, mask: Alternating), target: Gmm(dim: 2), \
        training: (steps: 12, batch: 64, optimiser: Adam(rate: 0.03), schedule: Cosine(), validation: (every: 4, samples: 50)), \
        data: (train: Draw(100), test: Draw(50)))";

    fn cost(estimator: Estimator, seconds: f64) -> Cost {
        Cost { divergence: Divergence::Reverse, estimator, seconds: Seconds::of(&[seconds]), rounds: 1 }
    }

    fn ordinary(config: &Config) -> Run {
        let device = Cpu::new(1);
        let bench = Bench { config, data: data_of(config, &device).unwrap(), device };
        let costs = [cost(Estimator::Reparam, 0.3), cost(Estimator::PathFast, 0.4)];
        bench.pair(costs.each_ref(), 3, &mut Passed::of(12)).unwrap().ordinary
    }

    #[test]
    fn a_learning_rate_that_falls_until_the_end_does_so_in_equal_seconds_too() {
        let mut config = Config::parse(SMALL).unwrap();
        let run = ordinary(&config);
        let stretched = run.stretched.clone().expect("two trainings");
        let steps = |course: &[Moment]| course.iter().map(|moment| moment.step).collect::<Vec<_>>();
        assert_eq!((steps(&run.course), steps(&stretched)), (vec![0, 4, 8, 12], vec![0, 4, 8, 12, 16]));
        assert_eq!((run.at_steps, run.at_seconds), (run.course.last().copied(), stretched.last().copied()));
        assert_ne!(run.course[1].tested, stretched[1].tested, "the rate falls more slowly");

        config.training.steps = 16;
        let longer = ordinary(&config);
        assert_eq!(longer.course, stretched);

        config.training.schedule = Schedule::Constant;
        config.training.steps = 12;
        let run = ordinary(&config);
        assert_eq!((run.stretched, steps(&run.course)), (None, vec![0, 4, 8, 12, 16]));
    }
}
