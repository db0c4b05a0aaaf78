//! Mean and variance of independent numbers, in one pass and mergeable.
//!
//! With n numbers of mean m and sum of squared deviations M, and n', m', M' to be added, δ = m' − m:
//!
//! ```text
//! m ← m + δ n'/(n + n') ,   M ← M + M' + δ² n n'/(n + n') .
//! ```
//!
//! (B. Welford, Technometrics 4 (1962) 419; T. Chan, G. Golub, R. LeVeque, Am. Stat. 37 (1983) 242.)

/// Count, mean and squared deviations. A number that is not finite is counted, and then there are no estimates.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Moments {
    /// Finite numbers taken in.
    finite: u64,
    not_finite: u64,
    mean: f64,
    /// Σ (x − mean)².
    squares: f64,
}

impl Moments {
    /// Takes in one number.
    pub fn push(&mut self, x: f64) {
        if x.is_finite() {
            self.add(1, x, 0.0);
        } else {
            self.not_finite += 1;
        }
    }

    /// Takes in many numbers.
    pub fn extend(&mut self, x: &[f64]) {
        x.iter().for_each(|&x| self.push(x));
    }

    /// Takes in the numbers that `other` has.
    pub fn merge(&mut self, other: &Self) {
        self.not_finite += other.not_finite;
        if other.finite > 0 {
            self.add(other.finite, other.mean, other.squares);
        }
    }

    /// Adds `finite` numbers of that mean and sum of squared deviations.
    fn add(&mut self, finite: u64, mean: f64, squares: f64) {
        let before = self.finite as f64;
        self.finite += finite;
        let fraction = finite as f64 / self.finite as f64;
        let shift = mean - self.mean;
        self.mean += fraction * shift;
        self.squares += squares + before * fraction * shift * shift;
    }

    /// Numbers taken in, those that are not finite included.
    pub fn count(&self) -> u64 {
        self.finite + self.not_finite
    }

    /// The mean; `None` without numbers, or with one that is not finite.
    pub fn mean(&self) -> Option<f64> {
        (self.finite > 0 && self.not_finite == 0).then_some(self.mean)
    }

    /// Σ (x − mean)²/(n − 1); `None` for fewer than two numbers, or with one that is not finite.
    pub fn variance(&self) -> Option<f64> {
        (self.finite > 1 && self.not_finite == 0).then(|| self.squares / (self.finite - 1) as f64)
    }

    /// Standard error of the mean of independent numbers, √(variance/n); `None` as for [`variance`](Self::variance).
    pub fn standard_error(&self) -> Option<f64> {
        self.variance().map(|variance| (variance / self.finite as f64).sqrt())
    }
}
