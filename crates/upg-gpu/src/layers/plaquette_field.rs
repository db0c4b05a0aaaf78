//! The field of plaquettes, MATH (36) and (37), on links: see [`upg_flows::plaquette_field`]. Kernels: `plaquette_field.cu` and
//! `plaquette_parameters.cu`, with the transforms of `lattice_modes.cu`; between links and plaquettes, MATH (38), goes `links.cu`.

use super::add;
use super::continuous::{At, Field, time_basis};
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Argument, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params};
use crate::plans::{LatticePlan, Tiling};
use std::sync::Arc;
use upg_core::{DeviceError, GradSink, Memory, ParamLayout, Real};
use upg_flows::Orbits;
use upg_flows::spec::PlaquetteFlowSpec;

/// The field on one lattice, for the times of so many steps.
pub(crate) struct PlaquetteField<G: Gpu> {
    layout: ParamLayout,
    kernels: Arc<Kernels<G>>,
    tiling: Tiling,
    sizes: Sizes,
    /// The tables of the axes, 1/p̂² of every orbit; cos πjt, `[time][j]`.
    numbers: Table<G>,
    basis: Table<G>,
    /// Where the modes of each orbit begin, then their places, then the orbit of every mode.
    orbits: Table<G>,
}

/// How many there are of what.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// N.
    sines: usize,
    /// M².
    pairs: usize,
    /// K.
    functions: usize,
    orbits: usize,
    /// Times of stages.
    times: usize,
}

/// A, B, C and S.
const MATRICES: usize = 4;

impl<G: Gpu> PlaquetteField<G> {
    /// The field of a flow on the lattice of `plan`.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        plan: &LatticePlan,
        flow: &PlaquetteFlowSpec,
        layout: ParamLayout,
    ) -> Result<Self, DeviceError> {
        let PlaquetteFlowSpec { sines, products, times: functions, steps } = *flow;
        let kernels = device.kernels(kernels::PLAQUETTE_FIELD, plan.plaquette_defines(products))?;
        let orbits = Orbits::new(plan.lattice());
        let (pairs, times) = (products * products, 2 * steps + 1);
        let of_mode = orbits.of_mode().iter().map(|&orbit| orbit as i32);
        Ok(Self {
            layout,
            kernels,
            tiling: plan.tiling(),
            sizes: Sizes { sines, pairs, functions, orbits: orbits.count(), times },
            numbers: device.numbers(&[plan.fold_tables(), inverse_p_hat_squared(&orbits)].concat()),
            basis: device.numbers(&time_basis(steps, functions)),
            orbits: device.table(&plan.members(&orbits).into_iter().chain(of_mode).collect::<Vec<_>>()),
        })
    }
}

/// The division by D Dᵀ; 0 for mode 0.
fn inverse_p_hat_squared(orbits: &Orbits) -> Vec<f64> {
    orbits
        .p_hat_squared()
        .iter()
        .map(|&p_hat_squared| if p_hat_squared == 0.0 { 0.0 } else { 1.0 / p_hat_squared })
        .collect()
}

impl<T: Real, G: Gpu> Field<T, G> for PlaquetteField<G> {
    fn tiling(&self) -> Tiling {
        self.tiling
    }

    /// Links.
    fn rows(&self) -> usize {
        2 * self.tiling.dof
    }

    fn kernels(&self) -> &Kernels<G> {
        &self.kernels
    }

    fn params(&self) -> &ParamLayout {
        &self.layout
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Batch<T, G>) {
        let Sizes { sines, pairs, functions, orbits, times } = self.sizes;
        assert_eq!(theta.len(), self.layout.size(), "parameters given, and those of the field");
        device.reshape(prepared, 1, times * (MATRICES * pairs * orbits + sines));
        let (basis, first) = (self.basis.at(), self.orbits.at());
        let arguments = arguments![theta.at(), basis, first, prepared.at(), times, functions, sines, orbits];
        device.launch(&self.kernels, "plaquette_prepare", Spread::blocks(times * pairs), arguments);
    }

    fn arguments(&self, _: Params<'_, T>, prepared: &Batch<T, G>) -> Vec<Argument> {
        let Sizes { sines, orbits, .. } = self.sizes;
        arguments![prepared.at(), self.numbers.at(), self.orbits.at(), sines, orbits].to_vec()
    }

    /// `[time][A or B][n][m][orbit]`, then by times those of all modes, `[2][n][m]`, and of w, `[N]`.
    fn sums(&self) -> usize {
        let Sizes { sines, pairs, orbits, times, .. } = self.sizes;
        times * (2 * pairs * (orbits + 1) + sines)
    }

    fn reduce(&self, at: At<'_, T, G>, sums: Address, sink: GradSink<'_, Cuda<T, G>>) {
        let Sizes { sines, functions, orbits, times, .. } = self.sizes;
        let (basis, first, into, add) = (self.basis.at(), self.orbits.at(), sink.into.at(), add(sink.accum));
        let arguments = arguments![sums, basis, first, into, add, times, functions, sines, orbits];
        at.device.launch(&self.kernels, "plaquette_gradient", Spread::elements(self.layout.size()), arguments);
    }
}
