//! Starts and targets that are told in a line, and what tests of several targets share.

use ndarray::Array2;
use rand::SeedableRng;
use upg_core::{Base, BasePass, Batch, Cpu, Real, Rng, SampleStream, Target};
use upg_targets::{ExactSampler, TargetError};

/// Chains of so many degrees of freedom that start where they are put.
pub struct StartAt<F>(pub usize, pub F);

impl<F: Fn(&mut Batch<f64>) + Send + Sync> Base<Cpu<f64>> for StartAt<F> {
    fn dof(&self) -> usize {
        self.0
    }

    fn sample(&self, _: &mut BasePass<'_, Cpu<f64>>, _: SampleStream, _: u64, z: &mut Batch<f64>) {
        (self.1)(z);
    }

    fn log_density_and_score(
        &self,
        _: &mut BasePass<'_, Cpu<f64>>,
        _: &Batch<f64>,
        _: &mut Vec<f64>,
        _: Option<&mut Batch<f64>>,
    ) {
        unreachable!("only its samples are asked for")
    }
}

/// A target of one number, by its action and its force.
pub struct OneNumber(pub fn(f64) -> f64, pub fn(f64) -> f64);

impl Target<Cpu<f64>> for OneNumber {
    fn dof(&self) -> usize {
        1
    }

    fn action_and_force(&self, _: &Cpu<f64>, x: &Batch<f64>, action: &mut Vec<f64>, force: Option<&mut Batch<f64>>) {
        *action = x.row(0).iter().map(|&x| (self.0)(x)).collect();
        if let Some(force) = force {
            force.copy_from(x);
            force.row_mut(0).iter_mut().for_each(|x| *x = (self.1)(*x));
        }
    }
}

/// S of x, shape `[batch, dof]`, in precision `T`, without a force.
pub fn actions<T: Real>(target: &dyn Target<Cpu<T>>, x: &Array2<f64>) -> Vec<f64> {
    upg_testkit::target::action(&Cpu::here(), target, &x.mapv(T::of))
}

/// A target that must be refused in these words.
#[track_caller]
pub fn refused<P>(made: Result<P, TargetError>, message: &str) {
    assert_eq!(made.err().map(|error| error.to_string()).as_deref(), Some(message));
}

/// How many samples [`unbent_draws`] draws.
const DRAWN: usize = 200_000;

/// Draws of the target, each mapped to four numbers that ought to be independent and N(0, 1): one row a draw.
pub fn unbent_draws<T: Real>(
    target: &(impl ExactSampler<T> + Target<Cpu<T>>),
    seed: u64,
    map: impl Fn(&[f64]) -> [f64; 4],
) -> Vec<[f64; 4]> {
    let mut x = Batch::zeros(target.dof(), DRAWN);
    target.sample(&mut Rng::seed_from_u64(seed), &mut x);
    x.to_samples().rows().into_iter().map(|x| map(&x.mapv(Real::wide).to_vec())).collect()
}

/// Asserts that columns have the characteristic function of N(0, 1), and are independent of each other and of their neighbours in time.
#[track_caller]
pub fn assert_normal(draws: &[[f64; 4]]) {
    let mean = |f: &dyn Fn(usize) -> f64| (0..draws.len()).map(f).sum::<f64>() / draws.len() as f64;
    let five_sigma = 5.0 / (draws.len() as f64).sqrt();
    for i in 0..4 {
        for k in [0.5, 1.0, 2.0, 3.0_f64] {
            let cosine = mean(&|b| (k * draws[b][i]).cos());
            assert!((cosine - (-0.5 * k * k).exp()).abs() < five_sigma, "number {i}, k = {k}: {cosine}");
            assert!(mean(&|b| (k * draws[b][i]).sin()).abs() < five_sigma, "number {i}, k = {k}");
        }
        let next = |b: usize| draws[(b + 1) % draws.len()][i];
        assert!(mean(&|b| draws[b][i] * draws[b][(i + 1) % 4]).abs() < five_sigma, "numbers {i} and {}", (i + 1) % 4);
        assert!(mean(&|b| draws[b][0].powi(2).min(9.0) * draws[b][i.max(1)]).abs() < 4.0 * five_sigma, "squares, {i}");
        assert!(mean(&|b| draws[b][i] * next(b)).abs() < five_sigma, "neighbours of {i}");
    }
}
