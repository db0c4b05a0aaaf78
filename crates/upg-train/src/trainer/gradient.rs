//! The gradient of a step: a weighted sum over the terms of the objective.
//!
//! With other processes each takes the samples of its share. The mean over all samples is the sum over processes of their means times their
//! parts of the batch; the log-weights are gathered in the order of the samples.

use crate::data::Batches;
use crate::fault::Replay;
use crate::method::Method;
use crate::peers::Peers;
use crate::plan::TrainingPlan;
use crate::purpose::Purpose;
use crate::refused::{Refused, require};
use crate::stats::Moments;
use ndarray::{Array2, s};
use std::ops::Range;
use upg_core::device::{Joined, scaled};
use upg_core::layer::Whole;
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
    /// If there are several terms, or several processes.
    sum: Option<D::Buffer>,
    /// The sum on its way between processes, unless it goes from device to device.
    on_host: Vec<D::Real>,
    joined: Option<Box<dyn Joined<D>>>,
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
        Ok(Self { terms, batches, sum, on_host: vec![], joined: None, log_weights: LogWeights::default() })
    }

    /// Makes room for what is brought together.
    pub fn share_with(&mut self, peers: &Peers, device: &D, len: usize) {
        if !peers.is_alone() {
            self.sum.get_or_insert_with(|| device.zeros(len));
        }
    }

    /// Has sums go by these devices; by the hosts without.
    pub fn join(&mut self, joined: Option<Box<dyn Joined<D>>>) {
        self.joined = joined;
        if self.joined.is_some() {
            self.on_host = vec![];
            self.sum.take_if(|_| self.terms.len() == 1); // it is made in the place of the gradient
        }
    }

    /// The log-weights of the last step.
    pub fn log_weights(&self) -> &LogWeights {
        &self.log_weights
    }

    /// The loss and the gradient of step `number` at `theta`, over the samples of all processes.
    pub fn form<'a>(
        &'a mut self,
        engine: &'a mut Engine<D>,
        device: &D,
        (plan, peers): (&TrainingPlan, &Peers),
        number: u64,
        theta: &D::Buffer,
    ) -> Result<(f64, &'a D::Buffer), DeviceError> {
        let Self { terms, batches, sum, on_host, joined, log_weights } = self;
        let share = peers.share(plan.batch);
        let mut step = StepTerms { plan, number, share: share.clone(), batches, log_weights };
        let &[(first_weight, first), ref others @ ..] = &terms[..] else { panic!("an objective has a term") };
        let part = share.len() as f64 / plan.batch as f64;
        if others.is_empty()
            && let Some(on_devices) = joined
        {
            let formed = step.gradient_summed(engine, first, theta, &mut **on_devices, (peers, part));
            if formed.is_err() {
                on_devices.leave(); // while there still is what is under way
            }
            return formed;
        }
        let Some(sum) = sum else {
            let gradient = step.gradient(engine, first, theta, None)?;
            return Ok((gradient.loss, gradient.grad));
        };
        let gradient = step.gradient(engine, first, theta, None)?;
        if others.is_empty()
            && joined.is_none()
            && let (Some(from), Some(to)) = (device.in_place(gradient.grad), device.in_place_mut(sum))
        {
            let loss = log_weights.join(peers, plan.batch, first_weight * gradient.loss)?;
            let prepare = |at, piece: &mut [D::Real]| {
                piece.iter_mut().zip(&from[at..]).for_each(|(to, &from)| *to = scaled(part, from));
            };
            peers.sum_prepared(to, prepare)?;
            return Ok((loss, sum));
        }
        device.copy_buffer(gradient.grad, sum);
        let (mut loss, mut weight_of_sum) = (first_weight * gradient.loss, first_weight);
        for &(weight, method) in others {
            let gradient = step.gradient(engine, method, theta, None)?;
            device.install(|| device.combine(weight, gradient.grad, weight_of_sum, sum));
            loss += weight * gradient.loss;
            weight_of_sum = 1.0;
        }
        if !peers.is_alone() {
            loss = log_weights.join(peers, plan.batch, loss)?;
            match joined {
                Some(joined) => {
                    joined.sum(part, device.params_mut(sum), &mut |done| peers.wait_for(done))?;
                    peers.gather(&[], |_| 0)?; // nobody leaves before all have got what it sent
                }
                None => sum_on_hosts(device, peers, part, on_host, sum)?,
            }
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

/// grad ← Σ partᵣ·gradᵣ over the processes.
fn sum_on_hosts<D: Device>(
    device: &D,
    peers: &Peers,
    part: f64,
    on_host: &mut Vec<D::Real>,
    grad: &mut D::Buffer,
) -> Result<(), DeviceError> {
    let prepare = |_, piece: &mut [D::Real]| piece.iter_mut().for_each(|x| *x = scaled(part, *x));
    if let Some(in_place) = device.in_place_mut(grad) {
        return peers.sum_prepared(in_place, prepare);
    }
    on_host.resize(device.buffer_len(grad), D::Real::default());
    device.read_buffer(grad, on_host);
    device.status()?; // before others get it
    peers.sum_prepared(on_host, prepare)?;
    device.write_buffer(on_host, grad);
    Ok(())
}

/// A step under way.
struct StepTerms<'a, D: Device> {
    plan: &'a TrainingPlan,
    number: u64,
    /// The samples of the batch that are this process's.
    share: Range<usize>,
    batches: &'a mut Option<Batches<D::Real>>,
    log_weights: &'a mut LogWeights,
}

impl<D: Device> StepTerms<'_, D> {
    /// The gradient of one term, over this process's samples.
    fn gradient<'a>(
        &mut self,
        engine: &'a mut Engine<D>,
        method: Method,
        theta: &D::Buffer,
        whole: Option<&mut Whole<'_, D>>,
    ) -> Result<Gradient<'a, D>, DeviceError> {
        let (gradient, log_weights) = match method {
            Method::Reverse(how) => {
                let stream = Purpose::Step(self.number).samples(self.plan.seed);
                let start = Start::Draw { stream, first: self.share.start as u64, samples: self.share.len() };
                let gradient = match whole {
                    Some(whole) => engine.reverse_kl_each(how, theta, start, whole),
                    None => engine.reverse_kl(how, theta, start),
                };
                (gradient?, &mut self.log_weights.reverse)
            }
            Method::Forward(how) => {
                let batches = self.batches.as_mut().expect("a forward KL comes with its data");
                let batch = batches.of_step(self.number).slice_move(s![self.share.clone(), ..]);
                let gradient = match whole {
                    Some(whole) => engine.forward_kl_each(how, theta, batch, whole),
                    None => engine.forward_kl(how, theta, batch),
                };
                (gradient?, &mut self.log_weights.forward)
            }
        };
        log_weights.clear();
        log_weights.extend_from_slice(gradient.log_weights);
        Ok(gradient)
    }

    /// The loss and the gradient of one term over the samples of all processes, of which these are a `part`: each layer's gradient is summed, in its place,
    /// while that of the next is at work.
    fn gradient_summed<'a>(
        &mut self,
        engine: &'a mut Engine<D>,
        method: Method,
        theta: &D::Buffer,
        joined: &mut dyn Joined<D>,
        (peers, part): (&Peers, f64),
    ) -> Result<(f64, &'a D::Buffer), DeviceError> {
        let mut begun = Ok(());
        let mut begin = |_: Range<usize>, of_layer: D::ParamsMut<'_>| {
            if begun.is_ok() {
                begun = joined.begin(part, of_layer, &mut |done| peers.wait_for(done));
            }
        };
        let Gradient { loss, grad, .. } = self.gradient(engine, method, theta, Some(&mut begin))?;
        begun?;
        let loss = self.log_weights.join(peers, self.plan.batch, loss)?;
        joined.finish(&mut |done| peers.wait_for(done))?;
        peers.gather(&[], |_| 0)?; // nobody leaves before all have got what it sent
        Ok((loss, grad))
    }
}

