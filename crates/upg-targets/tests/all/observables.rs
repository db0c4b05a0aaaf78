//! Observables: naive formulas, symmetries, the exact values of a free field, and all exact values against samples.

use nalgebra::DMatrix;
use ndarray::{Array2, arr2};
use rand::{RngExt, SeedableRng};
use std::f64::consts::{PI, TAU};
use upg_core::{Batch, Real, Rng};
use upg_targets::{
    Banana, ChainPlan, DataSampler, Funnel, Gaussian, Gmm, HmcOptions, ManyWell, Observable, Observables, Phi4,
    RandomGaussians, U1,
};
use upg_testkit::draw;

/// The primaries of x, shape `[batch, dof]`, as `[primaries, batch]`.
fn measure<T: Real>(target: &impl Observables<T>, x: &Array2<f64>) -> Array2<f64> {
    let mut out = Batch::default();
    target.measure(&Batch::from_samples(x.mapv(T::of).view()), &mut out);
    out.as_array().to_owned()
}

/// Every observable at the means of the primaries, equal weights.
fn evaluate(target: &impl Observables<f64>, x: &Array2<f64>) -> Vec<(String, f64)> {
    let measured = measure::<f64>(target, x);
    let means: Vec<f64> = measured.rows().into_iter().map(|row| row.sum() / row.len() as f64).collect();
    target.observables().iter().map(|o| (o.name.clone(), o.value(&means))).collect()
}

fn get(values: &[(String, f64)], name: &str) -> f64 {
    values.iter().find(|value| value.0 == name).unwrap_or_else(|| panic!("no {name} in {values:?}")).1
}

#[track_caller]
fn close(what: &str, got: f64, expected: f64, tolerance: f64) {
    let same = got.is_nan() && expected.is_nan();
    assert!(same || (got - expected).abs() <= tolerance, "{what}: {got} for {expected}");
}

/// Coordinates of a flat index in C order.
fn coordinates(lattice: &[usize], mut site: usize) -> Vec<usize> {
    let mut at = vec![0; lattice.len()];
    for axis in (0..lattice.len()).rev() {
        at[axis] = site % lattice[axis];
        site /= lattice[axis];
    }
    at
}

/// The observables of a φ⁴ ensemble from sums over sites, pairs of sites and plane waves.
struct NaivePhi4 {
    m: f64,
    abs: f64,
    m2: f64,
    m4: f64,
    phi2: f64,
    /// (1/V) Σ_{y_0 = x_0 + t} φ(x) φ(y), by t.
    pairs: Vec<f64>,
    /// |Σ φ e^{2πi x_0/L}|²/V.
    wave: f64,
}

impl NaivePhi4 {
    fn new(lattice: &[usize], phi: &Array2<f64>) -> Self {
        let (samples, sites, time) = (phi.nrows() as f64, phi.ncols(), lattice[0]);
        let volume = sites as f64;
        let x0: Vec<usize> = (0..sites).map(|x| coordinates(lattice, x)[0]).collect();
        let mean =
            |f: &dyn Fn(&[f64]) -> f64| phi.rows().into_iter().map(|row| f(&row.to_vec())).sum::<f64>() / samples;
        let m = |phi: &[f64]| phi.iter().sum::<f64>() / volume;
        let pair = |t: usize, phi: &[f64]| {
            let all = (0..sites).flat_map(|x| (0..sites).map(move |y| (x, y)));
            all.filter(|&(x, y)| x0[y] == (x0[x] + t) % time).map(|(x, y)| phi[x] * phi[y]).sum::<f64>() / volume
        };
        let wave = |phi: &[f64], part: fn(f64) -> f64| {
            (0..sites).map(|x| phi[x] * part(TAU * x0[x] as f64 / time as f64)).sum::<f64>()
        };
        Self {
            m: mean(&|phi| m(phi)),
            abs: mean(&|phi| m(phi).abs()),
            m2: mean(&|phi| m(phi).powi(2)),
            m4: mean(&|phi| m(phi).powi(4)),
            phi2: mean(&|phi| phi.iter().map(|p| p.powi(2)).sum::<f64>() / volume),
            pairs: (0..time).map(|t| mean(&|phi| pair(t, phi))).collect(),
            wave: mean(&|phi| (wave(phi, f64::cos).powi(2) + wave(phi, f64::sin).powi(2)) / volume),
        }
    }
}

