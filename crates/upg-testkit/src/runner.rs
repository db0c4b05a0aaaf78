//! Runs the verbs of one layer on host arrays of shape `[batch, dof]`, one call each.

mod base;

pub use base::BaseRunner;

use ndarray::Array2;
use upg_core::{Accum, Batch, Cpu, Execution, GradSink, Layer, Pass, Prepared, Real, Workspace};

/// A layer with its parameters, a tape and a scratch workspace.
pub struct Runner<'a, T: Real> {
    device: &'a Cpu<T>,
    layer: &'a dyn Layer<Cpu<T>>,
    /// θ; may be changed between calls.
    pub theta: Vec<T>,
    prepared: Prepared,
    tape: Workspace,
    scratch: Workspace,
}

/// The result of `forward`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped<T> {
    /// T(x), shape `[batch, dof]`.
    pub y: Array2<T>,
    /// log|det J|, one per sample.
    pub log_det: Vec<f64>,
}

/// The result of `push` or `pull_back`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled<T> {
    /// J^{-T} (a − w ∇ℓ) or Jᵀ a + w ∇ℓ, shape `[batch, dof]`.
    pub cotangent: Array2<T>,
    /// ∂θ, flat.
    pub grad: Vec<T>,
}

impl<'a, T: Real> Runner<'a, T> {
    /// A runner with an empty tape.
    pub fn new(device: &'a Cpu<T>, layer: &'a dyn Layer<Cpu<T>>, theta: &[T]) -> Self {
        assert_eq!(theta.len(), layer.params().size(), "parameters given, and parameters of the layer");
        let (tape, scratch) = (Workspace::default(), Workspace::default());
        Self { device, layer, theta: theta.to_vec(), prepared: Prepared::default(), tape, scratch }
    }

    /// Throws the scratch workspace away: nothing may be expected to survive in it between two verbs.
    pub fn drop_scratch(&mut self) {
        self.scratch = Workspace::default();
    }

    /// `forward` at x, shape `[batch, dof]`, log-dets from 0.
    pub fn forward(&mut self, x: &Array2<T>) -> Mapped<T> {
        self.forward_from(x, 0.0)
    }

    /// `forward` at x, shape `[batch, dof]`, into log-dets that hold `log_det` already.
    pub fn forward_from(&mut self, x: &Array2<T>, log_det: f64) -> Mapped<T> {
        self.mapped(x, log_det, |layer, pass, x, log_det| layer.forward(pass, x, log_det))
    }

    /// `forward_without_tape` at x, shape `[batch, dof]`.
    pub fn forward_without_tape(&mut self, x: &Array2<T>) -> Mapped<T> {
        self.mapped(x, 0.0, |layer, pass, x, log_det| layer.forward_without_tape(pass, x, log_det))
    }

    /// `forward_with_score` at x with the score s of the density of x, both `[batch, dof]`; returns the new score too.
    pub fn forward_with_score(&mut self, x: &Array2<T>, score: &Array2<T>) -> (Mapped<T>, Array2<T>) {
        let mut score = Batch::from_samples(score.view());
        let mapped =
            self.mapped(x, 0.0, |layer, pass, x, log_det| layer.forward_with_score(pass, x, log_det, &mut score));
        (mapped, score.to_samples())
    }

    fn mapped(
        &mut self,
        x: &Array2<T>,
        log_det: f64,
        verb: impl FnOnce(&dyn Layer<Cpu<T>>, &mut Pass<'_, Cpu<T>>, &mut Batch<T>, &mut Vec<f64>) + Send,
    ) -> Mapped<T> {
        let mut x = Batch::from_samples(x.view());
        let mut log_det = vec![log_det; x.samples()];
        self.device.install(|| self.layer.prepare(self.device, &self.theta, &mut self.prepared));
        self.run(|layer, pass| verb(layer, pass, &mut x, &mut log_det));
        Mapped { y: x.to_samples(), log_det }
    }

    /// `push_score` of s, shape `[batch, dof]`; belongs to the last `forward`.
    pub fn push_score(&mut self, score: &Array2<T>) -> Array2<T> {
        let mut score = Batch::from_samples(score.view());
        self.run(|layer, pass| layer.push_score(pass, &mut score));
        score.to_samples()
    }

    /// `push` of a, shape `[batch, dof]`, with the weight w on ℓ, into a sink that replaces and is full of NaN before.
    pub fn push(&mut self, cotangent: &Array2<T>, weight: f64) -> Pulled<T> {
        let mut grad = vec![T::nan(); self.theta.len()];
        let cotangent = self.push_into(cotangent, weight, Some((&mut grad, Accum::Replace)));
        Pulled { cotangent, grad }
    }

    /// `push` into any sink or none; returns the cotangent of T(x).
    pub fn push_into(&mut self, cotangent: &Array2<T>, weight: f64, grad: Option<(&mut [T], Accum)>) -> Array2<T> {
        let mut cotangent = Batch::from_samples(cotangent.view());
        let sink = grad.map(|(into, accum)| GradSink { into, accum });
        self.run(|layer, pass| layer.push(pass, &mut cotangent, weight, sink));
        cotangent.to_samples()
    }

    /// `pull_back` of a, shape `[batch, dof]`, with the weight w on ℓ, into a sink that replaces.
    ///
    /// The sink is full of NaN before: an element that `pull_back` forgets to write is seen.
    pub fn pull_back(&mut self, cotangent: &Array2<T>, weight: f64) -> Pulled<T> {
        let mut grad = vec![T::nan(); self.theta.len()];
        let cotangent = self.pull_back_into(cotangent, weight, Some((&mut grad, Accum::Replace)));
        Pulled { cotangent, grad }
    }

    /// `pull_back` into any sink or none; returns the cotangent of x.
    pub fn pull_back_into(&mut self, cotangent: &Array2<T>, weight: f64, grad: Option<(&mut [T], Accum)>) -> Array2<T> {
        let mut cotangent = Batch::from_samples(cotangent.view());
        let sink = grad.map(|(into, accum)| GradSink { into, accum });
        self.run(|layer, pass| layer.pull_back(pass, &mut cotangent, weight, sink));
        cotangent.to_samples()
    }

    fn run(&mut self, verb: impl FnOnce(&dyn Layer<Cpu<T>>, &mut Pass<'_, Cpu<T>>) + Send) {
        let Self { device, layer, theta, prepared, tape, scratch } = self;
        let mut pass = Pass::<Cpu<T>> { device, theta, prepared, tape, scratch };
        device.install(|| verb(*layer, &mut pass));
    }
}
