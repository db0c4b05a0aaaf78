//! With q = p the path gradient is zero, not in the mean but for every single sample.

use super::{AnyEngine, Estimator, FORWARD_PATHS, Parts, REVERSE_PATHS, Trial, WHOLE};
use crate::{
    models::{Force, Pushforward},
    numeric::Derivatives,
    runner::Runner,
    tolerance::{Tolerance, largest},
};
use ndarray::{Array2, Axis};
use upg_core::{Cpu, ForwardKl, Real, ReverseKl};

/// The target is the flow's own density, its force computed by code that the estimator under test doesn't use, and once more by
/// finite differences.
pub(super) fn check(trial: &mut Trial<'_>) {
    let batch = trial.batch();
    let theorem = trial.allowed(Tolerance::theorem::<f64>());
    let (z, x) = (trial.base_samples(batch), trial.data(batch));
    for estimator in path_gradients() {
        let samples = if matches!(estimator, Estimator::Reverse(_)) { &z } else { &x };
        let mut engine = engine_at_its_own_density(trial, force_of_its_own(estimator));
        let what = trial.label("q = p");
        assert_zero(&what, &mut engine, &trial.theta, &[estimator], samples, theorem);
    }
    let (z, x) = differentiable(trial, batch);
    let mut engine = engine_at_its_own_density(trial, Force::Differences);
    let what = trial.label("q = p by finite differences");
    let tolerance = Tolerance::differences();
    assert_zero(&what, &mut engine, &trial.theta, &REVERSE_PATHS.map(Estimator::Reverse), &z, tolerance);
    assert_zero(&what, &mut engine, &trial.theta, &FORWARD_PATHS.map(Estimator::Forward), &x, tolerance);
}

/// All path gradients of both divergences.
fn path_gradients() -> impl Iterator<Item = Estimator> {
    REVERSE_PATHS.map(Estimator::Reverse).into_iter().chain(FORWARD_PATHS.map(Estimator::Forward))
}

/// `path-fast` pushes scores; the others pull back the score of the base through T⁻¹.
fn force_of_its_own(estimator: Estimator) -> Force {
    match estimator {
        Estimator::Reverse(ReverseKl::PathFast) | Estimator::Forward(ForwardKl::PathFast) => Force::PullBack,
        _ => Force::Push,
    }
}

fn engine_at_its_own_density(trial: &Trial<'_>, force: Force) -> AnyEngine<f64> {
    let Parts { flow, base, domain, .. } = trial.parts::<f64>();
    let of_target = trial.parts();
    let theta = trial.theta.clone();
    let target = Pushforward { flow: of_target.flow, base: of_target.base, theta, domain, force };
    Parts { flow, base, target: Box::new(target), domain }.engine(Cpu::here(), WHOLE)
}

/// Data where T⁻¹ can be differentiated numerically, and their base samples.
fn differentiable(trial: &mut Trial<'_>, batch: usize) -> (Array2<f64>, Array2<f64>) {
    let candidates = trial.data(batch + batch / 2 + 2);
    let (parts, here) = (trial.parts::<f64>(), Cpu::here());
    let inverse = parts.flow.inverse();
    let mut runner = Runner::new(&here, &*inverse, trial.of_flow());
    let x = Derivatives::of(&mut runner, parts.domain, &candidates, batch).x;
    (runner.forward(&x).y, x)
}

/// Asserts that every path gradient of every single sample is zero, on the scale of the ordinary gradient of these samples.
///
/// To be called with `theta` for which the flow of `engine` carries its base to its target exactly. `z` are base samples,
/// `x` points of the target's space, both of shape `[batch, dof]`.
///
/// # Panics
/// If a gradient isn't zero, or the ordinary gradients are, in which case nothing would be tested.
#[track_caller]
pub fn assert_zero_for_every_sample<T: Real>(
    what: &str,
    engine: &mut AnyEngine<T>,
    theta: &Vec<T>,
    z: &Array2<T>,
    x: &Array2<T>,
    tolerance: Tolerance,
) {
    assert_zero(what, engine, theta, &REVERSE_PATHS.map(Estimator::Reverse), z, tolerance);
    assert_zero(what, engine, theta, &FORWARD_PATHS.map(Estimator::Forward), x, tolerance);
}

/// The same for estimators of one divergence.
#[track_caller]
fn assert_zero<T: Real>(
    what: &str,
    engine: &mut AnyEngine<T>,
    theta: &Vec<T>,
    estimators: &[Estimator],
    samples: &Array2<T>,
    tolerance: Tolerance,
) {
    let ordinary = match estimators[0] {
        Estimator::Reverse(_) => Estimator::Reverse(ReverseKl::Reparam),
        Estimator::Forward(_) => Estimator::Forward(ForwardKl::MaxLikelihood),
    };
    let scale = ordinary_scale(engine, theta, ordinary, samples);
    assert_small(what, engine, theta, estimators, samples, tolerance.bound() * scale);
}

/// The size of the ordinary gradients.
#[track_caller]
fn ordinary_scale<T: Real>(
    engine: &mut AnyEngine<T>,
    theta: &Vec<T>,
    estimator: Estimator,
    samples: &Array2<T>,
) -> f64 {
    let scale = largest_of_single_samples(engine, theta, estimator, samples);
    assert!(scale > 0.0 && scale.is_finite(), "the largest ordinary gradient is {scale}: nothing to compare with");
    scale
}

#[track_caller]
fn assert_small<T: Real>(
    what: &str,
    engine: &mut AnyEngine<T>,
    theta: &Vec<T>,
    estimators: &[Estimator],
    samples: &Array2<T>,
    bound: f64,
) {
    for &estimator in estimators {
        let largest = largest_of_single_samples(engine, theta, estimator, samples);
        assert!(largest <= bound, "{what}: gradient of {estimator:?} is up to {largest:e}, allowed {bound:e}");
    }
}

/// The largest element of the gradients of the single samples.
fn largest_of_single_samples<T: Real>(
    engine: &mut AnyEngine<T>,
    theta: &Vec<T>,
    estimator: Estimator,
    samples: &Array2<T>,
) -> f64 {
    let of_sample = |sample| largest(estimator.run(engine, theta, sample).grad);
    samples.axis_chunks_iter(Axis(0), 1).map(of_sample).fold(0.0, f64::max)
}
