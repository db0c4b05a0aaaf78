//! The gradient estimators, each written once: for any device, any precision, and both divergences.
//!
//! A [`Transport`] is a bijection M that carries a *start* density to the space of an *end* density. With M = T from the
//! base to the target the divergence is the reverse KL(q_θ‖p); with M = T⁻¹ from the target to the base, the forward KL(p‖q_θ).
//!
//! | function | reverse KL | forward KL | conditioner passes |
//! |---|---|---|---|
//! | [`transport`]: no gradient | samples | likelihood of data | F |
//! | [`total_gradient`] | `reparam` | `max-likelihood` | 3 F |
//! | [`path_gradient`] | `path-fast` | `path-fast` | 4 F |
//! | [`path_two_pass`] | `path-two-pass` | | 6 F; lean variant 5 F |
//! | [`gdreg`] | | `gdreg` | 5 F |
//!
//! (F: multiply-adds of one forward pass of the conditioners over the batch.)
//! Each function handles one micro-batch whose start samples already lie in [`Work::x`]. A base with parameters gets their gradient by
//! [`Base::pull_back`], MATH (18).

use crate::{
    density::{Base, BasePass, Target},
    device::Device,
    layer::{GradSink, Layer, Pass, Whole},
    workspace::{Prepared, Workspace},
};
use std::ops::Range;

/// How the gradient of the reverse KL(q_θ‖p) is estimated, from base samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReverseKl {
    /// `reparam`: the ordinary, total gradient.
    Reparam,
    /// `path-fast`: Algorithm 1, the path gradient in one pass.
    PathFast,
    /// `path-two-pass`: Algorithm 2, with a third pass that records the tape.
    PathTwoPass,
    /// `path-two-pass-lean`: Algorithm 2, keeping the tape of the sampling pass.
    PathTwoPassLean,
}

/// How the gradient of the forward KL(p‖q_θ) is estimated, from data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardKl {
    /// `max-likelihood`: the ordinary gradient of −log q.
    MaxLikelihood,
    /// `path-fast`: Algorithm 1 through T⁻¹.
    PathFast,
    /// `gdreg`: Algorithm 3.
    Gdreg,
}

/// A layer at its parameters.
pub struct LayerAt<'a, D: Device> {
    /// The layer.
    pub layer: &'a dyn Layer<D>,
    /// Its parameters.
    pub theta: D::Params<'a>,
    /// Its preparations for them.
    pub prepared: &'a Prepared,
    /// Where its parameters lie in the flat gradient.
    pub range: Range<usize>,
}

impl<D: Device> LayerAt<'_, D> {
    /// The same, for a while.
    pub(crate) fn reborrow(&self) -> LayerAt<'_, D> {
        let Self { layer, theta, prepared, ref range } = *self;
        LayerAt { layer, theta: D::slice(theta, 0..range.len()), prepared, range: range.clone() }
    }

    fn pass<'b>(&'b self, device: &'b D, tape: &'b mut Workspace, scratch: &'b mut Workspace) -> Pass<'b, D> {
        let theta: D::Params<'b> = D::slice(self.theta, 0..self.range.len());
        Pass { device, theta, prepared: self.prepared, tape, scratch }
    }
}

/// A base at its parameters.
pub struct BaseAt<'a, D: Device> {
    /// The base.
    pub base: &'a dyn Base<D>,
    /// Its parameters.
    pub theta: D::Params<'a>,
    /// Its preparations for them.
    pub prepared: &'a Prepared,
    /// Where its parameters lie in the flat gradient.
    pub range: Range<usize>,
}

impl<D: Device> BaseAt<'_, D> {
    /// The same, for a while.
    pub(crate) fn reborrow(&self) -> BaseAt<'_, D> {
        let Self { base, theta, prepared, ref range } = *self;
        BaseAt { base, theta: D::slice(theta, 0..range.len()), prepared, range: range.clone() }
    }

    pub(crate) fn pass<'b>(&'b self, device: &'b D, scratch: &'b mut Workspace) -> BasePass<'b, D> {
        let theta: D::Params<'b> = D::slice(self.theta, 0..self.range.len());
        BasePass { device, theta, prepared: self.prepared, scratch }
    }
}

/// The density at one end of a bijection.
pub enum End<'a, D: Device> {
    /// The base q₀.
    Base(BaseAt<'a, D>),
    /// The target p, up to its normalisation: log p̃ = −S, score = force.
    Target(&'a dyn Target<D>),
}

impl<'a, D: Device> End<'a, D> {
    /// Fills `log_density` and, if wanted, `score` = ∇log density at x.
    fn log_density_and_score(
        &self,
        device: &D,
        scratch: &mut Workspace,
        x: &D::Batch,
        log_density: &mut D::PerSample,
        score: Option<&mut D::Batch>,
    ) {
        match self {
            Self::Base(at) => at.base.log_density_and_score(&mut at.pass(device, scratch), x, log_density, score),
            Self::Target(target) => {
                target.action_and_force(device, x, log_density, score);
                device.negate(log_density);
            }
        }
    }

    /// The base, if it has parameters to be trained.
    fn trained_base(&self) -> Option<&BaseAt<'a, D>> {
        match self {
            Self::Base(at) if !at.range.is_empty() => Some(at),
            _ => None,
        }
    }
}

