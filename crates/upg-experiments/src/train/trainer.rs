//! Training without files: a flow, its optimiser and everything that changes from step to step.
//!
//! A step k = 0, 1, … moves an annealed coupling, draws base samples from the streams of step k (and takes batch k of the data), forms
//! the weighted sum of the gradients, clips its norm, and makes one step of the optimiser. What a step does depends on the state and k
//! alone, so a run continued from a saved [`State`] is bitwise the run that was never stopped.

use super::fault::{self, Fault};
use super::validation::{Tested, Validator};
use crate::config::{Config, Invalid, Model};
use crate::io::checkpoint::{Best, Progress, State};
use crate::io::data::{Batches, DataSets};
use crate::optimiser::{Average, Optimiser, Update, clip_factor, combine, norm};
use ndarray::ArrayView2;
use upg_core::{Cpu, Engine, Execution, Gradient, ParamLayout, Real, SampleStream, Start};
use upg_train::method::Method;
use upg_train::schedule::{Scheduler, Watched};
use upg_train::stats::Moments;
use upg_train::{Purpose, Refused};

/// A run, ready for its next step.
pub struct Trainer<T: Real> {
    config: Config,
    device: Cpu<T>,
    engine: Engine<Cpu<T>>,
    layout: ParamLayout,
    terms: Vec<(f64, Method)>,
    batches: Option<Batches<T>>,
    validator: Validator<T>,
    scheduler: Scheduler,
    /// The value of the annealed coupling that the engine's target has.
    coupling: Option<f64>,
    /// The weighted sum of the gradients, if there are several.
    sum: Vec<T>,
    log_weights: LogWeights,
    state: State<T>,
}

/// The log-weights of the last step, where it had them.
#[derive(Clone, Debug, Default)]
pub struct LogWeights {
    /// Of base samples.
    pub reverse: Vec<f64>,
    /// Of data.
    pub forward: Vec<f64>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Number of steps made by now.
    pub step: u64,
    /// The weighted sum of the losses: mean(log q + S) of the reverse KL, mean(−log q) of the forward KL.
    pub loss: f64,
    /// Norm of the gradient, before it is clipped.
    pub grad_norm: f64,
    /// The learning rate.
    pub rate: f64,
    /// Why the weights were left as they are, if they were.
    pub fault: Option<Fault>,
}

/// A run can't go on from a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It belongs to other data.
    #[error("data: not the samples the run began with, accepted are those")]
    OtherData,
    /// The schedule can't be in it.
    #[error("checkpoint: scheduler.{0}")]
    Scheduler(#[from] Refused),
}

