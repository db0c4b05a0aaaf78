//! Values and partials of the transforms against definitions and finite differences.

use super::arguments::{Arguments, Evaluated, extreme_tan_arguments, logistic_arguments, tan_arguments, uniform};
use super::transforms::Cubic;
use std::f64::consts::{PI, TAU};
use upg_core::{Batch, Real};
use upg_flows::elementwise::Phi;
use upg_flows::implicit::CHUNK;
use upg_flows::{Additive, Affine, Elementwise, Implicit, LogisticMixture, TanMixture};
use upg_testkit::domain::Domain;
use upg_testkit::tolerance::{Tolerance, assert_close_on_scale, largest};
use upg_testkit::{draw, finite};

/// The partials of `transform` against finite differences of its value and its λ, and λ = log|∂g/∂t|.
fn assert_partials(what: &str, transform: &impl Elementwise<f64>, at: &Arguments) {
    let all = Evaluated::of::<f64>(transform, &at.t, &at.phi);
    for sample in 0..at.t.len() {
        let arguments: Vec<f64> = [at.t[sample]].into_iter().chain(at.phi_of(sample)).collect();
        let at_arguments = |x: &[f64]| {
            let here = Evaluated::of::<f64>(transform, &x[..1], &x[1..]);
            vec![here.value[0], here.lambda[0]]
        };
        let numeric = finite::jacobian(at_arguments, &arguments).value;
        let what = format!("{what} at t, φ = {arguments:?}");
        for ((row, analytic), name) in numeric.rows().into_iter().zip(all.partials(sample)).zip(["∂g", "∂λ"]) {
            let scale = largest(&analytic).max(1.0);
            assert_close_on_scale(
                &format!("{what}: {name}"),
                &analytic,
                &row.to_vec(),
                scale,
                Tolerance::differences(),
            );
        }
        let lambda = numeric[[0, 0]].abs().ln();
        assert_close_on_scale(&format!("{what}: λ"), &[all.lambda[sample]], &[lambda], 1.0, Tolerance::differences());
    }
}

/// The partials of a transform, and those of its inverse against finite differences of the solved inverse.
fn assert_partials_both_ways<E: Elementwise<f64>>(what: &str, transform: &E, at: &Arguments) {
    assert_partials(what, transform, at);
    let y = Evaluated::of::<f64>(transform, &at.t, &at.phi).value;
    assert_partials(&format!("inverse of {what}"), &transform.inverse(), &at.replaced(y));
}

#[test]
fn partials_are_finite_differences_of_value_and_of_lambda() {
    let rng = &mut draw::rng(1);
    for mixtures in 1..7 {
        let at = tan_arguments(rng, mixtures, 12, 2.0);
        assert_partials_both_ways(&format!("{mixtures} tan"), &TanMixture { mixtures }, &at);
        let at = logistic_arguments(rng, mixtures, 12, 1.0);
        assert_partials_both_ways(&format!("{mixtures} logistic"), &LogisticMixture { mixtures }, &at);
    }
    for cubic in [Cubic::Rising, Cubic::Falling] {
        let at = Arguments { t: uniform(rng, 12, 3.0).collect(), phi: uniform(rng, 24, 1.5).collect() };
        assert_partials_both_ways(&format!("{cubic:?}"), &cubic, &at);
    }
}

/// `value` gives g and λ as `evaluate` does, to round-off, and NaN where that does.
fn assert_value_is_that_of_evaluate<T: Real>(what: &str, transform: &impl Elementwise<T>, at: &Arguments) {
    let expected = Evaluated::of::<T>(transform, &at.t, &at.phi);
    let (mut value, phi) = (draw::cast::<T>(&at.t), draw::cast::<T>(&at.phi));
    let mut lambda = vec![T::nan(); value.len()];
    transform.value(&mut value, Phi::of(&phi, 0, 1, at.t.len()), &mut lambda, &mut Batch::default());
    let tolerance = Tolerance::round_off::<T>();
    for (name, got, expected) in [("g", &value, &expected.value), ("λ", &lambda, &expected.lambda)] {
        let known = |i: &usize| expected[*i].is_finite();
        assert!((0..at.t.len()).all(|i| got[i].is_nan() == expected[i].is_nan()), "{what}: {name} is NaN elsewhere");
        let of = |all: &dyn Fn(usize) -> f64| (0..at.t.len()).filter(known).map(all).collect::<Vec<f64>>();
        let (got, expected) = (of(&|i| got[i].wide()), of(&|i| expected[i]));
        assert_close_on_scale(&format!("{what}: {name}"), &got, &expected, largest(&expected).max(1.0), tolerance);
    }
}

