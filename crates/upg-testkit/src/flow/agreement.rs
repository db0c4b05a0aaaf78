//! Equal in exact arithmetic: the path gradients of one divergence, sample for sample.

use super::{AnyEngine, Estimator, FORWARD_PATHS, REVERSE_PATHS, Trial, WHOLE};
use crate::tolerance::{Tolerance, assert_close_on_scale, largest};
use ndarray::{Array2, ArrayView2};
use upg_core::{Cpu, ParamLayout, Real};

pub(super) fn check(trial: &mut Trial<'_>) {
    let batch = trial.batch();
    let (z, x) = (trial.base_samples(batch), trial.data(batch));
    let mut engine = trial.engine(Cpu::here(), WHOLE);
    let tolerance = trial.allowed(Tolerance::theorem::<f64>());
    assert_paths_agree(&trial.label("path gradients"), &mut engine, &trial.theta, &z, &x, tolerance);
}

/// Asserts `path-fast` = `path-two-pass` = `path-two-pass-lean` over base samples `z`, and `path-fast` = `gdreg` over
/// data `x`, both of shape `[batch, dof]`, norm-wise tensor by tensor.
///
/// The data need not be distributed as the target: the equality holds for every sample.
#[track_caller]
pub fn assert_paths_agree<T: Real>(
    what: &str,
    engine: &mut AnyEngine<T>,
    theta: &Vec<T>,
    z: &Array2<T>,
    x: &Array2<T>,
    tolerance: Tolerance,
) {
    let reverse = REVERSE_PATHS.map(Estimator::Reverse);
    let forward = FORWARD_PATHS.map(Estimator::Forward);
    assert_all_equal(what, engine, theta, &reverse, z.view(), tolerance);
    assert_all_equal(what, engine, theta, &forward, x.view(), tolerance);
}

#[track_caller]
fn assert_all_equal<T: Real>(
    what: &str,
    engine: &mut AnyEngine<T>,
    theta: &Vec<T>,
    estimators: &[Estimator],
    samples: ArrayView2<'_, T>,
    tolerance: Tolerance,
) {
    let first = estimators[0].run(engine, theta, samples).grad.clone();
    for other in &estimators[1..] {
        let grad = other.run(engine, theta, samples).grad.clone();
        let what = format!("{what}: {:?} and {other:?}", estimators[0]);
        assert_close_by_tensor(&what, &engine.layout(), &grad, &first, tolerance);
    }
}

/// A tensor whose gradient is below this fraction of the largest is compared on that scale: it is the small rest of large terms.
const NEGLIGIBLE: f64 = 0.01;

/// Asserts norm-wise agreement of two gradients, tensor by tensor.
#[track_caller]
pub fn assert_close_by_tensor(
    what: &str,
    layout: &ParamLayout,
    got: &[impl Real],
    expected: &[impl Real],
    tolerance: Tolerance,
) {
    assert_eq!(got.len(), layout.size(), "{what}: elements of the gradient, and parameters");
    let floor = NEGLIGIBLE * largest(expected);
    for (tensor, range) in layout.ranges() {
        let (got, expected) = (&got[range.clone()], &expected[range]);
        let scale = largest(expected).max(floor);
        assert_close_on_scale(&format!("{what}, {}", tensor.name), got, expected, scale, tolerance);
    }
}
