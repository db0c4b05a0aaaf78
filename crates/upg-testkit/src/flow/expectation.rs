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

/// Number of batches at first, and at most: they are doubled while the test would see nothing.
const BATCHES: usize = 64;
const MOST_BATCHES: usize = 1024;
/// Samples in each.
const SAMPLES: usize = 64;
/// Largest deviation in standard errors: Student's t with 63 degrees of freedom exceeds it with probability 1e-7.
const DEVIATIONS: f64 = 6.0;
/// Largest standard error, as a fraction of the gradient (2-norms): beyond it the test would see nothing.
const BLUNT: f64 = 0.25;

pub(super) fn check(trial: &mut Trial<'_>) {
    let reverse = [ReverseKl::Reparam, REVERSE_PATHS[0]].map(Estimator::Reverse);
    let mut engine = trial.engine::<f64>(Cpu::here(), WHOLE);
    compare(trial, &mut engine, reverse, |trial| trial.base_samples(SAMPLES));

    // p is the flow at other parameters θ': its samples are T_θ'(z).
    let theta = draw::parameters_within(&mut trial.rng, &trial.layout, trial.case.spread);
    let mut engine = engine_with_target_at(trial, &theta);
    let (here, of_data) = (Cpu::here(), trial.parts::<f64>());
    let mut runner = Runner::new(&here, &*of_data.flow, &theta[trial.of_base..]);
    compare(trial, &mut engine, [ForwardKl::MaxLikelihood, FORWARD_PATHS[0]].map(Estimator::Forward), |trial| {
        runner.forward(&trial.base_samples_at(&theta, SAMPLES)).y
    });
}

/// The target is the density of the flow at θ'.
fn engine_with_target_at(trial: &Trial<'_>, theta: &[f64]) -> AnyEngine<f64> {
    let Parts { flow, base, domain, .. } = trial.parts::<f64>();
    let (of_target, theta) = (trial.parts(), theta.to_vec());
    let target = Pushforward { flow: of_target.flow, base: of_target.base, theta, domain, force: Force::PullBack };
    Parts { flow, base, target: Box::new(target), domain }.engine(Cpu::here(), WHOLE)
}

/// Ordinary against path gradient, over as many batches as it takes to see something. That rule knows how large errors are, not the difference itself.
fn compare<'c>(
    trial: &mut Trial<'c>,
    engine: &mut AnyEngine<f64>,
    [ordinary, path]: [Estimator; 2],
    mut batch: impl FnMut(&mut Trial<'c>) -> Array2<f64>,
) {
    let mut difference = Moments::new(trial.theta.len());
    let mut gradient = Moments::new(trial.theta.len());
    let (mut batches, mut enough) = (0, BATCHES);
    let blunt = loop {
        let samples = batch(trial);
        let ordinary = ordinary.run(engine, &trial.theta, samples.view()).grad.clone();
        let path = &path.run(engine, &trial.theta, samples.view()).grad;
        difference.add(path.iter().zip(&ordinary).map(|(p, o)| p - o));
        gradient.add(path.iter().copied());
        batches += 1;
        if batches == enough {
            let blunt = norm(&difference.standard_errors()) / norm(&gradient.means());
            if blunt <= BLUNT || enough == MOST_BATCHES {
                break blunt;
            }
            enough *= 2;
        }
    };
    let what = trial.label(&format!("expectations of {path:?} and {ordinary:?}"));
    assert!(blunt <= BLUNT, "{what}: the standard error is {blunt} of the gradient after {batches} batches");
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
