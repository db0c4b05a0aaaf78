//! Training without files: what a step does, what decides it, and what is said when it goes wrong.

use super::Trainer;
use super::fault::Fault;
use crate::config::{Config, Model};
use crate::io::checkpoint::State;
use crate::io::data::{Batches, DataSets};
use ndarray::Array2;
use upg_core::{Cpu, Engine, ForwardKl, ParamLayout, ReverseKl, Start};
use upg_train::Purpose;

const FLOW: &str = "RealNvp(lattice: [4], couplings: 3, hidden: [5], activation: Tanh, mask: Alternating)";

fn config(flow: &str, target: &str, training: &str) -> Config {
    Config::parse(&format!("(flow: {flow}, target: {target}, training: ({training}))")).unwrap()
}

/// Numbers that could be data of anything in four dimensions.
fn data() -> DataSets<f64> {
    let set = |shift: f64| Array2::from_shape_fn((40, 4), |(i, j)| (1.7 * i as f64 + 0.6 * j as f64 + shift).sin());
    DataSets { train: Some(set(0.3)), test: Some(set(0.9)) }
}

fn trainer(config: &Config, threads: usize) -> Trainer<f64> {
    Trainer::new(config, Cpu::new(threads), data()).unwrap()
}

/// θ₁ = θ₀ − η (w_r g_r + w_f g_f), with the gradients of the engine at the step's samples and data.
#[test]
fn a_step_follows_the_weighted_sum_of_the_gradients() {
    let sum = "objective: Sum(reverse: PathFast, reverse_weight: 0.3, forward: MaxLikelihood, forward_weight: 0.9)";
    let config = config(FLOW, "Gmm(dim: 4)", &format!("{sum}, batch: 17, seed: 5, optimiser: Sgd(rate: 0.25)"));
    let mut trainer = trainer(&config, 2);
    for number in 0..2 {
        let before = trainer.theta().to_vec();
        let step = trainer.step();

        let Model { flow, cut, base, target, .. } = config.build::<f64>().unwrap();
        let mut engine = Engine::new(Cpu::here(), flow, base, target, cut);
        let start = Start::Draw { stream: Purpose::Step(number).samples(5), first: 0, samples: 17 };
        let reverse = engine.reverse_kl(ReverseKl::PathFast, &before, start).unwrap();
        let (reverse, mut loss) = (reverse.grad.clone(), 0.3 * reverse.loss);
        let mut batches = Batches::new(data().train.unwrap(), 17, 5);
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
    let training = "batch: 10, optimiser: Sgd(rate: 1), clip: 0.001";
    let mut clipped = trainer(&config(FLOW, "Gmm(dim: 4)", training), 1);
    let before = clipped.theta().to_vec();
    let step = clipped.step();
    let moved: f64 = clipped.theta().iter().zip(&before).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    assert!(step.grad_norm > 0.1 && (moved - 0.001).abs() < 1e-12, "{moved} for a norm of {}", step.grad_norm);
    let mut free = trainer(&config(FLOW, "Gmm(dim: 4)", "batch: 10, optimiser: Sgd(rate: 1), clip: 1e6"), 1);
    free.step();
    let moved: f64 = free.theta().iter().zip(&before).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    assert!((moved - step.grad_norm).abs() < 1e-12, "{moved} for a norm of {}", step.grad_norm);
}

const ALL: &str = "objective: Sum(reverse: PathFast, reverse_weight: 1, forward: PathFast, forward_weight: 1), \
    steps: 12, batch: 20, seed: 3, optimiser: AdamW(rate: 0.01), schedule: Plateau(patience: 2, factor: 0.5), warm_up: 4, \
    clip: 5.0, ema: 0.9, anneal: Lambda(from: 1.0, steps: 7), validation: (every: 3, samples: 30)";

const PHI4: &str = "Phi4(lattice: [4], kappa: 0.2, lambda: 0.5)";

/// Steps, with the tests a run would make.
fn run(trainer: &mut Trainer<f64>, steps: u64) -> State<f64> {
    for _ in 0..steps {
        if trainer.step().step.is_multiple_of(3) {
            trainer.validate();
        }
    }
    trainer.state().clone()
}

#[test]
fn a_run_goes_on_bit_for_bit_from_any_state_and_on_any_number_of_threads() {
    let config = config(FLOW, PHI4, ALL);
    let whole = run(&mut trainer(&config, 1), 12);
    assert_eq!(run(&mut trainer(&config, 3), 12), whole);
    for stop in [1, 3, 5, 8, 11] {
        let state = run(&mut trainer(&config, 2), stop);
        let mut resumed = trainer(&config, 1);
        resumed.restore(state).unwrap();
        assert_eq!(run(&mut resumed, 12 - stop), whole, "stopped after {stop}");
    }
}

#[test]
fn a_state_of_other_data_is_refused() {
    let config = config(FLOW, PHI4, ALL);
    let state = run(&mut trainer(&config, 1), 2);
    let mut other = data();
    other.test.as_mut().unwrap()[(3, 2)] += 1e-9;
    let mut resumed = Trainer::<f64>::new(&config, Cpu::new(1), other).unwrap();
    assert!(resumed.restore(state).unwrap_err().to_string().contains("not the samples the run began with"));
}

/// The coupling moves: the first loss is that of the start of the ramp; a test is one of the final target.
#[test]
fn an_annealed_coupling_moves_and_tests_are_of_the_final_target() {
    let training = "batch: 400, optimiser: Sgd(rate: 1e-15), validation: (samples: 400)";
    let at = |lambda: f64, anneal: &str| {
        let target = format!("Phi4(lattice: [4], kappa: 0.2, lambda: {lambda})");
        trainer(&config(FLOW, &target, &format!("{training}{anneal}")), 1)
    };
    let anneal = ", anneal: Lambda(from: 2.0, steps: 4)";
    let mut moving = at(0.5, anneal);
    let losses: Vec<f64> = (0..6).map(|_| moving.step().loss).collect();
    for (step, lambda) in [(0, 2.0), (1, 1.625), (2, 1.25), (4, 0.5), (5, 0.5)] {
        let mut still = at(lambda, "");
        let loss = (0..=step).map(|_| still.step().loss).last().unwrap();
        assert!((losses[step] - loss).abs() < 1e-6, "step {step}: {} for {loss}", losses[step]);
    }
    let (mut moving, mut still) = (at(0.5, anneal), at(0.5, ""));
    moving.step();
    still.step();
    assert!((moving.validate().loss - still.validate().loss).abs() < 1e-6);
    let (third, expected) = (moving.step().loss, losses[1]);
    assert!((third - expected).abs() < 1e-9, "after a test the ramp goes on: {third} for {expected}");
}

/// The state of a trainer with some weights changed.
fn with_weights(trainer: &mut Trainer<f64>, edit: impl Fn(&ParamLayout, &mut [f64])) {
    let (layout, mut state) = (trainer.layout().clone(), trainer.state().clone());
    edit(&layout, &mut state.theta);
    trainer.restore(state).unwrap();
}

/// A step is skipped, leaves everything as it was, and says where it went wrong.
#[test]
fn a_step_that_is_not_finite_is_skipped_and_says_where() {
    let blow_up = |name: &'static str, value: f64| {
        move |layout: &ParamLayout, theta: &mut [f64]| theta[layout.range(name).unwrap()].fill(value)
    };
    let z2nice = "Z2Nice(lattice: [4], couplings: 3, hidden: [5])";
    let cases: [(&str, &str, &str, f64, Fault); 4] = [
        // The log-scale, in rows 2 and 3 of the bias, is 1e5: e^s overflows.
        (FLOW, "Reverse(PathFast)", "layers.1.net.1.bias", 1e5, Fault::Layer(1)),
        // Its inverse divides by e^s = 0.
        (FLOW, "Forward(MaxLikelihood)", "layers.2.net.1.bias", -1e5, Fault::InverseLayer(2)),
        // Fields of 10¹³⁰ have finite log-dets and no finite action.
        (z2nice, "Reverse(PathFast)", "layers.3.log_scale", 300.0, Fault::Density),
        (z2nice, "Reverse(Reparam)", "layers.0.net.0.weight", f64::NAN, Fault::Layer(0)),
    ];
    for (flow, objective, tensor, value, expected) in cases {
        let training = format!("objective: {objective}, batch: 9, ema: 0.5, validation: (samples: 10)");
        let mut trainer = trainer(&config(flow, PHI4, &training), 2);
        trainer.step();
        with_weights(&mut trainer, blow_up(tensor, value));
        let before = trainer.state().clone();
        for in_a_row in 1..=2 {
            let step = trainer.step();
            assert_eq!(step.fault.as_ref(), Some(&expected), "{tensor} = {value}");
            assert_eq!(trainer.progress().skipped_in_a_row, in_a_row);
        }
        let after = trainer.state().clone();
        let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(
            (bits(&after.theta), &after.optimiser, &after.ema),
            (bits(&before.theta), &before.optimiser, &before.ema)
        );
        assert_eq!((after.progress.step, after.progress.skipped), (3, 2));
        with_weights(&mut trainer, |layout, theta| {
            theta[layout.range(tensor).unwrap()].fill(0.1);
        });
        assert_eq!(trainer.step().fault, None);
        assert_eq!((trainer.progress().skipped, trainer.progress().skipped_in_a_row), (2, 0));
    }
}

/// The best weights are kept until they are taken, and only where they are better than before.
#[test]
fn the_best_weights_are_kept() {
    let config =
        config(FLOW, "Gmm(dim: 4)", "batch: 50, optimiser: Adam(rate: 0.01), validation: (samples: 500), ema: 0.5");
    let mut trainer = trainer(&config, 1);
    let first = trainer.validate();
    assert_eq!(first.ess(), Some(first.ess_reverse.unwrap().min(first.ess_forward.unwrap())));
    let ema = trainer.state().ema.clone();
    assert_eq!(trainer.take_best(), ema, "the average is what is tested");
    assert_eq!(trainer.take_best(), None);
    let mut best = first.ess().unwrap();
    for _ in 0..20 {
        trainer.step();
        let ess = trainer.validate().ess().unwrap();
        assert_eq!(trainer.take_best().is_some(), ess > best, "{ess} after {best}");
        best = best.max(ess);
        assert_eq!(trainer.progress().best.unwrap().ess, best);
    }
    assert!(best > first.ess().unwrap());
}
