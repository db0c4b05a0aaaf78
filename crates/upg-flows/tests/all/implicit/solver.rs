//! The solver: residuals, steps, independence of elements, and what has no solution.

use super::arguments::{Arguments, Evaluated, extreme_tan_arguments, logistic_arguments, tan_arguments, uniform};
use super::transforms::{Arctangent, Counted, Cubic};
use std::f64::consts::PI;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use upg_core::Real;
use upg_flows::implicit::{CHUNK, Monotone};
use upg_flows::{Elementwise, Implicit, LogisticMixture, TanMixture};
use upg_testkit::draw;
use upg_testkit::tolerance::assert_same_bits;

/// Size of the largest term that g sums up, from t and φ.
type Terms = fn(f64, &[f64]) -> f64;

/// How far t = g⁻¹(y) misses, in ε: |g(t) − y| against the change of g when y, t and φ change by one part in 1/ε, and
/// the terms of g; zero if g − y changes sign within 4ε |t|, where t can't be said better. g in f64.
fn misses<T: Real, E: Monotone<T> + Monotone<f64>>(transform: &E, at: &Arguments, terms: Terms) -> Vec<f64> {
    let (y, epsilon) = (&at.t, T::epsilon().wide());
    let t = Evaluated::of::<T>(&Implicit::of(transform.clone()), y, &at.phi).value;
    let here = Evaluated::of::<f64>(transform, &t, &at.phi);
    let moved = |by: f64| {
        let t: Vec<f64> = t.iter().map(|t| t * (1.0 + by * epsilon)).collect();
        Evaluated::of::<f64>(transform, &t, &at.phi).value
    };
    let (less, more) = (moved(-4.0), moved(4.0));
    let miss = |i: usize| {
        let phi = at.phi_of(i);
        let parameters = phi.iter().zip(&here.dphi).map(|(phi, pair)| (pair[0][i] * phi).abs());
        let scale = y[i].abs() + (here.dg_dt[i] * t[i]).abs() + parameters.sum::<f64>() + terms(t[i], &phi);
        let exact = (less[i] - y[i]) * (more[i] - y[i]) <= 0.0;
        if exact { 0.0 } else { (here.value[i] - y[i]).abs() / scale / epsilon }
    };
    (0..y.len()).map(miss).collect()
}

/// Asserts that all y = g(t), as T rounds them, are solved to `most` ε.
fn assert_solved<T: Real, E: Monotone<T> + Monotone<f64>>(
    what: &str,
    transform: &E,
    at: &Arguments,
    terms: Terms,
    most: f64,
) {
    let y = at.replaced(Evaluated::of::<T>(transform, &at.t, &at.phi).value);
    for (i, miss) in misses::<T, E>(transform, &y, terms).into_iter().enumerate() {
        let (t, phi, y) = (at.t[i], at.phi_of(i), y.t[i]);
        assert!(miss <= most, "{what} in {}, t, φ = {t}, {phi:?}, y = {y}: off by {miss} ε", T::NAME);
    }
}

