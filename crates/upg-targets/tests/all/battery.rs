//! Every target passes two batteries, that of its action and that of its observables: one line each, couplings drawn at random.
//!
//! | check of the observables | statement |
//! |---|---|
//! | names | all different; as many primaries as are measured |
//! | precision | f32 gives the same bits as the same numbers in f64 |
//! | samples | every sample alone gives the same bits; a NaN stays with its sample |
//! | values | none with a NaN for exact; the same at the means of the primaries of doubled data |
//! | space | the domain of the battery in every degree of freedom; a lattice has as many places |

use ndarray::{Array2, Axis, concatenate};
use rand::RngExt;
use std::collections::HashSet;
use upg_core::{Batch, Real, Rng};
use upg_targets::phi4::MassConvention;
use upg_targets::{Banana, Funnel, Gaussian, Gmm, ManyWell, Observables, Phi4, RandomGaussians, SampleSpace, U1};
use upg_testkit::{domain::Domain, draw};

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

fn random_phi4_by_mass(convention: MassConvention, rng: &mut Rng) -> Phi4 {
    let lattice = lattice(2, 1..=3, rng);
    Phi4::by_mass(&lattice, rng.random_range(-3.0..3.0), rng.random_range(0.1..20.0), convention)
        .expect("valid couplings")
}

fn random_gaussian(rng: &mut Rng) -> Gaussian {
    let dim = rng.random_range(1..9);
    Gaussian::new(&mean(dim, rng), covariance(dim, rng).view()).expect("a valid Gaussian")
}

fn random_gaussians(rng: &mut Rng) -> RandomGaussians {
    let (modes, dim) = (rng.random_range(1..9), rng.random_range(1..7));
    let (half_width, scale) = (rng.random_range(0.5..3.0), rng.random_range(0.7..2.0));
    RandomGaussians::new(modes, dim, half_width, scale, rng.random_range(0..1000)).expect("valid parameters")
}

fn random_banana(rng: &mut Rng) -> Banana {
    Banana::new(rng.random_range(2..9), rng.random_range(-1.0..1.0), rng.random_range(0.5..4.0)).expect("a valid shape")
}

fn random_u1(rng: &mut Rng) -> U1 {
    U1::new(&lattice(2, 2..=5, rng), rng.random_range(0.2..6.0)).expect("a valid coupling")
}

/// The primaries of x, shape `[batch, dof]`, as `[primaries, batch]`, measured into memory that held something else before.
fn measure<T: Real>(target: &impl Observables<T>, x: &Array2<f64>) -> Array2<f64> {
    let mut out = Batch::zeros(2, 5);
    out.fill(f64::NAN);
    target.measure(&Batch::from_samples(x.mapv(T::of).view()), &mut out);
    out.as_array().to_owned()
}

fn check_observables<P>(domain: Domain, build: fn(&mut Rng) -> P)
where
    P: Observables<f32> + Observables<f64> + SampleSpace + upg_core::Target<upg_core::Cpu<f64>>,
{
    for round in 0..3 {
        let mut rng = draw::rng(100 + round);
        let target = build(&mut rng);
        check_space(domain, &target, target.dof());
        for samples in [1, 7, 130] {
            let x = draw::points(&mut rng, domain, samples, target.dof());
            let measured = measure::<f64>(&target, &x);
            check_names(&target, measured.dim(), samples);
            assert_eq!(measured, measure::<f32>(&target, &x), "f64 and f32");
            check_each_sample(&target, &x, &measured);
            check_values(&target, &x, &measured);
        }
    }
}

fn check_space(domain: Domain, target: &impl SampleSpace, dof: usize) {
    let expected = if domain == Domain::Line { upg_core::Domain::Line } else { upg_core::Domain::Circle };
    assert!((0..dof).all(|i| target.domain(i) == expected), "{expected:?}");
    assert!(target.lattice_shape().is_none_or(|shape| shape.iter().product::<usize>() == dof), "{dof}");
}

fn check_names(target: &impl Observables<f64>, measured: (usize, usize), samples: usize) {
    let (primaries, observables) = (target.primaries(), target.observables());
    assert_eq!(measured, (primaries.len(), samples), "shape of the primaries");
    assert_eq!(primaries.iter().collect::<HashSet<_>>().len(), primaries.len(), "{primaries:?}");
    assert_eq!(observables.iter().map(|o| &o.name).collect::<HashSet<_>>().len(), observables.len(), "{observables:?}");
}

