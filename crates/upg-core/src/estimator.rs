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
//! Each function handles one micro-batch whose start samples already lie in [`Work::x`].

use crate::{
    density::Density,
    device::Device,
    layer::{GradSink, Layer, Pass},
    workspace::Workspace,
};

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

/// A bijection M between the spaces of two densities.
pub struct Transport<'a, D: Device> {
    /// M.
    pub map: &'a dyn Layer<D>,
    /// The density of what goes in.
    pub start: &'a dyn Density<D>,
    /// The density M#start is compared with.
    pub end: &'a dyn Density<D>,
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
    /// A score on its way through the flow, then the cotangent on its way back.
    cotangent: D::Batch,
    /// Score of the end density.
    end_score: D::Batch,
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
            cotangent: D::Batch::default(),
            end_score: D::Batch::default(),
            z: D::Batch::default(),
            back: D::Batch::default(),
            unused: D::PerSample::default(),
            tape: Workspace::default(),
            inverse_tape: Workspace::default(),
            scratch: Workspace::default(),
        }
    }
}

/// Where and at which parameters an estimator runs, and how many samples it averages over.
pub struct Place<'a, D: Device> {
    /// The device.
    pub device: &'a D,
    /// The flow's parameters.
    pub theta: &'a D::Buffer,
    /// Samples in this micro-batch.
    pub samples: usize,
    /// B of MATH (3): the whole batch, over which the gradient is a mean.
    pub batch: usize,
}

impl<D: Device> Place<'_, D> {
    fn pass<'b>(&'b self, tape: &'b mut Workspace, scratch: &'b mut Workspace) -> Pass<'b, D> {
        Pass { device: self.device, theta: self.device.params(self.theta), tape, scratch }
    }

    fn inverse_batch(&self) -> f64 {
        1.0 / self.batch as f64
    }
}

/// No gradient: samples at the end of M, log|det| and both log-densities. One conditioner pass.
pub fn transport<D: Device>(m: &Transport<'_, D>, at: &Place<'_, D>, work: &mut Work<D>) {
    at.device.clear(&mut work.log_det, at.samples);
    m.start.log_density_and_score(at.device, &work.x, &mut work.start, None);
    let mut pass = at.pass(&mut work.tape, &mut work.scratch);
    m.map.forward_without_tape(&mut pass, &mut work.x, &mut work.log_det);
    m.end.log_density_and_score(at.device, &work.x, &mut work.end, None);
}

/// The ordinary gradient: `reparam` for the reverse KL, `max-likelihood` for the forward KL.
///
/// MATH (2) from a = −∇log end(x_end)/B with w = −1/B.
pub fn total_gradient<D: Device>(m: &Transport<'_, D>, at: &Place<'_, D>, work: &mut Work<D>, grad: GradSink<'_, D>) {
    at.device.clear(&mut work.log_det, at.samples);
    m.start.log_density_and_score(at.device, &work.x, &mut work.start, None);
    let mut pass = at.pass(&mut work.tape, &mut work.scratch);
    m.map.forward(&mut pass, &mut work.x, &mut work.log_det);
    m.end.log_density_and_score(at.device, &work.x, &mut work.end, Some(&mut work.cotangent));
    at.device.scale(-at.inverse_batch(), &mut work.cotangent);
    m.map.pull_back(&mut pass, &mut work.cotangent, -at.inverse_batch(), Some(grad));
}

/// The path gradient in one pass, Algorithm 1 (`path-fast`), for either divergence.
///
/// MATH (1) from the score of the start density, computed alongside the pass; then (2) from (3) with w = 0.
pub fn path_gradient<D: Device>(m: &Transport<'_, D>, at: &Place<'_, D>, work: &mut Work<D>, grad: GradSink<'_, D>) {
    at.device.clear(&mut work.log_det, at.samples);
    m.start.log_density_and_score(at.device, &work.x, &mut work.start, Some(&mut work.cotangent));
    let mut pass = at.pass(&mut work.tape, &mut work.scratch);
    m.map.forward_with_score(&mut pass, &mut work.x, &mut work.log_det, &mut work.cotangent);
    m.end.log_density_and_score(at.device, &work.x, &mut work.end, Some(&mut work.end_score));
    path_cotangent(at, work);
    m.map.pull_back(&mut at.pass(&mut work.tape, &mut work.scratch), &mut work.cotangent, 0.0, Some(grad));
}