#[test]
fn solutions_solve_the_equation() {
    let rng = &mut draw::rng(6);
    let of_tan: Terms = |p, _| p.abs() + PI;
    let of_logistic: Terms = |_, phi| phi[0].exp() * phi[2..].iter().fold(1.0, |m: f64, l| m.max(l.abs()));
    for mixtures in [1, 2, 3, 6] {
        for bound in [0.0, 1.0, 3.0, 10.0, 30.0] {
            let what = format!("{mixtures}, |s| ≤ {bound}");
            let most = if bound > 10.0 { 4.0 } else { 1.0 };
            let (tan, logistic) = (TanMixture { mixtures }, LogisticMixture { mixtures });
            let at = tan_arguments(rng, mixtures, 700, bound);
            assert_solved::<f64, _>(&what, &tan, &at, of_tan, most);
            assert_solved::<f32, _>(&what, &tan, &at, of_tan, most);
            assert_solved::<f64, _>(&what, &tan, &extreme_tan_arguments::<f64>(mixtures, bound), of_tan, most);
            assert_solved::<f32, _>(&what, &tan, &extreme_tan_arguments::<f32>(mixtures, bound), of_tan, most);
            let at = logistic_arguments(rng, mixtures, 700, bound / 4.0);
            assert_solved::<f64, _>(&what, &logistic, &at, of_logistic, most);
            assert_solved::<f32, _>(&what, &logistic, &at, of_logistic, most);
        }
    }
    for (cubic, bound) in
        [Cubic::Rising, Cubic::Falling].into_iter().flat_map(|c| [1e-6, 1.0, 100.0, 1e6].map(|b| (c, b)))
    {
        let at = Arguments { t: uniform(rng, 300, bound).collect(), phi: uniform(rng, 600, 4.0).collect() };
        assert_solved::<f64, _>(&format!("{cubic:?}"), &cubic, &at, |_, _| 0.0, 1.0);
        assert_solved::<f32, _>(&format!("{cubic:?}"), &cubic, &at, |_, _| 0.0, 1.0);
    }
}

/// The most calls of value and slope that a chunk needs.
fn calls<T: Real, E: Monotone<T>>(transform: &E, at: &Arguments) -> usize {
    let y = Evaluated::of::<T>(transform, &at.t, &at.phi).value;
    let count = |range: std::ops::Range<usize>| {
        let counted = Counted { transform: transform.clone(), calls: Arc::default() };
        let phi: Vec<f64> = at.phi.chunks(y.len()).flat_map(|row| row[range.clone()].to_vec()).collect();
        Evaluated::of::<T>(&Implicit::of(counted.clone()), &y[range], &phi);
        counted.calls.load(Relaxed)
    };
    (0..y.len()).step_by(CHUNK).map(|first| count(first..y.len().min(first + CHUNK))).max().unwrap_or(0)
}

/// The documented numbers of steps.
#[test]
fn few_steps_suffice() {
    fn check<E: Monotone<f64> + Monotone<f32>>(what: &str, transform: &E, at: &Arguments, most: usize) {
        let (double, single) = (calls::<f64, _>(transform, at), calls::<f32, _>(transform, at));
        println!("{what}: {double} and {single} steps");
        assert!(double <= most && single <= most, "{what}: {double} steps in f64, {single} in f32, allowed {most}");
    }
    let rng = &mut draw::rng(7);
    for mixtures in [1, 2, 6] {
        for (bound, most) in [(1.0, 7), (3.0, 12), (30.0, 24)] {
            let at = tan_arguments(rng, mixtures, 1500, bound);
            check(&format!("{mixtures} tan, |s| ≤ {bound}"), &TanMixture { mixtures }, &at, most);
        }
        check("tan at extremes", &TanMixture { mixtures }, &extreme_tan_arguments::<f32>(mixtures, 30.0), 100);
        let at = logistic_arguments(rng, mixtures, 1500, 1.0);
        check(&format!("{mixtures} logistic"), &LogisticMixture { mixtures }, &at, 16);
    }
    let at = Arguments { t: uniform(rng, 500, 100.0).collect(), phi: uniform(rng, 1000, 3.0).collect() };
    check("cubic", &Cubic::Falling, &at, 80); // those that search the bracket included
}

/// An element's solution and partials don't depend, by a bit, on the elements it is solved with.
fn assert_alone_as_in_a_row<T: Real>(transform: &impl Elementwise<T>, y: &[f64], at: &Arguments) {
    let together = Evaluated::of::<T>(transform, y, &at.phi);
    for (i, &y) in y.iter().enumerate() {
        let alone = Evaluated::of::<T>(transform, &[y], &at.phi_of(i));
        for (alone, together) in alone.rows().into_iter().zip(together.rows()) {
            assert_same_bits("an element alone and in a row", alone, &together[i..=i]);
        }
    }
}

