//! Where a step went wrong: the first layer, in the order of computation, whose result isn't a finite number.
//!
//! A NaN spreads: from the layer it arises in to all that follow, and in the pull-back to all that come before. So the pass is made once
//! more, layer by layer. If it is finite everywhere, the score or the pull-back is to blame, and the gradient tells: it is pulled back
//! from the last layer to the first, so the last tensor that isn't finite was the first to be.

use crate::config::{Config, Model};
use ndarray::ArrayView2;
use std::fmt;
use upg_core::{
    BasePass, Batch, Chain, Cpu, Invertible, Layer, ParamLayout, Pass, Prepared, Real, SampleStream, Workspace,
};

/// Where a step went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// In the output of this layer, on the way from base samples.
    Layer(usize),
    /// In the output of the inverse of this layer, on the way from data.
    InverseLayer(usize),
    /// In the action of the target, or the density of the base.
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
            Self::Density => write!(f, "the density at the end of the flow is not finite"),
            Self::Gradient(tensor) => write!(f, "the gradient of {tensor} is not finite"),
            Self::Sum => write!(f, "the norm of the gradient is not finite"),
        }
    }
}

/// What a step was made from.
pub struct Replay<'a, T> {
    /// The configuration.
    pub config: &'a Config,
    /// The weights.
    pub theta: &'a [T],
    /// The base samples, if there were any.
    pub base: Option<SampleStream>,
    /// The data, shape `[batch, dof]`, if there were any.
    pub data: Option<ArrayView2<'a, T>>,
}

/// Finds the fault of a step whose gradient was `grad`.
pub fn find<T: Real>(replay: &Replay<'_, T>, grad: &[T], layout: &ParamLayout) -> Fault {
    let model = replay.config.build::<T>().expect("it was built before");
    let from_base = replay.base.and_then(|stream| in_samples(replay, &model, stream));
    let in_pass = from_base.or_else(|| replay.data.and_then(|data| in_data(replay, &model, data)));
    in_pass.or_else(|| in_gradient(grad, layout)).unwrap_or(Fault::Sum)
}

/// The first fault on the way from the base samples, piece by piece.
fn in_samples<T: Real>(replay: &Replay<'_, T>, model: &Model<T>, stream: SampleStream) -> Option<Fault> {
    let (batch, piece) = (replay.config.training.batch, model.cut.micro_batch);
    let mut x = Batch::default();
    (0..batch.div_ceil(piece)).find_map(|i| {
        x.reshape(model.flow.dof(), piece.min(batch - i * piece));
        model.base.draw(&Cpu::here(), stream, (i * piece) as u64, &mut x);
        let layer = first_layer(&model.flow, replay.theta, &mut x).map(Fault::Layer);
        layer.or_else(|| {
            let mut action = vec![];
            model.target.action_and_force(&Cpu::here(), &x, &mut action, None);
            (!action.iter().all(|s| s.is_finite())).then_some(Fault::Density)
        })
    })
}

/// The first fault on the way from the data.
fn in_data<T: Real>(replay: &Replay<'_, T>, model: &Model<T>, data: ArrayView2<'_, T>) -> Option<Fault> {
    let mut x = Batch::from_samples(data);
    let inverse: Chain<Box<dyn Invertible<Cpu<T>>>> = model.flow.inverse_chain();
    let layer = first_layer(&inverse, replay.theta, &mut x);
    layer.map(|l| Fault::InverseLayer(model.flow.len() - 1 - l)).or_else(|| {
        let (mut density, prepared, mut scratch) = (vec![], Prepared::default(), Workspace::default());
        let device = Cpu::here();
        let mut pass = BasePass { device: &device, theta: &[][..], prepared: &prepared, scratch: &mut scratch };
        model.base.log_density_and_score(&mut pass, &x, &mut density, None);
        (!density.iter().all(|s| s.is_finite())).then_some(Fault::Density)
    })
}

/// Number of the first layer whose result isn't finite; x goes through all of them.
fn first_layer<T: Real, L: Layer<Cpu<T>>>(flow: &Chain<L>, theta: &[T], x: &mut Batch<T>) -> Option<usize> {
    let (mut tape, mut scratch) = (Workspace::default(), Workspace::default());
    let (device, mut prepared) = (Cpu::here(), Prepared::default());
    flow.prepare(&device, theta, &mut prepared);
    let mut pass =
        Pass::<Cpu<T>> { device: &device, theta, prepared: &prepared, tape: &mut tape, scratch: &mut scratch };
    let mut log_det = vec![0.0; x.samples()];
    let mut found = None;
    flow.forward_each(&mut pass, x, &mut log_det, &mut |layer, x: &Batch<T>, log_det: &Vec<f64>| {
        let finite = x.as_slice().iter().all(|x| x.is_finite()) && log_det.iter().all(|l| l.is_finite());
        if !finite && found.is_none() {
            found = Some(layer);
        }
    });
    found
}

/// The last tensor whose gradient isn't finite.
fn in_gradient<T: Real>(grad: &[T], layout: &ParamLayout) -> Option<Fault> {
    let wrong = layout.ranges().filter(|(_, range)| !grad[range.clone()].iter().all(|g| g.is_finite()));
    wrong.last().map(|(tensor, _)| Fault::Gradient(tensor.name.clone()))
}
