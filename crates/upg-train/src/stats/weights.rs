//! Sums of weights w = p̃/q that are given by their logarithms, and what they tell about q.
//!
//! For N samples of q, MATH (12):
//!
//! ```text
//! ESS = mean(w)² / mean(w²) ∈ (0, 1],   log Z ≈ log mean(w) ± √((1/ESS − 1)/N) .
//! ```
//!
//! For samples of p (data), MATH (13), E_p[1/w] = 1/Z, hence the forward ESS = 1/(mean_p(w) mean_p(1/w)) and log Z ≈ −log mean_p(1/w).
//! Both need supports that agree: a w of 0 in the data makes mean_p(1/w) infinite.
//!
//! These are the textbook's; [`WeightSums::refined`] knows the skewness of the weights besides ([`interval`](super::interval)).
//!
//! Sums are kept relative to the largest weight so far, so log-weights of any size and spread neither over- nor underflow.

use super::interval::{Influences, Refined};

/// 1/ESS − 1 below which weights are so equal that their skewness is lost in round-off.
const EQUAL: f64 = 1e-6;

/// Sums over weights w of samples of q; see the [module documentation](self).
///
/// A log-weight of −∞ is a weight of zero. One that is NaN or +∞ is counted, and then there are no estimates.
///
/// ```
/// use upg_train::stats::WeightSums;
///
/// let mut sums = WeightSums::default();
/// sums.extend(&[1000.0, 1000.0 + 3_f64.ln()]); // weights in the ratio 1 : 3
/// assert!((sums.ess().unwrap() - 0.8).abs() < 1e-12);
/// assert!((sums.log_mean().unwrap() - (1000.0 + 2_f64.ln())).abs() < 1e-12);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WeightSums {
    samples: u64,
    not_finite: u64,
    /// The largest log-weight; none while all weights are zero.
    max: Option<f64>,
    /// Σ e^{log w − max}.
    sum: f64,
    /// Σ e^{2 (log w − max)}.
    sum_squares: f64,
    /// Σ e^{3 (log w − max)}.
    sum_cubes: f64,
    /// Σ e^{4 (log w − max)}.
    sum_fourths: f64,
}

impl WeightSums {
    /// Takes in one sample.
    pub fn push(&mut self, log_w: f64) {
        self.samples += 1;
        if log_w.is_finite() {
            self.add(log_w, [1.0; 4]);
        } else if log_w != f64::NEG_INFINITY {
            self.not_finite += 1;
        }
    }

    /// Takes in many samples.
    pub fn extend(&mut self, log_w: &[f64]) {
        log_w.iter().for_each(|&log_w| self.push(log_w));
    }

