//! Bases one can sample, and targets one has an action for.

use crate::{
    batch::Batch,
    device::{Cpu, Device, DeviceError},
    layer::GradSink,
    params::ParamLayout,
    random::SampleStream,
    real::Real,
    workspace::{Prepared, Workspace},
};
use std::sync::Arc;

/// The surroundings of a base's verbs.
pub struct BasePass<'a, D: Device> {
    /// The device everything lives on.
    pub device: &'a D,
    /// The base's own parameters, flat; empty for most.
    pub theta: D::Params<'a>,
    /// The result of [`Base::prepare`] for them.
    pub prepared: &'a Prepared,
    /// Memory free to be overwritten by each call.
    pub scratch: &'a mut Workspace,
}

/// A base density q₀: normalised, and one can draw from it. It may have parameters, which lie before the flow's.
pub trait Base<D: Device>: Send + Sync {
    /// Number of degrees of freedom.
    fn dof(&self) -> usize;

    /// Fills `z`, whose shape `[dof, samples]` is already set, with samples `first`, `first` + 1, … of `stream`: each depends on the
    /// stream and its own number alone, MATH (16).
    fn sample(&self, pass: &mut BasePass<'_, D>, stream: SampleStream, first: u64, z: &mut D::Batch);

    /// Fills `log_density` with log q₀(z), one double per sample, and `score` (if wanted) with ∇log q₀(z), shape `[dof, samples]`.
    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, D>,
        z: &D::Batch,
        log_density: &mut D::PerSample,
        score: Option<&mut D::Batch>,
    );

    /// Its parameters: names, shapes, initial values. None, by default.
    fn params(&self) -> ParamLayout {
        ParamLayout::default()
    }

    /// Fills `prepared` with what the verbs need of the parameters, once for each θ. Nothing, by default.
    fn prepare(&self, device: &D, theta: D::Params<'_>, prepared: &mut Prepared) {
        let _ = (device, theta, prepared);
    }

    /// MATH (18): ∂θ (+)= (∂z/∂θ)ᵀ a + w Σ ∂ log q₀(z)/∂θ, with a = `cotangent` of shape `[dof, samples]`, zero if there is none.
    ///
    /// ∂z/∂θ is at fixed random numbers, or its mean over those that give the same z. Called only for a base with parameters, which
    /// has to override this.
    fn pull_back(
        &self,
        pass: &mut BasePass<'_, D>,
        z: &D::Batch,
        cotangent: Option<&D::Batch>,
        weight: f64,
        grad: GradSink<'_, D>,
    ) {
        let _ = (pass, z, cotangent, weight, grad);
        panic!("a base with parameters brings its own pull_back");
    }

    /// `sample` of a base without parameters, outside of an engine; with workspaces of its own, so it allocates.
    ///
    /// # Panics
    /// If the base has parameters.
    fn draw(&self, device: &D, stream: SampleStream, first: u64, z: &mut D::Batch) {
        assert_eq!(self.params().size(), 0, "parameters of the base, and parameters given");
        let (theta, prepared, mut scratch) = (device.zeros(0), Prepared::default(), Workspace::default());
        let theta = device.params(&theta);
        self.sample(&mut BasePass { device, theta, prepared: &prepared, scratch: &mut scratch }, stream, first, z);
    }
}

/// A target p(x) ∝ e^{−S(x)}.
pub trait Target<D: Device>: Send + Sync {
    /// Number of degrees of freedom.
    fn dof(&self) -> usize;

    /// Fills `action` with S(x), one double per sample, and `force` (if wanted) with −∇S(x), shape `[dof, samples]`.
    fn action_and_force(&self, device: &D, x: &D::Batch, action: &mut D::PerSample, force: Option<&mut D::Batch>);