/// MATH (3): a = (s_end − ∇log end(x_end))/B, from the score in `work.cotangent`, into the same place.
fn path_cotangent<D: Device>(at: &Place<'_, D>, work: &mut Work<D>) {
    at.device.axpby(-at.inverse_batch(), &work.end_score, at.inverse_batch(), &mut work.cotangent);
}

/// A flow with its inverse and the densities at its two ends, for the estimators that need both directions.
pub struct BothWays<'a, D: Device> {
    /// T.
    pub map: &'a dyn Layer<D>,
    /// T⁻¹.
    pub inverse: &'a dyn Layer<D>,
    /// q₀.
    pub base: &'a dyn Density<D>,
    /// p, up to its normalisation.
    pub target: &'a dyn Density<D>,
}

/// Whether the tape of T, which the last pull-back needs, is kept from the sampling pass or recorded by a pass of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tape {
    /// The lean variant: 5 F, at the memory of two tapes.
    Kept,
    /// As in the paper: 6 F.
    Again,
}

/// Algorithm 2, reverse KL: `path-two-pass` and its lean variant.
///
/// Samples x = T(z), finds ∇log q(x) by going back through T⁻¹, and pulls (3) back through T at fixed z.
pub fn path_two_pass<D: Device>(
    tape: Tape,
    flow: &BothWays<'_, D>,
    at: &Place<'_, D>,
    work: &mut Work<D>,
    grad: GradSink<'_, D>,
) {
    let device = at.device;
    device.clear(&mut work.log_det, at.samples);
    flow.base.log_density_and_score(device, &work.x, &mut work.start, None);
    if tape == Tape::Again {
        device.copy(&work.x, &mut work.z);
    }
    let mut pass = at.pass(&mut work.tape, &mut work.scratch);
    match tape {
        Tape::Kept => flow.map.forward(&mut pass, &mut work.x, &mut work.log_det),
        Tape::Again => flow.map.forward_without_tape(&mut pass, &mut work.x, &mut work.log_det),
    }
    flow.target.log_density_and_score(device, &work.x, &mut work.end, Some(&mut work.end_score));

    device.copy(&work.x, &mut work.back);
    let mut pass = at.pass(&mut work.inverse_tape, &mut work.scratch);
    device.clear(&mut work.unused, at.samples);
    flow.inverse.forward(&mut pass, &mut work.back, &mut work.unused);
    flow.base.log_density_and_score(device, &work.back, &mut work.unused, Some(&mut work.cotangent));
    flow.inverse.pull_back(&mut pass, &mut work.cotangent, 1.0, None); // ∇log q(x)

    if tape == Tape::Again {
        device.clear(&mut work.unused, at.samples);
        flow.map.forward(&mut at.pass(&mut work.tape, &mut work.scratch), &mut work.z, &mut work.unused);
    }
    path_cotangent(at, work);
    flow.map.pull_back(&mut at.pass(&mut work.tape, &mut work.scratch), &mut work.cotangent, 0.0, Some(grad));
}

/// Algorithm 3, forward KL: `gdreg`.
///
/// ∇ₓ[log q(x) + S(x)] through T⁻¹; then T(z) at z = T⁻¹(x), held fixed, and (3) pulled back through it.
pub fn gdreg<D: Device>(flow: &BothWays<'_, D>, at: &Place<'_, D>, work: &mut Work<D>, grad: GradSink<'_, D>) {
    let device = at.device;
    device.clear(&mut work.log_det, at.samples);
    flow.target.log_density_and_score(device, &work.x, &mut work.start, Some(&mut work.end_score));
    let mut pass = at.pass(&mut work.inverse_tape, &mut work.scratch);
    flow.inverse.forward(&mut pass, &mut work.x, &mut work.log_det);
    flow.base.log_density_and_score(device, &work.x, &mut work.end, Some(&mut work.cotangent));
    flow.inverse.pull_back(&mut pass, &mut work.cotangent, 1.0, None); // ∇log q(x)

    device.copy(&work.x, &mut work.back);
    device.clear(&mut work.unused, at.samples);
    flow.map.forward(&mut at.pass(&mut work.tape, &mut work.scratch), &mut work.back, &mut work.unused);
    path_cotangent(at, work);
    flow.map.pull_back(&mut at.pass(&mut work.tape, &mut work.scratch), &mut work.cotangent, 0.0, Some(grad));
}
