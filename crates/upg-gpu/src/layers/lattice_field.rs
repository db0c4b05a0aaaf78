//! The lattice field, MATH (33) and (34): see [`upg_flows::lattice_field`]. Kernels: `lattice_field.cu`, with the transforms of `lattice_modes.cu`.

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

/// The field on one lattice, for the times of so many steps.
pub(crate) struct LatticeField<G: Gpu> {
    layout: ParamLayout,
    kernels: Arc<Kernels<G>>,
    plan: LatticePlan,
    sizes: Sizes,
    /// The tables of the axes; cos πjt, `[time][j]`.
    numbers: Table<G>,
    basis: Table<G>,
    /// Where the modes of each orbit begin, and then their places; the orbit of every mode.
    orbits: Table<G>,
    orbit_of: Table<G>,
}

/// How many there are of what.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// F + 1.
    kinds: usize,
    /// K.
    functions: usize,
    orbits: usize,
    /// Times of stages.
    times: usize,
}

impl<G: Gpu> LatticeField<G> {
    /// The field of `plan` with `frequencies` and `functions` of time, for the times of so many steps.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        plan: LatticePlan,
        [frequencies, functions, steps]: [usize; 3],
        layout: ParamLayout,
    ) -> Result<Self, DeviceError> {
        let kernels = device.kernels(kernels::LATTICE_FIELD, plan.defines())?;
        let orbits = Orbits::new(plan.lattice());
        let sizes = Sizes { kinds: frequencies + 1, functions, orbits: orbits.count(), times: 2 * steps + 1 };
        let of_mode: Vec<i32> = orbits.of_mode().iter().map(|&orbit| orbit as i32).collect();
        Ok(Self {
            layout,
            kernels,
            sizes,
            numbers: device.numbers(&plan.fold_tables()),
            basis: device.numbers(&time_basis(steps, functions)),
            orbits: device.table(&plan.members(&orbits)),
            orbit_of: device.table(&of_mode),
            plan,
        })
    }
}

impl<T: Real, G: Gpu> Field<T, G> for LatticeField<G> {
    fn tiling(&self) -> Tiling {
        self.plan.tiling()
    }

    fn kernels(&self) -> &Kernels<G> {
        &self.kernels
    }

    fn params(&self) -> &ParamLayout {
        &self.layout
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Batch<T, G>) {
        let Sizes { kinds, functions, orbits, times } = self.sizes;
        assert_eq!(theta.len(), self.layout.size(), "parameters given, and those of the field");
        device.reshape(prepared, 1, kinds - 1 + times * kinds * (1 + self.plan.tiling().dof));
        let spread = Spread { grid: [(times * kinds) as u32, 1, 1], block: [256, 1], shared: 0 };
        let (basis, orbit_of) = (self.basis.at(), self.orbit_of.at());
        let arguments = arguments![theta.at(), basis, orbit_of, prepared.at(), times, functions, kinds, orbits];
        device.launch(&self.kernels, "lattice_prepare", spread, arguments);
    }

    fn arguments(&self, _: Params<'_, T>, prepared: &Batch<T, G>) -> Vec<Argument> {
        let Sizes { kinds, orbits, .. } = self.sizes;
        arguments![prepared.at(), self.numbers.at(), self.orbits.at(), kinds, orbits].to_vec()
    }

    /// `[time][F + 1][orbit]`, `[time][F + 1]`, `[F]`.
    fn sums(&self) -> usize {
        let Sizes { kinds, orbits, times, .. } = self.sizes;
        times * kinds * (orbits + 1) + kinds - 1
    }

    fn reduce(&self, at: At<'_, T, G>, sums: Address, sink: GradSink<'_, Cuda<T, G>>) {
        let Sizes { kinds, functions, orbits, times } = self.sizes;
        let (basis, first, omega) = (self.basis.at(), self.orbits.at(), at.prepared.at());
        let (into, add) = (sink.into.at(), add(sink.accum));
        let arguments = arguments![sums, basis, first, omega, into, add, times, functions, kinds, orbits];
        at.device.launch(&self.kernels, "lattice_gradient", Spread::elements(self.layout.size()), arguments);
    }
}
