//! φ⁴: naive formulas, exact results from outside, the other conventions, inputs that must fail.

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use std::error::Error;
use upg_core::{Batch, Cpu, Real, Rng, Target};
use upg_targets::{
    Exact, Phi4,
    phi4::{ContinuumCouplings, FieldScale, MassConvention, MassCouplings, single_site},
};

type Outcome = Result<(), Box<dyn Error>>;

fn normal(rng: &mut Rng, samples: usize, dof: usize) -> Array2<f64> {
    // Sums of twelve uniforms, exact in f32: plenty for a field to test with.
    let draw = |rng: &mut Rng| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    Array2::from_shape_simple_fn((samples, dof), || f64::from(draw(rng) as f32))
}

fn random_lattice(rng: &mut Rng) -> Vec<usize> {
    let dimensions = rng.random_range(1..=4);
    (0..dimensions).map(|_| rng.random_range(1..=5)).collect()
}

/// Action and force of every sample of `x`, shape `[batch, dof]`, in precision `T`.
fn evaluate<T: Real>(target: &Phi4, x: &Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let batch = Batch::from_samples(x.mapv(T::of).view());
    let (mut action, mut force) = (vec![], Batch::default());
    target.action_and_force(&Cpu::<T>::here(), &batch, &mut action, Some(&mut force));
    (action, force.to_samples().mapv(Real::wide))
}

/// Σ_x [ site(φ(x)) + Σ_μ bond(φ(x), φ(x+μ̂)) ], with coordinates and not with strides.
fn lattice_sum(lattice: &[usize], phi: &[f64], site: impl Fn(f64) -> f64, bond: impl Fn(f64, f64) -> f64) -> f64 {
    let index = |at: &[usize]| at.iter().zip(lattice).fold(0, |index, (&c, &extent)| index * extent + c);
    let (mut at, mut sum) = (vec![0; lattice.len()], 0.0);
    for _ in 0..phi.len() {
        let here = phi[index(&at)];
        sum += site(here);
        for axis in 0..lattice.len() {
            let mut next = at.clone();
            next[axis] = (at[axis] + 1) % lattice[axis];
            sum += bond(here, phi[index(&next)]);
        }
        for axis in (0..lattice.len()).rev() {
            at[axis] = (at[axis] + 1) % lattice[axis];
            if at[axis] != 0 {
                break;
            }
        }
    }
    sum
}

fn hopping(lattice: &[usize], kappa: f64, lambda: f64, phi: &[f64]) -> f64 {
    let site = |p: f64| (1.0 - 2.0 * lambda) * p.powi(2) + lambda * p.powi(4);
    lattice_sum(lattice, phi, site, |p, q| -2.0 * kappa * p * q)
}

fn mass(lattice: &[usize], m2: f64, lambda: f64, phi: &[f64]) -> f64 {
    let site = |p: f64| m2 * p.powi(2) + lambda * p.powi(4);
    // 2φ² − φφ₊ − φφ₋ summed over the lattice is (φ − φ₊)².
    lattice_sum(lattice, phi, site, |p, q| (p - q).powi(2))
}

fn continuum(lattice: &[usize], m2: f64, kappa: f64, lambda: f64, phi: &[f64]) -> f64 {
    let site = |p: f64| (0.5 * m2 + lattice.len() as f64 * kappa) * p.powi(2) + lambda * p.powi(4) / 24.0;
    lattice_sum(lattice, phi, site, |p, q| -kappa * p * q)
}

#[test]
fn the_action_is_the_naive_sum_in_both_precisions() -> Outcome {
    let mut rng = Rng::seed_from_u64(11);
    for samples in [1, 2, 7, 63, 64, 65, 200] {
        let lattice = random_lattice(&mut rng);
        let (kappa, lambda) = (rng.random_range(-0.4..0.4), rng.random_range(0.01..1.2));
        let target = Phi4::new(&lattice, kappa, lambda)?;
        let phi = normal(&mut rng, samples, target.sites());
        let (double, _) = evaluate::<f64>(&target, &phi);
        let (single, _) = evaluate::<f32>(&target, &phi);
        for (b, phi) in phi.rows().into_iter().enumerate() {
            let phi = phi.to_vec();
            let expected = hopping(&lattice, kappa, lambda, &phi);
            let size = lattice_sum(&lattice, &phi, |p| p.powi(2) + 4.0 * p.powi(4), |p, q| (p * q).abs());
            assert!((double[b] - expected).abs() < 4e-15 * size, "{lattice:?}: {} for {expected}", double[b]);
            assert!((single[b] - expected).abs() < 1e-6 * size, "{lattice:?}: {} for {expected}", single[b]);
        }
    }
    Ok(())
}