impl<T: Real> Trainer<T> {
    /// A run of `config` from its initial weights, on `device`.
    ///
    /// # Errors
    /// If a value of the configuration isn't accepted.
    ///
    /// # Panics
    /// If the objective needs training data and there are none.
    pub fn new(config: &Config, device: Cpu<T>, data: DataSets<T>) -> Result<Self, Invalid> {
        let training = &config.training;
        let Model { flow, cut, base, target, .. } = config.build::<T>()?;
        let engine = Engine::new(device.clone(), flow, base, target, cut);
        let layout = engine.layout();
        let fingerprint = data.fingerprint();
        let terms = training.objective.terms();
        let batches = training.objective.needs_data().then(|| {
            let data = data.train.expect("an objective with a forward KL has training data");
            Batches::new(data, training.batch, training.seed)
        });
        let theta: Vec<T> = layout.initialise(&mut Purpose::Weights.streams(training.seed).next_stream());
        let scheduler = Scheduler::new(training.schedule, training.optimiser.rate(), training.warm_up, training.steps);
        let progress = Progress {
            step: 0,
            updates: 0,
            seed: training.seed,
            skipped: 0,
            skipped_in_a_row: 0,
            scheduler: scheduler.state(),
            best: None,
            seconds: 0.0,
            data: fingerprint,
        };
        let state = State {
            optimiser: Optimiser::new(training.optimiser, theta.len()),
            ema: training.ema.map(|_| theta.clone()),
            progress,
            theta,
        };
        let validator = Validator::new(&training.validation, training.seed, data.test);
        let sum = if terms.len() > 1 { vec![T::zero(); layout.size()] } else { vec![] };
        let (config, log_weights) = (config.clone(), LogWeights::default());
        Ok(Self {
            config,
            device,
            engine,
            layout,
            terms,
            batches,
            validator,
            scheduler,
            coupling: None,
            sum,
            log_weights,
            state,
        })
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If the state belongs to other data, or isn't one the schedule can be in.
    pub fn restore(&mut self, state: State<T>) -> Result<(), StateError> {
        if state.progress.data != self.state.progress.data {
            return Err(StateError::OtherData);
        }
        self.scheduler.restore(state.progress.scheduler)?;
        self.state = state;
        Ok(())
    }

    /// All that is to be saved.
    pub fn state(&mut self) -> &State<T> {
        self.state.progress.updates = self.state.optimiser.steps();
        self.state.progress.scheduler = self.scheduler.state();
        &self.state
    }

    /// How far the run is; the scheduler and the optimiser aside.
    pub fn progress(&self) -> &Progress {
        &self.state.progress
    }

    /// Adds seconds of training.
    pub fn add_seconds(&mut self, seconds: f64) {
        self.state.progress.seconds += seconds;
    }

    /// Layout of the weights.
    pub fn layout(&self) -> &ParamLayout {
        &self.layout
    }

    /// The weights.
    pub fn theta(&self) -> &[T] {
        &self.state.theta
    }

    /// The weights a user would use: their moving average where there is one.
    pub fn final_weights(&self) -> &Vec<T> {
        self.state.ema.as_ref().unwrap_or(&self.state.theta)
    }

    /// The log-weights of the last step.
    pub fn log_weights(&self) -> &LogWeights {
        &self.log_weights
    }

    /// Makes a step.
    pub fn step(&mut self) -> Step {
        let number = self.state.progress.step;
        self.anneal(number);
        let rate = self.scheduler.rate(number);
        let Self { config, device, engine, layout, terms, batches, sum, log_weights, state, scheduler, .. } = self;
        let mut sources = Sources { number, config, batches, log_weights };
        let (loss, grad) = sources.gradient(engine, terms, &state.theta, sum);
        // One visit to the threads for both: small flows would feel a second one.
        let grad_norm = device.install(|| {
            let grad_norm = norm(grad);
            if loss.is_finite() && grad_norm.is_finite() {
                let scale = config.training.clip.map_or(1.0, |clip| clip_factor(grad_norm, clip));
                let average =
                    state.ema.as_mut().zip(config.training.ema).map(|(theta, decay)| Average { theta, decay });
                state.optimiser.step(Update { theta: &mut state.theta, grad, rate, scale, average });
            }
            grad_norm
        });
        let fault = (!loss.is_finite() || !grad_norm.is_finite())
            .then(|| fault::find(&sources.replay(terms, &state.theta), grad, layout));
        if fault.is_none() {
            scheduler.observe(Watched { loss, log_weight_std: log_weights.standard_deviation() });
        }
        let progress = &mut state.progress;
        progress.step += 1;
        progress.skipped += u64::from(fault.is_some());
        progress.skipped_in_a_row = if fault.is_some() { progress.skipped_in_a_row + 1 } else { 0 };
        Step { step: progress.step, loss, grad_norm, rate, fault }
    }

    /// Gives the target the coupling it has at step `number`.
    fn anneal(&mut self, number: u64) {
        let Some(anneal) = &self.config.training.anneal else { return };
        let value = anneal.ramp().value(number, self.config.target.coupling(anneal));
        if self.coupling != Some(value) {
            let moved = self.config.target.annealed(anneal, value).and_then(|target| target.theory::<T>());
            self.engine.set_target(moved.expect("every value between two accepted ones is accepted"));
            self.coupling = Some(value);
        }
    }

    /// Tests the weights a user would use on fresh samples of the final target, and on the test data; notes whether they are the best so far.
    pub fn validate(&mut self) -> Tested {
        let Self { config, engine, validator, state, coupling, .. } = self;
        if coupling.is_some() {
            engine.set_target(config.target.theory::<T>().expect("checked before"));
            *coupling = None;
        }
        let theta = state.ema.as_ref().unwrap_or(&state.theta);
        let tested = validator.test(engine, theta, state.progress.step);
        if let Some(ess) = tested.ess().filter(|&ess| state.progress.best.is_none_or(|best| ess > best.ess)) {
            state.progress.best = Some(Best { step: state.progress.step, ess });
            validator.keep(theta);
        }
        tested
    }

    /// The weights of the best validation, if it came after the last call.
    pub fn take_best(&mut self) -> Option<Vec<T>> {
        self.validator.take_best()
    }
}

/// Where the samples of a step come from, and where its log-weights go.
struct Sources<'a, T> {
    number: u64,
    config: &'a Config,
    batches: &'a mut Option<Batches<T>>,
    log_weights: &'a mut LogWeights,
}