impl LogWeights {
    /// Replaces those of this process's samples by those of all, in the order of the samples; returns the mean loss.
    fn join(&mut self, peers: &Peers, batch: usize, loss: f64) -> Result<f64, DeviceError> {
        let samples = |rank| peers.share_of(rank, batch).len();
        let Self { reverse, forward } = self;
        let kinds = usize::from(!reverse.is_empty()) + usize::from(!forward.is_empty());
        let own = [&[loss][..], reverse, forward].concat();
        let all = peers.gather(&own, |rank| 1 + kinds * samples(rank))?;
        let (has_reverse, has_forward) = (!reverse.is_empty(), !forward.is_empty());
        reverse.clear();
        forward.clear();
        let (mut rest, mut mean) = (&all[..], 0.0);
        let mut next = |number| {
            let (next, others) = rest.split_at(number);
            rest = others;
            next
        };
        for rank in 0..peers.size() {
            mean += next(1)[0] * samples(rank) as f64 / batch as f64;
            for (has, kind) in [(has_reverse, &mut *reverse), (has_forward, &mut *forward)] {
                kind.extend_from_slice(next(if has { samples(rank) } else { 0 }));
            }
        }
        Ok(mean)
    }

    /// Standard deviation over the samples: of base samples where there are any, else of the data.
    pub fn standard_deviation(&self) -> f64 {
        let mut moments = Moments::default();
        moments.extend(if self.reverse.is_empty() { &self.forward } else { &self.reverse });
        moments.variance().map_or(f64::NAN, f64::sqrt)
    }
}
