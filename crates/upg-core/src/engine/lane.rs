//! A lane: a contiguous part of the batch, its buffers and its results.

use super::{Cut, EndSamples, Parts};
use crate::{
    device::Device,
    estimator::{
        self, BothEnds, Destination, End, ForwardKl, LayerAt, MicroBatch, Recording, ReverseKl, Transport, Work,
    },
    layer::{Accum, GradSink, Whole},
    random::SampleStream,
    workspace::Workspace,
};
use ndarray::{Array2, ArrayView2, s};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The work of an engine over one batch; without an estimator, no gradient.
pub(super) enum Job<'a, T> {
    Reverse(Option<ReverseKl>, Source<'a, T>),
    Forward(Option<ForwardKl>, ArrayView2<'a, T>),
}

impl<T> Job<'_, T> {
    /// Whether an estimator was asked for.
    pub fn has_gradient(&self) -> bool {
        matches!(self, Self::Reverse(Some(_), _) | Self::Forward(Some(_), _))
    }

    /// Whether it goes through T.
    pub fn needs_map(&self) -> bool {
        !matches!(self, Self::Forward(None | Some(ForwardKl::MaxLikelihood | ForwardKl::PathFast), _))
    }

    /// Whether it goes through T⁻¹.
    pub fn needs_inverse(&self) -> bool {
        !matches!(self, Self::Reverse(None | Some(ReverseKl::Reparam | ReverseKl::PathFast), _))
    }
}

/// Where base samples come from.
pub(super) enum Source<'a, T> {
    /// Samples of this stream, from this number on.
    Stream(SampleStream, u64),
    Given(ArrayView2<'a, T>),
}

/// Buffers and results of one part of the batch.
pub(super) struct Lane<D: Device> {
    pub range: Range<usize>,
    pub loss: f64,
    pub log_weights: Vec<f64>,
    pub log_det: Vec<f64>,
    pub end: Array2<D::Real>,
    pub grad: D::Buffer,
    work: Work<D>,
    scratch: Workspace,
    /// Of every micro-batch: log start, log|det|, log end, each one per sample.
    sums: D::PerSample,
    on_host: Vec<f64>,
}

impl<D: Device> Lane<D> {
    pub fn new(grad: D::Buffer) -> Self {
        Self {
            range: 0..0,
            loss: 0.0,
            log_weights: vec![],
            log_det: vec![],
            end: Array2::default((0, 0)),
            grad,
            work: Work::default(),
            scratch: Workspace::default(),
            sums: D::PerSample::default(),
            on_host: vec![],
        }
    }

    /// Processes the micro-batches of this lane, one after the other; in the last one `whole` gets the parts of the gradient, if this is the only lane.
    pub fn run(
        &mut self,
        device: &D,
        parts: &Parts<'_, D>,
        job: &Job<'_, D::Real>,
        (cut, batch): (Cut, usize),
        end_samples: EndSamples,
        whole: Option<&Mutex<&mut Whole<'_, D>>>,
    ) {
        let shape = (self.range.len(), parts.base.base.dof());
        if end_samples != EndSamples::Discard && self.end.dim() != shape {
            self.end = Array2::default(shape);
        }
        device.clear(&mut self.sums, 0);
        for first in self.range.clone().step_by(cut.micro_batch) {
            let samples = cut.micro_batch.min(self.range.end - first);
            let accum = if first == self.range.start { Accum::Replace } else { Accum::Add };
            self.take_start(device, parts, job, first, samples);
            let at = MicroBatch { device, samples, batch };
            match (end_samples, whole.filter(|_| first + samples == self.range.end)) {
                (EndSamples::Scores, _) => parts.score(job, &at, &mut self.work),
                (_, None) => {
                    let sink = GradSink { into: device.params_mut(&mut self.grad), accum };
                    parts.estimate(job, &at, &mut self.work, sink.into());
                }
                (_, Some(whole)) => {
                    let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
                    self.estimate_watched(parts, job, &at, accum, &mut **whole);
                }
            }
            for sums in [&self.work.start, &self.work.log_det, &self.work.end] {
                device.append(sums, &mut self.sums);
            }
            if end_samples != EndSamples::Discard {
                let at = first - self.range.start;
                device.download(&self.work.x, self.end.slice_mut(s![at..at + samples, ..]));
            }
        }
        self.collect(device, job, cut);
    }

