//! One run on several processes, which are threads here.

use super::*;
use crate::peers::tests::together;
use crate::peers::{Communicator, Farewell, Parting, Peers, Threads};
use crate::trainer::Step;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Round-off, as Adam and twelve steps let it grow.
const ROUND_OFF: f64 = 1e-10;

fn objectives() -> [Objective; 3] {
    [Objective::Reverse(ReverseKl::PathFast), Objective::Forward(ForwardKl::Gdreg), everything().objective]
}

fn shared(objective: Objective, peers: Peers) -> Trainer<Cpu<f64>> {
    annealed(TrainingPlan { objective, ..everything() }, 1).with_peers(peers).unwrap()
}

/// Steps with the tests after them.
type Told = Vec<(Step, Option<Tested>)>;

/// The rest of the twelve steps with their tests; the state, and all that is told of steps and tests.
fn rest(mut trainer: Trainer<Cpu<f64>>) -> (State<f64>, Told, Vec<f64>) {
    let mut told = vec![];
    trainer.run(|step, tested| told.push((step.clone(), tested.copied()))).unwrap();
    let log_weights = trainer.log_weights();
    let log_weights = [&log_weights.reverse[..], &log_weights.forward].concat();
    (trainer.state(), told, log_weights)
}

fn far(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

#[track_caller]
fn assert_close(found: &State<f64>, expected: &State<f64>, what: &str) {
    let off = far(&found.theta, &expected.theta).max(far(&found.moments[0], &expected.moments[0]));
    let off = off.max(far(found.ema.as_ref().unwrap(), expected.ema.as_ref().unwrap()));
    assert!(off < ROUND_OFF, "{what}: off by {off}");
    assert_eq!(found.progress.best.map(|best| best.step), expected.progress.best.map(|best| best.step), "{what}");
    assert_eq!((found.progress.step, found.progress.updates), (expected.progress.step, expected.progress.updates));
}

#[test]
fn several_processes_make_the_run_of_one() {
    for objective in objectives() {
        let (alone, told_alone, log_weights_alone) = rest(shared(objective, Peers::alone()));
        for size in 1..=4 {
            let what = format!("{objective:?} on {size}");
            let all = together(size, |peers| rest(shared(objective, peers)));
            for (state, told, log_weights) in &all {
                assert_eq!((state, told), (&all[0].0, &all[0].1), "{what}: the same to the bit on all");
                assert_close(state, &alone, &what);
                assert!(far(log_weights, &log_weights_alone) < ROUND_OFF, "{what}");
            }
            for ((step, tested), (step_alone, tested_alone)) in all[0].1.iter().zip(&told_alone) {
                let numbers = |step: &Step, tested: &Option<Tested>| {
                    let tested = tested.map(|of| {
                        [
                            of.ess_reverse.unwrap(),
                            of.ess_forward.unwrap(),
                            of.loss,
                            of.loss_error.unwrap(),
                            of.nll.unwrap(),
                        ]
                    });
                    [&[step.loss, step.grad_norm, step.rate][..], &tested.unwrap_or_default()].concat()
                };
                assert!(far(&numbers(step, tested), &numbers(step_alone, tested_alone)) < ROUND_OFF, "{what}");
                assert_eq!(tested.map(|of| of.missed_by_inverse), tested_alone.map(|of| of.missed_by_inverse));
            }
            let again = together(size, |peers| rest(shared(objective, peers)));
            assert_eq!(again[0].0, all[0].0, "{what}: the same to the bit once more");
        }
    }
}

#[test]
fn a_run_goes_on_on_another_number_of_processes() {
    let objective = everything().objective;
    let (alone, ..) = rest(shared(objective, Peers::alone()));
    for (before, after) in [(3, 2), (1, 4), (2, 1)] {
        let states = together(before, |peers| run(&mut shared(objective, peers), 6));
        let ends = together(after, |peers| {
            let mut trainer = shared(objective, peers);
            trainer.restore(&states[0]).unwrap();
            rest(trainer).0
        });
        assert_close(&ends[0], &alone, &format!("{before}, then {after}"));
    }
}

/// One leaves before a step, or before a test: the others have the weights of the last whole step, and the first can test alone.
#[test]
fn where_one_leaves_the_others_keep_the_last_whole_step() {
    let objective = everything().objective;
    let (farewell, expected) = (Farewell::Stopped("SIGTERM".into()), run(&mut shared(objective, Peers::alone()), 5));
    let states = together(3, |peers| {
        let mut trainer = shared(objective, peers.clone());
        let state = run(&mut trainer, 5);
        if peers.rank() == 1 {
            peers.part(&farewell);
            return state;
        }
        trainer.step().unwrap_err();
        assert_eq!(peers.parted(), Some(Parting::Left { process: 1, farewell: farewell.clone() }));
        assert_eq!(trainer.state(), state);
        trainer.step().unwrap_err();
        state
    });
    states.iter().for_each(|state| assert_close(state, &expected, "after five steps"));

    let tests = together(2, |peers| {
        let mut trainer = shared(objective, peers.clone());
        trainer.step().unwrap();
        if peers.rank() == 1 {
            peers.part(&farewell);
            return None;
        }
        trainer.validate().unwrap_err();
        trainer.leave_peers();
        Some(trainer.validate().unwrap().loss)
    });
    let mut alone = shared(objective, Peers::alone());
    alone.step().unwrap();
    assert!((tests[0].unwrap() - alone.validate().unwrap().loss).abs() < ROUND_OFF);
}

#[test]
fn every_process_needs_a_sample_of_each_step() {
    let plan = || TrainingPlan { batch: 3, ..TrainingPlan::default() };
    let refused = together(4, |peers| trainer(gmm(), plan(), 1).with_peers(peers).map(drop).unwrap_err().to_string());
    assert_eq!(refused[0], "batch = 3: accepted is at least one sample for each of 4 processes");
}

/// Counts the messages that are sent, and their bytes.
struct Counted<'a> {
    threads: Threads,
    sent: &'a [AtomicUsize; 2],
}

