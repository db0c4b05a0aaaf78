//! The training loop: a flow, its optimiser and everything that changes from step to step.
//!
//! A step k = 0, 1, … moves an annealed coupling, draws the base samples of step k (and takes batch k of the data), forms the weighted sum
//! of the gradients, clips its norm, and makes one step of the optimiser. The outcome of a step depends on the state and k alone, so a run
//! continued from a saved [`State`] is bitwise the run that was never stopped. Weights, moments and gradients stay on the device.

mod annealing;
mod gradient;
mod joining;
mod start;

#[cfg(test)]
mod tests;

pub use annealing::Annealing;
pub use gradient::LogWeights;
pub use joining::Summed;

use crate::data::DataSets;
use crate::fault::{self, Fault};
use crate::optimiser::{Optimiser, Update};
use crate::peers::Peers;
use crate::plan::{Keep, TrainingPlan};
use crate::problem::{Known, Problem};
use crate::purpose::Purpose;
use crate::refused::{Refused, require};
use crate::schedule::{Scheduler, Watched};
use crate::state::{Best, Progress, State, StateError};
use crate::trained::Trained;
use crate::validation::{self, Tested};
use gradient::WeightedSum;
use ndarray::Array2;
use std::fmt;
use std::sync::Arc;
use upg_core::device::Average;
use upg_core::{Device, DeviceError, Engine, ParamLayout, Target};

/// A run, ready for its next step.
pub struct Trainer<D: Device> {
    device: D,
    engine: Engine<D>,
    /// What tests the weights in the engine's place.
    tester: Option<Engine<D>>,
    layout: ParamLayout,
    target: Arc<dyn Target<D>>,
    known: Known<D>,
    plan: TrainingPlan,
    peers: Peers,
    sum: WeightedSum<D>,
    test_data: Option<Array2<D::Real>>,
    annealing: Option<Annealing<D>>,
    /// The value of the annealed coupling that the engine's target has.
    coupling: Option<f64>,
    scheduler: Scheduler,
    optimiser: Optimiser<D>,
    theta: D::Buffer,
    average: Option<D::Buffer>,
    progress: Progress,
    best: Option<Vec<D::Real>>,
}

/// The outcome of a step.
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

/// Steps skipped in a row after which [`Trainer::run`] gives up.
pub const MOST_SKIPPED: u64 = 20;

/// A training that came to no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingError {
    /// The device failed.
    Device(DeviceError),
    /// Step after step had to be skipped.
    Diverged {
        /// The last one.
        step: u64,
        /// How many.
        in_a_row: u64,
        /// Why the last one.
        fault: Fault,
    },
}

impl fmt::Display for TrainingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => error.fmt(f),
            Self::Diverged { step, in_a_row, fault } => {
                write!(f, "step {step}: {fault}; {in_a_row} steps in a row had to be skipped")
            }
        }
    }
}

impl std::error::Error for TrainingError {}

impl From<DeviceError> for TrainingError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl<D: Device + Clone> Trainer<D> {
    /// A training of `problem` by `plan` from its initial weights, on `device`. Layers that start by a batch get the samples of the first step:
    /// the data on their way through T⁻¹, if the objective has some, else the base samples on theirs through T.
    ///
    /// # Errors
    /// If a value of the plan isn't accepted, or the objective needs training data and there are none.
    pub fn new(problem: Problem<D>, device: D, plan: TrainingPlan, data: DataSets<D::Real>) -> Result<Self, Refused> {
        plan.check()?;
        let fingerprints = data.fingerprints();
        let DataSets { train, test: test_data } = data;
        let (engine, target, known) = problem.into_engine(device.clone());
        let layout = engine.layout();
        let keep = plan.validation.keep;
        let accepted = "Loss, ReverseEss or Last where there are no test data";
        require(keep != Keep::ForwardEss || test_data.is_some(), "validation.keep", "ForwardEss", accepted)?;
        let mut sum = WeightedSum::new(&device, &plan, train, layout.size())?;
        let mut start: Vec<D::Real> = layout.initialise(&mut Purpose::Weights.streams(plan.seed).next_stream());
        let mut theta = device.buffer(&start);
        start::fit(&engine, &sum.replay(&plan, 0, &theta, &[]), &mut start);
        device.write_buffer(&start, &mut theta);
        Ok(Self {
            average: plan.ema.map(|_| device.buffer(&start)),
            optimiser: Optimiser::new(&device, plan.optimiser, layout.size()),
            scheduler: Scheduler::new(plan.schedule, plan.optimiser.rate(), plan.warm_up, plan.steps),
            progress: Progress::at_the_start(plan.seed, fingerprints),
            peers: Peers::alone(),
            tester: None,
            annealing: None,
            coupling: None,
            best: None,
            device,
            engine,
            layout,
            target,
            known,
            plan,
            sum,
            test_data,
            theta,
        })
    }

    /// From these weights instead of random ones.
    ///
    /// # Panics
    /// If there are more or fewer than the flow has.
    #[track_caller]
    pub fn with_weights(mut self, theta: &[D::Real]) -> Self {
        assert_eq!(theta.len(), self.layout.size(), "weights given, and parameters of the flow");
        self.device.write_buffer(theta, &mut self.theta);
        if let Some(average) = &mut self.average {
            self.device.write_buffer(theta, average);
        }
        self
    }

