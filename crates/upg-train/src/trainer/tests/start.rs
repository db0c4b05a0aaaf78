//! The first weights, where layers choose them by the samples of the first step.

use super::*;
use ndarray::Axis;
use upg_core::{EndSamples, Layer};
use upg_flows::Glow;

/// A flow that ends, on its way from the base, and so begins on its way back, with an ActNorm.
fn glow() -> Flow<f64> {
    let glow = Glow { lattice: vec![4], steps: 2, hidden: vec![5], ..Glow::default() };
    let mut spec = glow.spec().unwrap();
    spec.layers.push(spec.layers[0].clone());
    spec.build().unwrap()
}

fn glow_problem() -> Problem<Cpu<f64>> {
    Problem::new(glow(), StandardNormal::new(4), Arc::new(gmm()))
}

fn plan(objective: Objective) -> TrainingPlan {
    TrainingPlan { objective, batch: 64, seed: 3, ..TrainingPlan::default() }
}

fn glow_trainer(plan: TrainingPlan, threads: usize) -> Trainer<Cpu<f64>> {
    Trainer::new(glow_problem(), Cpu::new(threads), plan, data()).unwrap()
}

/// Largest deviation of the mean from 0 and of the variance from 1.
fn far_from_normal(samples: &Array2<f64>) -> f64 {
    let (mean, variance) = (samples.mean_axis(Axis(0)).unwrap(), samples.var_axis(Axis(0), 0.0));
    mean.iter().map(|m| m.abs()).chain(variance.iter().map(|v| (v - 1.0).abs())).fold(0.0, f64::max)
}

#[test]
fn of_a_reverse_kl_by_the_base_samples_of_the_first_step() {
    let trainer = glow_trainer(plan(Objective::Reverse(ReverseKl::PathFast)), 2);
    let (engine, _, _) = glow_problem().into_engine(Cpu::here());
    let mut engine = engine.with_end_samples(EndSamples::Keep);
    let start = Start::Draw { stream: Purpose::Step(0).samples(3), first: 0, samples: 64 };
    let end = engine.sample(&trainer.theta(), start).unwrap().end.to_owned();
    assert!(far_from_normal(&end) < 1e-11, "{end}");
    assert_eq!(trainer.theta(), trainer.final_weights());
}

#[test]
fn of_an_objective_with_data_by_the_data_of_the_first_step() {
    let sum = Objective::Sum {
        reverse: ReverseKl::PathFast,
        reverse_weight: 0.5,
        forward: ForwardKl::PathFast,
        forward_weight: 0.5,
    };
    for objective in [Objective::Forward(ForwardKl::PathFast), sum] {
        let trainer = glow_trainer(plan(objective), 1);
        // The first layer is the last on the way back: what comes out of its inverse is z.
        let (engine, _, _) = glow_problem().into_engine(Cpu::here());
        let mut engine = engine.with_end_samples(EndSamples::Keep);
        let mut batches = Batches::new(data().train.unwrap(), 64, 3);
        let end = engine.weigh(&trainer.theta(), batches.of_step(0)).unwrap().end.to_owned();
        assert!(far_from_normal(&end) < 1e-11, "{end}");
    }
}

#[test]
fn weights_that_are_given_or_restored_stay_as_they_are() {
    let plan = plan(Objective::Reverse(ReverseKl::PathFast));
    let given: Vec<f64> = (0..glow().params().size()).map(|i| 0.01 * (i as f64).sin()).collect();
    assert_eq!(glow_trainer(plan.clone(), 1).with_weights(&given).theta(), given);

    let mut trainer = glow_trainer(plan.clone(), 1);
    for _ in 0..3 {
        trainer.step().unwrap();
    }
    let state = trainer.state();
    let mut resumed = glow_trainer(plan, 2);
    resumed.restore(&state).unwrap();
    assert_eq!(resumed.theta(), trainer.theta());
    trainer.step().unwrap();
    resumed.step().unwrap();
    assert_eq!(resumed.theta(), trainer.theta());
}
