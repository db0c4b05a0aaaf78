//! Starts and targets that are told in a line.

use upg_core::{Base, BasePass, Batch, Cpu, SampleStream, Target};

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