    /// Tested as the flow of `problem`, which reads the same weights otherwise: with more steps of an integrator, as a training can drift to where
    /// its error looks like a lower loss.
    ///
    /// # Panics
    /// If it has more or fewer parameters than the flow that is trained.
    #[track_caller]
    pub fn with_tests_by(mut self, problem: Problem<D>) -> Self {
        let (tester, _, _) = problem.into_engine(self.device.clone());
        let (found, trained) = (tester.layout().size(), self.layout.size());
        assert_eq!(found, trained, "parameters of the flow of the tests, and of the flow that is trained");
        self.tester = Some(tester);
        self
    }

    /// Together with other processes, each with a trainer of the same problem, plan and data, which all make the same calls: every process computes
    /// with its share of the samples, and what it finds is brought together before anything is done with it. So all have the same weights.
    ///
    /// # Errors
    /// If there are fewer samples in a step than processes.
    pub fn with_peers(mut self, peers: Peers) -> Result<Self, Refused> {
        let accepted = format!("at least one sample for each of {} processes", peers.size());
        require(self.plan.batch >= peers.size(), "batch", self.plan.batch, &accepted)?;
        self.sum.share_with(&peers, &self.device, self.layout.size());
        self.peers = peers;
        Ok(self)
    }

    /// Connects the devices of the processes with each other where that can be done, so that gradients go from one to another and not by the hosts; the
    /// results are the same to the bit. All processes call it, after [`with_peers`](Self::with_peers), or none does.
    ///
    /// # Errors
    /// If the processes part.
    pub fn join_devices(&mut self) -> Result<Summed, DeviceError> {
        let (joined, summed) = match joining::meet(&self.device, &self.peers)? {
            Ok(joined) => {
                let by = joined.words();
                (Some(joined), Summed::OnDevices { by })
            }
            Err(summed) => (None, summed),
        };
        self.sum.join(joined);
        Ok(summed)
    }

    /// Goes on without the others, where they have parted.
    pub fn leave_peers(&mut self) {
        self.sum.join(None);
        self.peers = Peers::alone();
    }