#[test]
fn values_without_partials_are_those_with_partials() {
    fn check<T: Real>() {
        let rng = &mut draw::rng(10);
        let samples = CHUNK + 37;
        for mixtures in [1, 2, 5] {
            let mut at = tan_arguments(rng, mixtures, samples, 3.0);
            at.t[5] = f64::NAN;
            let (tan, logistic) = (TanMixture { mixtures }, LogisticMixture { mixtures });
            assert_value_is_that_of_evaluate::<T>("tan", &tan, &at);
            assert_value_is_that_of_evaluate::<T>("inverse of tan", &Implicit::of(tan), &at);
            let at = logistic_arguments(rng, mixtures, samples, 1.0);
            assert_value_is_that_of_evaluate::<T>("logistic", &logistic, &at);
            assert_value_is_that_of_evaluate::<T>("inverse of logistic", &Implicit::of(logistic), &at);
        }
        let mut at =
            Arguments { t: uniform(rng, samples, 3.0).collect(), phi: uniform(rng, 2 * samples, 2.0).collect() };
        at.phi[3] = f64::INFINITY;
        for clamp in [None, Some(0.7)] {
            assert_value_is_that_of_evaluate::<T>("affine", &Affine { clamp }, &at);
            assert_value_is_that_of_evaluate::<T>(
                "inverse of affine",
                &Elementwise::<T>::inverse(&Affine { clamp }),
                &at,
            );
        }
        at.phi.truncate(samples);
        assert_value_is_that_of_evaluate::<T>("additive", &Additive, &at);
        assert_value_is_that_of_evaluate::<T>("inverse of additive", &Elementwise::<T>::inverse(&Additive), &at);
    }
    check::<f64>();
    check::<f32>();
}

/// g as DESIGN writes it, modulo 2π, away from its edge cases.
#[test]
fn tan_mixture_is_the_mean_of_tan_transforms() {
    let rng = &mut draw::rng(2);
    for mixtures in 1..7 {
        let at = tan_arguments(rng, mixtures, 200, 3.0);
        let got = Evaluated::of::<f64>(&TanMixture { mixtures }, &at.t, &at.phi).value;
        for (sample, (&p, &got)) in at.t.iter().zip(&got).enumerate() {
            let (phi, half) = (at.phi_of(sample), Domain::Circle.wrap(p) / 2.0);
            let tangents = phi[..mixtures].iter().map(|s| Domain::Circle.wrap(2.0 * (s.exp() * half.tan()).atan()));
            let expected = tangents.sum::<f64>() / mixtures as f64 + phi[mixtures];
            let got = Domain::Circle.near(got, expected);
            assert!(
                (got - expected).abs() < 1e-13,
                "{mixtures} transforms, p = {p}, φ = {phi:?}: {got} and {expected}"
            );
        }
    }
}

