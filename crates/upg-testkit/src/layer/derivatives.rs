//! Log-det, score, pull-back and parameter gradients against dense Jacobians and finite differences.

use super::{Trial, Way};
use crate::{
    dense::Oracle,
    numeric::{Along, Derivatives, assert_gradients, inner_products},
    runner::{Pulled, Runner},
    tolerance::{Tolerance, assert_close, assert_close_on_scale, largest},
};
use ndarray::{Array2, Axis, s};

/// All checks at one batch.
pub fn check(trial: &mut Trial, way: Way, batch: usize) {
    let candidates = trial.points(way, batch + batch / 2 + 6);
    let derivatives = Derivatives::of(&mut trial.runner(way), trial.domain, &candidates, batch);
    check_log_det(trial, way, &derivatives);
    check_score(trial, way, &derivatives);
    check_adjoint(trial, way, &derivatives.x);
    for weight in [0.0, trial.weight()] {
        check_push(trial, way, &derivatives, weight);
        check_pull_back(trial, way, &derivatives, weight);
    }
}

/// ℓ = log|det J|.
fn check_log_det(trial: &Trial, way: Way, derivatives: &Derivatives) {
    let log_det = trial.runner(way).forward(&derivatives.x).log_det;
    for oracle in Oracle::all() {
        let dense: Vec<f64> = derivatives.jacobian.iter().map(|j| oracle.log_abs_det(j.view())).collect();
        let what = trial.label(&format!("log|det J| against {oracle:?}"), way, log_det.len());
        let tolerance = trial.allowed(Tolerance::differences().times(derivatives.condition()));
        assert_close_on_scale(&what, &log_det, &dense, 1.0 + largest(&dense), tolerance);
    }
}

/// Jᵀ·push_score(s) = s − ∇ℓ.
fn check_score(trial: &mut Trial, way: Way, derivatives: &Derivatives) {
    let score = trial.covector(derivatives.x.nrows());
    let mut runner = trial.runner(way);
    runner.forward(&derivatives.x);
    let pushed = runner.push_score(&score);
    let what = trial.label("Jᵀ·push_score(s) = s − ∇ℓ", way, score.nrows());
    let scale = largest(flat(&derivatives.transpose_times_absolute(&pushed)));
    let (left, right) = (derivatives.transpose_times(&pushed), score - &derivatives.grad_log_det);
    assert_close_on_scale(&what, flat(&left), flat(&right), scale, trial.allowed(Tolerance::differences()));
}

/// ⟨J v, a⟩ = ⟨v, Jᵀ a⟩, with J v by finite differences and Jᵀ a by `pull_back`.
fn check_adjoint(trial: &mut Trial, way: Way, x: &Array2<f64>) {
    let (v, a) = (trial.covector(x.nrows()), trial.covector(x.nrows()));
    let mut runner = trial.runner(way);
    let along = Along::of(&mut runner, trial.domain, x, &v);
    let kept = along.reliable();
    let [x, v, a, jacobian_v] = [x, &v, &a, &along.y].map(|all| all.select(Axis(0), &kept));
    runner.forward(&x);
    let transpose_a = runner.pull_back(&a, 0.0).cotangent;
    let inner = |a: &Array2<f64>, b: &Array2<f64>| (a * b).sum();
    let scale = inner(&jacobian_v.abs(), &a.abs()) + inner(&v.abs(), &transpose_a.abs());
    let what = trial.label("⟨J v, a⟩ = ⟨v, Jᵀ a⟩", way, x.nrows());
    let (left, right) = ([inner(&jacobian_v, &a)], [inner(&v, &transpose_a)]);
    assert_close_on_scale(&what, &left, &right, scale, trial.allowed(Tolerance::differences()));
}