    /// The first failure since the target was made, if there was one; what it computed since then means nothing. Never, by default: a target
    /// that is a formula has a value everywhere, be it NaN.
    ///
    /// # Errors
    /// That failure, a [`DeviceError::Target`].
    fn status(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

impl<D: Device, P: Base<D> + ?Sized> Base<D> for Box<P> {
    fn dof(&self) -> usize {
        (**self).dof()
    }

    fn sample(&self, pass: &mut BasePass<'_, D>, stream: SampleStream, first: u64, z: &mut D::Batch) {
        (**self).sample(pass, stream, first, z);
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, D>,
        z: &D::Batch,
        log_density: &mut D::PerSample,
        score: Option<&mut D::Batch>,
    ) {
        (**self).log_density_and_score(pass, z, log_density, score);
    }

    fn params(&self) -> ParamLayout {
        (**self).params()
    }

    fn prepare(&self, device: &D, theta: D::Params<'_>, prepared: &mut Prepared) {
        (**self).prepare(device, theta, prepared);
    }

    fn pull_back(
        &self,
        pass: &mut BasePass<'_, D>,
        z: &D::Batch,
        cotangent: Option<&D::Batch>,
        weight: f64,
        grad: GradSink<'_, D>,
    ) {
        (**self).pull_back(pass, z, cotangent, weight, grad);
    }
}

impl<D: Device, P: Target<D> + ?Sized> Target<D> for Box<P> {
    fn dof(&self) -> usize {
        (**self).dof()
    }

    fn action_and_force(&self, device: &D, x: &D::Batch, action: &mut D::PerSample, force: Option<&mut D::Batch>) {
        (**self).action_and_force(device, x, action, force);
    }

    fn status(&self) -> Result<(), DeviceError> {
        (**self).status()
    }
}

impl<D: Device, P: Target<D> + ?Sized> Target<D> for Arc<P> {
    fn dof(&self) -> usize {
        (**self).dof()
    }

    fn action_and_force(&self, device: &D, x: &D::Batch, action: &mut D::PerSample, force: Option<&mut D::Batch>) {
        (**self).action_and_force(device, x, action, force);
    }

    fn status(&self) -> Result<(), DeviceError> {
        (**self).status()
    }
}

/// N(0, 1) in every degree of freedom.
#[derive(Clone, Copy, Debug)]
pub struct StandardNormal {
    dof: usize,
}

impl StandardNormal {
    /// The standard normal of `dof` degrees of freedom.
    pub fn new(dof: usize) -> Self {
        Self { dof }
    }
}

impl<T: Real> Base<Cpu<T>> for StandardNormal {
    fn dof(&self) -> usize {
        self.dof
    }

    fn sample(&self, _: &mut BasePass<'_, Cpu<T>>, stream: SampleStream, first: u64, z: &mut Batch<T>) {
        stream.fill_normals(first, z);
    }

    /// log q₀ = −|z|²/2 − (dof/2) log 2π, score −z.
    fn log_density_and_score(
        &self,
        _: &mut BasePass<'_, Cpu<T>>,
        z: &Batch<T>,
        log_density: &mut Vec<f64>,
        score: Option<&mut Batch<T>>,
    ) {
        assert_eq!(z.rows(), self.dof, "rows of z, and degrees of freedom of the base");
        log_density.clear();
        log_density.resize(z.samples(), -0.5 * self.dof as f64 * std::f64::consts::TAU.ln());
        for i in 0..self.dof {
            for (sum, z) in log_density.iter_mut().zip(z.row(i)) {
                *sum -= 0.5 * z.wide() * z.wide();
            }
        }
        if let Some(score) = score {
            score.reshape(z.rows(), z.samples());
            for (s, &z) in score.as_mut_slice().iter_mut().zip(z.as_slice()) {
                *s = -z;
            }
        }
    }
}

/// Uniform on the torus [0, 2π)^dof: log density −dof log 2π, score 0.
#[derive(Clone, Copy, Debug)]
pub struct UniformTorus {
    dof: usize,
}

impl UniformTorus {
    /// The uniform density of `dof` angles.
    pub fn new(dof: usize) -> Self {
        Self { dof }
    }
}

impl<T: Real> Base<Cpu<T>> for UniformTorus {
    fn dof(&self) -> usize {
        self.dof
    }

    /// Draws in [0, 2π): what rounds up to 2π is wrapped to 0.
    fn sample(&self, _: &mut BasePass<'_, Cpu<T>>, stream: SampleStream, first: u64, z: &mut Batch<T>) {
        stream.fill_uniform_angles(first, z);
    }

    fn log_density_and_score(
        &self,
        _: &mut BasePass<'_, Cpu<T>>,
        z: &Batch<T>,
        log_density: &mut Vec<f64>,
        score: Option<&mut Batch<T>>,
    ) {
        assert_eq!(z.rows(), self.dof, "rows of z, and degrees of freedom of the base");
        log_density.clear();
        log_density.resize(z.samples(), -(self.dof as f64) * std::f64::consts::TAU.ln());
        if let Some(score) = score {
            score.reshape(z.rows(), z.samples());
            score.fill(T::zero());
        }
    }
}