#[test]
fn phi4_observables_are_those_of_the_naive_formulas() {
    let mut rng = Rng::seed_from_u64(71);
    for dimensions in [1, 1, 2, 2, 3, 3] {
        let lattice: Vec<usize> = (0..dimensions).map(|_| rng.random_range(1..=5)).collect();
        let theory = Phi4::new(&lattice, 0.2, 0.3).expect("valid couplings");
        let (volume, time) = (theory.sites() as f64, lattice[0]);
        // A constant that varies from sample to sample, so that the susceptibility exceeds the structure factor.
        let mut phi = draw::normal(&mut rng, 37, theory.sites(), 0.4);
        phi.rows_mut().into_iter().for_each(|mut row| row += rng.random_range(-3.0..3.0));
        let (values, naive) = (evaluate(&theory, &phi), NaivePhi4::new(&lattice, &phi));
        let check =
            |name: &str, expected: f64| close(name, get(&values, name), expected, 1e-12 * (1.0 + expected.abs()));
        check("magnetization", naive.m);
        check("magnetization_abs", naive.abs);
        check("phi2", naive.phi2);
        let chi = volume * (naive.m2 - naive.abs.powi(2));
        check("susceptibility", chi);
        check("binder", 1.0 - naive.m4 / (3.0 * naive.m2.powi(2)));
        let connected = |t: usize| naive.pairs[t] - volume / time as f64 * naive.abs.powi(2);
        (0..=time / 2).for_each(|t| check(&format!("two_point_{t}"), connected(t)));
        close("sum rule", (0..time).map(connected).sum::<f64>(), chi, 1e-11 * volume);
        let xi = (chi / naive.wave - 1.0).sqrt() / (2.0 * (PI / time as f64).sin());
        check("correlation_length", if time == 1 { f64::NAN } else { xi });
        assert_eq!(values.len(), 6 + time / 2 + 1, "{lattice:?}: {values:?}");
    }
}

#[test]
fn a_correlation_length_is_nan_where_it_is_undefined() {
    let theory = Phi4::new(&[4, 2], 0.2, 0.3).expect("valid couplings");
    let staggered = Array2::from_shape_fn((2, 8), |(_, x)| if (x / 2) % 4 < 2 { 1.0 } else { -1.0 });
    assert!(get(&evaluate(&theory, &staggered), "correlation_length").is_nan(), "χ = 0 is less than F");
    assert!(get(&evaluate(&theory, &Array2::zeros((3, 8))), "correlation_length").is_nan(), "F = 0");
    let (mut rng, theory) = (Rng::seed_from_u64(77), Phi4::new(&[7, 2], 0.2, 0.3).expect("valid couplings"));
    for _ in 0..50 {
        let heights: Vec<f64> = (0..5).map(|_| rng.random_range(-3.0..3.0)).collect();
        let constant = Array2::from_shape_fn((5, 14), |(b, _)| heights[b]);
        assert!(get(&evaluate(&theory, &constant), "correlation_length").is_nan(), "F = 0 to round-off, χ > 0");
    }
}

#[test]
fn a_negative_field_has_the_opposite_magnetization_and_nothing_else() {
    let mut rng = Rng::seed_from_u64(72);
    let theory = Phi4::new(&[3, 5], 0.2, 0.3).expect("valid couplings");
    let phi = draw::normal(&mut rng, 19, 15, 1.3);
    let (mut plus, minus) = (measure::<f64>(&theory, &phi), measure::<f64>(&theory, &-&phi));
    plus.row_mut(0).mapv_inplace(|m| -m);
    assert_eq!(plus, minus);
}

/// ⟨φ(x)φ(y)⟩ of a free field: half the inverse of the matrix of S, from the bonds counted by coordinates.
fn free_propagator(lattice: &[usize], kappa: f64) -> DMatrix<f64> {
    let sites: usize = lattice.iter().product();
    let mut m = DMatrix::identity(sites, sites);
    for (x, axis) in (0..sites).flat_map(|x| (0..lattice.len()).map(move |axis| (x, axis))) {
        let mut next = coordinates(lattice, x);
        next[axis] = (next[axis] + 1) % lattice[axis];
        let y = (0..sites).find(|&y| coordinates(lattice, y) == next).expect("a site");
        m[(x, y)] -= kappa;
        m[(y, x)] -= kappa;
    }
    0.5 * m.try_inverse().expect("a massive field")
}

