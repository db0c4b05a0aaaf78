//! The regularising effect of the path gradient of the forward KL.
//!
//! With few training data maximum likelihood overfits: −log q falls on them and rises on others. The path gradient knows the score of the
//! target, which the data don't show. Both are trained from the same weights on the same few data in the same order.

use super::compare::{data_of, trainer};
use super::error::FiguresError;
use super::problems::Problem;
use super::run::T;
use crate::config::{Config, Model};
use ndarray::Array2;
use serde::Serialize;
use upg_core::{Cpu, Engine, ForwardKl};
use upg_train::method::Estimator;
use upg_train::{DataSets, Objective, Trainer};

/// The effect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Regularising {
    /// The problem in words.
    pub title: String,
    /// The experiment; objectives and seeds vary.
    pub config: Config,
    /// A run with each gradient from each seed.
    pub runs: Vec<Learning>,
}

/// How well a run has learned in its course.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learning {
    /// The estimator of its gradient.
    pub estimator: Estimator,
    /// The seed.
    pub seed: u64,
    /// In its course, the first one before any step.
    pub course: Vec<Nll>,
}

/// mean(−log q) after some steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Nll {
    /// Steps made.
    pub step: u64,
    /// On all training data.
    pub train: f64,
    /// On all test data.
    pub test: f64,
}

/// Trains `problem` for the forward KL with both gradients from `seeds` on `threads` threads; `say` hears of every run.
///
/// # Errors
/// If the problem describes no model, or its target can't be sampled.
pub fn regularising(
    problem: &Problem,
    seeds: impl Iterator<Item = u64>,
    threads: usize,
    mut say: impl FnMut(&str),
) -> Result<Regularising, FiguresError> {
    let (device, config) = (Cpu::<T>::new(threads), &problem.config);
    let data = data_of(config, &device)?;
    let mut judge = Judge::new(config, &device, &data)?;
    let mut runs = vec![];
    for seed in seeds {
        for gradient in [ForwardKl::MaxLikelihood, ForwardKl::PathFast] {
            let objective = Objective::Forward(gradient);
            let estimator = objective.terms()[0].1.estimator();
            say(&format!("{}, {estimator}, seed {seed}", problem.title));
            let mut trainer = trainer(config, objective, seed, &device, &data)?;
            runs.push(Learning { estimator, seed, course: learn(&mut trainer, config, &mut judge) });
        }
    }
    Ok(Regularising { title: problem.title.clone(), config: config.clone(), runs })
}

/// Makes the steps of `config` and judges the weights between them.
fn learn(trainer: &mut Trainer<Cpu<T>>, config: &Config, judge: &mut Judge) -> Vec<Nll> {
    let mut course = vec![judge.nll(trainer)];
    for step in 1..=config.training.steps {
        trainer.step().expect("the processor doesn't fail");
        if step.is_multiple_of(config.training.validation.every) || step == config.training.steps {
            course.push(judge.nll(trainer));
        }
    }
    course
}

/// Weighs all data with the weights of a training.
struct Judge {
    engine: Engine<Cpu<T>>,
    train: Array2<T>,
    test: Array2<T>,
}

impl Judge {
    fn new(config: &Config, device: &Cpu<T>, data: &DataSets<T>) -> Result<Self, FiguresError> {
        let Model { flow, cut, base, target, .. } = config.build()?;
        let engine = Engine::new(device.clone(), flow, base, target, cut);
        let [train, test] = [&data.train, &data.test].map(|data| data.clone().expect("both are drawn"));
        Ok(Self { engine, train, test })
    }

    fn nll(&mut self, trainer: &Trainer<Cpu<T>>) -> Nll {
        let theta = trainer.theta();
        let mut of =
            |data: &Array2<T>| self.engine.weigh(&theta, data.view()).expect("the processor doesn't fail").loss;
        let (train, test) = (of(&self.train), of(&self.test));
        Nll { step: trainer.progress().step, train, test }
    }
}
