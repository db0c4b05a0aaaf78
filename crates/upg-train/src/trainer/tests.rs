//! Training: the steps, what decides them, and the tests between them.

mod faults;
mod start;
mod together;

use super::{Annealing, Trainer};
use crate::data::{Batches, DataSets};
use crate::objective::Objective;
use crate::optimiser::Rule;
use crate::plan::{Keep, TrainingPlan, Validation};
use crate::problem::Problem;
use crate::purpose::Purpose;
use crate::schedule::{Ramp, Schedule, Shape};
use crate::state::{State, StateError};
use crate::validation::Tested;
use ndarray::Array2;
use std::sync::Arc;
use upg_core::{Cpu, ForwardKl, ReverseKl, StandardNormal, Start, Target};
use upg_flows::{BaseSpec, ContinuousFlow, Flow, RealNvp, spec::FieldSpec};
use upg_targets::{Gmm, Phi4};

fn flow() -> Flow<f64> {
    RealNvp { lattice: vec![4], couplings: 3, hidden: vec![5], ..RealNvp::default() }.build().unwrap()
}

fn problem(target: impl Target<Cpu<f64>> + 'static) -> Problem<Cpu<f64>> {
    Problem::new(flow(), StandardNormal::new(4), Arc::new(target))
}

fn gmm() -> Gmm {
    Gmm::new(4).unwrap()
}

fn phi4(lambda: f64) -> Phi4 {
    Phi4::new(&[4], 0.2, lambda).unwrap()
}

/// Numbers that could be data of anything in four dimensions.
fn data() -> DataSets<f64> {
    let set = |shift: f64| Array2::from_shape_fn((40, 4), |(i, j)| (1.7 * i as f64 + 0.6 * j as f64 + shift).sin());
    DataSets { train: Some(set(0.3)), test: Some(set(0.9)) }
}

fn trainer(target: impl Target<Cpu<f64>> + 'static, plan: TrainingPlan, threads: usize) -> Trainer<Cpu<f64>> {
    Trainer::new(problem(target), Cpu::new(threads), plan, data()).unwrap()
}

