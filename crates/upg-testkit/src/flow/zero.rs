//! With q = p the path gradient is zero, not in the mean but for every single sample.

use super::{AnyEngine, Estimator, FORWARD_PATHS, FlowCase, Parts, REVERSE_PATHS, Trial, WHOLE};
use crate::{
    models::Pushforward,
    tolerance::{Tolerance, largest},
};
use ndarray::{Array2, Axis};
use upg_core::{Cpu, ForwardKl, Real, ReverseKl};

/// The target is the flow's own density.
pub(super) fn check<C: FlowCase>(trial: &mut Trial<'_, C>) {
    let batch = trial.batch();
    let (z, x) = (trial.base_samples(batch), trial.data(batch));
    let Parts { flow, base, domain, .. } = trial.parts::<f64>();
    let target = Pushforward { inverse: flow.inverse(), base: trial.parts().base, theta: trial.theta.clone() };
    let mut engine = Parts::new(flow, base, target, domain).engine(Cpu::here(), WHOLE);
    let tolerance = Tolerance::theorem::<f64>();
    assert_zero_for_every_sample(&trial.label("q = p"), &mut engine, &trial.theta, &z, &x, tolerance);
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
    let reverse = REVERSE_PATHS.map(Estimator::Reverse);
    let forward = FORWARD_PATHS.map(Estimator::Forward);
    let scale = ordinary_scale(engine, theta, Estimator::Reverse(ReverseKl::Reparam), z);
    assert_small(what, engine, theta, &reverse, z, tolerance.bound() * scale);
    let scale = ordinary_scale(engine, theta, Estimator::Forward(ForwardKl::MaxLikelihood), x);
    assert_small(what, engine, theta, &forward, x, tolerance.bound() * scale);
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
