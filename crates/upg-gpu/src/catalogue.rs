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
    let plaquettes = [(&[16, 8], 3), (&[16, 32], 2)]
        .map(|(lattice, products)| (LatticePlan::of_plaquettes(lattice, products, number), products));
    let shallow = ShallowPlan::new(8, 32, number);
    let mut all: Vec<Source> = kernels::PLAIN.iter().map(|text| text.source::<T>(vec![])).collect();
    all.extend(transform::examples().into_iter().map(|transform| transform.source::<T>(kernels::COUPLING, vec![])));
    all.extend(gauge::examples::<T>());
    all.extend(lattices.map(|lattice| kernels::LATTICE_FIELD.source::<T>(lattice.defines())));
    all.extend(
        plaquettes.map(|(plan, products)| kernels::PLAQUETTE_FIELD.source::<T>(plan.plaquette_defines(products))),
    );
    all.push(kernels::SHALLOW_FIELD.source::<T>(shallow.defines()));
    all
}
