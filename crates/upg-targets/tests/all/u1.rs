//! U(1): naive formulas, exact results from outside, symmetries, inputs that must fail.

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use std::f64::consts::{PI, TAU};
use upg_core::{Batch, Cpu, Real, Rng, Target};
use upg_targets::{Exact, Proposal, U1, u1::Instanton};

fn theory(lattice: [usize; 2], beta: f64) -> U1 {
    U1::new(&lattice, beta).expect("a valid theory")
}

/// Links uniform in [−2π, 2π), exact in f32, shape `[samples, 2V]`: plaquettes reach ±8π.
fn links(rng: &mut Rng, samples: usize, theory: &U1) -> Array2<f64> {
    Array2::from_shape_simple_fn((samples, 2 * theory.volume()), || {
        f64::from(rng.random_range(-TAU as f32..TAU as f32))
    })
}

fn action<T: Real>(theory: &U1, u: &Array2<f64>) -> Vec<f64> {
    let mut action = vec![];
    theory.action_and_force(&Cpu::here(), &Batch::from_samples(u.mapv(T::of).view()), &mut action, None);
    action
}

/// The plaquette angles of one configuration, from an array [μ, x_0, x_1].
fn plaquettes([rows, columns]: [usize; 2], u: &[f64]) -> Vec<f64> {
    let u = ndarray::ArrayView3::from_shape((2, rows, columns), u).expect("two links per site");
    let p = |i: usize, j: usize| u[[0, i, j]] + u[[1, (i + 1) % rows, j]] - u[[0, i, (j + 1) % columns]] - u[[1, i, j]];
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| p(i, j)).collect()
}

#[test]
fn the_action_is_the_naive_sum_in_both_precisions() {
    let mut rng = Rng::seed_from_u64(41);
    for (lattice, samples) in [([1, 1], 3), ([1, 4], 1), ([2, 3], 65), ([5, 2], 64), ([4, 7], 130)] {
        let beta = rng.random_range(0.3..6.0);
        let theory = theory(lattice, beta);
        let u = links(&mut rng, samples, &theory);
        let (double, single) = (action::<f64>(&theory, &u), action::<f32>(&theory, &u));
        for (b, u) in u.rows().into_iter().enumerate() {
            let expected = -beta * plaquettes(lattice, &u.to_vec()).iter().map(|p| p.cos()).sum::<f64>();
            let size = beta * theory.volume() as f64;
            assert!((double[b] - expected).abs() < 2e-14 * size, "{lattice:?}: {} for {expected}", double[b]);
            // Plaquettes up to 8π carry a rounding error of 2e-6 in f32.
            assert!((single[b] - expected).abs() < 4e-6 * size, "{lattice:?}: {} for {expected}", single[b]);
        }
    }
}

