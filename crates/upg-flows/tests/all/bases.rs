//! The bases with parameters: in the batteries, and against densities that are written down without Fourier modes.

use rand::RngExt;
use upg_core::{Base, Cpu, Real, Rng};
use upg_flows::{DiagonalNormal, FreeField, RealNvp, TwoSigns, Z2Nice};
use upg_testkit::{base::Noise, base_battery, flow::Parts, flow_battery};

base_battery! {
    diagonal_normal(rng) => DiagonalNormal::new(rng.random_range(1..6));
    free_field(rng) => any_free_field::<T>(&any_lattice(rng), rng);
    free_field_of_few_sites(rng) => any_free_field::<T>(&few_sites(rng), rng);
    two_signs(rng) with Noise::Choices => any_two_signs::<T>(&any_lattice(rng), rng);
    two_signs_of_few_sites(rng) with Noise::Choices => any_two_signs::<T>(&few_sites(rng), rng);
}

flow_battery! {
    on_a_diagonal_normal(rng) => on_lattice(&[5], |_, _| Box::new(DiagonalNormal::new(5)), rng);
    on_a_free_field(rng) => on_lattice(&[2, 3], |lattice, rng| Box::new(any_free_field::<T>(lattice, rng)), rng);
    on_two_signs(rng) => on_lattice(&[3, 2], |lattice, rng| Box::new(any_two_signs::<T>(lattice, rng)), rng);
}

/// Nine sites at most, in one to four dimensions.
fn any_lattice(rng: &mut Rng) -> Vec<usize> {
    let lattices: [&[usize]; 7] = [&[5], &[8], &[2, 3], &[3, 3], &[4, 2], &[1, 2, 3], &[2, 1, 2, 2]];
    lattices[rng.random_range(0..lattices.len())].to_vec()
}

fn few_sites(rng: &mut Rng) -> Vec<usize> {
    let lattices: [&[usize]; 3] = [&[1], &[2], &[1, 2]];
    lattices[rng.random_range(0..lattices.len())].to_vec()
}

fn any_free_field<T: Real>(lattice: &[usize], rng: &mut Rng) -> FreeField<T> {
    FreeField::new(lattice, rng.random_range(0.3..2.0), rng.random_range(0.0..0.4))
}

fn any_two_signs<T: Real>(lattice: &[usize], rng: &mut Rng) -> TwoSigns<T> {
    let (m2, kappa, v) = (rng.random_range(0.3..2.0), rng.random_range(0.0..0.4), rng.random_range(0.3..1.5));
    TwoSigns::new(lattice, m2, kappa, v)
}

type AnyBase<T> = Box<dyn Base<Cpu<T>>>;

/// A small flow on a base.
fn on_lattice<T: Real>(lattice: &[usize], base: impl Fn(&[usize], &mut Rng) -> AnyBase<T>, rng: &mut Rng) -> Parts<T> {
    let (lattice, hidden) = (lattice.to_vec(), vec![rng.random_range(4..9)]);
    let base = base(&lattice, rng);
    let flow = match rng.random() {
        true => RealNvp { lattice, couplings: 3, hidden, clamp: Some(1.0), ..RealNvp::default() }.build(),
        false => Z2Nice { lattice, couplings: 3, hidden, ..Z2Nice::default() }.build(),
    };
    Parts::on_base(flow.expect("a flow"), base, rng)
}
