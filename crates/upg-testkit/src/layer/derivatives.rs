//! Log-det, score, pull-back and parameter gradients against dense Jacobians and finite differences.

use super::{Trial, Way};
use crate::{
    dense::Oracle,
    numeric::{Along, Derivatives, Gradients, assert_all_gradients, inner_products},
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
    let mut functions = vec![];
    for weight in [0.0, trial.weight()] {
        functions.push(check_push(trial, way, &derivatives, weight));
        functions.push(check_pull_back(trial, way, &derivatives, weight));
    }
    check_gradients(trial, way, &derivatives.x, &functions);
}

/// ⟨b, T(x)⟩ + w ℓ of every sample as a function of θ, with the gradients a verb gives.
struct Functional {
    b: Array2<f64>,
    weight: f64,
    grads: Gradients,
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

/// Jᵀ u = a − w ∇ℓ. ∂θ is that of −⟨u, T(x)⟩ − w Σ ℓ at fixed u.
fn check_push(trial: &mut Trial, way: Way, derivatives: &Derivatives, weight: f64) -> Functional {
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
    let grads = of_samples(trial, what, way, [x, &a], &grad, |runner, a| runner.push(a, weight));
    Functional { b: -u, weight: -weight, grads }
}

/// a ← Jᵀ a + w ∇ℓ. ∂θ is that of ⟨a, T(x)⟩ + w Σ ℓ.
fn check_pull_back(trial: &mut Trial, way: Way, derivatives: &Derivatives, weight: f64) -> Functional {
    let x = &derivatives.x;
    let a = trial.covector(x.nrows());
    let mut runner = trial.runner(way);
    runner.forward(x);
    let Pulled { cotangent, grad } = runner.pull_back(&a, weight);
    let expected = derivatives.transpose_times(&a) + weight * &derivatives.grad_log_det;
    let what = trial.label(&format!("cotangent pulled back with w = {weight}"), way, x.nrows());
    assert_close(&what, flat(&cotangent), flat(&expected), trial.allowed(Tolerance::differences()));
    let what = trial.label(&format!("∂θ with w = {weight}"), way, x.nrows());
    let grads = of_samples(trial, what, way, [x, &a], &grad, |runner, a| runner.pull_back(a, weight));
    Functional { b: a, weight, grads }
}

/// The ∂θ that a verb gives sample by sample; their sum is what it gave for the whole batch.
fn of_samples(
    trial: &Trial,
    what: String,
    way: Way,
    [x, a]: [&Array2<f64>; 2],
    sum: &[f64],
    verb: impl Fn(&mut Runner<'_, f64>, &Array2<f64>) -> Pulled<f64>,
) -> Gradients {
    let mut runner = trial.runner(way);
    let row = |all: &Array2<f64>, i: usize| all.slice(s![i..=i, ..]).to_owned();
    let of_sample = |i| {
        runner.forward(&row(x, i));
        verb(&mut runner, &row(a, i)).grad
    };
    let of_samples: Vec<Vec<f64>> = (0..x.nrows()).map(of_sample).collect();
    let added: Vec<f64> = (0..sum.len()).map(|i| of_samples.iter().map(|grad| grad[i]).sum()).collect();
    let scale = of_samples.iter().map(|grad| largest(grad)).sum::<f64>().max(f64::MIN_POSITIVE);
    assert_close_on_scale(&format!("{what}, the sum over samples"), sum, &added, scale, Tolerance::theorem::<f64>());
    Gradients { what, of_samples }
}

/// ∂θ of all verbs against finite differences, for which T is evaluated once at every θ.
fn check_gradients(trial: &Trial, way: Way, x: &Array2<f64>, functions: &[Functional]) {
    let (domain, mut runner) = (trial.domain, trial.runner(way));
    let centre = runner.forward(x).y;
    let of_theta = |theta: &[f64]| {
        runner.theta.copy_from_slice(theta);
        let mapped = runner.forward(x);
        let y = domain.all_near(&mapped.y, &centre);
        let values = |Functional { b, weight, .. }: &Functional| {
            let terms = inner_products(b, &y, &centre);
            terms.iter().zip(&mapped.log_det).map(|(term, log_det)| term + weight * log_det).collect::<Vec<_>>()
        };
        functions.iter().flat_map(values).collect()
    };
    let grads = functions.iter().map(|function| &function.grads);
    assert_all_gradients(&mut trial.rng.clone(), &trial.layout, &trial.theta, grads, of_theta);
}

fn flat(a: &Array2<f64>) -> &[f64] {
    a.as_slice().expect("in standard layout")
}