/// On 1×2 sites one link P alone gives plaquettes P and −P: S = −2β cos P, and a force of −2β sin P on that link.
#[test]
fn large_plaquettes_are_as_accurate_as_their_rounding() {
    fn check<T: Real>() {
        let theory = theory([1, 2], 0.5);
        let grid = (0..40_000).map(|k| T::of(1.01_f64.powi(k % 1000) + 0.0625 * f64::from(k)));
        let angles: Vec<T> = grid.flat_map(|p| [p, -p]).filter(|p| p.wide().abs() <= 1e4).collect();
        let mut u = Batch::zeros(4, angles.len());
        u.row_mut(0).copy_from_slice(&angles);
        let (mut action, mut force) = (vec![], Batch::default());
        theory.action_and_force(&Cpu::here(), &u, &mut action, Some(&mut force));
        for ((p, action), force) in angles.iter().zip(action).zip(force.row(0)) {
            let ((sine, cosine), tolerance) = (p.wide().sin_cos(), T::epsilon().wide() * (2.0 + p.wide().abs()));
            assert!((action + cosine).abs() < tolerance, "cos {p}: {action} for {}", -cosine);
            assert!((force.wide() + sine).abs() < tolerance, "sin {p}: {force} for {}", -sine);
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn exact_results_have_the_known_values() {
    for (l, beta, log_z, plaquette, q2) in [
        (2, 1.0, 15.723335698092, 0.505196539768, 0.08507003),
        (2, 2.0, 18.398411551777, 0.779560922692, 0.00529458),
        (4, 1.0, 62.586700832396, 0.446393912030, 0.65009779),
        (4, 2.0, 72.002259383488, 0.699251926818, 0.29063611),
        (4, 3.0, 84.243395258534, 0.815850972750, 0.10570112),
        (8, 1.0, 250.346783444856, 0.446389965897, 2.60071911),
        (8, 2.0, 287.983851155504, 0.697774658011, 1.23929891),
        (16, 3.0, 1346.83180918582, 0.809985293957, 2.83156472),
        (64, 20.0, 87102.9332421139, 0.974670507889807, 5.3249975314),
    ] {
        let exact = theory([l, l], beta).exact();
        assert!((exact.log_z / log_z - 1.0).abs() < 5e-14, "L {l}, beta {beta}: {exact:?}");
        assert!((exact.plaquette - plaquette).abs() < 6e-13, "L {l}, beta {beta}: {exact:?}");
        assert!((exact.q2 - q2).abs() < 6e-9, "L {l}, beta {beta}: {exact:?}");
        assert_eq!(theory([l, l], beta).log_z(), Some(exact.log_z));
    }
}

#[test]
fn one_site_is_exact_for_any_coupling() {
    for beta in [0.0, 1e-3, 0.7, 4.0, 20.0, 300.0, 1e4, 1e6] {
        let exact = theory([1, 1], beta).exact();
        assert!((exact.log_z - (2.0 * TAU.ln() + beta)).abs() < 1e-13 * (1.0 + beta), "beta {beta}: {exact:?}");
        assert!((exact.plaquette - 1.0).abs() < 1e-13 && exact.q2 == 0.0, "beta {beta}: {exact:?}");
    }
}

/// Sums over representations that never end are refused, and frozen topology is 0, not −0.
#[test]
fn the_strongest_couplings_have_an_end() {
    for beta in [1.1e6, 1e300, f64::INFINITY, f64::NAN, -0.1] {
        let refused = U1::new(&[4, 4], beta).unwrap_err();
        assert_eq!((refused.field, &refused.value[..]), ("beta", &beta.to_string()[..]));
    }
    for beta in [50.0, 1e3, 1e6] {
        let exact = theory([4, 4], beta).exact();
        assert!(exact.q2.is_sign_positive() && exact.q2 < 1e-9, "beta {beta}: {exact:?}");
    }
}

/// On three sites the plaquettes are p, q, −p−q: a double integral over the circle, with midpoints.
#[test]
fn three_sites_agree_with_quadrature() {
    for beta in [0.0, 0.4, 1.7, 5.0] {
        let n = 1200;
        let angle = |k: i32| TAU * (f64::from(k) + 0.5) / f64::from(n) - PI;
        let (mut z, mut one, mut two, mut q2) = (0.0, 0.0, 0.0, 0.0);
        for (p, q) in (0..n).flat_map(|i| (0..n).map(move |j| (angle(i), angle(j)))) {
            let weight = (TAU / f64::from(n)).powi(2) * (beta * (p.cos() + q.cos() + (p + q).cos())).exp();
            z += weight;
            one += weight * p.cos();
            two += weight * (p + q).cos();
            let third = -(p + q) - TAU * (-(p + q) / TAU).round();
            q2 += weight * ((p + q + third) / TAU).powi(2);
        }
        let theory = theory([1, 3], beta);
        let exact = theory.exact();
        // Six links, of which three combinations are plaquettes with one constraint.
        let log_z = z.ln() + 4.0 * TAU.ln();
        // The sums here have 1.4 million terms.
        assert!((exact.log_z - log_z).abs() < 1e-11, "beta {beta}: {exact:?} for {log_z}");
        assert!((exact.plaquette - one / z).abs() < 1e-11, "beta {beta}: {exact:?} for {}", one / z);
        assert!((theory.exact_wilson_loop([1, 2]) - two / z).abs() < 1e-11, "beta {beta}");
        // The integrand of Q² jumps: the midpoint rule converges only like 1/n.
        assert!((exact.q2 - q2 / z).abs() < 2e-3, "beta {beta}: {exact:?} for {}", q2 / z);
    }
}

#[test]
fn wilson_loops_follow_an_area_law_on_a_large_torus() {
    let theory = theory([40, 30], 1.3);
    let plaquette = theory.exact().plaquette;
    assert!((theory.exact_wilson_loop([1, 1]) - plaquette).abs() < 1e-14);
    for extent in [[2, 1], [3, 3], [5, 4]] {
        let area = (extent[0] * extent[1]) as i32;
        assert!((theory.exact_wilson_loop(extent) / plaquette.powi(area) - 1.0).abs() < 1e-12, "{extent:?}");
    }
}

#[test]
fn observables_are_those_of_the_naive_formulas() {
    let mut rng = Rng::seed_from_u64(42);
    for lattice in [[3, 5], [1, 4], [6, 2]] {
        let theory = theory(lattice, 1.0);
        let u = links(&mut rng, 9, &theory);
        let batch = Batch::from_samples(u.view());
        let (mut plaquette, mut charge, mut square) = (vec![], vec![], vec![]);
        theory.plaquette(&batch, &mut plaquette);
        theory.topological_charge(&batch, &mut charge);
        theory.wilson_loop([1, 2], &batch, &mut square);
        for (b, u) in u.rows().into_iter().enumerate() {
            let p = plaquettes(lattice, &u.to_vec());
            let mean = p.iter().map(|p| p.cos()).sum::<f64>() / p.len() as f64;
            assert!((plaquette[b] - mean).abs() < 1e-14);
            let wrapped: f64 = p.iter().map(|p| p.sin().atan2(p.cos())).sum();
            assert!((charge[b] - wrapped / TAU).abs() < 1e-12 && charge[b].fract() == 0.0);
            // A loop is the sum of the plaquettes inside.
            let next = |k: usize| k / lattice[1] * lattice[1] + (k + 1) % lattice[1];
            let mean = (0..p.len()).map(|k| (p[k] + p[next(k)]).cos()).sum::<f64>() / p.len() as f64;
            assert!((square[b] - mean).abs() < 1e-13, "{lattice:?}");
        }
    }
}

#[test]
fn everything_is_gauge_invariant() {
    let mut rng = Rng::seed_from_u64(43);
    let theory = theory([3, 4], 2.2);
    let u = links(&mut rng, 1, &theory);
    let gauge: Vec<f64> = (0..12).map(|_| rng.random_range(-PI..PI)).collect();
    let mut turned = u.clone();
    for (i, j) in (0..3).flat_map(|i| (0..4).map(move |j| (i, j))) {
        turned[[0, i * 4 + j]] += gauge[i * 4 + j] - gauge[(i + 1) % 3 * 4 + j];
        turned[[0, 12 + i * 4 + j]] += gauge[i * 4 + j] - gauge[i * 4 + (j + 1) % 4];
    }
    assert!((action::<f64>(&theory, &u)[0] - action::<f64>(&theory, &turned)[0]).abs() < 1e-13);
    for extent in [[1, 1], [2, 3], [3, 2]] {
        let (mut before, mut after) = (vec![], vec![]);
        theory.wilson_loop(extent, &Batch::from_samples(u.view()), &mut before);
        theory.wilson_loop(extent, &Batch::from_samples(turned.view()), &mut after);
        assert!((before[0] - after[0]).abs() < 1e-13, "{extent:?}");
    }
}

#[test]
fn an_instanton_on_the_vacuum_has_unit_charge_spread_evenly() {
    for lattice in [[4, 4], [2, 5], [7, 3]] {
        let theory = theory(lattice, 1.5);
        let mut u = Batch::<f64>::zeros(2 * theory.volume(), 40);
        Instanton::new(&theory).propose(&mut Rng::seed_from_u64(44), &mut u);
        assert!(u.as_slice().iter().all(|u| (0.0..TAU).contains(u)));
        let (mut charge, mut plaquette) = (vec![], vec![]);
        theory.topological_charge(&u, &mut charge);
        theory.plaquette(&u, &mut plaquette);
        assert!(charge.contains(&1.0) && charge.contains(&-1.0) && charge.iter().all(|q| q.abs() == 1.0));
        let cosine = (TAU / theory.volume() as f64).cos();
        assert!(plaquette.iter().all(|p| (p - cosine).abs() < 1e-14), "{lattice:?}");
    }
}

#[test]
fn links_are_wrapped_into_the_circle_in_both_precisions() {
    fn check<T: Real>() {
        let theory = theory([1, 2], 1.0);
        let given = [-1e-12, TAU, 2.0 * TAU - 1e-12, -7.0].map(T::of);
        let mut u = Batch::from_samples(ndarray::ArrayView2::from_shape((1, 4), &given).expect("one sample"));
        theory.wrap(&mut u);
        for (u, given) in u.as_slice().iter().zip(given) {
            assert!(*u >= T::zero() && *u < T::of(TAU), "{given} becomes {u}");
            assert!((u.wide().sin() - given.wide().sin()).abs() < 4.0 * T::epsilon().wide());
        }
        u.fill(T::nan());
        theory.wrap(&mut u);
        assert!(u.as_slice().iter().all(|u| u.is_nan()));
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn wrong_parameters_are_refused_by_name() {
    for (lattice, beta, message) in [
        (&[4][..], 1.0, "lattice = [4]: accepted is two extents"),
        (&[4, 4, 4], 1.0, "lattice = [4, 4, 4]: accepted is two extents"),
        (&[0, 4], 1.0, "lattice = [0, 4]: accepted is at least one extent, each at least 1"),
        (&[4, 4], f64::NAN, "beta = NaN: accepted is a number from 0 to 1e6"),
        (&[4, 4], f64::INFINITY, "beta = inf: accepted is a number from 0 to 1e6"),
        (&[4, 4], -1.0, "beta = -1: accepted is a number from 0 to 1e6"),
    ] {
        assert_eq!(U1::new(lattice, beta).expect_err("must be refused").to_string(), message);
    }
}

#[test]
#[should_panic(expected = "a rectangle of [1, 5] on a lattice of [3, 4]")]
fn a_loop_larger_than_the_lattice_is_a_panic() {
    theory([3, 4], 1.0).exact_wilson_loop([1, 5]);
}

#[test]
#[should_panic(expected = "rows of the links, and links of the lattice")]
fn a_batch_of_the_wrong_width_is_a_panic() {
    action::<f64>(&theory([3, 4], 1.0), &Array2::zeros((2, 12)));
}