#[test]
fn exact_values_of_a_free_field_are_those_of_its_propagator() {
    for (lattice, kappa) in [(&[7][..], 0.31), (&[5, 3], 0.19), (&[4, 2, 3], 0.11), (&[1, 4], 0.2), (&[6, 3], -0.15)] {
        let theory = Phi4::new(lattice, kappa, 0.0).expect("a massive field");
        let (g, volume, time) = (free_propagator(lattice, kappa), theory.sites() as f64, lattice[0]);
        let x0 = |x: usize| coordinates(lattice, x)[0];
        let pair = |f: &dyn Fn(usize) -> f64| {
            let sites = theory.sites();
            let all = (0..sites).flat_map(|x| (0..sites).map(move |y| (x, y)));
            all.map(|(x, y)| g[(x, y)] * f((x0(y) + time - x0(x)) % time)).sum::<f64>() / volume
        };
        // m is normal: ⟨|m|⟩² = (2/π) ⟨m²⟩.
        let m2 = pair(&|_| 1.0) / volume;
        let (chi, wave) = (volume * m2 * (1.0 - 2.0 / PI), pair(&|t| (TAU * t as f64 / time as f64).cos()));
        let xi = (chi / wave - 1.0).sqrt() / (2.0 * (PI / time as f64).sin());
        let exact: Vec<(String, f64)> = Observables::<f64>::observables(&theory)
            .into_iter()
            .map(|o: Observable| (o.name, o.exact.unwrap_or(f64::NAN)))
            .collect();
        let check =
            |name: &str, expected: f64| close(name, get(&exact, name), expected, 1e-13 * (1.0 + expected.abs()));
        check("magnetization", 0.0);
        check("magnetization_abs", (2.0 / PI * m2).sqrt());
        check("phi2", g.trace() / volume);
        check("susceptibility", chi);
        check("binder", 0.0);
        for t in 0..=time / 2 {
            let expected = pair(&|s| f64::from(s == t)) - volume / time as f64 * 2.0 / PI * m2;
            check(&format!("two_point_{t}"), expected);
        }
        check("correlation_length", if time == 1 { f64::NAN } else { xi });
    }
}

/// The angle around a rectangle, walking along its links.
fn walk(lattice: [usize; 2], u: &[f64], start: [usize; 2], extent: [usize; 2]) -> f64 {
    let link = |mu: usize, x: [usize; 2]| u[(mu * lattice[0] + x[0] % lattice[0]) * lattice[1] + x[1] % lattice[1]];
    let (mut x, mut angle) = (start, 0.0);
    for (mu, steps) in [(0, extent[0]), (1, extent[1])] {
        for _ in 0..steps {
            angle += link(mu, x);
            x[mu] += 1;
        }
    }
    for (mu, steps) in [(0, extent[0]), (1, extent[1])] {
        for _ in 0..steps {
            x[mu] -= 1;
            angle -= link(mu, x);
        }
    }
    assert_eq!(x, start);
    angle
}

#[test]
fn u1_observables_are_those_of_a_walk_around_each_loop() {
    let mut rng = Rng::seed_from_u64(73);
    for lattice in [[3, 5], [1, 4], [6, 2], [2, 2], [1, 1], [4, 3]] {
        let theory = U1::new(&lattice, 1.0).expect("a valid theory");
        let u =
            Array2::from_shape_simple_fn((71, 2 * theory.volume()), || f64::from(rng.random_range(-20.0_f32..20.0)));
        let values = evaluate(&theory, &u);
        let sites = || (0..lattice[0]).flat_map(|i| (0..lattice[1]).map(move |j| [i, j]));
        let mean = |f: &dyn Fn(&[f64]) -> f64| u.rows().into_iter().map(|u| f(&u.to_vec())).sum::<f64>() / 71.0;
        let wilson = |extent: [usize; 2]| {
            mean(&|u| sites().map(|x| walk(lattice, u, x, extent).cos()).sum::<f64>() / theory.volume() as f64)
        };
        let charge =
            |u: &[f64]| sites().map(|x| walk(lattice, u, x, [1, 1])).map(|p| p.sin().atan2(p.cos())).sum::<f64>();
        let q2 = mean(&|u| (charge(u) / TAU).powi(2));
        close("q", get(&values, "q"), mean(&|u| charge(u) / TAU), 1e-12);
        close("q2", get(&values, "q2"), q2, 1e-12);
        close("susceptibility", get(&values, "topological_susceptibility"), q2 / theory.volume() as f64, 1e-12);
        close("plaquette", get(&values, "plaquette"), wilson([1, 1]), 1e-13);
        let fits = |extent: [usize; 2]| extent[0] <= lattice[0] && extent[1] <= lattice[1];
        let measured: Vec<[usize; 2]> = [[1, 2], [2, 2], [2, 3], [3, 3]].into_iter().filter(|&e| fits(e)).collect();
        for extent in &measured {
            let name = format!("wilson_{}x{}", extent[0], extent[1]);
            close(&name, get(&values, &name), wilson(*extent), 1e-13);
        }
        assert_eq!(values.len(), 4 + measured.len(), "{lattice:?}: {values:?}");
    }
}

