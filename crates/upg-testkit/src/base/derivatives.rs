//! Score, norm and pull-back of a base by finite differences and quadrature.

use super::{Noise, Trial, flat};
use crate::{
    domain::Domain,
    draw, finite,
    numeric::{assert_gradient, inner_products},
    tolerance::{Tolerance, assert_close_number, assert_close_on_scale, largest},
};
use ndarray::{Array2, Axis};
use std::f64::consts::TAU;
use upg_core::SampleStream;

/// ∇log q₀, one coordinate of all samples at a time.
pub(super) fn check_score(trial: &mut Trial, batch: usize) {
    let z = trial.points(batch);
    let (domain, mut runner) = (trial.domain, trial.runner());
    let score = runner.log_density_and_score(&z).1;
    let mut numeric = Array2::zeros(z.dim());
    for j in 0..z.ncols() {
        let mut moved = |t: f64| runner.log_density(&moved(&z, j, t, domain));
        let slope = finite::velocity(&mut moved, 0.0).value;
        numeric.column_mut(j).iter_mut().zip(slope).for_each(|(score, slope)| *score = slope);
    }
    let scale = largest(flat(&score)).max(f64::MIN_POSITIVE);
    let what = trial.label("score and ∇log q₀", batch);
    assert_close_on_scale(&what, flat(&score), flat(&numeric), scale, Tolerance::differences());
}

/// z with coordinate j of all samples moved by t.
fn moved(z: &Array2<f64>, j: usize, t: f64, domain: Domain) -> Array2<f64> {
    let mut z = z.clone();
    z.column_mut(j).mapv_inplace(|z| domain.wrap(z + t));
    z
}

/// ∫ q₀ dz = 1 by the trapezoidal rule, spectrally accurate here: over the circle, or 12 deviations about the mean.
pub(super) fn check_norm(trial: &Trial) {
    let (mut runner, dof) = (trial.runner(), trial.double.dof());
    if dof > 2 {
        return;
    }
    let points: usize = if dof == 1 { 4000 } else { 500 };
    let drawn = runner.sample(SampleStream::new(trial.round, 3, 0), 0, 1000);
    let axes: Vec<(f64, f64)> = drawn
        .axis_iter(Axis(1))
        .map(|z| match trial.domain {
            Domain::Circle => (0.0, TAU / points as f64),
            Domain::Line => {
                let (mean, width) = (z.mean().expect("draws"), 12.0 * z.std(1.0));
                (mean - width, 2.0 * width / points as f64)
            }
        })
        .collect();
    let z = Array2::from_shape_fn((points.pow(dof as u32), dof), |(i, j)| {
        let (first, step) = axes[j];
        first + step * (i / points.pow(j as u32) % points) as f64
    });
    let cell: f64 = axes.iter().map(|(_, step)| step).product();
    // Row by row of the grid, so that rounding errors of as many terms don't add up.
    let density = runner.log_density(&z);
    let integral: f64 = density.chunks(points).map(|row| row.iter().map(|l| cell * l.exp()).sum::<f64>()).sum();
    assert_close_number(&trial.label("∫ q₀", z.nrows()), integral, 1.0, Tolerance::theorem::<f64>());
}

/// The term of w is w Σ ∂θ log q₀.
pub(super) fn check_density(trial: &mut Trial, batch: usize) {
    let (z, weight) = (trial.points(batch), trial.weight());
    let mut runner = trial.runner();
    let grad = runner.pull_back(&z, None, weight);
    let sum = |theta: &[f64]| {
        runner.set(theta);
        weight * runner.log_density(&z).iter().sum::<f64>()
    };
    let what = trial.label("w ∂θ log q₀", batch);
    assert_gradient(&what, &mut draw::rng(9), &trial.layout, &trial.theta, &grad, sum);
}

/// The term of a is Σ ∂θ ⟨a, z(ε; θ)⟩.
pub(super) fn check_samples(trial: &mut Trial, batch: usize) {
    if trial.noise == Noise::Choices {
        return;
    }
    let (a, stream) = (trial.covector(batch), SampleStream::new(trial.round, 4, 0));
    let mut runner = trial.runner();
    let z = runner.sample(stream, 7, batch);
    let grad = runner.pull_back(&z, Some(&a), 0.0);
    let product = |theta: &[f64]| {
        runner.set(theta);
        inner_products(&a, &runner.sample(stream, 7, batch), &z).sum()
    };
    let what = trial.label("∂θ ⟨a, z⟩", batch);
    assert_gradient(&what, &mut draw::rng(9), &trial.layout, &trial.theta, &grad, product);
}

/// ∂θ log q₀ + ∇·u + u·∇log q₀ = 0 for every parameter, u_j being the pull-back of the unit cotangent along coordinate j.
pub(super) fn check_continuity(trial: &mut Trial) {
    let (points, domain) = (trial.points(3), trial.domain);
    for z in points.axis_chunks_iter(Axis(0), 1) {
        let (z, mut runner) = (z.to_owned(), trial.runner());
        let score = runner.log_density_and_score(&z).1;
        let mut terms = vec![runner.pull_back(&z, None, 1.0)];
        for j in 0..z.ncols() {
            let mut unit = Array2::zeros(z.dim());
            unit[(0, j)] = 1.0;
            let along = runner.pull_back(&z, Some(&unit), 0.0);
            terms.push(along.iter().map(|u| u * score[(0, j)]).collect());
            let mut at = |t: f64| runner.pull_back(&moved(&z, j, t, domain), Some(&unit), 0.0);
            terms.push(finite::velocity(&mut at, 0.0).value);
        }
        let sum: Vec<f64> = (0..trial.theta.len()).map(|i| terms.iter().map(|term| term[i]).sum()).collect();
        let scale = terms.iter().map(|term| largest(term)).fold(0.0, f64::max);
        let (what, zero) = (trial.label("∂θ q₀ + ∇·(u q₀)", 1), vec![0.0; sum.len()]);
        assert_close_on_scale(&what, &sum, &zero, scale, Tolerance::differences());
    }
}
