//! Every target passes the battery: one line each, couplings drawn at random.

use ndarray::Array2;
use rand::RngExt;
use upg_core::Rng;
use upg_targets::{Gaussian, Gmm, Phi4, U1};
use upg_testkit::domain::Domain;

/// C = A Aᵀ + ½ with A of independent uniform elements: condition number below about 50.
fn covariance(dim: usize, rng: &mut Rng) -> Array2<f64> {
    let a = Array2::from_shape_simple_fn((dim, dim), || rng.random_range(-1.0..1.0));
    a.dot(&a.t()) + 0.5 * Array2::eye(dim)
}

fn mean(dim: usize, rng: &mut Rng) -> Vec<f64> {
    (0..dim).map(|_| rng.random_range(-2.0..2.0)).collect()
}

fn lattice(dimensions: usize, extents: std::ops::RangeInclusive<usize>, rng: &mut Rng) -> Vec<usize> {
    (0..dimensions).map(|_| rng.random_range(extents.clone())).collect()
}

fn random_phi4(dimensions: usize, rng: &mut Rng) -> Phi4 {
    let lattice = lattice(dimensions, 1..=5 - dimensions.min(3), rng);
    Phi4::new(&lattice, rng.random_range(-0.4..0.4), rng.random_range(0.0..1.0)).expect("valid couplings")
}

fn random_gaussian(rng: &mut Rng) -> Gaussian {
    let dim = rng.random_range(1..9);
    Gaussian::new(&mean(dim, rng), covariance(dim, rng).view()).expect("a valid Gaussian")
}

fn random_u1(rng: &mut Rng) -> U1 {
    U1::new(&lattice(2, 2..=5, rng), rng.random_range(0.2..6.0)).expect("a valid coupling")
}

upg_testkit::target_battery! {
    phi4_in_one_dimension(rng) => random_phi4(1, rng);
    phi4_in_two_dimensions(rng) => random_phi4(2, rng);
    phi4_in_three_dimensions(rng) => random_phi4(3, rng);
    phi4_in_four_dimensions(rng) => random_phi4(4, rng);
    phi4_of_the_paper(rng) => Phi4::new(&[16, 8], 0.3, 0.022).expect("valid couplings");
    free_field(rng) => Phi4::new(&[3, 4], rng.random_range(-0.2..0.2), 0.0).expect("valid couplings");
    gmm(rng) => Gmm::new(rng.random_range(1..12)).expect("at least one dimension");
    any_gaussian(rng) => random_gaussian(rng);
    any_u1(rng) on Domain::Circle => random_u1(rng);
    u1_of_the_paper(rng) on Domain::Circle => U1::new(&[16, 16], 3.0).expect("a valid coupling");
}