/// A bijection M between the spaces of two densities.
pub struct Transport<'a, D: Device> {
    /// M.
    pub map: LayerAt<'a, D>,
    /// The density of what goes in.
    pub start: End<'a, D>,
    /// The density M#start is compared with.
    pub end: End<'a, D>,
}

/// Buffers of one micro-batch; allocated in the first step, then kept.
pub struct Work<D: Device> {
    /// Start samples going in; end samples coming out, where the caller looks for them.
    pub x: D::Batch,
    /// log start(x_start), per sample.
    pub start: D::PerSample,
    /// log|det| of the map from start to end, per sample.
    pub log_det: D::PerSample,
    /// log end(x_end), per sample.
    pub end: D::PerSample,
    /// A score on its way through the flow.
    score: D::Batch,
    /// A cotangent on its way back.
    cotangent: D::Batch,
    /// Score of the end density.
    end_score: D::Batch,
    /// Base samples kept for the parameters of the base.
    base_samples: D::Batch,
    /// Base samples kept for a second pass through T.
    z: D::Batch,
    /// Samples on an extra way through T or T⁻¹.
    back: D::Batch,
    /// Per-sample results of an extra pass that nobody asks for.
    unused: D::PerSample,
    tape: Workspace,
    inverse_tape: Workspace,
    scratch: Workspace,
}

impl<D: Device> Default for Work<D> {
    fn default() -> Self {
        Self {
            x: D::Batch::default(),
            start: D::PerSample::default(),
            log_det: D::PerSample::default(),
            end: D::PerSample::default(),
            score: D::Batch::default(),
            cotangent: D::Batch::default(),
            end_score: D::Batch::default(),
            base_samples: D::Batch::default(),
            z: D::Batch::default(),
            back: D::Batch::default(),
            unused: D::PerSample::default(),
            tape: Workspace::default(),
            inverse_tape: Workspace::default(),
            scratch: Workspace::default(),
        }
    }
}

/// Where an estimator runs, and how many samples it averages over.
pub struct MicroBatch<'a, D: Device> {
    /// The device.
    pub device: &'a D,
    /// Samples in this micro-batch.
    pub samples: usize,
    /// B of MATH (3): the whole batch, over which the gradient is a mean.
    pub batch: usize,
}

impl<D: Device> MicroBatch<'_, D> {
    /// 1/B.
    fn share(&self) -> f64 {
        1.0 / self.batch as f64
    }
}

/// Where a gradient goes.
pub struct Destination<'a, 'w, D: Device> {
    /// Its buffer.
    pub sink: GradSink<'a, D>,
    /// Who gets the parts that are whole, if somebody does; what they didn't get is whole when an estimator returns.
    pub whole: Option<&'a mut Whole<'w, D>>,
}

impl<D: Device> Destination<'_, '_, D> {
    /// ∂θ of a base.
    fn slice(&mut self, range: Range<usize>) -> GradSink<'_, D> {
        self.sink.slice(range)
    }

    /// The pull-back through a map, after which nothing is added to ∂θ of its layers.
    fn pull_back(&mut self, map: &LayerAt<'_, D>, pass: &mut Pass<'_, D>, cotangent: &mut D::Batch, weight: f64) {
        let sink = self.sink.slice(map.range.clone());
        let Some(whole) = &mut self.whole else { return map.layer.pull_back(pass, cotangent, weight, Some(sink)) };
        let first = map.range.start;
        let mut of_all =
            |range: Range<usize>, part: D::ParamsMut<'_>| whole(first + range.start..first + range.end, part);
        map.layer.pull_back_each(pass, cotangent, weight, sink, &mut of_all);
    }
}

impl<'a, D: Device> From<GradSink<'a, D>> for Destination<'a, '_, D> {
    fn from(sink: GradSink<'a, D>) -> Self {
        Self { sink, whole: None }
    }
}

/// No gradient: samples at the end of M, log|det| and both log-densities. One conditioner pass.
pub fn transport<D: Device>(m: &Transport<'_, D>, at: &MicroBatch<'_, D>, work: &mut Work<D>) {
    let Work { x, start, log_det, end, tape, scratch, .. } = work;
    at.device.clear(log_det, at.samples);
    m.start.log_density_and_score(at.device, scratch, x, start, None);
    m.map.layer.forward_without_tape(&mut m.map.pass(at.device, tape, scratch), x, log_det);
    m.end.log_density_and_score(at.device, scratch, x, end, None);
}