#[test]
fn single_precision_forces_agree_with_double() -> Outcome {
    let mut rng = Rng::seed_from_u64(12);
    for _ in 0..10 {
        let lattice = random_lattice(&mut rng);
        let target = Phi4::new(&lattice, rng.random_range(-0.4..0.4), rng.random_range(0.01..1.2))?;
        let phi = normal(&mut rng, 17, target.sites());
        let ((_, double), (_, single)) = (evaluate::<f64>(&target, &phi), evaluate::<f32>(&target, &phi));
        let norm = double.iter().fold(0.0, |norm: f64, f| norm.max(f.abs()));
        let error = (&double - &single).iter().fold(0.0, |error: f64, d| error.max(d.abs()));
        assert!(error < 1e-6 * norm, "{lattice:?}: {:e}", error / norm);
    }
    Ok(())
}

#[test]
fn free_fields_have_the_known_values() -> Outcome {
    for (lattice, log_z, phi2) in [
        ([4, 4], 10.017371484850747, 0.6587301587301586),
        ([8, 8], 39.87912794055858, 0.6354349942258741),
        ([16, 8], 79.75703529404733, 0.635275984158389),
    ] {
        let exact = Phi4::new(&lattice, 0.2, 0.0)?.exact().ok_or("no exact result")?;
        assert!((exact.log_z - log_z).abs() < 1e-13 * log_z, "{lattice:?}: {exact:?}");
        assert!((exact.phi2 - phi2).abs() < 1e-14, "{lattice:?}: {exact:?}");
    }
    let (theory, scale) = Phi4::from_mass_convention(&[4, 4], MassCouplings { mass_squared: 1.0, lambda: 0.0 })?;
    let exact = theory.exact().ok_or("no exact result")?;
    assert!((scale.log_z(exact.log_z, 16) - -2.8581318146220553).abs() < 1e-13);
    assert!((scale.phi2(exact.phi2) - 0.13174603174603175).abs() < 1e-15);
    Ok(())
}

/// Numbers by another program, in the convention without halves; the canonical field is √2 times that, with 6λ.
#[test]
fn by_the_mass_the_values_are_those_of_its_own_field() -> Outcome {
    for (lattice, m2, lambda, log_z, phi2, error) in [
        (vec![4, 4], 1.0, 0.0, -2.8581318146220553, 0.13174603174603175, 1e-13),
        (vec![2, 2], -4.0, 8.0, 0.9144339784252, 0.17143442325, 1e-11),
        (vec![2, 2], 1.0, 1.0, -0.68023002567, 0.13014612715, 1e-11),
        (vec![8, 2], -4.0, 8.0, 2.9318987778, 0.1559677466, 1e-10),
    ] {
        let exact = Phi4::by_mass(&lattice, m2, lambda, MassConvention::NoHalves)?.exact().ok_or("exact")?;
        assert!((exact.log_z - log_z).abs() < error && (exact.phi2 - phi2).abs() < error, "{lattice:?}: {exact:?}");
        let canonical = Phi4::by_mass(&lattice, m2, 6.0 * lambda, MassConvention::Canonical)?.exact().ok_or("exact")?;
        let factor = FieldScale { factor: 2.0_f64.sqrt() };
        let sites = lattice.iter().product();
        assert!((canonical.log_z - factor.log_z(log_z, sites)).abs() < 1.1 * error, "{lattice:?}: {canonical:?}");
        assert!((canonical.phi2 - factor.phi2(phi2)).abs() < 2.1 * error, "{lattice:?}: {canonical:?}");
    }
    Ok(())
}

#[test]
fn by_the_mass_the_action_is_the_naive_sum() -> Outcome {
    let mut rng = Rng::seed_from_u64(17);
    for _ in 0..10 {
        let lattice = random_lattice(&mut rng);
        let (m2, lambda) = (rng.random_range(-3.0..3.0), rng.random_range(0.01..20.0));
        let phi = normal(&mut rng, 1, lattice.iter().product());
        let of = |convention| Ok::<_, Box<dyn Error>>(Phi4::by_mass(&lattice, m2, lambda, convention)?);
        let action = |theory: Phi4| evaluate::<f64>(&theory, &phi).0[0];
        let (a, b) = (action(of(MassConvention::NoHalves)?), action(of(MassConvention::Canonical)?));
        let phi = phi.row(0).to_vec();
        let size = lattice_sum(&lattice, &phi, |p| 4.0 * p.powi(2) + lambda * p.powi(4), |p, q| 2.0 * (p * q).abs());
        assert!((a - mass(&lattice, m2, lambda, &phi)).abs() < 1e-14 * size, "{lattice:?}");
        assert!((b - continuum(&lattice, m2, 1.0, lambda, &phi)).abs() < 1e-14 * size, "{lattice:?}");
    }
    Ok(())
}