impl<T: Real> Sources<'_, T> {
    /// The loss and the gradient, each a weighted sum over the terms.
    fn gradient<'b>(
        &mut self,
        engine: &'b mut Engine<Cpu<T>>,
        terms: &[(f64, Method)],
        theta: &Vec<T>,
        sum: &'b mut [T],
    ) -> (f64, &'b [T]) {
        let &[(first_weight, first), ref others @ ..] = terms else { panic!("an objective has a term") };
        if others.is_empty() {
            let gradient = self.of_term(engine, first, theta);
            return (gradient.loss, gradient.grad);
        }
        let gradient = self.of_term(engine, first, theta);
        sum.copy_from_slice(gradient.grad);
        let (mut loss, mut weight) = (first_weight * gradient.loss, first_weight);
        for &(other_weight, other) in others {
            let device = engine.device().clone();
            let gradient = self.of_term(engine, other, theta);
            device.install(|| combine(weight, sum, other_weight, gradient.grad));
            loss += other_weight * gradient.loss;
            weight = 1.0;
        }
        (loss, sum)
    }

    fn of_term<'b>(&mut self, engine: &'b mut Engine<Cpu<T>>, method: Method, theta: &Vec<T>) -> Gradient<'b, Cpu<T>> {
        match method {
            Method::Reverse(how) => {
                let start = Start::Draw { stream: self.base_samples(), first: 0, samples: self.config.training.batch };
                let gradient = engine.reverse_kl(how, theta, start).expect("the processor doesn't fail");
                copy(gradient.log_weights, &mut self.log_weights.reverse);
                gradient
            }
            Method::Forward(how) => {
                let gradient = engine
                    .forward_kl(how, theta, batch_of(self.batches, self.number))
                    .expect("the processor doesn't fail");
                copy(gradient.log_weights, &mut self.log_weights.forward);
                gradient
            }
        }
    }

    fn base_samples(&self) -> SampleStream {
        Purpose::Step(self.number).samples(self.config.training.seed)
    }

    /// What is needed to make the step once more, layer by layer.
    fn replay<'b>(&'b mut self, terms: &'b [(f64, Method)], theta: &'b [T]) -> fault::Replay<'b, T> {
        let draws = terms.iter().any(|(_, method)| matches!(method, Method::Reverse(_)));
        let base = draws.then(|| self.base_samples());
        let data = self.batches.is_some().then(|| batch_of(self.batches, self.number));
        fault::Replay { config: self.config, theta, base, data }
    }
}

fn batch_of<T: Real>(batches: &mut Option<Batches<T>>, number: u64) -> ArrayView2<'_, T> {
    batches.as_mut().expect("a forward KL comes with its data").of_step(number)
}

fn copy(from: &[f64], to: &mut Vec<f64>) {
    to.clear();
    to.extend_from_slice(from);
}

impl LogWeights {
    /// Standard deviation over the samples: of base samples where there are any, else of the data.
    pub fn standard_deviation(&self) -> f64 {
        let mut moments = Moments::default();
        moments.extend(if self.reverse.is_empty() { &self.forward } else { &self.reverse });
        moments.variance().map_or(f64::NAN, f64::sqrt)
    }
}
