//! The normal density with a mean and a log-scale for every degree of freedom: see [`upg_flows::DiagonalNormal`]. Kernels: `random.cu`, `base.cu`.

use super::{normal_constant, place};
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::layers::add;
use crate::memory::{Batch, Params, Sums};
use crate::random::{Moved, Random};
use std::sync::Arc;
use upg_core::{Base, BasePass, DeviceError, GradSink, Memory, ParamLayout, Prepared, Real, SampleStream};

/// N(μ_i, e^{2σ_i}) in degree of freedom i.
pub(crate) struct DiagonalNormal<G: Gpu> {
    dof: usize,
    layout: ParamLayout,
    random: Random<G>,
    kernels: Arc<Kernels<G>>,
}

/// e^σ and e^{−σ}, shape `[2, dof]`, and log q₀ at the mean.
struct Scales<T, G: Gpu> {
    scales: Batch<T, G>,
    at_mean: Sums<G>,
}

impl<T: Real, G: Gpu> Default for Scales<T, G> {
    fn default() -> Self {
        Self { scales: Batch::default(), at_mean: Sums::default() }
    }
}

impl<G: Gpu> DiagonalNormal<G> {
    /// The density of `dof` degrees of freedom with these parameters.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, dof: usize, layout: ParamLayout) -> Result<Self, DeviceError> {
        Ok(Self { dof, layout, random: Random::new(device)?, kernels: device.kernels(kernels::BASE, vec![])? })
    }

    fn mean<T: Real>(&self, theta: Params<'_, T>) -> Address {
        theta.part(self.dof..2 * self.dof)
    }

    #[track_caller]
    fn check_rows<T: Real>(&self, z: &Batch<T, G>) {
        assert_eq!(z.rows(), self.dof, "rows of z, and degrees of freedom of the base");
    }
}

impl<T: Real, G: Gpu> Base<Cuda<T, G>> for DiagonalNormal<G> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Prepared) {
        assert_eq!(theta.len(), 2 * self.dof, "parameters given, and parameters of the base");
        let Scales { scales, at_mean } = prepared.get_mut::<Scales<T, G>>();
        device.reshape(scales, 2, self.dof);
        device.resize(at_mean, 1);
        let (scale, reciprocal, constant) = (scales.row(0), scales.row(1), normal_constant(self.dof));
        let arguments = arguments![theta.at(), scale, reciprocal, at_mean.at(), constant, self.dof];
        device.launch(&self.kernels, "diagonal_prepare", Spread::one_block(), arguments);
    }

    fn sample(&self, pass: &mut BasePass<'_, Cuda<T, G>>, stream: SampleStream, first: u64, z: &mut Batch<T, G>) {
        self.check_rows(z);
        let scale = pass.prepared.get::<Scales<T, G>>().scales.row(0);
        let moved = Moved { scale, mean: self.mean(pass.theta), signs: Address::default() };
        self.random.normals(pass.device, stream, first, z, moved);
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Cuda<T, G>>,
        z: &Batch<T, G>,
        log_density: &mut Sums<G>,
        score: Option<&mut Batch<T, G>>,
    ) {
        self.check_rows(z);
        let (device, samples, mean) = (pass.device, z.samples(), self.mean(pass.theta));
        let Scales { scales, at_mean } = pass.prepared.get::<Scales<T, G>>();
        device.resize(log_density, samples);
        let (sums, score) = (log_density.at(), place(device, score, z));
        let arguments = arguments![z.at(), mean, scales.row(1), at_mean.at(), 0.0, sums, score, self.dof, samples];
        device.launch(&self.kernels, "normal_density", Spread::rows(samples), arguments);
    }

    fn pull_back(
        &self,
        pass: &mut BasePass<'_, Cuda<T, G>>,
        z: &Batch<T, G>,
        cotangent: Option<&Batch<T, G>>,
        weight: f64,
        GradSink { into, accum }: GradSink<'_, Cuda<T, G>>,
    ) {
        self.check_rows(z);
        let Scales { scales, .. } = pass.prepared.get::<Scales<T, G>>();
        let (a, mean) = (cotangent.map_or_else(Address::default, Batch::at), self.mean(pass.theta));
        let (of_scale, of_mean) = (into.at(), into.part(self.dof..2 * self.dof));
        let arguments = arguments![z.at(), a, mean, scales.row(1), weight, of_scale, of_mean, add(accum), z.samples()];
        pass.device.launch(&self.kernels, "diagonal_pull_back", Spread::blocks(self.dof), arguments);
    }
}