/// The same, and in [`Work::x`] the score of M#start at the end in the place of the samples, MATH (1). Two conditioner passes.
pub fn transport_score<D: Device>(m: &Transport<'_, D>, at: &MicroBatch<'_, D>, work: &mut Work<D>) {
    let Work { x, start, log_det, end, score, tape, scratch, .. } = work;
    at.device.clear(log_det, at.samples);
    m.start.log_density_and_score(at.device, scratch, x, start, Some(score));
    m.map.layer.forward_with_score(&mut m.map.pass(at.device, tape, scratch), x, log_det, score);
    m.end.log_density_and_score(at.device, scratch, x, end, None);
    std::mem::swap(x, score);
}

/// The ordinary gradient: `reparam` for the reverse KL, `max-likelihood` for the forward KL.
///
/// MATH (2) from a = −∇log end(x_end)/B with w = −1/B.
pub fn total_gradient<D: Device>(
    m: &Transport<'_, D>,
    at: &MicroBatch<'_, D>,
    work: &mut Work<D>,
    mut grad: Destination<'_, '_, D>,
) {
    let Work { x, start, log_det, end, score, cotangent, base_samples, tape, scratch, .. } = work;
    let device = at.device;
    device.clear(log_det, at.samples);
    let trained_start = m.start.trained_base();
    m.start.log_density_and_score(device, scratch, x, start, trained_start.map(|_| &mut *score));
    if trained_start.is_some() {
        device.copy(x, base_samples);
    }
    m.map.layer.forward(&mut m.map.pass(device, tape, scratch), x, log_det);
    m.end.log_density_and_score(device, scratch, x, end, Some(cotangent));
    device.scale(-at.share(), cotangent);
    if let Some(base) = m.end.trained_base() {
        let sink = grad.slice(base.range.clone());
        base.base.pull_back(&mut base.pass(device, scratch), x, None, -at.share(), sink);
    }
    grad.pull_back(&m.map, &mut m.map.pass(device, tape, scratch), cotangent, -at.share());
    if let Some(base) = trained_start {
        device.axpby(at.share(), score, 1.0, cotangent); // a_z + ∇log q₀(z)/B
        let sink = grad.slice(base.range.clone());
        base.base.pull_back(&mut base.pass(device, scratch), base_samples, Some(cotangent), at.share(), sink);
    }
}

/// The path gradient in one pass, Algorithm 1 (`path-fast`), for either divergence.
///
/// MATH (1) from the score of the start density, computed alongside the pass; then (2) from (3) with w = 0.
pub fn path_gradient<D: Device>(
    m: &Transport<'_, D>,
    at: &MicroBatch<'_, D>,
    work: &mut Work<D>,
    mut grad: Destination<'_, '_, D>,
) {
    let Work { x, start, log_det, end, score, cotangent, end_score, base_samples, tape, scratch, .. } = work;
    let device = at.device;
    device.clear(log_det, at.samples);
    m.start.log_density_and_score(device, scratch, x, start, Some(score));
    if m.start.trained_base().is_some() {
        device.copy(x, base_samples);
    }
    m.map.layer.forward_with_score(&mut m.map.pass(device, tape, scratch), x, log_det, score);
    m.end.log_density_and_score(device, scratch, x, end, Some(end_score));
    path_cotangent(at, score, end_score, cotangent);
    if let Some(base) = m.end.trained_base() {
        device.scale(-1.0, cotangent);
        let sink = grad.slice(base.range.clone());
        base.base.pull_back(&mut base.pass(device, scratch), x, Some(cotangent), 0.0, sink);
        device.scale(-1.0, cotangent);
    }
    grad.pull_back(&m.map, &mut m.map.pass(device, tape, scratch), cotangent, 0.0);
    if let Some(base) = m.start.trained_base() {
        let sink = grad.slice(base.range.clone());
        base.base.pull_back(&mut base.pass(device, scratch), base_samples, Some(cotangent), 0.0, sink);
    }
}

/// MATH (3): a = (s_end − ∇log end(x_end))/B. The memory of `score` becomes that of `cotangent`; the old content of both is spent.
fn path_cotangent<D: Device>(
    at: &MicroBatch<'_, D>,
    score: &mut D::Batch,
    end_score: &D::Batch,
    cotangent: &mut D::Batch,
) {
    at.device.axpby(-at.share(), end_score, at.share(), score);
    std::mem::swap(score, cotangent);
}