#[test]
fn a_free_field_in_any_dimension_is_a_gaussian_determinant() -> Outcome {
    let mut rng = Rng::seed_from_u64(13);
    for _ in 0..12 {
        let lattice: Vec<usize> = (0..rng.random_range(1..=3)).map(|_| rng.random_range(1..=4)).collect();
        let kappa = rng.random_range(-0.9..0.9) / (2 * lattice.len()) as f64;
        let theory = Phi4::new(&lattice, kappa, 0.0)?;
        let sites = theory.sites();
        // S = φᵀ M φ, M from the naive action by polarisation.
        let unit = |i: usize, j: usize| (0..sites).map(|k| f64::from(k == i) + f64::from(k == j)).collect::<Vec<_>>();
        let s = |phi: &[f64]| hopping(&lattice, kappa, 0.0, phi);
        let m = nalgebra::DMatrix::from_fn(sites, sites, |i, j| {
            0.5 * (s(&unit(i, j)) - s(&unit(i, usize::MAX)) - s(&unit(j, usize::MAX)))
        });
        let log_z = 0.5 * (sites as f64 * std::f64::consts::PI.ln() - m.clone().lu().determinant().ln());
        let phi2 = 0.5 * m.try_inverse().ok_or("singular")?.trace() / sites as f64;
        let exact = theory.exact().ok_or("no exact result")?;
        assert!((exact.log_z - log_z).abs() < 1e-12, "{lattice:?}, {kappa}: {exact:?} for {log_z}");
        assert!((exact.phi2 - phi2).abs() < 1e-12 * phi2, "{lattice:?}, {kappa}: {exact:?} for {phi2}");
    }
    Ok(())
}

#[test]
fn single_sites_have_the_known_values() -> Outcome {
    for (a, b, z) in [(1.0, 1.0, 1.368426855735508), (0.956, 0.022, 1.7829654778454067), (-4.0, 8.0, 2.082874034473385)]
    {
        let error = single_site(a, b).log_z.exp() / z - 1.0;
        assert!(error.abs() < 2e-15, "a = {a}, b = {b}: {error:e}");
    }
    let decoupled = Phi4::new(&[3, 5], 0.0, 0.022)?;
    assert!((decoupled.log_z().ok_or("no exact result")? - 15.0 * 1.7829654778454067_f64.ln()).abs() < 1e-13);
    Ok(())
}

#[test]
fn single_sites_agree_with_quadrature() {
    let mut rng = Rng::seed_from_u64(14);
    let mut cases: Vec<(f64, f64)> =
        (0..40).map(|_| (rng.random_range(-6.0..6.0), f64::exp(rng.random_range(-4.0..3.0)))).collect();
    cases.extend([(0.0, 0.7), (1e-7, 0.7), (-1e-7, 0.7), (1e-200, 2.0), (-30.0, 1.0), (200.0, 0.5), (0.9998, 1e-4)]);
    for (a, b) in cases {
        // Trapezoidal sum, shifted by the minimum of the exponent.
        let least = if a < 0.0 { -a * a / (4.0 * b) } else { 0.0 };
        let end = ((a.abs() + (a * a + 4.0 * b * (50.0 - least)).sqrt()) / (2.0 * b)).sqrt();
        let end = if a > 0.0 { end.min((50.0 / a).sqrt()) } else { end };
        let h = end / 2000.0;
        let weight = |k: i32| (-(a + b * (h * f64::from(k)).powi(2)) * (h * f64::from(k)).powi(2) + least).exp();
        let sum = |m: i32| (-2000..=2000).map(|k| h * (h * f64::from(k)).powi(m) * weight(k)).sum::<f64>();
        let site = single_site(a, b);
        assert!((site.log_z - (sum(0).ln() - least)).abs() < 1e-12, "a = {a}, b = {b}: {site:?}");
        assert!((site.phi2 / (sum(2) / sum(0)) - 1.0).abs() < 1e-12, "a = {a}, b = {b}: {site:?}");
    }
}

