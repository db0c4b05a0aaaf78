//! A trained flow as a map, and the gradients at its weights: for callers with points of their own.
//!
//! | verb | what |
//! |---|---|
//! | [`forward`](Trained::forward) | x = T(z), log\|det ∂T/∂z\| |
//! | [`inverse`](Trained::inverse) | z = T⁻¹(x), log\|det ∂T⁻¹/∂x\| |
//! | [`scores`](Trained::scores) | ∇log q(x), MATH (1) |
//! | [`gradient`](Trained::gradient) | the gradient of a divergence, by any estimator |
//!
//! Points come and go piece by piece; memory doesn't grow with their number, but for a gradient by what it hands out of each sample.

use crate::method::Method;
use crate::purpose::Purpose;
use crate::trained::{PIECE, Trained};
use ndarray::{ArrayView2, s};
use std::sync::Arc;
use upg_core::{Device, DeviceError, EndSamples, Gradient, Start, Target};

/// Some points where a map carries them.
#[derive(Clone, Copy, Debug)]
pub struct Mapped<'a, T> {
    /// Their images, shape `[points, dof]`.
    pub end: ArrayView2<'a, T>,
    /// log|det| of the map, per point.
    pub log_det: &'a [f64],
}

/// The samples of a gradient.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a, T> {
    /// Those that [`Trained::sample`] draws with this seed, from number `first` on: for the reverse KL.
    Draw {
        /// The seed.
        seed: u64,
        /// The number of the first.
        first: u64,
        /// How many.
        samples: usize,
    },
    /// These, shape `[batch, dof]`: base samples for the reverse KL, data for the forward KL.
    Given(ArrayView2<'a, T>),
}

impl<D: Device + Clone> Trained<D> {
    /// The weights, in the order of the layout.
    pub fn weights(&self) -> Vec<D::Real> {
        self.device.to_host(&self.theta)
    }

    /// Puts other weights in their place.
    ///
    /// # Panics
    /// If they are more or fewer.
    #[track_caller]
    pub fn set_weights(&mut self, theta: &[D::Real]) {
        assert_eq!(theta.len(), self.engine.layout().size(), "weights given, and parameters of the flow");
        self.device.write_buffer(theta, &mut self.theta);
    }

    /// Puts another target in the place of that of the problem: for log-weights and gradients. Observables stay.
    ///
    /// # Panics
    /// If it has another number of degrees of freedom.
    #[track_caller]
    pub fn set_target(&mut self, target: Arc<dyn Target<D>>) {
        self.engine.set_target(target);
    }

    /// The images of base samples `z`, shape `[points, dof]`; `take` gets them piece by piece.
    ///
    /// # Errors
    /// If the device fails, or `take` does.
    ///
    /// # Panics
    /// If the points have another number of degrees of freedom; so below.
    pub fn forward<E: From<DeviceError>>(
        &mut self,
        z: ArrayView2<'_, D::Real>,
        mut take: impl FnMut(Mapped<'_, D::Real>) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in pieces(&z) {
            let seen = self.engine.sample(&self.theta, Start::Given(piece))?;
            take(Mapped { end: seen.end, log_det: seen.log_det })?;
        }
        Ok(())
    }

    /// The images of points `x` under T⁻¹, shape `[points, dof]`; `take` gets them piece by piece.
    ///
    /// # Errors
    /// If the device fails, or `take` does.
    pub fn inverse<E: From<DeviceError>>(
        &mut self,
        x: ArrayView2<'_, D::Real>,
        mut take: impl FnMut(Mapped<'_, D::Real>) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in pieces(&x) {
            let seen = self.engine.weigh(&self.theta, piece)?;
            take(Mapped { end: seen.end, log_det: seen.log_det })?;
        }
        Ok(())
    }

    /// ∇log q at the points `x`, shape `[points, dof]`: the score of the base carried along T from z = T⁻¹(x). `take` gets it piece by piece.
    ///
    /// # Errors
    /// If the device fails, or `take` does.
    pub fn scores<E: From<DeviceError>>(
        &mut self,
        x: ArrayView2<'_, D::Real>,
        mut take: impl FnMut(ArrayView2<'_, D::Real>) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in pieces(&x) {
            let latent = self.engine.weigh(&self.theta, piece)?.end.to_owned();
            self.engine.set_end_samples(EndSamples::Scores);
            let taken = self.engine.sample(&self.theta, Start::Given(latent.view())).map_err(E::from);
            let taken = taken.and_then(|seen| take(seen.end));
            self.engine.set_end_samples(EndSamples::Keep);
            taken?;
        }
        Ok(())
    }

    /// The gradient of a divergence to the target, by an estimator.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If there are no samples, or the forward KL is to draw some of the flow.
    #[track_caller]
    pub fn gradient(&mut self, how: Method, from: Origin<'_, D::Real>) -> Result<Gradient<'_, D>, DeviceError> {
        let Self { engine, theta, .. } = self;
        match (how, from) {
            (Method::Reverse(how), Origin::Draw { seed, first, samples }) => {
                let stream = Purpose::Samples.samples(seed);
                engine.reverse_kl(how, theta, Start::Draw { stream, first, samples })
            }
            (Method::Reverse(how), Origin::Given(z)) => engine.reverse_kl(how, theta, Start::Given(z)),
            (Method::Forward(how), Origin::Given(x)) => engine.forward_kl(how, theta, x),
            (Method::Forward(_), Origin::Draw { .. }) => panic!("data for the forward KL are given"),
        }
    }
}

/// The rows in pieces.
fn pieces<'a, T>(rows: &'a ArrayView2<'_, T>) -> impl Iterator<Item = ArrayView2<'a, T>> {
    let ends = (0..rows.nrows()).step_by(PIECE).map(|first| first..rows.nrows().min(first + PIECE));
    ends.map(|piece| rows.slice(s![piece, ..]))
}