/// Jᵀ u = a − w ∇ℓ, and ∂θ against finite differences of −⟨u, T(x)⟩ − w Σ ℓ at fixed u.
fn check_push(trial: &mut Trial, way: Way, derivatives: &Derivatives, weight: f64) {
    let x = &derivatives.x;
    let a = trial.covector(x.nrows());
    let mut runner = trial.runner(way);
    runner.forward(x);
    let Pulled { cotangent: u, grad } = runner.push(&a, weight);
    let what = trial.label(&format!("Jᵀ·push(a) = a − w ∇ℓ, w = {weight}"), way, x.nrows());
    let scale = largest(flat(&derivatives.transpose_times_absolute(&u)));
    let (left, right) = (derivatives.transpose_times(&u), &a - weight * &derivatives.grad_log_det);
    assert_close_on_scale(&what, flat(&left), flat(&right), scale, trial.allowed(Tolerance::differences()));
    let what = trial.label(&format!("∂θ of push with w = {weight}"), way, x.nrows());
    let of_sample = |runner: &mut Runner<'_, f64>, a: &Array2<f64>| runner.push(a, weight).grad;
    check_gradient(trial, &what, way, [x, &a, &-u], -weight, &grad, of_sample);
}

/// ∂θ [⟨b, T(x)⟩ + w Σ ℓ] sample by sample against finite differences, and their sum, which a verb gave for the whole batch.
fn check_gradient(
    trial: &Trial,
    what: &str,
    way: Way,
    [x, a, b]: [&Array2<f64>; 3],
    weight: f64,
    sum: &[f64],
    of_sample: impl Fn(&mut Runner<'_, f64>, &Array2<f64>) -> Vec<f64>,
) {
    let (domain, mut runner) = (trial.domain, trial.runner(way));
    let row = |all: &Array2<f64>, i: usize| all.slice(s![i..=i, ..]).to_owned();
    let of_samples = (0..x.nrows()).map(|i| {
        runner.forward(&row(x, i));
        of_sample(&mut runner, &row(a, i))
    });
    let grads: Vec<Vec<f64>> = of_samples.collect();
    let added: Vec<f64> = (0..sum.len()).map(|i| grads.iter().map(|grad| grad[i]).sum()).collect();
    let scale = grads.iter().map(|grad| largest(grad)).sum::<f64>().max(f64::MIN_POSITIVE);
    assert_close_on_scale(&format!("{what}, the sum over samples"), sum, &added, scale, Tolerance::theorem::<f64>());

    let centre = runner.forward(x).y;
    let of_theta = |theta: &[f64]| {
        runner.theta.copy_from_slice(theta);
        let mapped = runner.forward(x);
        let terms = inner_products(b, &domain.all_near(&mapped.y, &centre), &centre);
        terms.iter().zip(&mapped.log_det).map(|(term, log_det)| term + weight * log_det).collect()
    };
    assert_gradients(what, &mut trial.rng.clone(), &trial.layout, &trial.theta, &grads, of_theta);
}

/// a ← Jᵀ a + w ∇ℓ, and ∂θ against finite differences of ⟨a, T(x)⟩ + w Σ ℓ.
fn check_pull_back(trial: &mut Trial, way: Way, derivatives: &Derivatives, weight: f64) {
    let x = &derivatives.x;
    let a = trial.covector(x.nrows());
    let mut runner = trial.runner(way);
    runner.forward(x);
    let pulled = runner.pull_back(&a, weight);

    let expected = derivatives.transpose_times(&a) + weight * &derivatives.grad_log_det;
    let what = trial.label(&format!("cotangent pulled back with w = {weight}"), way, x.nrows());
    assert_close(&what, flat(&pulled.cotangent), flat(&expected), trial.allowed(Tolerance::differences()));
    let what = trial.label(&format!("∂θ with w = {weight}"), way, x.nrows());
    let of_sample = |runner: &mut Runner<'_, f64>, a: &Array2<f64>| runner.pull_back(a, weight).grad;
    check_gradient(trial, &what, way, [x, &a, &a], weight, &pulled.grad, of_sample);
}

fn flat(a: &Array2<f64>) -> &[f64] {
    a.as_slice().expect("in standard layout")
}