#[test]
fn gauge_transformations_full_turns_and_reversal_do_to_u1_what_they_should() {
    let mut rng = Rng::seed_from_u64(74);
    let (lattice, samples) = ([5, 4], 66);
    let theory = U1::new(&lattice, 2.0).expect("a valid theory");
    let u = Array2::from_shape_simple_fn((samples, 40), || rng.random_range(0.0..TAU));
    let (mut gauged, mut turned) = (u.clone(), u.clone());
    for mut u in gauged.rows_mut() {
        let gauge = Array2::from_shape_simple_fn((5, 4), || rng.random_range(-PI..PI));
        for (i, j) in (0..5).flat_map(|i| (0..4).map(move |j| (i, j))) {
            u[i * 4 + j] += gauge[(i, j)] - gauge[((i + 1) % 5, j)];
            u[20 + i * 4 + j] += gauge[(i, j)] - gauge[(i, (j + 1) % 4)];
        }
    }
    turned.mapv_inplace(|u| u + TAU * f64::from(rng.random_range(-9..=9_i8)));
    let expected = measure::<f64>(&theory, &u);
    assert!(expected.row(1).iter().all(|q| q.fract() == 0.0) && expected.row(1).iter().any(|q| *q != 0.0));
    for (what, changed) in [("gauge", &gauged), ("turns", &turned)] {
        let measured = measure::<f64>(&theory, changed);
        assert_eq!(measured.row(1), expected.row(1), "{what}: charges");
        expected.iter().zip(&measured).for_each(|(a, b)| close(what, *b, *a, 1e-13));
    }
    let mut reversed = measure::<f64>(&theory, &-&u);
    reversed.row_mut(1).mapv_inplace(|q| -q);
    expected.iter().zip(&reversed).for_each(|(a, b)| close("reversed", *b, *a, 1e-13));
}

#[test]
fn a_charge_is_an_integer_whatever_the_links() {
    let mut rng = Rng::seed_from_u64(75);
    let theory = U1::new(&[6, 7], 2.0).expect("a valid theory");
    for size in [PI, 1e3, 1e8, 1e15] {
        let u = Array2::from_shape_simple_fn((65, 84), || rng.random_range(-size..size));
        assert!(measure::<f64>(&theory, &u).row(1).iter().all(|q| q.fract() == 0.0), "links up to {size}");
        assert!(measure::<f32>(&theory, &u).row(1).iter().all(|q| q.fract() == 0.0), "links up to {size} in f32");
    }
    let mut u = Array2::zeros((3, 84));
    u[(1, 5)] = f64::NAN;
    u[(2, 7)] = f64::INFINITY;
    let measured = measure::<f64>(&theory, &u);
    assert!(measured.column(0).iter().all(|value| value.is_finite()));
    assert!(measured.column(1).iter().chain(measured.column(2)).all(|value| value.is_nan()));
}

