//! The score-function term has mean zero: path gradient and ordinary gradient have the same expectation.
//!
//! Reverse KL over draws from the base; forward KL over exact draws from p, for which p is the density of the same flow
//! at other parameters. D_m is the difference of the two gradients over batch m; D̄ must be zero within its standard error.

use super::{AnyEngine, Estimator, FORWARD_PATHS, Parts, REVERSE_PATHS, Trial, WHOLE};
use crate::{
    draw,
    models::{Force, Pushforward},
    runner::Runner,
};
use ndarray::Array2;
use upg_core::{Cpu, ForwardKl, ReverseKl};

/// Number of batches.
const BATCHES: usize = 64;
/// Samples in each.
const SAMPLES: usize = 64;
/// Largest deviation in standard errors: Student's t with 63 degrees of freedom exceeds it with probability 1e-7.
const DEVIATIONS: f64 = 6.0;
/// Largest standard error, as a fraction of the gradient (2-norms): beyond it the test would see nothing.
const BLUNT: f64 = 0.25;

pub(super) fn check(trial: &mut Trial<'_>) {
    let reverse = [ReverseKl::Reparam, REVERSE_PATHS[0]].map(Estimator::Reverse);
    let mut engine = trial.engine::<f64>(Cpu::here(), WHOLE);
    let z: Vec<Array2<f64>> = (0..BATCHES).map(|_| trial.base_samples(SAMPLES)).collect();
    compare(trial, &mut engine, reverse, &z);

    let (mut engine, data) = engine_with_exact_data(trial);
    compare(trial, &mut engine, [ForwardKl::MaxLikelihood, FORWARD_PATHS[0]].map(Estimator::Forward), &data);
}

/// p is the flow at other parameters θ': its samples are T_θ'(z).
fn engine_with_exact_data(trial: &mut Trial<'_>) -> (AnyEngine<f64>, Vec<Array2<f64>>) {
    let theta = draw::parameters_within(&mut trial.rng, &trial.layout, trial.case.spread());
    let Parts { flow, base, domain, .. } = trial.parts::<f64>();
    let z: Vec<Array2<f64>> = (0..BATCHES).map(|_| trial.base_samples_at(&theta, SAMPLES)).collect();
    let here = Cpu::here();
    let mut runner = Runner::new(&here, &*flow, &theta[trial.of_base..]);
    let data = z.iter().map(|z| runner.forward(z).y).collect();
    let of_target = trial.parts();
    let target = Pushforward { flow: of_target.flow, base: of_target.base, theta, domain, force: Force::PullBack };
    (Parts { flow, base, target: Box::new(target), domain }.engine(Cpu::here(), WHOLE), data)
}

/// Ordinary against path gradient over all batches.
fn compare(trial: &Trial<'_>, engine: &mut AnyEngine<f64>, [ordinary, path]: [Estimator; 2], batches: &[Array2<f64>]) {
    let mut difference = Moments::new(trial.theta.len());
    let mut gradient = Moments::new(trial.theta.len());
    for samples in batches {
        let ordinary = ordinary.run(engine, &trial.theta, samples.view()).grad.clone();
        let path = &path.run(engine, &trial.theta, samples.view()).grad;
        difference.add(path.iter().zip(&ordinary).map(|(p, o)| p - o));
        gradient.add(path.iter().copied());
    }
    let what = trial.label(&format!("expectations of {path:?} and {ordinary:?}"));
    let blunt = norm(&difference.standard_errors()) / norm(&gradient.means());
    assert!(blunt <= BLUNT, "{what}: the standard error is {blunt} of the gradient");
    let deviations = difference.means().into_iter().zip(difference.standard_errors());
    let (worst, at) = deviations.zip(0..).map(|((mean, error), i)| (ratio(mean, error), i)).fold((0.0, 0), larger);
    assert!(worst <= DEVIATIONS, "{what}: parameter {at} is off by {worst} standard errors");
}

/// |mean| / error, where 0/0 = 0: a parameter that doesn't matter.
fn ratio(mean: f64, error: f64) -> f64 {
    if mean == 0.0 { 0.0 } else { mean.abs() / error }
}

fn larger(a: (f64, usize), b: (f64, usize)) -> (f64, usize) {
    if b.0 <= a.0 { a } else { b }
}

fn norm(a: &[f64]) -> f64 {
    a.iter().map(|a| a * a).sum::<f64>().sqrt()
}

/// Means of vectors with their standard errors.
struct Moments {
    count: f64,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(len: usize) -> Self {
        Self { count: 0.0, sum: vec![0.0; len], squares: vec![0.0; len] }
    }

    fn add(&mut self, values: impl Iterator<Item = f64>) {
        self.count += 1.0;
        for ((value, sum), square) in values.zip(&mut self.sum).zip(&mut self.squares) {
            *sum += value;
            *square += value * value;
        }
    }

    fn means(&self) -> Vec<f64> {
        self.sum.iter().map(|sum| sum / self.count).collect()
    }

    fn standard_errors(&self) -> Vec<f64> {
        let n = self.count;
        let error = |(mean, square): (f64, &f64)| ((square / n - mean * mean).max(0.0) / (n - 1.0)).sqrt();
        self.means().into_iter().zip(&self.squares).map(error).collect()
    }
}
