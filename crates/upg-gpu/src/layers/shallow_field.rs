//! The shallow field, MATH (35): see [`upg_flows::shallow_field`]. Kernels: `shallow_field.cu`.

use super::add;
use super::continuous::{At, Field, time_basis};
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Argument, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params};
use crate::plans::{ShallowPlan, Tiling};
use std::sync::Arc;
use upg_core::{DeviceError, GradSink, Memory, ParamLayout, Real};

/// The field of a net of one hidden layer, for the times of so many steps.
pub(crate) struct ShallowField<G: Gpu> {
    layout: ParamLayout,
    kernels: Arc<Kernels<G>>,
    plan: ShallowPlan,
    /// K.
    functions: usize,
    /// Times of stages.
    times: usize,
    /// cos πjt, `[time][j]`.
    basis: Table<G>,
}

impl<G: Gpu> ShallowField<G> {
    /// The field of `plan` with so many functions of time, for the times of so many steps.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        plan: ShallowPlan,
        [functions, steps]: [usize; 2],
        layout: ParamLayout,
    ) -> Result<Self, DeviceError> {
        let kernels = device.kernels(kernels::SHALLOW_FIELD, plan.defines())?;
        let basis = device.numbers(&time_basis(steps, functions));
        Ok(Self { layout, kernels, plan, functions, times: 2 * steps + 1, basis })
    }
}

impl<T: Real, G: Gpu> Field<T, G> for ShallowField<G> {
    fn tiling(&self) -> Tiling {
        self.plan.tiling
    }

    fn kernels(&self) -> &Kernels<G> {
        &self.kernels
    }

    fn params(&self) -> &ParamLayout {
        &self.layout
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Batch<T, G>) {
        assert_eq!(theta.len(), self.layout.size(), "parameters given, and those of the field");
        let ShallowPlan { width, tiling } = self.plan;
        let count = width * (self.times + 1 + 2 * tiling.dof);
        device.reshape(prepared, 1, count);
        let arguments = arguments![theta.at(), self.basis.at(), prepared.at(), self.times, self.functions];
        device.launch(&self.kernels, "shallow_prepare", Spread::elements(count), arguments);
    }

    fn arguments(&self, theta: Params<'_, T>, prepared: &Batch<T, G>) -> Vec<Argument> {
        arguments![theta.at(), prepared.at(), self.basis.at(), self.functions].to_vec()
    }

    /// Those of θ, and ∂M.
    fn sums(&self) -> usize {
        self.layout.size() + self.plan.width
    }

    fn reduce(&self, at: At<'_, T, G>, sums: Address, sink: GradSink<'_, Cuda<T, G>>) {
        let arguments = arguments![sums, at.theta.at(), sink.into.at(), add(sink.accum), self.functions];
        at.device.launch(&self.kernels, "shallow_gradient", Spread::elements(self.layout.size()), arguments);
    }
}