#[test]
fn the_mixture_and_the_gaussian_are_measured_as_they_say() {
    let mut rng = Rng::seed_from_u64(76);
    let x = draw::normal(&mut rng, 29, 5, 1.5);
    let values = evaluate(&Gmm::new(5).expect("five dimensions"), &x);
    let mean = |f: &dyn Fn(f64) -> f64| x.iter().map(|&x| f(x)).sum::<f64>() / 145.0;
    assert_eq!(values.len(), 3);
    close("x2", get(&values, "x2"), mean(&|x| x * x), 1e-14);
    close("mean", get(&values, "mean"), mean(&|x| x), 1e-14);
    close("right_fraction", get(&values, "right_fraction"), mean(&|x| f64::from(x > 0.0)), 1e-14);

    for dim in [1, 3, 5] {
        let centre: Vec<f64> = (0..dim).map(|i| 1e3 * i as f64 - 7.0).collect();
        let covariance = Array2::from_shape_fn((dim, dim), |(i, j)| 0.3 + f64::from(i == j) * (1.0 + i as f64));
        let target = Gaussian::new(&centre, covariance.view()).expect("a valid Gaussian");
        let x = draw::normal(&mut rng, 29, dim, 1.5) + ndarray::aview1(&centre);
        let values = evaluate(&target, &x);
        assert_eq!(values.len(), 2 * dim.min(4));
        for i in 0..dim.min(4) {
            let mean = x.column(i).sum() / 29.0;
            let variance = x.column(i).iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 29.0;
            close("mean", get(&values, &format!("mean_{i}")), mean, 1e-12 * mean.abs());
            close("variance", get(&values, &format!("variance_{i}")), variance, 1e-12 * variance);
            let exact: Vec<f64> = Observables::<f64>::observables(&target).iter().filter_map(|o| o.exact).collect();
            close("exact mean", exact[2 * i], centre[i], 0.0);
            close("exact variance", exact[2 * i + 1], covariance[(i, i)], 1e-14 * covariance[(i, i)]);
        }
    }
}

/// Independent samples (one per chain) give every exact value within five errors of the jackknife; returns how many there were.
fn check_exact<T: Real, P: Observables<T> + DataSampler<T>>(target: &P, warm_up: usize, seed: u64) -> usize {
    const SAMPLES: usize = 1600;
    const BLOCKS: usize = 40;
    let hmc = HmcOptions { length: 2.0, ..HmcOptions::default() };
    let plan = ChainPlan { samples: SAMPLES, chains: SAMPLES, warm_up, thin: 10, hmc, ..ChainPlan::default() };
    let (x, _) = target.draw_data(&plan, Rng::seed_from_u64(seed)).expect("a good plan");
    let mut measured = Batch::default();
    target.measure(&Batch::from_samples(x.view()), &mut measured);
    let mean_without = |left_out: std::ops::Range<usize>| -> Vec<f64> {
        let mean = |row: &[f64]| {
            (row.iter().sum::<f64>() - row[left_out.clone()].iter().sum::<f64>()) / (SAMPLES - left_out.len()) as f64
        };
        (0..measured.rows()).map(|i| mean(measured.row(i))).collect()
    };
    let all = mean_without(0..0);
    let size = SAMPLES / BLOCKS;
    let without: Vec<_> = (0..BLOCKS).map(|k| mean_without(k * size..(k + 1) * size)).collect();
    let mut compared = 0;
    for observable in target.observables() {
        let (value, Some(exact)) = (observable.value(&all), observable.exact) else { continue };
        let spread: f64 = without.iter().map(|means| (observable.value(means) - value).powi(2)).sum();
        let error = ((BLOCKS - 1) as f64 / BLOCKS as f64 * spread).sqrt();
        println!("{}: {value:.5} ± {error:.5}, exact {exact:.5}", observable.name);
        assert!((value - exact).abs() <= 5.0 * error + 1e-12, "{}: {value} ± {error} for {exact}", observable.name);
        assert!(error < 0.1 * (1.0 + exact.abs()), "{}: an error of {error}", observable.name);
        compared += 1;
    }
    compared
}