#[test]
fn strips_have_the_known_values() -> Outcome {
    for (m2, lambda, lattice, log_z, phi2) in [
        (-4.0, 8.0, [2, 2], 0.9144339784252, 0.17143442325),
        (1.0, 1.0, [2, 2], -0.68023002567, 0.13014612715),
        (-4.0, 8.0, [8, 2], 2.9318987778, 0.1559677466),
    ] {
        let (theory, scale) = Phi4::from_mass_convention(&lattice, MassCouplings { mass_squared: m2, lambda })?;
        let exact = theory.exact().ok_or("no exact result")?;
        assert!((scale.log_z(exact.log_z, theory.sites()) - log_z).abs() < 6e-11, "{lattice:?}: {exact:?}");
        assert!((scale.phi2(exact.phi2) - phi2).abs() < 6e-11, "{lattice:?}: {exact:?}");
    }
    for lattice in [[8, 2], [2, 8]] {
        let exact = Phi4::new(&lattice, 0.3, 0.022)?.exact().ok_or("no exact result")?;
        assert!((exact.log_z - 18.007266846954).abs() < 1e-12, "{exact:?}");
        assert!((exact.phi2 - 4.56402899565).abs() < 1e-11, "{exact:?}");
    }
    assert!(Phi4::new(&[4, 4], 0.3, 0.022)?.exact().is_none());
    Ok(())
}

#[test]
fn a_strip_of_two_sites_agrees_with_quadrature() -> Outcome {
    // Lattice 1×2: S = 2(1−2λ)… by the naive action, summed over both fields.
    for (kappa, lambda) in [(0.21, 0.4), (-0.13, 0.9), (0.45, 0.05)] {
        let h = 0.05;
        let (mut z, mut phi2) = (0.0, 0.0);
        for (i, j) in (-160..=160).flat_map(|i| (-160..=160).map(move |j| (f64::from(i) * h, f64::from(j) * h))) {
            let weight = h * h * (-hopping(&[1, 2], kappa, lambda, &[i, j])).exp();
            z += weight;
            phi2 += weight * 0.5 * (i * i + j * j);
        }
        let exact = Phi4::new(&[1, 2], kappa, lambda)?.exact().ok_or("no exact result")?;
        assert!((exact.log_z - z.ln()).abs() < 1e-12, "{kappa}, {lambda}: {exact:?} for {}", z.ln());
        assert!((exact.phi2 / (phi2 / z) - 1.0).abs() < 1e-12, "{kappa}, {lambda}: {exact:?} for {}", phi2 / z);
    }
    Ok(())
}

fn check_scale(theory: &Phi4, scale: FieldScale, other: impl Fn(&[f64]) -> f64, rng: &mut Rng) {
    let phi = normal(rng, 3, theory.sites());
    let (action, _) = evaluate::<f64>(theory, &phi);
    for (phi, action) in phi.rows().into_iter().zip(action) {
        let scaled: Vec<f64> = phi.iter().map(|p| scale.factor * p).collect();
        let expected = other(&scaled);
        assert!((action - expected).abs() < 1e-12 * (1.0 + expected.abs()), "{theory:?}: {action} for {expected}");
    }
}

#[test]
fn all_conventions_give_the_same_action() -> Outcome {
    let mut rng = Rng::seed_from_u64(15);
    for _ in 0..20 {
        let lattice = random_lattice(&mut rng);
        let (mass_squared, lambda) = (rng.random_range(-6.0..4.0), rng.random_range(0.1..8.0));
        let of = MassCouplings { mass_squared, lambda };
        let (theory, scale) = Phi4::from_mass_convention(&lattice, of)?;
        check_scale(&theory, scale, |phi| mass(&lattice, mass_squared, lambda, phi), &mut rng);
        let (back, same) = theory.to_mass_convention().ok_or("kappa is positive")?;
        assert!((back.mass_squared - mass_squared).abs() < 1e-11 && (back.lambda / lambda - 1.0).abs() < 1e-12);
        assert_eq!(same, scale);

        let kappa = rng.random_range(0.2..3.0);
        let of = ContinuumCouplings { mass_squared, kappa, lambda };
        let (theory, scale) = Phi4::from_continuum_convention(&lattice, of)?;
        check_scale(&theory, scale, |phi| continuum(&lattice, mass_squared, kappa, lambda, phi), &mut rng);
        let (back, same) = theory.to_continuum_convention(kappa).ok_or("kappa is positive")?;
        assert!((back.mass_squared - mass_squared).abs() < 1e-10 && (back.lambda / lambda - 1.0).abs() < 1e-12);
        assert!((same.factor / scale.factor - 1.0).abs() < 1e-14);
    }
    assert!(Phi4::new(&[2, 2], -0.1, 0.3)?.to_mass_convention().is_none());
    Ok(())
}

