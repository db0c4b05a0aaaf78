//! Ordinary gradients against finite differences of the losses; path gradients against MATH (1) to (3) done densely.

use super::{Estimator, Trial, WHOLE};
use crate::{
    dense::Oracle,
    domain::Domain,
    numeric::{Derivatives, assert_gradients, inner_products},
    runner::{BaseRunner, Runner},
    target::Evaluated,
    tolerance::{Tolerance, assert_close, assert_close_on_scale, largest},
};
use ndarray::{Array1, Array2, Axis};
use upg_core::{Cpu, ForwardKl, Layer, ParamLayout, ReverseKl};

pub(super) fn check(trial: &mut Trial<'_>) {
    for ordinary in [Estimator::Reverse(ReverseKl::Reparam), Estimator::Forward(ForwardKl::MaxLikelihood)] {
        check_ordinary(trial, ordinary);
    }
    check_ordinary_of_base(trial);
    for path in [Estimator::Reverse(ReverseKl::PathFast), Estimator::Forward(ForwardKl::PathFast)] {
        check_path(trial, path);
    }
}

/// The ordinary gradient is the θ-derivative of the loss at fixed samples. With the parameters of a base its samples move, see
/// [`check_ordinary_of_base`].
fn check_ordinary(trial: &mut Trial<'_>, estimator: Estimator) {
    let batch = trial.batch();
    let samples = trial.samples(estimator, batch);
    let grads = of_every_sample(trial, estimator, &samples);
    let what = trial.label(&format!("{estimator:?} and finite differences of the loss"));
    let (fixed, moved) = match estimator {
        Estimator::Reverse(_) => trial.theta.split_at(trial.of_base),
        Estimator::Forward(_) => trial.theta.split_at(0),
    };
    let (grads, layout) = of_last(&grads, &trial.layout, moved.len());
    let losses = |theta: &[f64]| trial.plain(estimator, &[fixed, theta].concat(), &samples).losses();
    assert_gradients(&what, &mut trial.rng.clone(), &layout, moved, &grads, losses);
}

/// The last `count` parameters of gradients and of their layout.
fn of_last(grads: &[Vec<f64>], layout: &ParamLayout, count: usize) -> (Vec<Vec<f64>>, ParamLayout) {
    let first = layout.size() - count;
    let mut rest = ParamLayout::default();
    layout.ranges().filter(|(_, range)| range.start >= first).for_each(|(tensor, _)| rest.push(tensor.clone()));
    (grads.iter().map(|grad| grad[first..].to_vec()).collect(), rest)
}

/// `reparam` of a trained base: MATH (18) with a = Jᵀ ∇S − ∇ℓ + ∇log q₀ and w = 1, for single samples, J dense.
fn check_ordinary_of_base(trial: &mut Trial<'_>) {
    let batch = trial.batch();
    let candidates = trial.base_samples(batch + batch / 2 + 2);
    let (parts, here) = (trial.parts::<f64>(), Cpu::here());
    let mut runner = Runner::new(&here, &*parts.flow, trial.of_flow());
    let derivatives = Derivatives::of(&mut runner, parts.domain, &candidates, batch);
    let z = &derivatives.x;
    let force = Evaluated::of(&here, &*parts.target, &runner.forward(z).y).force;
    let score = BaseRunner::new(&here, &*parts.base, &trial.theta[..trial.of_base]).log_density_and_score(z).1;
    let cotangent = score - derivatives.transpose_times(&force) - &derivatives.grad_log_det;
    check_base(trial, Estimator::Reverse(ReverseKl::Reparam), z, z, &cotangent, 1.0);
}

/// The gradient of a trained base is what it pulls back at z from `cotangent` and `weight`, both of single samples.
fn check_base(
    trial: &Trial<'_>,
    estimator: Estimator,
    samples: &Array2<f64>,
    z: &Array2<f64>,
    cotangent: &Array2<f64>,
    weight: f64,
) {
    if trial.of_base == 0 {
        return;
    }
    let (parts, here, share) = (trial.parts::<f64>(), Cpu::here(), 1.0 / z.nrows() as f64);
    let mut base = BaseRunner::new(&here, &*parts.base, &trial.theta[..trial.of_base]);
    let expected = base.pull_back(z, Some(&(share * cotangent)), share * weight);
    let mut engine = trial.engine::<f64>(Cpu::here(), WHOLE);
    let grad = &estimator.run(&mut engine, &trial.theta, samples.view()).grad[..trial.of_base];
    let what = trial.label(&format!("{estimator:?} of the base"));
    assert_close(&what, grad, &expected, Tolerance::differences());
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
    let mut runner = Runner::new(&here, map, trial.of_flow());
    let derivatives = Derivatives::to_solve_with(&mut runner, parts.domain, &candidates, batch);
    let start = &derivatives.x;
    let end = runner.forward(start).y;

    let theta_of_base = &trial.theta[..trial.of_base];
    let score_of_base =
        |z: &Array2<f64>| BaseRunner::new(&here, &*parts.base, theta_of_base).log_density_and_score(z).1;
    let score_of_target = |x: &Array2<f64>| Evaluated::of(&here, &*parts.target, x).force;
    let (start_score, end_score) = match estimator {
        Estimator::Reverse(_) => (score_of_base(start), score_of_target(&end)),
        Estimator::Forward(_) => (score_of_target(start), score_of_base(&end)),
    };
    let grads = of_every_sample(trial, estimator, start);
    let (grads, layout) = of_last(&grads, &trial.layout, trial.of_flow().len());
    for &oracle in Oracle::all() {
        let cotangent = push_densely(oracle, &derivatives, &start_score) - &end_score;
        let what = trial.label(&format!("{estimator:?} and its dense construction by {oracle:?}"));
        let functional = transported(&mut runner, parts.domain, start, &end, &cotangent);
        assert_gradients(&what, &mut trial.rng.clone(), &layout, trial.of_flow(), &grads, functional);
        match estimator {
            Estimator::Reverse(_) => {
                let at_z = derivatives.transpose_times(&cotangent);
                check_base(trial, estimator, start, start, &at_z, 0.0);
            }
            Estimator::Forward(_) => check_base(trial, estimator, start, &end, &-cotangent, 0.0),
        }
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