fn descent(rate: f64) -> Rule {
    Rule::Sgd { rate, momentum: 0.0 }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// θ₁ = θ₀ − η (w_r g_r + w_f g_f), with the gradients of the engine at the step's samples and data.
#[test]
fn a_step_follows_the_weighted_sum_of_the_gradients() {
    let objective = Objective::Sum {
        reverse: ReverseKl::PathFast,
        reverse_weight: 0.3,
        forward: ForwardKl::MaxLikelihood,
        forward_weight: 0.9,
    };
    let plan = TrainingPlan { objective, batch: 17, seed: 5, optimiser: descent(0.25), ..TrainingPlan::default() };
    let mut trainer = trainer(gmm(), plan, 2);
    let (mut engine, _, _) = problem(gmm()).into_engine(Cpu::here());
    let mut batches = Batches::new(data().train.unwrap(), 17, 5);
    for number in 0..2 {
        let before = trainer.theta();
        let step = trainer.step().unwrap();

        let start = Start::Draw { stream: Purpose::Step(number).samples(5), first: 0, samples: 17 };
        let reverse = engine.reverse_kl(ReverseKl::PathFast, &before, start).unwrap();
        let (reverse, mut loss) = (reverse.grad.clone(), 0.3 * reverse.loss);
        let forward = engine.forward_kl(ForwardKl::MaxLikelihood, &before, batches.of_step(number)).unwrap();
        loss += 0.9 * forward.loss;
        let expected =
            before.iter().zip(reverse.iter().zip(forward.grad)).map(|(t, (r, f))| t - 0.25 * (0.3 * r + 0.9 * f));
        let error = trainer.theta().iter().zip(expected).fold(0.0, |error: f64, (a, b)| error.max((a - b).abs()));
        assert!(error < 1e-14, "step {number}: off by {error}");
        assert!((step.loss - loss).abs() < 1e-13 && step.fault.is_none() && step.step == number + 1);
    }
}

/// The gradient is scaled down to the norm asked for, and only then.
#[test]
fn a_long_gradient_is_clipped() {
    let with_clip = |clip| {
        let plan = TrainingPlan { batch: 10, optimiser: descent(1.0), clip: Some(clip), ..TrainingPlan::default() };
        let mut trainer = trainer(gmm(), plan, 1);
        let before = trainer.theta();
        let step = trainer.step().unwrap();
        (distance(&trainer.theta(), &before), step.grad_norm)
    };
    let (moved, norm) = with_clip(0.001);
    assert!(norm > 0.1 && (moved - 0.001).abs() < 1e-12, "{moved} for a norm of {norm}");
    let (moved, norm) = with_clip(1e6);
    assert!((moved - norm).abs() < 1e-12, "{moved} for a norm of {norm}");
}

/// A plan with everything that a state has to hold.
fn everything() -> TrainingPlan {
    TrainingPlan {
        objective: Objective::Sum {
            reverse: ReverseKl::PathFast,
            reverse_weight: 1.0,
            forward: ForwardKl::PathFast,
            forward_weight: 1.0,
        },
        steps: 12,
        batch: 20,
        seed: 3,
        optimiser: Rule::adam_w(0.01),
        schedule: Schedule::plateau(2),
        warm_up: 4,
        clip: Some(5.0),
        ema: Some(0.9),
        validation: Validation { every: 3, samples: 30, keep: Keep::Loss },
    }
}

fn annealed(plan: TrainingPlan, threads: usize) -> Trainer<Cpu<f64>> {
    let ramp = Ramp { from: 1.0, steps: 7, shape: Shape::Linear };
    trainer(phi4(0.5), plan, threads).with_annealing(Annealing::new(ramp, 0.5, phi4))
}

/// Steps, with the tests a run would make.
fn run(trainer: &mut Trainer<Cpu<f64>>, steps: u64) -> State<f64> {
    for _ in 0..steps {
        if trainer.step().unwrap().step.is_multiple_of(3) {
            trainer.validate().unwrap();
        }
    }
    trainer.state()
}

#[test]
fn a_run_goes_on_bit_for_bit_from_any_state_and_on_any_number_of_threads() {
    let whole = run(&mut annealed(everything(), 1), 12);
    assert_eq!(run(&mut annealed(everything(), 3), 12), whole);
    for stop in [1, 3, 5, 8, 11] {
        let state = run(&mut annealed(everything(), 2), stop);
        let mut resumed = annealed(everything(), 1);
        resumed.restore(&state).unwrap();
        assert_eq!(run(&mut resumed, 12 - stop), whole, "stopped after {stop}");
    }
}

#[test]
fn the_steps_of_a_plan_are_made_with_its_tests() {
    let (mut by_hand, mut at_once) = (annealed(everything(), 1), annealed(everything(), 1));
    let expected = run(&mut by_hand, 12);
    let (mut steps, mut tests) = (0, 0);
    at_once
        .run(|step, tested| {
            steps += 1;
            tests += usize::from(tested.is_some());
            assert_eq!(step.step, steps);
        })
        .unwrap();
    assert_eq!((steps, tests, at_once.state()), (12, 4, expected));
}

/// The flow of the tests decides what they find, and leaves the training alone.
#[test]
fn tests_may_take_more_steps_of_an_integrator() {
    let of_steps = |steps| {
        let field = FieldSpec::lattice(2, 2);
        let spec = ContinuousFlow { lattice: vec![4], field, steps, base: BaseSpec::StandardNormal }.spec().unwrap();
        Problem::<Cpu<f64>>::new(spec.build().unwrap(), spec.build_base(), Arc::new(gmm()))
    };
    let plan = || TrainingPlan { batch: 50, optimiser: Rule::adam(0.05), ..TrainingPlan::default() };
    let trainer = |steps| Trainer::new(of_steps(steps), Cpu::new(2), plan(), data()).unwrap();
    let mut trainers = [trainer(1), trainer(1).with_tests_by(of_steps(6)), trainer(6)];
    for trainer in &mut trainers[..2] {
        (0..40).for_each(|_| assert_eq!(trainer.step().unwrap().fault, None));
    }
    let [mut coarse, mut both, fine] = trainers;
    assert_eq!(coarse.state().theta, both.state().theta);
    let (by_itself, by_finer) = (coarse.validate().unwrap(), both.validate().unwrap());
    let mut fine = fine.with_weights(&both.theta());
    fine.progress.step = 40; // the samples of a test are those of its step
    assert_eq!(by_finer, fine.validate().unwrap());
    assert!((by_finer.loss - by_itself.loss).abs() > 1e-6, "{by_finer:?}, {by_itself:?}");
}

#[test]
#[should_panic(expected = "parameters of the flow of the tests")]
fn tests_are_made_by_a_flow_of_the_same_size() {
    let larger = RealNvp { lattice: vec![4], couplings: 4, hidden: vec![5], ..RealNvp::default() }.build().unwrap();
    let problem = Problem::new(larger, StandardNormal::new(4), Arc::new(gmm()));
    trainer(gmm(), TrainingPlan::default(), 1).with_tests_by(problem);
}

#[test]
fn states_of_other_runs_are_refused() {
    let state = run(&mut annealed(everything(), 1), 2);
    let mut other = data();
    other.test.as_mut().unwrap()[(3, 2)] += 1e-9;
    let mut resumed = Trainer::new(problem(phi4(0.5)), Cpu::new(1), everything(), other).unwrap();
    let error = resumed.restore(&state).unwrap_err();
    assert!(error.to_string().contains("not the samples the run began with"), "{error}");

    let refuse = |edit: fn(&mut State<f64>)| {
        let (mut trainer, mut state) = (annealed(everything(), 1), state.clone());
        edit(&mut state);
        let before = trainer.state();
        let error = trainer.restore(&state).unwrap_err();
        assert_eq!(trainer.state(), before, "nothing has changed");
        error
    };
    let accepted = state.theta.len();
    for (error, name, found) in [
        (refuse(|state| state.theta.truncate(3)), "weights", 3),
        (refuse(|state| state.moments.truncate(1)), "second_moment", 0),
        (refuse(|state| state.moments[0].truncate(2)), "first_moment", 2),
        (refuse(|state| state.ema = None), "the moving average", 0),
    ] {
        assert_eq!(error, StateError::Length { name, found, accepted });
    }
    let error = refuse(|state| state.progress.scheduler.factor = 2.0);
    assert!(matches!(error, StateError::Scheduler(_)), "{error}");
}

#[test]
fn plans_that_cannot_be_followed_are_refused() {
    let refuse = |plan: TrainingPlan, data| match Trainer::new(problem(gmm()), Cpu::new(1), plan, data) {
        Ok(_) => panic!("accepted"),
        Err(refused) => refused.to_string(),
    };
    let forward = TrainingPlan { objective: Objective::Forward(ForwardKl::PathFast), ..TrainingPlan::default() };
    assert!(refuse(forward, DataSets::default()).starts_with("data = 0: accepted is at least one sample"));
    let still = TrainingPlan { optimiser: descent(0.0), ..TrainingPlan::default() };
    assert!(refuse(still, data()).starts_with("optimiser.rate = 0: "));
}

/// The coupling moves: the first loss is that of the start of the ramp; a test is one of the final target.
#[test]
fn an_annealed_coupling_moves_and_tests_are_of_the_final_target() {
    let validation = Validation { samples: 400, ..Validation::default() };
    let plan = || TrainingPlan {
        batch: 400,
        optimiser: descent(1e-15),
        validation: validation.clone(),
        ..TrainingPlan::default()
    };
    let still = |lambda: f64| trainer(phi4(lambda), plan(), 1);
    let ramp = Ramp { from: 2.0, steps: 4, shape: Shape::Linear };
    let moving = || still(0.5).with_annealing(Annealing::new(ramp, 0.5, phi4));
    let loss = |trainer: &mut Trainer<Cpu<f64>>| trainer.step().unwrap().loss;

    let mut moves = moving();
    let losses: Vec<f64> = (0..6).map(|_| loss(&mut moves)).collect();
    for (step, lambda) in [(0, 2.0), (1, 1.625), (2, 1.25), (4, 0.5), (5, 0.5)] {
        let mut still = still(lambda);
        let expected = (0..=step).map(|_| loss(&mut still)).last().unwrap();
        assert!((losses[step] - expected).abs() < 1e-6, "step {step}: {} for {expected}", losses[step]);
    }
    let (mut moves, mut still) = (moving(), still(0.5));
    loss(&mut moves);
    loss(&mut still);
    assert!((moves.validate().unwrap().loss - still.validate().unwrap().loss).abs() < 1e-6);
    let (third, expected) = (loss(&mut moves), losses[1]);
    assert!((third - expected).abs() < 1e-9, "after a test the ramp goes on: {third} for {expected}");
}

/// The best weights are kept until they are taken: those of a loss that can't be told from the lowest.
#[test]
fn the_best_weights_are_kept() {
    let plan = TrainingPlan {
        batch: 50,
        optimiser: Rule::adam(0.05),
        validation: Validation { samples: 60, ..Validation::default() },
        ema: Some(0.5),
        ..TrainingPlan::default()
    };
    let mut trainer = trainer(gmm(), plan, 1);
    let first = trainer.validate().unwrap();
    let ema = trainer.state().ema;
    assert_eq!(trainer.take_best(), ema, "the average is what is tested");
    assert_eq!(trainer.take_best(), None);
    let objective = Objective::Reverse(ReverseKl::PathFast);
    let mut lowest = first.objective(objective).unwrap();
    assert_eq!(lowest, first.loss);
    let mut kept = [0, 0, 0];
    for _ in 0..60 {
        trainer.step().unwrap();
        let Tested { loss, loss_error, .. } = trainer.validate().unwrap();
        let (is_kept, may_be) = (trainer.take_best().is_some(), loss <= lowest + 2.0 * loss_error.unwrap());
        assert_eq!(is_kept, may_be, "{loss} ± {loss_error:?} after {lowest}");
        kept[if loss < lowest { 0 } else { 1 + usize::from(is_kept) }] += 1;
        lowest = lowest.min(loss);
        assert_eq!(trainer.progress().best.unwrap().value, Some(lowest));
    }
    assert!(lowest < first.loss && kept[0] > 0 && kept[2] > 0, "{kept:?}");
}

/// Every criterion keeps the weights that it calls the best.
#[test]
fn what_is_kept_is_decided_by_the_criterion() {
    let sum = Objective::Sum {
        reverse: ReverseKl::PathFast,
        reverse_weight: 0.3,
        forward: ForwardKl::PathFast,
        forward_weight: 2.0,
    };
    let tests = |keep: Keep, objective: Objective| {
        let validation = Validation { samples: 300, keep, ..Validation::default() };
        let plan =
            TrainingPlan { batch: 50, optimiser: Rule::adam(0.05), validation, objective, ..TrainingPlan::default() };
        let mut trainer = trainer(gmm(), plan, 1);
        let mut tests = vec![];
        for _ in 0..12 {
            trainer.step().unwrap();
            tests.push(trainer.validate().unwrap());
        }
        (tests, trainer.progress().best.unwrap())
    };
    let lowest = |keep: Keep, objective: Objective, number: &dyn Fn(&Tested) -> f64| {
        let (tests, best) = tests(keep, objective);
        let numbers: Vec<f64> = tests.iter().map(number).collect();
        let lowest = (0..12).min_by(|&a, &b| numbers[a].total_cmp(&numbers[b])).unwrap();
        assert_eq!(best.step, lowest as u64 + 1, "{keep:?}: {numbers:?}");
        best
    };
    let reverse = Objective::Reverse(ReverseKl::PathFast);
    lowest(Keep::ReverseEss, reverse, &|tested| -tested.ess_reverse.unwrap());
    lowest(Keep::ForwardEss, reverse, &|tested| -tested.ess_forward.unwrap());
    lowest(Keep::Loss, Objective::Forward(ForwardKl::PathFast), &|tested| tested.nll.unwrap());
    let (tests_of_sum, best) = tests(Keep::Loss, sum);
    let losses: Vec<f64> = tests_of_sum.iter().map(|tested| 0.3 * tested.loss + 2.0 * tested.nll.unwrap()).collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let error = |i: usize| 0.3 * tests_of_sum[i].loss_error.unwrap();
    let last =
        (0..12).rfind(|&i| losses[i] <= losses[..=i].iter().copied().fold(f64::INFINITY, f64::min) + 2.0 * error(i));
    assert_eq!((best.step, best.value), (last.unwrap() as u64 + 1, Some(lowest)), "{losses:?}");
    let told =
        format!("step {}: the last with a validation loss within its error of the lowest, {lowest:.4}", best.step);
    assert_eq!(best.to_string(), told);
    let (_, last) = tests(Keep::Last, reverse);
    assert_eq!((last.step, last.value, &last.to_string()[..]), (12, None, "step 12: the last validation"));
}

/// Weights that were trained for another coupling are never the best, however well they do.
#[test]
fn nothing_is_kept_before_the_coupling_has_arrived() {
    for keep in [Keep::Loss, Keep::ReverseEss, Keep::Last] {
        let validation = Validation { samples: 100, keep, ..Validation::default() };
        let plan = TrainingPlan { batch: 50, optimiser: descent(1e-3), validation, ..TrainingPlan::default() };
        let ramp = Ramp { from: 2.0, steps: 3, shape: Shape::Linear };
        let mut trainer = trainer(phi4(0.5), plan, 1).with_annealing(Annealing::new(ramp, 0.5, phi4));
        for step in 1..=3 {
            trainer.step().unwrap();
            trainer.validate().unwrap();
            let kept = trainer.progress().best.map(|best| best.step);
            assert_eq!(kept, (step == 3).then_some(3), "{keep:?} after step {step}");
        }
    }
}

#[test]
fn the_forward_ess_decides_only_where_there_are_data() {
    let validation = Validation { keep: Keep::ForwardEss, ..Validation::default() };
    let plan = TrainingPlan { validation, ..TrainingPlan::default() };
    let refused = Trainer::new(problem(gmm()), Cpu::new(1), plan, DataSets::default()).map(drop).unwrap_err();
    assert_eq!(refused.field, "validation.keep");
}