impl Communicator for Counted<'_> {
    fn rank(&self) -> usize {
        self.threads.rank()
    }

    fn size(&self) -> usize {
        self.threads.size()
    }

    fn local_rank(&self) -> usize {
        self.threads.local_rank()
    }

    fn exchange(
        &mut self,
        outgoing: &[&[u8]],
        incoming: &mut [&mut [u8]],
        asked: &dyn Fn() -> bool,
    ) -> Result<(), Parting> {
        let others =
            outgoing.iter().enumerate().filter(|&(process, message)| process != self.rank() && !message.is_empty());
        for (_, message) in others {
            self.sent[0].fetch_add(1, Ordering::Relaxed);
            self.sent[1].fetch_add(message.len(), Ordering::Relaxed);
        }
        self.threads.exchange(outgoing, incoming, asked)
    }

    fn wait_for(&mut self, done: &mut dyn FnMut() -> bool, asked: &dyn Fn() -> bool) -> Result<(), Parting> {
        self.threads.wait_for(done, asked)
    }

    fn part(&mut self, why: &Parting) {
        self.threads.part(why);
    }
}

/// What docs/SCALING.md counts: three exchanges of everyone with everyone; 2 (n − 1)/n of the gradient, and a word, the loss and the log-weights.
#[test]
fn a_step_sends_what_is_counted() {
    let (batch, parameters) = (20, shared(objectives()[0], Peers::alone()).layout().size());
    for size in 2..=4 {
        let sent: &'static [AtomicUsize; 2] = Box::leak(Box::default());
        thread::scope(|scope| {
            for threads in Threads::team(size) {
                scope.spawn(move || shared(objectives()[0], Peers::of(Counted { threads, sent })).step().unwrap());
            }
        });
        let [messages, bytes] = sent.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!(messages, 3 * size * (size - 1));
        let of_gradient = 2 * (size - 1) * parameters * size_of::<f64>();
        let of_numbers = (size - 1) * (size * (16 + 8) + 8 * batch);
        assert_eq!(bytes, of_gradient + of_numbers, "{size} processes");
    }
}
