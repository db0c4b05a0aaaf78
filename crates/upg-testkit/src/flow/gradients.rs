//! Ordinary gradients against finite differences of the losses; path gradients against MATH (1) to (3) done densely.

use super::{Estimator, Trial, WHOLE};
use crate::{
    dense::Oracle,
    domain::Domain,
    numeric::{Derivatives, assert_gradients, inner_products},
    runner::Runner,
    target::Evaluated,
    tolerance::{Tolerance, assert_close_on_scale, largest},
};
use ndarray::{Array1, Array2, Axis};
use upg_core::{Cpu, ForwardKl, Layer, ReverseKl};

pub(super) fn check(trial: &mut Trial<'_>) {
    for ordinary in [Estimator::Reverse(ReverseKl::Reparam), Estimator::Forward(ForwardKl::MaxLikelihood)] {
        check_ordinary(trial, ordinary);
    }
    for path in [Estimator::Reverse(ReverseKl::PathFast), Estimator::Forward(ForwardKl::PathFast)] {
        check_path(trial, path);
    }
}

/// The ordinary gradient is the θ-derivative of the loss at fixed samples.
fn check_ordinary(trial: &mut Trial<'_>, estimator: Estimator) {
    let batch = trial.batch();
    let samples = trial.samples(estimator, batch);
    let grads = of_every_sample(trial, estimator, &samples);
    let what = trial.label(&format!("{estimator:?} and finite differences of the loss"));
    let losses = |theta: &[f64]| trial.plain(estimator, theta, &samples).losses();
    assert_gradients(&what, &mut trial.rng.clone(), &trial.layout, &trial.theta, &grads, losses);
}

/// The gradients of the samples one by one; that of the batch is their mean.
fn of_every_sample(trial: &Trial<'_>, estimator: Estimator, samples: &Array2<f64>) -> Vec<Vec<f64>> {
    let mut engine = trial.engine::<f64>(Cpu::here(), WHOLE);
    let of_rows = samples.axis_chunks_iter(Axis(0), 1);
    let grads: Vec<Vec<f64>> =
        of_rows.map(|sample| estimator.run(&mut engine, &trial.theta, sample).grad.clone()).collect();
    let mean = |i: usize| grads.iter().map(|grad| grad[i]).sum::<f64>() / grads.len() as f64;
    let means: Vec<f64> = (0..trial.theta.len()).map(mean).collect();
    let of_batch = estimator.run(&mut engine, &trial.theta, samples.view()).grad;
    let what = trial.label(&format!("{estimator:?} of a batch, and of its samples"));
    let scale = grads.iter().map(|grad| largest(grad)).fold(f64::MIN_POSITIVE, f64::max);
    assert_close_on_scale(&what, of_batch, &means, scale, Tolerance::theorem::<f64>());
    grads
}

/// The path gradient from dense Jacobians: s_end solves Jᵀ s_end = s_start − ∇ℓ, then ∂θ ⟨a, M(x; θ)⟩ at fixed a.
fn check_path(trial: &mut Trial<'_>, estimator: Estimator) {
    let batch = trial.batch();
    let candidates = trial.samples(estimator, batch + batch / 2 + 2);
    let (parts, here) = (trial.parts::<f64>(), Cpu::here());
    let inverse = parts.flow.inverse();
    let map: &dyn Layer<Cpu<f64>> = match estimator {
        Estimator::Reverse(_) => &*parts.flow,
        Estimator::Forward(_) => &*inverse,
    };
    let mut runner = Runner::new(&here, map, &trial.theta);
    let derivatives = Derivatives::of(&mut runner, parts.domain, &candidates, batch);
    let start = &derivatives.x;
    let end = runner.forward(start).y;

    let score_of_base = |z: &Array2<f64>| parts.base.log_density_and_score(&here, z).1;
    let score_of_target = |x: &Array2<f64>| Evaluated::of(&here, &*parts.target, x).force;
    let (start_score, end_score) = match estimator {
        Estimator::Reverse(_) => (score_of_base(start), score_of_target(&end)),
        Estimator::Forward(_) => (score_of_target(start), score_of_base(&end)),
    };
    let grads = of_every_sample(trial, estimator, start);
    for &oracle in Oracle::all() {
        let cotangent = push_densely(oracle, &derivatives, &start_score) - &end_score;
        let what = trial.label(&format!("{estimator:?} and its dense construction by {oracle:?}"));
        let functional = transported(&mut runner, parts.domain, start, &end, &cotangent);
        assert_gradients(&what, &mut trial.rng.clone(), &trial.layout, &trial.theta, &grads, functional);
    }
}

/// MATH (1) by a dense solve.
fn push_densely(oracle: Oracle, derivatives: &Derivatives, score: &Array2<f64>) -> Array2<f64> {
    let reduced = score - &derivatives.grad_log_det;
    derivatives.for_every_sample(&reduced, |jacobian, s| Array1::from(oracle.solve(jacobian.t(), s)))
}

/// θ ↦ ⟨a, M(x; θ)⟩ of every sample, at fixed x and a.
fn transported<'f>(
    runner: &'f mut Runner<'_, f64>,
    domain: Domain,
    start: &'f Array2<f64>,
    centre: &'f Array2<f64>,
    cotangent: &'f Array2<f64>,
) -> impl FnMut(&[f64]) -> Vec<f64> + 'f {
    move |theta| {
        runner.theta.copy_from_slice(theta);
        inner_products(cotangent, &domain.all_near(&runner.forward(start).y, centre), centre).to_vec()
    }
}
