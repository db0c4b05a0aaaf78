//! How a coupling moves degrees of freedom: by adding φ, or by a transform, whose kernels are `coupling.cu`.

use super::places::{Parts, Places};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::layers::transform::Transform;
use crate::memory::{Batch, Sums};
use std::sync::Arc;
use upg_core::{DeviceError, Memory, Real};

/// Where the degrees of freedom live: what the net reads of those that are kept, and where those that move end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Numbers; the net reads them.
    Line,
    /// Angles in [0, 2π); the net reads the cosines of all, then the sines.
    Circle,
}

/// How those that move do.
pub(crate) enum Map<G: Gpu> {
    /// By a multiple of φ.
    Shift(f64),
    /// By a transform, and the inverse map.
    Transform([Compiled<G>; 2]),
}

/// The kernels of a transform, numbers φ of an element, and numbers kept of it.
pub(crate) struct Compiled<G: Gpu> {
    kernels: Arc<Kernels<G>>,
    width: usize,
    kept: usize,
}

impl<G: Gpu> Clone for Compiled<G> {
    fn clone(&self) -> Self {
        Self { kernels: self.kernels.clone(), ..*self }
    }
}

impl<G: Gpu> Map<G> {
    /// The additive map.
    pub fn additive() -> Self {
        Self::Shift(1.0)
    }

    /// Compiles a transform and its inverse.
    ///
    /// # Errors
    /// If a kernel can't be compiled.
    pub fn of_transform<T: Real>(device: &Cuda<T, G>, space: Space, both: [Transform; 2]) -> Result<Self, DeviceError> {
        let circle = (space == Space::Circle).then(|| ("CIRCLE", "1".to_owned()));
        let [there, back] = both.map(|transform| {
            let kernels = transform.kernels(device, kernels::COUPLING, circle.iter().cloned().collect())?;
            Ok(Compiled { kernels, width: transform.width, kept: transform.kept })
        });
        Ok(Self::Transform([there?, back?]))
    }

    /// The inverse map.
    pub fn inverse(&self) -> Self {
        match self {
            Self::Shift(by) => Self::Shift(-by),
            Self::Transform([there, back]) => Self::Transform([back.clone(), there.clone()]),
        }
    }

    /// Numbers φ of an element.
    pub fn width(&self) -> usize {
        match self {
            Self::Shift(_) => 1,
            Self::Transform([there, _]) => there.width,
        }
    }
}

/// φ, `[width · transformed, samples]`, and what comes to it, a number a row; nowhere if there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phi {
    pub rows: Address,
    pub bias: Address,
}

/// What a transform keeps, and c, of which it copies so many rows.
pub(crate) struct Kept<'a, T, G: Gpu> {
    pub numbers: &'a mut Batch<T, G>,
    pub c: &'a Batch<T, G>,
    pub copied: usize,
}

/// Which way a covector goes, and its weight w.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verb {
    /// With the map, by J^{-T}.
    Push(f64),
    /// Against the map, by Jᵀ.
    PullBack(f64),
}

impl Verb {
    /// Of v, beside the partials.
    pub fn sign(self) -> f64 {
        match self {
            Self::Push(_) => -1.0,
            Self::PullBack(_) => 1.0,
        }
    }
}

impl<G: Gpu> Compiled<G> {
    /// t_i ← g(t_i; φ_i), `log_det` += Σ λ_i, and what is to be kept.
    pub fn apply<T: Real>(
        &self,
        device: &Cuda<T, G>,
        x: &Batch<T, G>,
        mask: &Parts<G>,
        Phi { rows: phi, bias }: Phi,
        kept: Option<Kept<'_, T, G>>,
        log_det: &Sums<G>,
    ) {
        let (n, rows, samples) = (mask.transformed.len, mask.transformed.table(), x.samples());
        let Some(Kept { numbers, c, copied }) = kept else {
            let arguments = arguments![x.at(), rows, phi, bias, log_det.at(), n, samples];
            return device.launch(&self.kernels, "coupling_value", Spread::rows(samples), arguments);
        };
        device.reshape(numbers, self.kept * n, samples);
        let (numbers, of_c) = (numbers.at(), mask.kept.table());
        let arguments = arguments![x.at(), rows, phi, bias, numbers, log_det.at(), of_c, c.at(), n, copied, samples];
        device.launch(&self.kernels, "coupling_evaluate", Spread::rows(samples), arguments);
    }

    /// The rows a_t and v, MATH (4) or (5), from what was kept.
    pub fn carry<T: Real>(
        &self,
        verb: Verb,
        device: &Cuda<T, G>,
        a: &Batch<T, G>,
        places: &Places<G>,
        (Phi { rows: phi, bias }, kept): (Phi, &Batch<T, G>),
        v: &mut Batch<T, G>,
    ) {
        let (n, samples) = (places.len, a.samples());
        device.reshape(v, self.width * n, samples);
        let (kernel, w) = match verb {
            Verb::Push(w) => ("coupling_push", device.real(w)),
            Verb::PullBack(w) => ("coupling_pull", device.real(w)),
        };
        let arguments = arguments![a.at(), places.table(), phi, bias, kept.at(), v.at(), w, n, samples];
        device.launch(&self.kernels, kernel, Spread::elements(n * samples), arguments);
    }
}
