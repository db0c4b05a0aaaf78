//! Densities: bases one can sample, targets one has an action for.

use crate::{
    batch::Batch,
    device::{Cpu, Device},
    real::Real,
    streams::Rng,
};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal as Normal};

/// A density with its logarithm and its score in one call; possibly unnormalised.
pub trait Density<D: Device>: Send + Sync {
    /// Number of degrees of freedom.
    fn dof(&self) -> usize;

    /// Fills `log_density` with log density(x), one double per sample, and `score` (if wanted) with its gradient ∇log density(x), shape `[dof, samples]`.
    fn log_density_and_score(
        &self,
        device: &D,
        x: &D::Batch,
        log_density: &mut D::PerSample,
        score: Option<&mut D::Batch>,
    );
}

/// A base density q₀: normalised, and one can draw from it.
pub trait Base<D: Device>: Density<D> {
    /// Fills `z`, whose shape `[dof, samples]` is already set, with independent draws.
    fn sample(&self, device: &D, rng: &mut Rng, z: &mut D::Batch);
}

/// A target p(x) ∝ e^{−S(x)}.
pub trait Target<D: Device>: Send + Sync {
    /// Number of degrees of freedom.
    fn dof(&self) -> usize;

    /// Fills `action` with S(x), one double per sample, and `force` (if wanted) with −∇S(x), shape `[dof, samples]`.
    fn action_and_force(&self, device: &D, x: &D::Batch, action: &mut D::PerSample, force: Option<&mut D::Batch>);
}

/// The density of a target, up to its normalisation: log p̃ = −S, score = force.
#[derive(Debug)]
pub struct Boltzmann<P>(pub P);

impl<D: Device, P: Target<D>> Density<D> for Boltzmann<P> {
    fn dof(&self) -> usize {
        self.0.dof()
    }

    fn log_density_and_score(
        &self,
        device: &D,
        x: &D::Batch,
        log_density: &mut D::PerSample,
        score: Option<&mut D::Batch>,
    ) {
        self.0.action_and_force(device, x, log_density, score);
        device.negate(log_density);
    }
}

impl<D: Device, P: Density<D> + ?Sized> Density<D> for Box<P> {
    fn dof(&self) -> usize {
        (**self).dof()
    }

    fn log_density_and_score(
        &self,
        device: &D,
        x: &D::Batch,
        log_density: &mut D::PerSample,
        score: Option<&mut D::Batch>,
    ) {
        (**self).log_density_and_score(device, x, log_density, score);
    }
}

impl<D: Device, P: Base<D> + ?Sized> Base<D> for Box<P> {
    fn sample(&self, device: &D, rng: &mut Rng, z: &mut D::Batch) {
        (**self).sample(device, rng, z);
    }
}

impl<D: Device, P: Target<D> + ?Sized> Target<D> for Box<P> {
    fn dof(&self) -> usize {
        (**self).dof()
    }

    fn action_and_force(&self, device: &D, x: &D::Batch, action: &mut D::PerSample, force: Option<&mut D::Batch>) {
        (**self).action_and_force(device, x, action, force);
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

impl<T: Real> Density<Cpu<T>> for StandardNormal {
    fn dof(&self) -> usize {
        self.dof
    }

    /// log q₀ = −|z|²/2 − (dof/2) log 2π, score −z.
    fn log_density_and_score(
        &self,
        _: &Cpu<T>,
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

impl<T: Real> Base<Cpu<T>> for StandardNormal {
    fn sample(&self, _: &Cpu<T>, rng: &mut Rng, z: &mut Batch<T>) {
        for z in z.as_mut_slice() {
            let draw: f64 = Normal.sample(rng);
            *z = T::of(draw);
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

impl<T: Real> Density<Cpu<T>> for UniformTorus {
    fn dof(&self) -> usize {
        self.dof
    }

    fn log_density_and_score(
        &self,
        _: &Cpu<T>,
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

impl<T: Real> Base<Cpu<T>> for UniformTorus {
    /// Draws in [0, 2π): what rounds up to 2π is wrapped to 0.
    fn sample(&self, _: &Cpu<T>, rng: &mut Rng, z: &mut Batch<T>) {
        let tau = T::of(std::f64::consts::TAU);
        for z in z.as_mut_slice() {
            let angle = T::of(std::f64::consts::TAU * rng.random::<f64>());
            *z = if angle < tau { angle } else { T::zero() };
        }
    }
}
