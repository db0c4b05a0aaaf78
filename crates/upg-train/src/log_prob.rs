//! The density of a trained flow at given points.

use crate::base::with_base;
use crate::round_trip;
use crate::trained::{PIECE, Trained};
use ndarray::{ArrayView2, s};
use upg_core::{Device, DeviceError};

/// log q at some points.
#[derive(Clone, Copy, Debug)]
pub struct Densities<'a, T> {
    /// log q(x), per point.
    pub log_prob: &'a [f64],
    /// z = T⁻¹(x), shape `[points, dof]`.
    pub latent: ArrayView2<'a, T>,
    /// How many of them the inverse misses, as a slope of the flow there is below the precision.
    pub missed: u64,
}

impl<D: Device + Clone> Trained<D> {
    /// log q(x) = log q₀(T⁻¹(x)) + log|det ∂T⁻¹/∂x| at the points `x`, shape `[points, dof]`; `take` gets it piece by piece.
    ///
    /// # Errors
    /// If the device fails, or `take` does.
    ///
    /// # Panics
    /// If the points have another number of degrees of freedom.
    pub fn log_prob<E: From<DeviceError>>(
        &mut self,
        x: ArrayView2<'_, D::Real>,
        mut take: impl FnMut(Densities<'_, D::Real>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut z, mut density, mut log_prob) = (D::Batch::default(), D::PerSample::default(), vec![]);
        for first in (0..x.nrows()).step_by(PIECE) {
            let piece = x.slice(s![first..x.nrows().min(first + PIECE), ..]);
            let seen = self.engine.weigh(&self.theta, piece)?;
            let (latent, log_det) = (seen.end.to_owned(), seen.log_det.to_vec());
            self.device.upload(latent.view(), &mut z);
            let base = self.engine.base();
            with_base(&self.engine, &self.theta, |pass| base.log_density_and_score(pass, &z, &mut density, None));
            log_prob.resize(piece.nrows(), 0.0);
            self.device.read(&density, &mut log_prob);
            self.device.status()?;
            log_prob.iter_mut().zip(&log_det).for_each(|(log_prob, log_det)| *log_prob += log_det);
            let missed = round_trip::missed(&mut self.engine, &self.theta, piece, latent.view())?;
            take(Densities { log_prob: &log_prob, latent: latent.view(), missed })?;
        }
        Ok(())
    }
}
