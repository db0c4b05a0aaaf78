//! The gradient of a step: a weighted sum over the terms of the objective.

use crate::data::Batches;
use crate::fault::Replay;
use crate::method::Method;
use crate::plan::TrainingPlan;
use crate::purpose::Purpose;
use crate::refused::{Refused, require};
use crate::stats::Moments;
use ndarray::Array2;
use upg_core::{Device, DeviceError, Engine, Gradient, Start};

/// The log-weights of a step, where it had them.
#[derive(Clone, Debug, Default)]
pub struct LogWeights {
    /// Of base samples.
    pub reverse: Vec<f64>,
    /// Of data.
    pub forward: Vec<f64>,
}

/// The terms of an objective with their data, and the sum of their gradients.
pub(super) struct WeightedSum<D: Device> {
    terms: Vec<(f64, Method)>,
    batches: Option<Batches<D::Real>>,
    /// If there are several terms.
    sum: Option<D::Buffer>,
    log_weights: LogWeights,
}

impl<D: Device> WeightedSum<D> {
    /// The terms of `plan.objective` for `len` parameters, with these data to train on, shape `[samples, dof]`.
    pub fn new(device: &D, plan: &TrainingPlan, data: Option<Array2<D::Real>>, len: usize) -> Result<Self, Refused> {
        let (needed, terms) = (plan.objective.needs_data(), plan.objective.terms());
        let samples = data.as_ref().map_or(0, Array2::nrows);
        require(!needed || samples > 0, "data", samples, "at least one sample to train on, for a forward KL")?;
        let batches = data.filter(|_| needed).map(|data| Batches::new(data, plan.batch, plan.seed));
        let sum = (terms.len() > 1).then(|| device.zeros(len));
        Ok(Self { terms, batches, sum, log_weights: LogWeights::default() })
    }

    /// The log-weights of the last step.
    pub fn log_weights(&self) -> &LogWeights {
        &self.log_weights
    }

    /// The loss and the gradient of step `number` at `theta`.
    pub fn form<'a>(
        &'a mut self,
        engine: &'a mut Engine<D>,
        device: &D,
        plan: &TrainingPlan,
        number: u64,
        theta: &D::Buffer,
    ) -> Result<(f64, &'a D::Buffer), DeviceError> {
        let Self { terms, batches, sum, log_weights } = self;
        let mut step = StepTerms { plan, number, batches, log_weights };
        let Some(sum) = sum else {
            let gradient = step.gradient(engine, terms[0].1, theta)?;
            return Ok((gradient.loss, gradient.grad));
        };
        let &[(first_weight, first), ref others @ ..] = &terms[..] else { panic!("an objective has a term") };
        let gradient = step.gradient(engine, first, theta)?;
        device.copy_buffer(gradient.grad, sum);
        let (mut loss, mut weight_of_sum) = (first_weight * gradient.loss, first_weight);
        for &(weight, method) in others {
            let gradient = step.gradient(engine, method, theta)?;
            device.install(|| device.combine(weight, gradient.grad, weight_of_sum, sum));
            loss += weight * gradient.loss;
            weight_of_sum = 1.0;
        }
        Ok((loss, sum))
    }

    /// The ingredients of step `number`, to make it once more, layer by layer.
    pub fn replay<'a>(
        &'a mut self,
        plan: &TrainingPlan,
        number: u64,
        theta: &'a D::Buffer,
        grad: &'a [D::Real],
    ) -> Replay<'a, D> {
        let draws = self.terms.iter().any(|(_, method)| matches!(method, Method::Reverse(_)));
        let base = draws.then(|| (Purpose::Step(number).samples(plan.seed), plan.batch));
        let data = self.batches.as_mut().map(|batches| batches.of_step(number));
        Replay { theta, base, data, grad }
    }
}

/// A step under way.
struct StepTerms<'a, D: Device> {
    plan: &'a TrainingPlan,
    number: u64,
    batches: &'a mut Option<Batches<D::Real>>,
    log_weights: &'a mut LogWeights,
}

impl<D: Device> StepTerms<'_, D> {
    /// The gradient of one term.
    fn gradient<'a>(
        &mut self,
        engine: &'a mut Engine<D>,
        method: Method,
        theta: &D::Buffer,
    ) -> Result<Gradient<'a, D>, DeviceError> {
        let (gradient, log_weights) = match method {
            Method::Reverse(how) => {
                let stream = Purpose::Step(self.number).samples(self.plan.seed);
                let start = Start::Draw { stream, first: 0, samples: self.plan.batch };
                (engine.reverse_kl(how, theta, start)?, &mut self.log_weights.reverse)
            }
            Method::Forward(how) => {
                let batches = self.batches.as_mut().expect("a forward KL comes with its data");
                (engine.forward_kl(how, theta, batches.of_step(self.number))?, &mut self.log_weights.forward)
            }
        };
        log_weights.clear();
        log_weights.extend_from_slice(gradient.log_weights);
        Ok(gradient)
    }
}

impl LogWeights {
    /// Standard deviation over the samples: of base samples where there are any, else of the data.
    pub fn standard_deviation(&self) -> f64 {
        let mut moments = Moments::default();
        moments.extend(if self.reverse.is_empty() { &self.forward } else { &self.reverse });
        moments.variance().map_or(f64::NAN, f64::sqrt)
    }
}