#[test]
fn log_z_goes_over_to_the_other_conventions() -> Outcome {
    // κ_C = 1: φ_C = √2 φ_M, λ_M = λ_C/6, log Z_C = log Z_M + (V/2) log 2.
    let lattice = [4, 2];
    let of_mass = MassCouplings { mass_squared: -1.5, lambda: 0.7 };
    let of_continuum = ContinuumCouplings { mass_squared: -1.5, kappa: 1.0, lambda: 4.2 };
    let (mass, mass_scale) = Phi4::from_mass_convention(&lattice, of_mass)?;
    let (continuum, continuum_scale) = Phi4::from_continuum_convention(&lattice, of_continuum)?;
    let (m, c) = (mass.log_z().ok_or("exact")?, continuum.log_z().ok_or("exact")?);
    let difference = continuum_scale.log_z(c, 8) - mass_scale.log_z(m, 8);
    assert!((difference - 4.0 * 2.0_f64.ln()).abs() < 1e-12, "{difference}");
    // log Z of the mass convention is log Z of the hopping form + (V/2) log κ.
    assert!((mass_scale.log_z(m, 8) - (m + 4.0 * mass.kappa().ln())).abs() < 1e-12);
    Ok(())
}

#[test]
fn wrong_parameters_are_refused_by_name() {
    let mass = |mass_squared, lambda| MassCouplings { mass_squared, lambda };
    let continuum = |mass_squared, kappa, lambda| ContinuumCouplings { mass_squared, kappa, lambda };
    for (outcome, field) in [
        (Phi4::new(&[], 0.3, 0.02), "lattice"),
        (Phi4::new(&[4, 0], 0.3, 0.02), "lattice"),
        (Phi4::new(&[usize::MAX, 2], 0.3, 0.02), "lattice"),
        (Phi4::new(&[4, 4], f64::NAN, 0.02), "kappa"),
        (Phi4::new(&[4, 4], f64::INFINITY, 0.02), "kappa"),
        (Phi4::new(&[4, 4], 0.3, -1e-9), "lambda"),
        (Phi4::new(&[4, 4], 0.3, f64::NAN), "lambda"),
        (Phi4::new(&[4, 4], 0.3, f64::INFINITY), "lambda"),
        (Phi4::new(&[4, 4], 0.25, 0.0), "kappa"),
        (Phi4::new(&[4, 4], -0.26, 0.0), "kappa"),
        (Phi4::new(&[3, 3, 3], 0.17, 0.0), "kappa"),
        (Phi4::from_mass_convention(&[4, 4], mass(f64::NAN, 1.0)).map(|x| x.0), "mass_squared"),
        (Phi4::from_mass_convention(&[4, 4], mass(0.0, 0.0)).map(|x| x.0), "mass_squared"),
        (Phi4::from_mass_convention(&[4, 4], mass(1.0, -1.0)).map(|x| x.0), "lambda"),
        (Phi4::from_mass_convention(&[0], mass(1.0, 1.0)).map(|x| x.0), "lattice"),
        (Phi4::by_mass(&[4, 4], f64::NAN, 1.0, MassConvention::NoHalves), "mass_squared"),
        (Phi4::by_mass(&[4, 4], 0.0, 0.0, MassConvention::NoHalves), "mass_squared"),
        (Phi4::by_mass(&[4, 4], -1.0, 0.0, MassConvention::Canonical), "mass_squared"),
        (Phi4::by_mass(&[4, 4], 1.0, -1.0, MassConvention::Canonical), "lambda"),
        (Phi4::by_mass(&[4, 4], 1.0, f64::INFINITY, MassConvention::NoHalves), "lambda"),
        (Phi4::by_mass(&[4, 0], 1.0, 1.0, MassConvention::NoHalves), "lattice"),
        (Phi4::from_continuum_convention(&[4, 4], continuum(1.0, 0.0, 1.0)).map(|x| x.0), "kappa"),
        (Phi4::from_continuum_convention(&[4, 4], continuum(1.0, f64::NAN, 1.0)).map(|x| x.0), "kappa"),
        (Phi4::from_continuum_convention(&[4, 4], continuum(-1.0, 1.0, 0.0)).map(|x| x.0), "mass_squared"),
    ] {
        let error = outcome.expect_err("must be refused");
        assert_eq!(error.field, field, "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
    assert!(Phi4::new(&[3, 3], -0.26, 0.0).is_ok(), "cos p ≥ −1/2 on an extent of 3: K ≥ 1 − 2·0.26");
}

#[test]
#[should_panic(expected = "rows of x, and degrees of freedom of the target")]
fn a_batch_of_the_wrong_width_is_a_panic() {
    let target = Phi4::new(&[2, 3], 0.1, 0.1).expect("a valid theory");
    target.action_and_force(&Cpu::<f64>::here(), &Batch::zeros(5, 2), &mut vec![], None);
}