/// A flow with its inverse and the densities at its two ends, for the estimators that need both directions.
pub struct BothEnds<'a, D: Device> {
    /// T.
    pub map: LayerAt<'a, D>,
    /// T⁻¹.
    pub inverse: LayerAt<'a, D>,
    /// q₀.
    pub base: End<'a, D>,
    /// p, up to its normalisation.
    pub target: End<'a, D>,
}

/// When the tape of T, which the last pull-back needs, is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// In the sampling pass, the lean variant: 5 F, at the memory of two tapes.
    FirstPass,
    /// By a pass of its own, as in the paper: 6 F.
    Rerun,
}

/// Algorithm 2, reverse KL: `path-two-pass` and its lean variant.
///
/// Samples x = T(z), finds ∇log q(x) by going back through T⁻¹, and pulls (3) back through T at fixed z.
pub fn path_two_pass<D: Device>(
    recording: Recording,
    flow: &BothEnds<'_, D>,
    at: &MicroBatch<'_, D>,
    work: &mut Work<D>,
    mut grad: Destination<'_, '_, D>,
) {
    let Work { x, start, log_det, end, end_score, base_samples, z, tape, scratch, .. } = work;
    let (device, map) = (at.device, &flow.map);
    device.clear(log_det, at.samples);
    flow.base.log_density_and_score(device, scratch, x, start, None);
    if flow.base.trained_base().is_some() {
        device.copy(x, base_samples);
    }
    if recording == Recording::Rerun {
        device.copy(x, z);
    }
    let mut pass = map.pass(device, tape, scratch);
    match recording {
        Recording::FirstPass => map.layer.forward(&mut pass, x, log_det),
        Recording::Rerun => map.layer.forward_without_tape(&mut pass, x, log_det),
    }
    flow.target.log_density_and_score(device, scratch, x, end, Some(end_score));
    score_by_inverse(flow, at, work);

    let Work { score, cotangent, end_score, base_samples, z, unused, tape, scratch, .. } = work;
    if recording == Recording::Rerun {
        device.clear(unused, at.samples);
        map.layer.forward(&mut map.pass(device, tape, scratch), z, unused);
    }
    path_cotangent(at, score, end_score, cotangent);
    grad.pull_back(map, &mut map.pass(device, tape, scratch), cotangent, 0.0);
    if let Some(base) = flow.base.trained_base() {
        let sink = grad.slice(base.range.clone());
        base.base.pull_back(&mut base.pass(device, scratch), base_samples, Some(cotangent), 0.0, sink);
    }
}

/// ∇log q at the samples in `work.x`, into `work.score`: z = T⁻¹(x), then the score of q₀ pulled back with w = 1.
fn score_by_inverse<D: Device>(flow: &BothEnds<'_, D>, at: &MicroBatch<'_, D>, work: &mut Work<D>) {
    let Work { x, score, back, unused, inverse_tape, scratch, .. } = work;
    let (device, inverse) = (at.device, &flow.inverse);
    device.copy(x, back);
    device.clear(unused, at.samples);
    inverse.layer.forward(&mut inverse.pass(device, inverse_tape, scratch), back, unused);
    flow.base.log_density_and_score(device, scratch, back, unused, Some(score));
    inverse.layer.pull_back(&mut inverse.pass(device, inverse_tape, scratch), score, 1.0, None);
}

/// Algorithm 3, forward KL: `gdreg`.
///
/// ∇ₓ[log q(x) + S(x)] through T⁻¹; then T(z) at z = T⁻¹(x), held fixed, and (3) pulled back through it.
pub fn gdreg<D: Device>(
    flow: &BothEnds<'_, D>,
    at: &MicroBatch<'_, D>,
    work: &mut Work<D>,
    mut grad: Destination<'_, '_, D>,
) {
    let Work { x, start, log_det, end, score, cotangent, end_score, back, unused, tape, inverse_tape, scratch, .. } =
        work;
    let (device, map, inverse) = (at.device, &flow.map, &flow.inverse);
    device.clear(log_det, at.samples);
    flow.target.log_density_and_score(device, scratch, x, start, Some(end_score));
    inverse.layer.forward(&mut inverse.pass(device, inverse_tape, scratch), x, log_det);
    flow.base.log_density_and_score(device, scratch, x, end, Some(score));
    inverse.layer.pull_back(&mut inverse.pass(device, inverse_tape, scratch), score, 1.0, None); // ∇log q(x)

    device.copy(x, back);
    device.clear(unused, at.samples);
    map.layer.forward(&mut map.pass(device, tape, scratch), back, unused);
    path_cotangent(at, score, end_score, cotangent);
    grad.pull_back(map, &mut map.pass(device, tape, scratch), cotangent, 0.0);
    if let Some(base) = flow.base.trained_base() {
        let sink = grad.slice(base.range.clone());
        base.base.pull_back(&mut base.pass(device, scratch), x, Some(cotangent), 0.0, sink);
    }
}
