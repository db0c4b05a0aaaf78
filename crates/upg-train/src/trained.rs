//! A trained flow.

use crate::peers::Peers;
use crate::problem::{Known, Problem};
use upg_core::{Device, EndSamples, Engine, ParamLayout};

/// A flow with its weights: it is evaluated ([`evaluate`](Self::evaluate)), sampled ([`sample`](Self::sample)), and tells how noisy the
/// estimators of its gradient are ([`variance`](Self::variance)).
pub struct Trained<D: Device> {
    pub(crate) device: D,
    pub(crate) engine: Engine<D>,
    pub(crate) theta: D::Buffer,
    pub(crate) known: Known<D>,
    pub(crate) peers: Peers,
    /// The same at twice the steps of an integrator, with the steps of the flow.
    pub(crate) doubled: Option<(Engine<D>, usize)>,
}

/// Samples handled at a time when their number isn't bounded; memory stays that of so many.
pub(crate) const PIECE: usize = 8192;

impl<D: Device + Clone> Trained<D> {
    /// The flow of `problem` with these weights, on `device`.
    ///
    /// # Panics
    /// If there are more or fewer weights than the flow has.
    #[track_caller]
    pub fn new(mut problem: Problem<D>, device: D, theta: &[D::Real]) -> Self {
        let doubled = problem.take_doubled(&device);
        let (engine, _, known) = problem.into_engine(device);
        assert_eq!(theta.len(), engine.layout().size(), "weights given, and parameters of the flow");
        let theta = engine.device().buffer(theta);
        Self { doubled, ..Self::of_parts(engine, theta, known) }
    }

    pub(crate) fn of_parts(engine: Engine<D>, theta: D::Buffer, known: Known<D>) -> Self {
        let device = engine.device().clone();
        Self {
            device,
            engine: engine.with_end_samples(EndSamples::Keep),
            theta,
            known,
            peers: Peers::alone(),
            doubled: None,
        }
    }

    /// Together with other processes that have the same flow and make the same calls: pieces of samples, and repetitions, are seen by one each. All find
    /// the same, but that samples themselves are handed out by the first process alone.
    pub fn with_peers(self, peers: Peers) -> Self {
        Self { peers, ..self }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Number of degrees of freedom.
    pub fn dof(&self) -> usize {
        self.engine.dof()
    }

    /// Layout of the weights.
    pub fn layout(&self) -> ParamLayout {
        self.engine.layout()
    }
}

#[cfg(test)]
mod tests;