    /// Takes in the samples that `other` has.
    pub fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        self.not_finite += other.not_finite;
        if let Some(max) = other.max {
            self.add(max, [other.sum, other.sum_squares, other.sum_cubes, other.sum_fourths]);
        }
    }

    /// Adds sums of the first four powers that are relative to e^`max`.
    fn add(&mut self, max: f64, sums: [f64; 4]) {
        let top = self.max.map_or(max, |old| old.max(max));
        let old = self.max.map_or(0.0, |old| (old - top).exp());
        let new = (max - top).exp();
        self.max = Some(top);
        let kept = [&mut self.sum, &mut self.sum_squares, &mut self.sum_cubes, &mut self.sum_fourths];
        let (mut of_old, mut of_new) = (1.0, 1.0);
        for (kept, sum) in kept.into_iter().zip(sums) {
            (of_old, of_new) = (of_old * old, of_new * new);
            *kept = of_old * *kept + of_new * sum;
        }
    }

    /// Number of samples taken in, those of weight zero and those that are not finite included.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Number of log-weights that are NaN or +∞.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }

    /// The largest log-weight, unless there are no estimates.
    fn top(&self) -> Option<f64> {
        self.max.filter(|_| self.not_finite == 0)
    }

    /// Effective sample size over the number of samples, in (0, 1]; `None` without a positive weight, or with one that is not finite.
    pub fn ess(&self) -> Option<f64> {
        self.top().map(|_| (self.sum / self.sum_squares * (self.sum / self.samples as f64)).min(1.0))
    }

    /// log mean w, the estimate of log Z; `None` as for [`ess`](Self::ess).
    pub fn log_mean(&self) -> Option<f64> {
        self.top().map(|max| max + (self.sum / self.samples as f64).ln())
    }

    /// Standard error of [`log_mean`](Self::log_mean) for independent samples, √((1/ESS − 1)/N); `None` for a single sample, too.
    pub fn log_mean_error(&self) -> Option<f64> {
        let ess = self.ess().filter(|_| self.samples > 1)?;
        Some(((1.0 / ess - 1.0) / self.samples as f64).sqrt())
    }

    /// log Z to second order; `None` as for [`log_mean_error`](Self::log_mean_error).
    pub fn refined(&self) -> Option<Refined> {
        let (plain, error) = (self.log_mean()?, self.log_mean_error()?);
        let (samples, variance) = (self.samples as f64, error * error);
        if variance * samples < EQUAL {
            let fourth = 3.0 * variance * variance / samples; // as of a normal distribution
            return Some(Influences { variance, fourth, ..Influences::default() }.refine(plain));
        }
        // ψ = w/Σw − 1/N, by powers of w/Σw
        let [squares, cubes, fourths] = [(self.sum_squares, 2), (self.sum_cubes, 3), (self.sum_fourths, 4)]
            .map(|(sum, power)| sum / self.sum.powi(power));
        let influences = Influences {
            variance,
            tie: cubes - 3.0 * squares / samples + 2.0 / samples.powi(2),
            fourth: fourths - 4.0 * cubes / samples + 6.0 * squares / samples.powi(2) - 3.0 / samples.powi(3),
            bias: -0.5 * variance,
            curvature: -variance * variance,
        };
        Some(influences.refine(plain))
    }

    /// The heaviest weight over the sum of all, in (0, 1]; `None` as for [`ess`](Self::ess).
    pub fn largest_share(&self) -> Option<f64> {
        self.top().map(|_| 1.0 / self.sum)
    }
}

/// Sums over weights w of data, that is, of samples of p; see the [module documentation](self).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DataWeightSums {
    weights: WeightSums,
    inverse: WeightSums,
}

impl DataWeightSums {
    /// Takes in one sample, with log w = log p̃ − log q (not its negative).
    pub fn push(&mut self, log_w: f64) {
        self.weights.push(log_w);
        self.inverse.push(-log_w);
    }

    /// Takes in many samples.
    pub fn extend(&mut self, log_w: &[f64]) {
        log_w.iter().for_each(|&log_w| self.push(log_w));
    }

    /// Takes in the samples that `other` has.
    pub fn merge(&mut self, other: &Self) {
        self.weights.merge(&other.weights);
        self.inverse.merge(&other.inverse);
    }

    /// Number of samples taken in.
    pub fn samples(&self) -> u64 {
        self.weights.samples
    }

    /// The sums over 1/w: their largest share tells whether [`log_z`](Self::log_z) hangs on one sample.
    pub fn inverse(&self) -> &WeightSums {
        &self.inverse
    }

    /// Forward ESS, in (0, 1]; `None` for less than two samples, or with a log-weight that is not finite.
    pub fn ess(&self) -> Option<f64> {
        if self.samples() < 2 {
            return None; // one number is as large as its mean, whatever it is
        }
        let log_product = self.weights.log_mean()? + self.inverse.log_mean()?;
        Some((-log_product).exp().min(1.0))
    }

    /// −log mean(1/w), an estimate of log Z; `None` as for [`ess`](Self::ess).
    pub fn log_z(&self) -> Option<f64> {
        self.finite()?.log_mean().map(|log_mean| -log_mean)
    }

    /// Standard error of [`log_z`](Self::log_z) for independent samples, from the ESS of the weights 1/w; `None` for a single sample, too.
    pub fn log_z_error(&self) -> Option<f64> {
        self.finite()?.log_mean_error()
    }

    /// log Z from 1/w to second order; `None` as for [`log_z_error`](Self::log_z_error).
    pub fn refined(&self) -> Option<Refined> {
        Some(self.finite()?.refined()?.negated())
    }

    /// The sums over 1/w, unless a log-weight was not finite (+∞ is 1/w = 0: harmless for them, but no data of a sound q).
    fn finite(&self) -> Option<&WeightSums> {
        (self.weights.not_finite == 0).then_some(&self.inverse)
    }
}