    /// Runs the estimator on the last micro-batch, and hands out every part of the gradient once.
    fn estimate_watched(
        &mut self,
        parts: &Parts<'_, D>,
        job: &Job<'_, D::Real>,
        at: &MicroBatch<'_, D>,
        accum: Accum,
        whole: &mut Whole<'_, D>,
    ) {
        let (device, mut told) = (at.device, vec![]);
        let mut tell = |range: Range<usize>, part: D::ParamsMut<'_>| {
            told.push(range.clone());
            whole(range, part);
        };
        let sink = GradSink { into: device.params_mut(&mut self.grad), accum };
        parts.estimate(job, at, &mut self.work, Destination { sink, whole: Some(&mut tell) });
        for range in others(told, device.buffer_len(&self.grad)) {
            whole(range.clone(), D::slice_mut(&mut device.params_mut(&mut self.grad), range));
        }
    }

    /// Fills `work.x` with the `samples` start samples that begin at number `first` of the batch.
    fn take_start(&mut self, device: &D, parts: &Parts<'_, D>, job: &Job<'_, D::Real>, first: usize, samples: usize) {
        let x = &mut self.work.x;
        match job {
            Job::Reverse(_, Source::Stream(stream, of_batch)) => {
                let base = parts.base.base;
                device.reshape(x, base.dof(), samples);
                base.sample(
                    &mut parts.base.pass(device, &mut self.scratch),
                    *stream,
                    of_batch.wrapping_add(first as u64),
                    x,
                );
            }
            Job::Reverse(_, Source::Given(start)) | Job::Forward(_, start) => {
                device.upload(start.slice(s![first..first + samples, ..]), x);
            }
        }
    }

    /// Losses, log-weights and log-dets of all micro-batches, read from the device at once.
    ///
    /// log q(x) is log q₀(z) − log|det J_T| from the base, and log q₀(z) + log|det J_{T⁻¹}| from the data.
    fn collect(&mut self, device: &D, job: &Job<'_, D::Real>, cut: Cut) {
        let Self { range, loss, log_weights, log_det, sums, on_host, .. } = self;
        on_host.resize(3 * range.len(), 0.0);
        device.read(sums, on_host);
        *loss = 0.0;
        log_weights.clear();
        log_det.clear();
        for of_micro_batch in on_host.chunks(3 * cut.micro_batch) {
            let samples = of_micro_batch.len() / 3;
            let (starts, rest) = of_micro_batch.split_at(samples);
            let (log_dets, ends) = rest.split_at(samples);
            log_det.extend_from_slice(log_dets);
            for ((&start, &log_det), &end) in starts.iter().zip(log_dets).zip(ends) {
                let (log_weight, term) = match job {
                    Job::Reverse(..) => (end - (start - log_det), (start - log_det) - end),
                    Job::Forward(..) => (start - (end + log_det), -(end + log_det)),
                };
                log_weights.push(log_weight);
                *loss += term;
            }
        }
    }
}

/// What of 0..len isn't in the ranges, which don't overlap.
fn others(mut ranges: Vec<Range<usize>>, len: usize) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let ends = ranges.iter().map(|range| range.end);
    let starts = ranges.iter().map(|range| range.start).chain([len]);
    [0].into_iter().chain(ends).zip(starts).map(|(end, start)| end..start).filter(|range| !range.is_empty()).collect()
}

impl<D: Device> Parts<'_, D> {
    /// Runs the estimator, if one is asked for, on the micro-batch in `work.x`.
    fn estimate(
        &self,
        job: &Job<'_, D::Real>,
        at: &MicroBatch<'_, D>,
        work: &mut Work<D>,
        grad: Destination<'_, '_, D>,
    ) {
        match job {
            Job::Reverse(None, _) => estimator::transport(&self.to_target(), at, work),
            Job::Forward(None, _) => estimator::transport(&self.to_base(), at, work),
            Job::Reverse(Some(how), _) => match how {
                ReverseKl::Reparam => estimator::total_gradient(&self.to_target(), at, work, grad),
                ReverseKl::PathFast => estimator::path_gradient(&self.to_target(), at, work, grad),
                ReverseKl::PathTwoPass => estimator::path_two_pass(Recording::Rerun, &self.both_ends(), at, work, grad),
                ReverseKl::PathTwoPassLean => {
                    estimator::path_two_pass(Recording::FirstPass, &self.both_ends(), at, work, grad)
                }
            },
            Job::Forward(Some(how), _) => match how {
                ForwardKl::MaxLikelihood => estimator::total_gradient(&self.to_base(), at, work, grad),
                ForwardKl::PathFast => estimator::path_gradient(&self.to_base(), at, work, grad),
                ForwardKl::Gdreg => estimator::gdreg(&self.both_ends(), at, work, grad),
            },
        }
    }

    /// Leaves scores in the place of samples in `work.x`.
    fn score(&self, job: &Job<'_, D::Real>, at: &MicroBatch<'_, D>, work: &mut Work<D>) {
        match job {
            Job::Reverse(..) => estimator::transport_score(&self.to_target(), at, work),
            Job::Forward(..) => estimator::transport_score(&self.to_base(), at, work),
        }
    }

    fn to_target(&self) -> Transport<'_, D> {
        Transport { map: self.map(), start: self.base(), end: End::Target(self.target) }
    }

    fn to_base(&self) -> Transport<'_, D> {
        Transport { map: self.inverse(), start: End::Target(self.target), end: self.base() }
    }

    fn both_ends(&self) -> BothEnds<'_, D> {
        BothEnds { map: self.map(), inverse: self.inverse(), base: self.base(), target: End::Target(self.target) }
    }

    fn base(&self) -> End<'_, D> {
        End::Base(self.base.reborrow())
    }

    fn map(&self) -> LayerAt<'_, D> {
        self.map.as_ref().expect("an engine that generates has T").reborrow()
    }

    fn inverse(&self) -> LayerAt<'_, D> {
        self.inverse.as_ref().expect("an engine that normalizes has T⁻¹").reborrow()
    }
}
