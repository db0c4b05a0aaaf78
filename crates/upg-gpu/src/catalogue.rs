//! All texts of kernels, specialised as examples.

use crate::gpu::Source;
use crate::kernels;
use crate::layers::{gauge, transform};
use crate::plans::{LatticePlan, ShallowPlan};
use upg_core::Real;

/// Every text in both precisions, specialised as an example: for tests of what compilers say.
pub fn catalogue() -> Vec<Source> {
    let mut all = in_precision::<f32>();
    all.extend(in_precision::<f64>());
    all
}

fn in_precision<T: Real>() -> Vec<Source> {
    let number = size_of::<T>();
    let lattices = [&[16, 8], &[32, 32]].map(|lattice| LatticePlan::new(lattice, 5, number));
    // The compiler takes its time for each: two sites a thread in f64, where registers are scarce, two samples a block in f32.
    let (lattice, products) = if number == 8 { ([16, 32], 2) } else { ([16, 8], 3) };
    let plaquettes = LatticePlan::of_plaquettes(&lattice, products, number);
    let shallow = ShallowPlan::new(8, 32, number);
    let mut all: Vec<Source> = kernels::PLAIN.iter().map(|text| text.source::<T>(vec![])).collect();
    all.extend(transform::examples().into_iter().map(|transform| transform.source::<T>(kernels::COUPLING, vec![])));
    all.extend(gauge::examples::<T>());
    all.extend(lattices.map(|lattice| kernels::LATTICE_FIELD.source::<T>(lattice.defines())));
    all.push(kernels::PLAQUETTE_FIELD.source::<T>(plaquettes.plaquette_defines(products)));
    all.push(kernels::SHALLOW_FIELD.source::<T>(shallow.defines()));
    all
}
