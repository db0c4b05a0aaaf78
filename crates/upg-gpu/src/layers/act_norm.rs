//! ActNorm, y_i = x_i·e^{σ_i} + b_i: see [`upg_flows::act_norm`]. Kernels: `act_norm.cu`.

use super::{AnyLayer, add};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params, Sums};
use std::sync::Arc;
use upg_core::{BatchStart, DeviceError, GradSink, Invertible, Layer, Memory, ParamLayout, Pass, Prepared, Real};
use upg_flows::act_norm::{FirstValues, first_of_inverse, first_of_map};

/// y = x·e^σ + b, or its inverse.
pub(crate) struct ActNorm<G: Gpu> {
    dof: usize,
    first: FirstValues,
    layout: ParamLayout,
    kernels: Arc<Kernels<G>>,
    direction: Direction,
}

/// Whether the layer takes x to y, or y to x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Map,
    Inverse,
}

/// e^σ and e^{−σ}, shape `[2, dof]`, and Σ σ.
struct Factors<T, G: Gpu> {
    factors: Batch<T, G>,
    log_det: Sums<G>,
}

impl<T: Real, G: Gpu> Default for Factors<T, G> {
    fn default() -> Self {
        Self { factors: Batch::default(), log_det: Sums::default() }
    }
}

/// Where a verb finds the cotangent at y, which the gradients are about: before the factors, or after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtY {
    Before = 0,
    After = 1,
}

impl<G: Gpu> ActNorm<G> {
    /// A scale and a shift for each of `dof` degrees of freedom, with these parameters.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        dof: usize,
        first: FirstValues,
        layout: ParamLayout,
    ) -> Result<Self, DeviceError> {
        let kernels = device.kernels(kernels::ACT_NORM, vec![])?;
        Ok(Self { dof, first, layout, kernels, direction: Direction::Map })
    }

    /// y ← x, or x ← y for the inverse; x to `kept`, unless that is none.
    fn map<T: Real>(&self, pass: &Pass<'_, Cuda<T, G>>, batch: &Batch<T, G>, kept: Address, log_det: &Sums<G>) {
        assert_eq!(batch.rows(), self.dof, "rows of the batch, and degrees of freedom of the layer");
        let Factors { factors, log_det: of_sample } = pass.prepared.get::<Factors<T, G>>();
        let (kernel, row) = match self.direction {
            Direction::Map => ("act_norm_map", 0),
            Direction::Inverse => ("act_norm_invert", 1),
        };
        let (factors, shifts) = (factors.row(row), pass.theta.part(self.dof..2 * self.dof));
        let (sums, of_sample, samples, len) = (log_det.at(), of_sample.at(), batch.samples(), batch.len());
        let arguments = arguments![batch.at(), kept, factors, shifts, sums, of_sample, samples, len];
        pass.device.launch(&self.kernels, kernel, Spread::elements(len), arguments);
    }

    /// The push of the map, which is the pull-back of its inverse, or the pull-back of the map, which is the push of its inverse.
    fn carry<T: Real>(
        &self,
        at_y: AtY,
        pass: &mut Pass<'_, Cuda<T, G>>,
        a: &Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let Factors { factors, .. } = pass.prepared.get::<Factors<T, G>>();
        let (factor, sign) = match at_y {
            AtY::Before => (factors.row(0), 1.0),
            AtY::After => (factors.row(1), -1.0),
        };
        let none = Address::default();
        let (of_scale, of_shift, add) = grad.map_or((none, none, 0.into()), |GradSink { into, accum }| {
            (into.at(), into.part(self.dof..2 * self.dof), add(accum))
        });
        let (x, scale, after, samples) =
            (pass.tape.get::<Batch<T, G>>().at(), factors.row(0), at_y as i32, a.samples());
        let arguments = arguments![a.at(), x, factor, scale, sign, weight, after, of_scale, of_shift, add, samples];
        pass.device.launch(&self.kernels, "act_norm_carry", Spread::blocks(self.dof), arguments);
    }
}

impl<T: Real, G: Gpu> Layer<Cuda<T, G>> for ActNorm<G> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Prepared) {
        assert_eq!(theta.len(), 2 * self.dof, "parameters given, and parameters of the layer");
        let Factors { factors, log_det } = prepared.get_mut::<Factors<T, G>>();
        device.reshape(factors, 2, self.dof);
        device.resize(log_det, 1);
        let arguments = arguments![theta.at(), factors.row(0), factors.row(1), log_det.at(), self.dof];
        device.launch(&self.kernels, "act_norm_prepare", Spread::one_block(), arguments);
    }

    fn forward(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        let kept = pass.tape.get::<Batch<T, G>>();
        pass.device.reshape(kept, x.rows(), x.samples());
        let kept = kept.at();
        self.map(pass, x, kept, log_det);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let at_y = if self.direction == Direction::Map { AtY::After } else { AtY::Before };
        self.carry(at_y, pass, cotangent, weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let at_y = if self.direction == Direction::Map { AtY::Before } else { AtY::After };
        self.carry(at_y, pass, cotangent, weight, grad);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        self.map(pass, x, Address::default(), log_det);
    }

    fn batch_start(&self) -> Option<&dyn BatchStart<Cuda<T, G>>> {
        (self.first == FirstValues::Data).then_some(self)
    }
}

impl<T: Real, G: Gpu> BatchStart<Cuda<T, G>> for ActNorm<G> {
    fn start(&self, device: &Cuda<T, G>, x: &Batch<T, G>, samples: usize, theta: &mut [T]) {
        let mut sums = Sums::default();
        device.resize(&mut sums, 2 * self.dof);
        let arguments = arguments![x.at(), sums.at(), self.dof, samples];
        device.launch(&self.kernels, "act_norm_moments", Spread::blocks(self.dof), arguments);
        let mut moments = vec![0.0; 2 * self.dof];
        device.read(&sums, &mut moments);
        let (means, variances) = moments.split_at(self.dof);
        let (scales, shifts) = theta.split_at_mut(self.dof);
        let rows = means.iter().zip(variances).zip(scales.iter_mut().zip(shifts));
        for ((&mean, &variance), (sigma, shift)) in rows {
            let first = match self.direction {
                Direction::Map => first_of_map([mean, variance]),
                Direction::Inverse => first_of_inverse([mean, variance]),
            };
            [*sigma, *shift] = first.map(T::of);
        }
    }
}

impl<T: Real, G: Gpu> Invertible<Cuda<T, G>> for ActNorm<G> {
    fn inverse(&self) -> AnyLayer<T, G> {
        let direction = match self.direction {
            Direction::Map => Direction::Inverse,
            Direction::Inverse => Direction::Map,
        };
        let (layout, kernels) = (self.layout.clone(), self.kernels.clone());
        Box::new(Self { direction, layout, kernels, ..*self })
    }
}
