//! Global scaling, y = x·e^σ: see [`upg_flows::scaling`]. Kernels: `scaling.cu`.

use super::{AnyLayer, add};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::Gpu;
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params, Sums};
use std::sync::Arc;
use upg_core::{DeviceError, GradSink, Invertible, Layer, Memory, ParamLayout, Pass, Prepared, Real};

/// y = x·e^σ, or its inverse.
pub(crate) struct Scaling<G: Gpu> {
    dof: usize,
    layout: ParamLayout,
    kernels: Arc<Kernels<G>>,
    direction: Direction,
}

impl<G: Gpu> Clone for Scaling<G> {
    fn clone(&self) -> Self {
        Self { layout: self.layout.clone(), kernels: self.kernels.clone(), ..*self }
    }
}

/// Whether the layer multiplies by e^σ or divides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Multiply,
    Divide,
}

/// The factors of the rows of x, then their reciprocals; ℓ.
struct Factors<T, G: Gpu> {
    factors: Batch<T, G>,
    log_det: Sums<G>,
}

impl<T: Real, G: Gpu> Default for Factors<T, G> {
    fn default() -> Self {
        Self { factors: Batch::default(), log_det: Sums::default() }
    }
}

impl<G: Gpu> Scaling<G> {
    /// A scaling of `dof` degrees of freedom with these parameters.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, dof: usize, layout: ParamLayout) -> Result<Self, DeviceError> {
        let kernels = device.kernels(kernels::SCALING, vec![])?;
        Ok(Self { dof, layout, kernels, direction: Direction::Multiply })
    }

    fn scales(&self) -> usize {
        self.layout.size()
    }

    /// ∂(log of the factor)/∂σ: 1, or −1 for the inverse.
    fn slope(&self) -> f64 {
        match self.direction {
            Direction::Multiply => 1.0,
            Direction::Divide => -1.0,
        }
    }

    /// Multiplies the rows by their factors, or by their reciprocals.
    fn multiply<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, Factors { factors, .. }: &Factors<T, G>, by: By) {
        assert_eq!(x.rows(), self.dof, "rows of x, and degrees of freedom of the layer");
        let factors = factors.row(by as usize);
        let arguments = arguments![x.at(), factors, self.scales(), x.samples(), x.len()];
        device.launch(&self.kernels, "scaling_multiply", Spread::elements(x.len()), arguments);
    }

    /// ∂σ_i (+)= `factor` Σ_samples (a_i y_i + w), if there is a sink.
    fn add_gradient<T: Real>(
        &self,
        factor: f64,
        pass: &mut Pass<'_, Cuda<T, G>>,
        a: &Batch<T, G>,
        w: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let Some(GradSink { into, accum }) = grad else { return };
        let (device, y) = (pass.device, pass.tape.get::<Batch<T, G>>());
        let parts = pass.scratch.get::<Sums<G>>();
        device.clear(parts, self.dof);
        let of_rows = Spread { grid: [self.dof as u32, 1, 1], block: [256, 1], shared: 0 };
        let arguments = arguments![a.at(), y.at(), w, parts.at(), a.samples()];
        device.launch(&self.kernels, "scaling_terms", of_rows, arguments);
        let arguments = arguments![parts.at(), into.at(), device.real(factor), add(accum), self.scales(), self.dof];
        device.launch(&self.kernels, "scaling_gradient", Spread::elements(self.scales()), arguments);
    }
}

/// By the factors or by their reciprocals: the row of the two that is taken.
#[derive(Clone, Copy, Debug)]
enum By {
    Factor = 0,
    Reciprocal = 1,
}

impl<T: Real, G: Gpu> Layer<Cuda<T, G>> for Scaling<G> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Prepared) {
        let scales = self.scales();
        assert_eq!(theta.len(), scales, "parameters given, and scales");
        let Factors { factors, log_det } = prepared.get_mut::<Factors<T, G>>();
        device.reshape(factors, 2, scales);
        device.clear(log_det, 1);
        let repeated = (self.dof / scales) as f64;
        let (slope, one_block) = (device.real(self.slope()), Spread { grid: [1; 3], block: [256, 1], shared: 0 });
        let arguments = arguments![theta.at(), factors.at(), log_det.at(), slope, repeated, scales];
        device.launch(&self.kernels, "scaling_prepare", one_block, arguments);
    }

    fn forward(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        self.forward_without_tape(pass, x, log_det);
        pass.device.copy(x, pass.tape.get());
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.multiply(pass.device, cotangent, pass.prepared.get(), By::Reciprocal);
        self.add_gradient(-self.slope(), pass, cotangent, weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.add_gradient(self.slope(), pass, cotangent, weight, grad);
        self.multiply(pass.device, cotangent, pass.prepared.get(), By::Factor);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        let factors = pass.prepared.get::<Factors<T, G>>();
        self.multiply(pass.device, x, factors, By::Factor);
        let arguments = arguments![log_det.at(), factors.log_det.at(), x.samples()];
        pass.device.launch(&self.kernels, "scaling_log_det", Spread::elements(x.samples()), arguments);
    }
}

impl<T: Real, G: Gpu> Invertible<Cuda<T, G>> for Scaling<G> {
    fn inverse(&self) -> AnyLayer<T, G> {
        let direction = match self.direction {
            Direction::Multiply => Direction::Divide,
            Direction::Divide => Direction::Multiply,
        };
        Box::new(Self { direction, ..self.clone() })
    }
}