#[test]
fn elements_are_solved_on_their_own() {
    let rng = &mut draw::rng(8);
    let (samples, mixtures) = (CHUNK + 37, 3);
    let (tan, logistic) = (TanMixture { mixtures }, LogisticMixture { mixtures });
    let at = tan_arguments(rng, mixtures, samples, 6.0);
    assert_alone_as_in_a_row::<f64>(&tan, &at.t, &at);
    assert_alone_as_in_a_row::<f64>(&Implicit::of(tan), &at.t, &at);
    assert_alone_as_in_a_row::<f32>(&Implicit::of(tan), &at.t, &at);
    let at = logistic_arguments(rng, mixtures, samples, 1.0);
    assert_alone_as_in_a_row::<f64>(&logistic, &at.t, &at);
    assert_alone_as_in_a_row::<f64>(&Implicit::of(logistic), &at.t, &at);
    assert_alone_as_in_a_row::<f32>(&Implicit::of(logistic), &at.t, &at);
    let at = Arguments { t: uniform(rng, samples, 9.0).collect(), phi: uniform(rng, 2 * samples, 2.0).collect() };
    assert_alone_as_in_a_row::<f64>(&Implicit::of(Cubic::Falling), &at.t, &at);
}

/// NaN and ∞ in y or φ, and values that g doesn't reach, give NaN there and leave the neighbours as they are.
#[test]
fn what_has_no_solution_is_nan_and_harms_nobody() {
    fn check<T: Real>(transform: &impl Elementwise<T>, at: &Arguments, wrong: &[(usize, usize, f64)]) {
        let good = Evaluated::of::<T>(transform, &at.t, &at.phi);
        let mut bad = at.replaced(at.t.clone());
        for &(sample, row, value) in wrong {
            let place = if row == 0 { &mut bad.t[sample] } else { &mut bad.phi[(row - 1) * at.t.len() + sample] };
            *place = value;
        }
        let got = Evaluated::of::<T>(transform, &bad.t, &bad.phi);
        for i in 0..at.t.len() {
            if wrong.iter().any(|&(sample, ..)| sample == i) {
                assert!(got.value[i].is_nan(), "{} instead of NaN", got.value[i]);
            } else {
                got.rows()
                    .iter()
                    .zip(good.rows())
                    .for_each(|(got, good)| assert_same_bits("neighbour", &got[i..=i], &good[i..=i]));
            }
        }
    }
    let rng = &mut draw::rng(9);
    let (nan, infinity) = (f64::NAN, f64::INFINITY);
    let wrong = [(3, 0, nan), (4, 0, infinity), (17, 0, -infinity), (30, 1, nan), (31, 2, nan), (40, 2, infinity)];
    let at = tan_arguments(rng, 1, 50, 2.0);
    check::<f64>(&Implicit::of(TanMixture { mixtures: 1 }), &at, &wrong);
    check::<f32>(&Implicit::of(TanMixture { mixtures: 1 }), &at, &wrong);
    let at = logistic_arguments(rng, 1, 50, 1.0);
    check::<f64>(&Implicit::of(LogisticMixture { mixtures: 1 }), &at, &wrong);
    let at = Arguments { t: uniform(rng, 50, 9.0).collect(), phi: uniform(rng, 100, 2.0).collect() };
    check::<f64>(&Implicit::of(Cubic::Rising), &at, &wrong);
    check::<f32>(&Implicit::of(Cubic::Falling), &at, &wrong);
    let reached = Arguments { t: uniform(rng, 50, 1.4).collect(), phi: vec![] };
    check::<f64>(&Implicit::of(Arctangent), &reached, &[(0, 0, 2.0), (7, 0, -1.6), (49, 0, infinity)]);
    check::<f32>(&Implicit::of(Arctangent), &reached, &[(0, 0, 2.0), (7, 0, -1.6), (49, 0, infinity)]);
}
