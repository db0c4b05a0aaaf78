//! Permutations of the degrees of freedom, y_i = x_{order(i)}: see [`upg_flows::permutation`]. Kernels: `rows.cu`.

use super::AnyLayer;
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::Gpu;
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Sums};
use std::sync::Arc;
use upg_core::{DeviceError, GradSink, Invertible, Layer, Memory, ParamLayout, Pass, Real};
use upg_flows::permutation::inverted;

/// y_i = x_{order(i)}.
pub(crate) struct Permutation<G: Gpu> {
    dof: usize,
    order: Arc<Table<G>>,
    inverse: Arc<Table<G>>,
    kernels: Arc<Kernels<G>>,
}

impl<G: Gpu> Permutation<G> {
    /// The permutation with these flat indices.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, order: &[usize]) -> Result<Self, DeviceError> {
        let (dof, kernels) = (order.len(), device.kernels(kernels::ROWS, vec![])?);
        let [order, inverse] = [order, &inverted(order)].map(|order| Arc::new(device.indices(order)));
        Ok(Self { dof, order, inverse, kernels })
    }

    /// Row i becomes what row order(i) was.
    fn move_rows<T: Real>(&self, order: &Table<G>, batch: &mut Batch<T, G>, pass: &mut Pass<'_, Cuda<T, G>>) {
        assert_eq!(batch.rows(), self.dof, "rows of the batch, and degrees of freedom of the layer");
        let (device, moved) = (pass.device, pass.scratch.get::<Batch<T, G>>());
        device.copy(batch, moved);
        let arguments = arguments![moved.at(), batch.at(), order.at(), batch.samples(), batch.len()];
        device.launch(&self.kernels, "gather_rows", Spread::elements(batch.len()), arguments);
    }
}

impl<T: Real, G: Gpu> Layer<Cuda<T, G>> for Permutation<G> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        ParamLayout::default()
    }

    fn forward(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, _: &mut Sums<G>) {
        self.move_rows(&self.order, x, pass);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        _: f64,
        _: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.move_rows(&self.order, cotangent, pass);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        _: f64,
        _: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.move_rows(&self.inverse, cotangent, pass);
    }
}

impl<T: Real, G: Gpu> Invertible<Cuda<T, G>> for Permutation<G> {
    fn inverse(&self) -> AnyLayer<T, G> {
        let (order, inverse) = (self.inverse.clone(), self.order.clone());
        Box::new(Self { order, inverse, dof: self.dof, kernels: self.kernels.clone() })
    }
}
