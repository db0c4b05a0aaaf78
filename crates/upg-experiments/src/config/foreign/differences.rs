//! A force made of central differences of the action, F_i = −[S(x + h e_i) − S(x − h e_i)]/2h, with h = ε^(1/3) max(1, |x_i|).
//!
//! It costs 2 dof actions a sample, and is off by about 10⁻¹⁰ of S and its third derivatives. Where S is computed in single precision it is worth nothing.

use super::{Compute, Failure};
use std::sync::{Arc, Mutex, PoisonError};

/// Displaced samples of a call, at most.
const MOST: usize = 4096;
/// Numbers of them, at most.
const MOST_NUMBERS: usize = 1 << 20;

/// Someone who computes actions, with the force made of these.
pub struct Differences {
    inner: Arc<dyn Compute>,
    dof: usize,
    /// Memory that no call uses now.
    spare: Mutex<Vec<Displaced>>,
}

/// Samples beside those asked for, and their actions.
#[derive(Default)]
struct Displaced {
    x: Vec<f64>,
    action: Vec<f64>,
}

impl Differences {
    /// With actions by `inner`.
    pub fn of(inner: Arc<dyn Compute>, dof: usize) -> Self {
        Self { inner, dof, spare: Mutex::default() }
    }

    /// Pairs of displaced samples of a call.
    fn pairs(&self) -> usize {
        (MOST_NUMBERS / (2 * self.dof)).clamp(1, MOST / 2)
    }

    /// Fills the components of the force of the samples `x` from number `first` on, counted through all samples.
    fn force(&self, x: &[f64], first: usize, force: &mut [f64], displaced: &mut Displaced) -> Result<(), Failure> {
        let (dof, Displaced { x: around, action }) = (self.dof, displaced);
        let components = first..first + force.len();
        around.clear();
        for k in components.clone() {
            for at in ends(x[k]) {
                let begin = around.len();
                around.extend_from_slice(&x[k - k % dof..][..dof]);
                around[begin + k % dof] = at;
            }
        }
        action.resize(2 * force.len(), 0.0);
        let outcome = self.inner.compute(around, action, None);
        outcome.map_err(|failure| Failure { sample: failure.sample.map(|n| (first + n / 2) / dof), ..failure })?;
        for ((force, k), s) in force.iter_mut().zip(components).zip(action.chunks(2)) {
            let [up, down] = ends(x[k]);
            *force = -(s[0] - s[1]) / (up - down);
        }
        Ok(())
    }
}

/// x + h and x − h.
fn ends(x: f64) -> [f64; 2] {
    let h = f64::EPSILON.cbrt() * x.abs().max(1.0);
    [x + h, x - h]
}

impl Compute for Differences {
    fn compute(&self, x: &mut Vec<f64>, action: &mut Vec<f64>, force: Option<&mut Vec<f64>>) -> Result<(), Failure> {
        let Some(force) = force else { return self.inner.compute(x, action, None) };
        let mut displaced = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let pairs = self.pairs();
        for (n, force) in force.chunks_mut(pairs).enumerate() {
            self.force(x, n * pairs, force, &mut displaced)?;
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(displaced);
        self.inner.compute(x, action, None)
    }

    fn warn(&self, words: &str) {
        self.inner.warn(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S = Σ x_i⁴/4 + x_0 x_1, which refuses samples beyond 1000 and takes what it is given away.
    struct Quartic(usize);

    impl Compute for Quartic {
        fn compute(
            &self,
            x: &mut Vec<f64>,
            action: &mut Vec<f64>,
            force: Option<&mut Vec<f64>>,
        ) -> Result<(), Failure> {
            assert!(force.is_none() && x.len() == action.len() * self.0 && action.len() <= MOST);
            let x = std::mem::take(x);
            for (n, (x, s)) in x.chunks(self.0).zip(action).enumerate() {
                if x[0] > 1000.0 {
                    return Err(Failure { sample: Some(n), ..Failure::saying("too large") });
                }
                *s = x.iter().map(|x| x.powi(4) / 4.0).sum::<f64>() + x[0] * x[1];
            }
            Ok(())
        }
    }

    #[test]
    fn the_force_is_that_of_the_action() {
        for (dof, samples) in [(2, 1), (3, 1500), (3000, 3)] {
            let target = Differences::of(Arc::new(Quartic(dof)), dof);
            let x: Vec<f64> = (0..dof * samples).map(|i| 2.0 * (i as f64).sin()).collect();
            let (mut action, mut force) = (vec![0.0; samples], vec![0.0; x.len()]);
            target.compute(&mut x.clone(), &mut action, Some(&mut force)).unwrap();
            for (n, (x, force)) in x.chunks(dof).zip(force.chunks(dof)).enumerate() {
                let s = x.iter().map(|x| x.powi(4) / 4.0).sum::<f64>() + x[0] * x[1];
                assert!((action[n] - s).abs() <= 1e-12 * s.abs());
                for (i, &f) in force.iter().enumerate() {
                    let coupled = if i < 2 { x[1 - i] } else { 0.0 };
                    let off = f + x[i].powi(3) + coupled;
                    assert!(off.abs() < 1e-10 * (1.0 + s.abs()), "sample {n}, {i}: {off}");
                }
            }
        }
    }

    #[test]
    fn a_failure_is_of_the_sample_that_was_moved() {
        let (target, samples) = (Differences::of(Arc::new(Quartic(2)), 2), 1200);
        let mut x = vec![0.0; 2 * samples];
        x[2 * 1111] = 2000.0;
        let (mut action, mut force) = (vec![0.0; samples], vec![0.0; x.len()]);
        let failure = target.compute(&mut x, &mut action, Some(&mut force)).unwrap_err();
        assert_eq!(failure, Failure { sample: Some(1111), ..Failure::saying("too large") });
    }
}
