//! Where a step went wrong: the first layer, in the order of computation, whose result isn't a finite number.
//!
//! A NaN spreads: from the layer it arises in to all that follow, and in the pull-back to all that come before. So the pass is made once
//! more, layer by layer. If it is finite everywhere, the score or the pull-back is to blame, and the gradient tells: it is pulled back
//! from the last layer to the first, so the last tensor that isn't finite was the first to be.

use crate::base::with_base;
use ndarray::{Array2, ArrayView2, s};
use std::fmt;
use upg_core::{Device, Engine, Layer, ParamLayout, Pass, Real, SampleStream, ways::Ways};

/// Where a step went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// In the output of this layer, on the way from base samples.
    Layer(usize),
    /// In the output of the inverse of this layer, on the way from data.
    InverseLayer(usize),
    /// In the action of the target.
    Action,
    /// In the density of the base.
    Density,
    /// In this tensor of the gradient, while all values were finite.
    Gradient(String),
    /// In the norm of the gradient or the sum of the losses: finite numbers, too large to be summed.
    Sum,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(layer) => write!(f, "the output of layer {layer} is not finite"),
            Self::InverseLayer(layer) => write!(f, "the output of the inverse of layer {layer} is not finite"),
            Self::Action => write!(f, "the action of the target is not finite where the flow ends"),
            Self::Density => write!(f, "the density of the base is not finite where the inverse ends"),
            Self::Gradient(tensor) => write!(f, "the gradient of {tensor} is not finite"),
            Self::Sum => write!(f, "the norm of the gradient is not finite"),
        }
    }
}

impl std::error::Error for Fault {}

/// The ingredients of a step.
pub(crate) struct Replay<'a, D: Device> {
    /// The weights.
    pub theta: &'a D::Buffer,
    /// The stream of the base samples and their number, if there were any.
    pub base: Option<(SampleStream, usize)>,
    /// The data, shape `[batch, dof]`, if there were any.
    pub data: Option<ArrayView2<'a, D::Real>>,
    /// The gradient.
    pub grad: &'a [D::Real],
}

/// Finds the fault of a step that `engine` made, with the target it still has.
pub(crate) fn find<D: Device>(engine: &Engine<D>, step: &Replay<'_, D>) -> Fault {
    let watch = Watch { engine, theta: step.theta };
    let from_base = step.base.and_then(|(stream, samples)| watch.in_samples(stream, samples));
    let in_pass = from_base.or_else(|| step.data.and_then(|data| watch.in_data(data)));
    in_pass.or_else(|| in_gradient(step.grad, &engine.layout())).unwrap_or(Fault::Sum)
}

/// Samples looked at at a time.
const PIECE: usize = 512;

/// An engine's parts at θ.
struct Watch<'a, D: Device> {
    engine: &'a Engine<D>,
    theta: &'a D::Buffer,
}

impl<D: Device> Watch<'_, D> {
    /// The first fault on the way from the base samples, piece by piece.
    fn in_samples(&self, stream: SampleStream, samples: usize) -> Option<Fault> {
        let (device, engine) = (self.engine.device(), self.engine);
        let map = engine.ways().map().expect("an engine with both ways");
        let (mut x, mut action) = (D::Batch::default(), D::PerSample::default());
        (0..samples).step_by(PIECE).find_map(|first| {
            let piece = PIECE.min(samples - first);
            device.reshape(&mut x, engine.dof(), piece);
            with_base(engine, self.theta, |pass| engine.base().sample(pass, stream, first as u64, &mut x));
            let (found, _) = self.first_layer(map, &mut x, piece);
            found.map(Fault::Layer).or_else(|| {
                engine.target().action_and_force(device, &x, &mut action, None);
                (!are_finite(device, &action, piece)).then_some(Fault::Action)
            })
        })
    }

    /// The first fault on the way from the data, piece by piece.
    fn in_data(&self, data: ArrayView2<'_, D::Real>) -> Option<Fault> {
        let (device, engine) = (self.engine.device(), self.engine);
        let inverse = engine.ways().inverse().expect("an engine with both ways");
        let (mut x, mut density) = (D::Batch::default(), D::PerSample::default());
        (0..data.nrows()).step_by(PIECE).find_map(|first| {
            let piece = PIECE.min(data.nrows() - first);
            device.upload(data.slice(s![first..first + piece, ..]), &mut x);
            let (found, layers) = self.first_layer(inverse, &mut x, piece);
            found.map(|layer| Fault::InverseLayer(layers - 1 - layer)).or_else(|| {
                with_base(engine, self.theta, |pass| engine.base().log_density_and_score(pass, &x, &mut density, None));
                (!are_finite(device, &density, piece)).then_some(Fault::Density)
            })
        })
    }

    /// Number of the first layer whose result isn't finite, and the number of layers; x goes through all of them.
    fn first_layer(&self, flow: &dyn Layer<D>, x: &mut D::Batch, samples: usize) -> (Option<usize>, usize) {
        let device = self.engine.device();
        let theta = D::slice(device.params(self.theta), self.engine.flow_range());
        let (mut prepared, mut tape, mut scratch) = Default::default();
        flow.prepare(device, theta, &mut prepared);
        let mut pass = Pass { device, theta, prepared: &prepared, tape: &mut tape, scratch: &mut scratch };
        let mut log_det = D::PerSample::default();
        device.clear(&mut log_det, samples);
        let mut values = Array2::default((samples, self.engine.dof()));
        let (mut found, mut layers) = (None, 0);
        flow.forward_each(&mut pass, x, &mut log_det, &mut |layer, x, log_det| {
            device.download(x, values.view_mut());
            let finite = values.iter().all(|x| x.wide().is_finite()) && are_finite(device, log_det, samples);
            if !finite && found.is_none() {
                found = Some(layer);
            }
            layers = layers.max(layer + 1);
        });
        (found, layers)
    }
}

fn are_finite<D: Device>(device: &D, sums: &D::PerSample, samples: usize) -> bool {
    let mut on_host = vec![0.0; samples];
    device.read(sums, &mut on_host);
    on_host.iter().all(|sum| sum.is_finite())
}

/// The last tensor whose gradient isn't finite.
fn in_gradient<T: Real>(grad: &[T], layout: &ParamLayout) -> Option<Fault> {
    let wrong = layout.ranges().filter(|(_, range)| !grad[range.clone()].iter().all(|g| g.is_finite()));
    wrong.last().map(|(tensor, _)| Fault::Gradient(tensor.name.clone()))
}