    /// With a coupling of the target that moves.
    pub fn with_annealing(mut self, annealing: Annealing<D>) -> Self {
        self.annealing = Some(annealing);
        self
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If the state belongs to other data or another flow or optimiser, or isn't one the schedule can be in; nothing has changed then.
    pub fn restore(&mut self, state: &State<D::Real>) -> Result<(), StateError> {
        if state.progress.data != self.progress.data {
            return Err(StateError::OtherData);
        }
        self.check_lengths(state)?;
        self.scheduler.restore(state.progress.scheduler).map_err(StateError::Scheduler)?;
        self.device.write_buffer(&state.theta, &mut self.theta);
        if let (Some(average), Some(saved)) = (&mut self.average, &state.ema) {
            self.device.write_buffer(saved, average);
        }
        self.optimiser = Optimiser::restore(&self.device, self.plan.optimiser, state.progress.updates, &state.moments);
        self.progress = state.progress.clone();
        Ok(())
    }

    fn check_lengths(&self, state: &State<D::Real>) -> Result<(), StateError> {
        let State { theta, moments, ema, .. } = state;
        let names = self.plan.optimiser.moment_names();
        let of_moments = names.iter().enumerate().map(|(i, &name)| (name, moments.get(i)));
        let of_average = self.average.as_ref().map(|_| ("the moving average", ema.as_ref()));
        for (name, values) in [("weights", Some(theta))].into_iter().chain(of_moments).chain(of_average) {
            let (found, accepted) = (values.map_or(0, Vec::len), self.layout.size());
            if found != accepted {
                return Err(StateError::Length { name, found, accepted });
            }
        }
        Ok(())
    }

    /// Whether all that was read from the device is what was there: to be asked before it is saved.
    ///
    /// # Errors
    /// The first failure of the device.
    pub fn status(&self) -> Result<(), DeviceError> {
        self.device.status()
    }

    /// All that is to be saved.
    pub fn state(&self) -> State<D::Real> {
        State {
            theta: self.device.to_host(&self.theta),
            moments: self.optimiser.moments(&self.device),
            ema: self.average.as_ref().map(|average| self.device.to_host(average)),
            progress: Progress {
                updates: self.optimiser.steps(),
                scheduler: self.scheduler.state(),
                ..self.progress.clone()
            },
        }
    }

    /// How far the run is; the scheduler and the optimiser aside.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Adds seconds of training.
    pub fn add_seconds(&mut self, seconds: f64) {
        self.progress.seconds += seconds;
    }

    /// Layout of the weights.
    pub fn layout(&self) -> &ParamLayout {
        &self.layout
    }

    /// The weights.
    pub fn theta(&self) -> Vec<D::Real> {
        self.device.to_host(&self.theta)
    }

    /// The weights a user would use: their moving average where there is one.
    pub fn final_weights(&self) -> Vec<D::Real> {
        self.device.to_host(self.average.as_ref().unwrap_or(&self.theta))
    }

    /// The log-weights of the last step.
    pub fn log_weights(&self) -> &LogWeights {
        self.sum.log_weights()
    }

    /// Makes all steps of the plan that are left, with its tests; `after` sees each.
    ///
    /// # Errors
    /// If the device fails, or [`MOST_SKIPPED`] steps in a row have to be skipped.
    pub fn run(&mut self, mut after: impl FnMut(&Step, Option<&Tested>)) -> Result<(), TrainingError> {
        while self.progress.step < self.plan.steps {
            let step = self.step()?;
            let due = step.step.is_multiple_of(self.plan.validation.every) || step.step == self.plan.steps;
            let tested = if due { Some(self.validate()?) } else { None };
            after(&step, tested.as_ref());
            let in_a_row = self.progress.skipped_in_a_row;
            if let Some(fault) = step.fault.filter(|_| in_a_row >= MOST_SKIPPED) {
                return Err(TrainingError::Diverged { step: step.step, in_a_row, fault });
            }
        }
        Ok(())
    }

    /// Makes a step.
    ///
    /// # Errors
    /// If the device fails, or the processes part; the weights are those of the step before then.
    pub fn step(&mut self) -> Result<Step, DeviceError> {
        let number = self.progress.step;
        self.anneal(number);
        let rate = self.scheduler.rate(number);
        let Self { device, engine, plan, peers, sum, scheduler, optimiser, theta, average, .. } = self;
        let (loss, grad) = sum.form(engine, device, (plan, peers), number, theta)?;
        let grad_norm = device.install(|| {
            if !loss.is_finite() {
                return device.norm(grad);
            }
            let average = average.as_mut().zip(plan.ema).map(|(theta, decay)| Average { theta, decay });
            optimiser.step(device, Update { theta, grad, rate, clip: plan.clip, average })
        });
        device.status()?;
        let fault = if loss.is_finite() && grad_norm.is_finite() {
            scheduler.observe(Watched { loss, log_weight_std: sum.log_weights().standard_deviation() });
            None
        } else {
            let grad = device.to_host(grad);
            Some(fault::find(engine, &sum.replay(plan, number, theta, &grad)))
        };
        let progress = &mut self.progress;
        progress.step += 1;
        progress.skipped += u64::from(fault.is_some());
        progress.skipped_in_a_row = if fault.is_some() { progress.skipped_in_a_row + 1 } else { 0 };
        Ok(Step { step: progress.step, loss, grad_norm, rate, fault })
    }

    /// Gives the target the coupling it has at step `number`.
    fn anneal(&mut self, number: u64) {
        let Some(annealing) = &self.annealing else { return };
        let value = annealing.value(number);
        if self.coupling != Some(value) {
            self.engine.set_target(annealing.target(value));
            self.coupling = Some(value);
        }
    }

    /// Tests the weights a user would use on fresh samples of the final target, and on the test data; notes whether they are the best so far, by
    /// [`Keep`]. (While a coupling is annealed they are not.)
    ///
    /// # Errors
    /// If the device fails, or the processes part.
    pub fn validate(&mut self) -> Result<Tested, DeviceError> {
        if self.coupling.take().is_some() {
            self.engine.set_target(self.target.clone());
        }
        let Self { device, engine, tester, plan, peers, test_data, theta, average, progress, best, annealing, .. } =
            self;
        let (theta, engine) = (average.as_ref().unwrap_or(theta), tester.as_mut().unwrap_or(engine));
        let data = test_data.as_ref().map(|data| data.view());
        let samples = plan.validation.samples;
        let tested = validation::test(engine, peers, theta, (plan.seed, progress.step), samples, data)?;
        let keep = match plan.validation.keep {
            Keep::Loss if plan.objective.needs_data() && test_data.is_none() => Keep::Last,
            keep => keep,
        };
        let (value, error) = (tested.criterion(keep, plan.objective), tested.objective_error(plan.objective));
        let can_be_compared = value.is_some() || keep == Keep::Last;
        let is_of_the_target = annealing.as_ref().is_none_or(|annealing| annealing.has_ended(progress.step));
        if is_of_the_target && can_be_compared && progress.best.is_none_or(|best| best.is_beaten_by(value, error)) {
            let value = progress.best.and_then(|best| best.lower(value)).or(value);
            progress.best = Some(Best { step: progress.step, keep, value });
            device.read_buffer(theta, best.get_or_insert_with(|| vec![D::Real::default(); device.buffer_len(theta)]));
        }
        Ok(tested)
    }

    /// The weights of the best validation, if it came after the last call.
    pub fn take_best(&mut self) -> Option<Vec<D::Real>> {
        self.best.take()
    }

    /// The trained flow, with the weights of the best validation; with the final ones if there was none, or it was taken.
    pub fn into_trained(self) -> Trained<D> {
        let theta = self.best.clone().unwrap_or_else(|| self.final_weights());
        let Self { device, mut engine, target, known, .. } = self;
        engine.set_target(target);
        Trained::of_parts(engine, device.buffer(&theta), known)
    }
}