#[test]
fn samples_give_the_exact_values() {
    let phi4 = |lattice: &[usize], kappa, lambda| Phi4::new(lattice, kappa, lambda).expect("valid couplings");
    let u1 = |lattice: &[usize], beta| U1::new(lattice, beta).expect("a valid theory");
    assert_eq!(check_exact::<f64, _>(&phi4(&[5, 3], 0.22, 0.0), 60, 81), 9);
    assert_eq!(check_exact::<f32, _>(&phi4(&[6], 0.45, 0.0), 60, 82), 10);
    assert_eq!(check_exact::<f32, _>(&phi4(&[8, 2], 0.3, 0.022), 100, 83), 2);
    assert_eq!(check_exact::<f64, _>(&phi4(&[3, 3], 0.0, 0.3), 60, 84), 2);
    assert_eq!(check_exact::<f32, _>(&u1(&[4, 4], 2.0), 60, 85), 8);
    assert_eq!(check_exact::<f64, _>(&u1(&[3, 2], 1.0), 60, 86), 6);
    assert_eq!(check_exact::<f32, _>(&Gmm::new(5).expect("five dimensions"), 0, 87), 3);
    let covariance = arr2(&[[2.0, -0.7], [-0.7, 0.6]]);
    assert_eq!(check_exact::<f64, _>(&Gaussian::new(&[3.0, -1.0], covariance.view()).expect("valid"), 0, 88), 4);
    let gaussians = RandomGaussians::new(12, 3, 5.0, 1.0, 4).expect("valid parameters");
    assert_eq!(check_exact::<f32, _>(&gaussians, 0, 89), 7);
    assert_eq!(check_exact::<f64, _>(&ManyWell::new(8).expect("an even number"), 0, 90), 8);
    assert_eq!(check_exact::<f32, _>(&Funnel::new(10, 3.0).expect("Neal's"), 0, 91), 4);
    assert_eq!(check_exact::<f64, _>(&Banana::new(3, 0.3, 1.2).expect("a valid banana"), 0, 92), 5);
}

#[test]
fn wells_the_funnel_and_the_banana_are_measured_as_they_say() {
    let mut rng = Rng::seed_from_u64(78);
    let x = draw::normal(&mut rng, 31, 6, 1.5);
    let mean = |f: &dyn Fn(&[f64]) -> f64| x.rows().into_iter().map(|x| f(&x.to_vec())).sum::<f64>() / 31.0;
    let right = |x: f64| f64::from(x > 0.0);

    let wells = evaluate(&ManyWell::new(6).expect("an even number"), &x);
    assert_eq!(wells.len(), 7);
    close("x", get(&wells, "x"), mean(&|x| (x[0] + x[2] + x[4]) / 3.0), 1e-14);
    close("x2", get(&wells, "x2"), mean(&|x| (x[0] * x[0] + x[2] * x[2] + x[4] * x[4]) / 3.0), 1e-14);
    close("y2", get(&wells, "y2"), mean(&|x| (x[1] * x[1] + x[3] * x[3] + x[5] * x[5]) / 3.0), 1e-14);
    let fraction = mean(&|x| (right(x[0]) + right(x[2]) + right(x[4])) / 3.0);
    close("right_fraction", get(&wells, "right_fraction"), fraction, 1e-14);
    (0..3).for_each(|j| {
        let name = format!("right_fraction_{j}");
        close(&name, get(&wells, &name), mean(&|x| right(x[2 * j])), 1e-14);
    });

    let funnel = evaluate(&Funnel::new(6, 0.8).expect("a valid funnel"), &x);
    assert_eq!(funnel.len(), 4);
    close("x_0", get(&funnel, "x_0"), mean(&|x| x[0]), 1e-14);
    close("x_0^2", get(&funnel, "x_0^2"), mean(&|x| x[0] * x[0]), 1e-14);
    close("neck_fraction", get(&funnel, "neck_fraction"), mean(&|x| f64::from(x[0] < -0.8)), 1e-14);
    let width = mean(&|x| x[1..].iter().map(|xi| xi * xi).sum::<f64>() / x[0].exp() / 5.0);
    close("width", get(&funnel, "width"), width, 1e-13 * width);

    let (banana, s2) = (evaluate(&Banana::new(6, 0.4, 1.2).expect("a valid banana"), &x), 1.2_f64.powi(2));
    let variance = |i: usize| mean(&|x| x[i] * x[i]) - mean(&|x| x[i]).powi(2);
    assert_eq!(banana.len(), 5);
    close("mean_0", get(&banana, "mean_0"), mean(&|x| x[0]), 1e-14);
    close("mean_1", get(&banana, "mean_1"), mean(&|x| x[1]), 1e-14);
    close("variance_0", get(&banana, "variance_0"), variance(0), 1e-13);
    close("variance_1", get(&banana, "variance_1"), variance(1), 1e-13);
    let curvature = mean(&|x| (x[0] * x[0] - s2) * x[1]) / (2.0 * s2 * s2);
    close("curvature", get(&banana, "curvature"), curvature, 1e-13);
}

#[test]
#[should_panic(expected = "rows of the field, and sites of the lattice")]
fn a_batch_of_the_wrong_width_is_a_panic() {
    measure::<f64>(&Phi4::new(&[2, 3], 0.1, 0.1).expect("valid couplings"), &Array2::zeros((2, 5)));
}
