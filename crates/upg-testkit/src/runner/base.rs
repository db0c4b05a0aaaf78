//! The verbs of a base on host arrays of shape `[batch, dof]`.

use ndarray::Array2;
use upg_core::{Accum, Base, BasePass, Batch, Cpu, GradSink, Prepared, Real, SampleStream, Workspace};

/// A base at its parameters, with workspaces of its own.
pub struct BaseRunner<'a, T: Real> {
    device: &'a Cpu<T>,
    base: &'a dyn Base<Cpu<T>>,
    theta: Vec<T>,
    prepared: Prepared,
    scratch: Workspace,
}

impl<'a, T: Real> BaseRunner<'a, T> {
    /// The base at `theta`.
    pub fn new(device: &'a Cpu<T>, base: &'a dyn Base<Cpu<T>>, theta: &[T]) -> Self {
        let (prepared, scratch) = (Prepared::default(), Workspace::default());
        let mut runner = Self { device, base, theta: vec![], prepared, scratch };
        runner.set(theta);
        runner
    }

    /// Goes to other parameters.
    pub fn set(&mut self, theta: &[T]) {
        assert_eq!(theta.len(), self.base.params().size(), "parameters given, and parameters of the base");
        self.theta = theta.to_vec();
        self.base.prepare(self.device, &self.theta, &mut self.prepared);
    }

    fn pass(&mut self) -> BasePass<'_, Cpu<T>> {
        let Self { device, theta, prepared, scratch, .. } = self;
        BasePass { device, theta, prepared, scratch }
    }

    /// Samples `first`, `first` + 1, … of `stream`.
    pub fn sample(&mut self, stream: SampleStream, first: u64, samples: usize) -> Array2<T> {
        let (base, mut z) = (self.base, Batch::zeros(self.base.dof(), samples));
        z.fill(T::nan());
        base.sample(&mut self.pass(), stream, first, &mut z);
        z.to_samples()
    }

    /// log q₀(z) and ∇log q₀(z).
    pub fn log_density_and_score(&mut self, z: &Array2<T>) -> (Vec<f64>, Array2<T>) {
        let (base, z) = (self.base, Batch::from_samples(z.view()));
        let (mut log_density, mut score) = (vec![f64::NAN; 2], Batch::zeros(1, 3));
        base.log_density_and_score(&mut self.pass(), &z, &mut log_density, Some(&mut score));
        (log_density, score.to_samples())
    }

    /// log q₀(z), without the score.
    pub fn log_density(&mut self, z: &Array2<T>) -> Vec<f64> {
        let (base, z, mut log_density) = (self.base, Batch::from_samples(z.view()), vec![]);
        base.log_density_and_score(&mut self.pass(), &z, &mut log_density, None);
        log_density
    }

    /// MATH (18) into fresh memory.
    pub fn pull_back(&mut self, z: &Array2<T>, cotangent: Option<&Array2<T>>, weight: f64) -> Vec<T> {
        let mut grad = vec![T::nan(); self.theta.len()];
        self.pull_back_into(z, cotangent, weight, Accum::Replace, &mut grad);
        grad
    }

    /// MATH (18) into `grad`.
    pub fn pull_back_into(
        &mut self,
        z: &Array2<T>,
        cotangent: Option<&Array2<T>>,
        weight: f64,
        accum: Accum,
        grad: &mut [T],
    ) {
        let (base, z) = (self.base, Batch::from_samples(z.view()));
        let cotangent = cotangent.map(|a| Batch::from_samples(a.view()));
        let sink = GradSink { into: &mut grad[..], accum };
        base.pull_back(&mut self.pass(), &z, cotangent.as_ref(), weight, sink);
    }
}