/// g(p + 2π) = g(p) + 2π with the same partials; no jump at 0, ±π, 2π; increasing. The rounding of 2π itself is the tolerance.
#[test]
fn tan_mixture_is_a_lift() {
    let rng = &mut draw::rng(3);
    for mixtures in 1..5 {
        let transform = TanMixture { mixtures };
        let at = tan_arguments(rng, mixtures, 100, 2.0);
        let here = Evaluated::of::<f64>(&transform, &at.t, &at.phi);
        let next = Evaluated::of::<f64>(&transform, &at.t.iter().map(|p| p + TAU).collect::<Vec<_>>(), &at.phi);
        let moved: Vec<f64> = here.value.iter().map(|y| y + TAU).collect();
        assert_close_on_scale("value a turn later", &next.value, &moved, TAU, Tolerance::round_off::<f64>().times(8.0));
        for (next, here) in next.rows().into_iter().zip(here.rows()).skip(1) {
            assert_close_on_scale(
                "partial a turn later",
                next,
                here,
                largest(here).max(1.0),
                Tolerance::theorem::<f64>(),
            );
        }

        let step = 1e-4;
        let p: Vec<f64> = (-80_000..80_000).map(|i| step * f64::from(i)).chain([PI, -PI, TAU, 0.0, 3.0 * PI]).collect();
        let phi: Vec<f64> = at.phi_of(0).iter().flat_map(|&phi| vec![phi; p.len()]).collect();
        let y = Evaluated::of::<f64>(&transform, &p, &phi).value;
        let mut pairs: Vec<(f64, f64)> = p.into_iter().zip(y).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let steepest = 2.0_f64.exp();
        for pair in pairs.windows(2).filter(|pair| pair[1].0 > pair[0].0) {
            let (dp, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            assert!(dy > 0.0 || dp < 1e-10, "not increasing: {pair:?}");
            assert!(dy < 1.01 * steepest * dp + 1e-13, "a jump: {pair:?}");
        }
    }
}

/// y as the definition writes it, where 1 − F has digits; and the tails, where it has none.
#[test]
fn logistic_mixture_is_the_logit_of_a_mixture() {
    let rng = &mut draw::rng(4);
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    for mixtures in 1..7 {
        let at = logistic_arguments(rng, mixtures, 200, 1.0);
        let got = Evaluated::of::<f64>(&LogisticMixture { mixtures }, &at.t, &at.phi).value;
        for (sample, (&x, &got)) in at.t.iter().zip(&got).enumerate() {
            let phi = at.phi_of(sample);
            let (outer, inner) = phi.split_at(2);
            let (logits, inner) = inner.split_at(mixtures);
            let (mu, s) = inner.split_at(mixtures);
            let total: f64 = logits.iter().map(|l| l.exp()).sum();
            let cdf = |k: usize| logits[k].exp() / total * sigmoid((x - mu[k]) * (-s[k]).exp());
            let f: f64 = (0..mixtures).map(cdf).sum();
            let expected = outer[0].exp() * (f / (1.0 - f)).ln() + outer[1];
            let lost = outer[0].exp() * f64::EPSILON * (1.0 + 1.0 / (1.0 - f) + 1.0 / f);
            assert!(
                (got - expected).abs() < 16.0 * lost + 1e-13 * expected.abs(),
                "x = {x}, φ = {phi:?}: {got} and {expected}"
            );
        }
    }
    logistic_tails::<f64>(1e4);
    logistic_tails::<f32>(60.0);
}

/// Far out the widest component is alone: u → (x − μ)/e^s ± log π; a single component is affine everywhere.
fn logistic_tails<T: Real>(far: f64) {
    let bound = 16.0 * T::epsilon().wide();
    for x in [far, -far, 0.7 * far, 1e-3] {
        let alone = Evaluated::of::<T>(&LogisticMixture { mixtures: 1 }, &[x], &[0.25, -3.0, 7.0, 1.5, 0.5]);
        let expected = 0.25_f64.exp() * (x - 1.5) * (-0.5_f64).exp() - 3.0;
        assert!(
            (alone.value[0] - expected).abs() < bound * (3.0 + expected.abs()),
            "{x}: {} {expected}",
            alone.value[0]
        );
        assert!((alone.lambda[0] + 0.25).abs() < bound, "{x}: λ = {}", alone.lambda[0]);
    }
    for x in [far, -far] {
        // e^s = 2 beside 1/4 and weight 1/4 beside 3/4; in the narrow one's tail the wide one is what is left.
        let narrow = (0.25_f64.ln(), 3.0_f64.ln());
        let two = Evaluated::of::<T>(
            &LogisticMixture { mixtures: 2 },
            &[x],
            &[0.0, 0.0, 0.0, narrow.1, -1.0, 1.0, 2.0_f64.ln(), narrow.0],
        );
        let expected = (x + 1.0) / 2.0 - x.signum() * 0.25_f64.ln();
        assert!((two.value[0] - expected).abs() < bound * expected.abs(), "{x}: {} and {expected}", two.value[0]);
        assert!((two.dg_dt[0] - 0.5).abs() < bound, "{x}: slope {}", two.dg_dt[0]);
        assert!(two.dlambda_dt[0].abs() < bound, "{x}: ∂λ/∂x = {}", two.dlambda_dt[0]);
    }
}

/// Up to |s| = 30, and next to 0, ±π and 2π, f32 agrees with f64 to a few ε, relative in g' and absolute in λ.
#[test]
fn tan_mixture_in_f32_agrees_with_f64_at_extremes() {
    let rng = &mut draw::rng(5);
    let epsilon = f32::EPSILON.wide();
    for (mixtures, bound) in [(1, 30.0), (2, 30.0), (5, 30.0), (2, 3.0), (3, 12.0)] {
        let drawn = tan_arguments(rng, mixtures, 500, bound);
        for at in [extreme_tan_arguments::<f32>(mixtures, bound), drawn] {
            let transform = TanMixture { mixtures };
            let single = Evaluated::of::<f32>(&transform, &at.t, &at.phi);
            let double = Evaluated::of::<f64>(&transform, &at.t, &at.phi);
            for i in 0..at.t.len() {
                let phi = at.phi_of(i);
                let close = |name: &str, single: f64, double: f64, scale: f64| {
                    let error = (single - double).abs() / scale / epsilon;
                    assert!(
                        error <= 16.0,
                        "{name} at p, φ = {}, {phi:?}: {single:e} {double:e}, off by {error} ε",
                        at.t[i]
                    );
                };
                close("g", single.value[i], double.value[i], TAU + at.t[i].abs() + phi[mixtures].abs());
                close("g'", single.dg_dt[i], double.dg_dt[i], double.dg_dt[i]);
                close("λ", single.lambda[i], double.lambda[i], 1.0 + double.lambda[i].abs());
                close("∂λ/∂p", single.dlambda_dt[i], double.dlambda_dt[i], steepness(&phi[..mixtures], at.t[i]));
                for (single, double) in single.dphi.iter().zip(&double.dphi) {
                    close("∂g/∂φ", single[0][i], double[0][i], 1.0);
                    close("∂λ/∂φ", single[1][i], double[1][i], 1.0);
                }
            }
        }
    }
}

/// Σ d² |sinh s sin p| / Σ d: the size of the terms of ∂λ/∂p; 1 where it is smaller.
fn steepness(s: &[f64], p: f64) -> f64 {
    let (sin, cos) = (0.5 * p).sin_cos();
    let d = |s: f64| 1.0 / ((-s).exp() * cos * cos + s.exp() * sin * sin);
    let steep: f64 = s.iter().map(|&s| d(s) * d(s) * (s.sinh() * p.sin()).abs()).sum();
    (steep / s.iter().map(|&s| d(s)).sum::<f64>()).max(1.0)
}