fn check_each_sample(target: &impl Observables<f64>, x: &Array2<f64>, measured: &Array2<f64>) {
    for (b, sample) in x.axis_iter(Axis(0)).enumerate() {
        let alone = measure::<f64>(target, &sample.insert_axis(Axis(0)).to_owned());
        assert_eq!(alone.column(0), measured.column(b), "sample {b} of {} alone", x.nrows());
    }
    let (mut broken, mut expected, middle) = (x.clone(), measured.clone(), x.nrows() / 2);
    broken.row_mut(middle).fill(f64::NAN);
    let mut found = measure::<f64>(target, &broken);
    assert!(found.column(middle).iter().all(|value| value.is_nan()), "{:?} of a NaN", found.column(middle));
    found.column_mut(middle).fill(0.0);
    expected.column_mut(middle).fill(0.0);
    assert_eq!(found, expected, "beside a NaN");
}

fn check_values(target: &impl Observables<f64>, x: &Array2<f64>, measured: &Array2<f64>) {
    let means = |measured: &Array2<f64>| measured.mean_axis(Axis(1)).expect("not empty").to_vec();
    let twice = concatenate![Axis(0), *x, *x];
    let (once, twice) = (means(measured), means(&measure::<f64>(target, &twice)));
    for observable in target.observables() {
        assert!(observable.exact.is_none_or(f64::is_finite), "{observable:?}");
        let (once, twice) = (observable.value(&once), observable.value(&twice));
        let same = (once.is_nan() && twice.is_nan()) || (once - twice).abs() <= 1e-6 * (1.0 + once.abs());
        assert!(same, "{observable:?}: {once} and {twice}");
    }
}

/// A target a line: the battery of `upg_testkit` for its action, and [`check_observables`].
macro_rules! targets {
    ($($name:ident ( $rng:ident ) $(on $($domain:ident)::+)? => $target:expr;)*) => {
        upg_testkit::target_battery! { $($name($rng) $(on $($domain)::+)? => $target;)* }

        mod observables {
            use super::*;
            $(
                #[test]
                fn $name() {
                    #[allow(unused_variables)]
                    check_observables(targets!(@domain $($($domain)::+)?), |$rng| $target);
                }
            )*
        }
    };
    (@domain) => { Domain::Line };
    (@domain $domain:expr) => { $domain };
}

targets! {
    phi4_in_one_dimension(rng) => random_phi4(1, rng);
    phi4_in_two_dimensions(rng) => random_phi4(2, rng);
    phi4_in_three_dimensions(rng) => random_phi4(3, rng);
    phi4_in_four_dimensions(rng) => random_phi4(4, rng);
    phi4_by_mass_no_halves(rng) => random_phi4_by_mass(MassConvention::NoHalves, rng);
    phi4_by_mass_canonical(rng) => random_phi4_by_mass(MassConvention::Canonical, rng);
    phi4_of_the_paper(rng) => Phi4::new(&[16, 8], 0.3, 0.022).expect("valid couplings");
    free_field(rng) => Phi4::new(&[3, 4], rng.random_range(-0.2..0.2), 0.0).expect("valid couplings");
    gmm(rng) => Gmm::new(rng.random_range(1..12)).expect("at least one dimension");
    any_gaussian(rng) => random_gaussian(rng);
    any_random_gaussians(rng) => random_gaussians(rng);
    forty_gaussians(rng) => RandomGaussians::new(40, 2, 40.0, RandomGaussians::SCALE, 0).expect("valid parameters");
    many_wells(rng) => ManyWell::new(2 * rng.random_range(1..9)).expect("an even number");
    funnel(rng) => Funnel::new(rng.random_range(2..12), rng.random_range(0.5..5.0)).expect("a valid funnel");
    banana(rng) => random_banana(rng);
    any_u1(rng) on Domain::Circle => random_u1(rng);
    u1_of_the_paper(rng) on Domain::Circle => U1::new(&[16, 16], 3.0).expect("a valid coupling");
}
