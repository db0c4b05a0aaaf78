//! Elementary functions to about 28 digits, by arithmetic in double-double: the reference for fast ones.
//!
//! A number is the unevaluated sum hi + lo of two doubles, |lo| ≤ ½ ulp(hi) (T. Dekker, Numer. Math. 18 (1971) 224).
//! Everything rests on e^x − 1: Taylor's series of x/2^k, then k times p ← p² + 2p. No library function is used but
//! `ln_1p`, `ln` and `sqrt`, as the start of one Newton step, and `exp` below e^{−700}.

use std::ops::{Add, Div, Mul, Neg, Sub};
use upg_core::Real;

/// hi + lo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Double {
    hi: f64,
    lo: f64,
}

/// log 2.
const LN_2: Double = Double { hi: std::f64::consts::LN_2, lo: 2.319_046_813_846_299_6e-17 };

impl From<f64> for Double {
    fn from(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }
}

/// The exact sum of two doubles.
fn two_sum(a: f64, b: f64) -> Double {
    let hi = a + b;
    let part = hi - a;
    Double { hi, lo: (a - (hi - part)) + (b - part) }
}

impl Add for Double {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let sum = two_sum(self.hi, other.hi);
        two_sum(sum.hi, sum.lo + self.lo + other.lo)
    }
}

impl Neg for Double {
    type Output = Self;

    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Sub for Double {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let hi = self.hi * other.hi;
        let rest = self.hi.mul_add(other.hi, -hi) + (self.hi * other.lo + self.lo * other.hi);
        two_sum(hi, rest)
    }
}

impl Div for Double {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let first = self.hi / other.hi;
        let rest = self - other * first.into();
        two_sum(first, rest.hi / other.hi)
    }
}

impl Double {
    fn abs(self) -> Self {
        if self.hi < 0.0 { -self } else { self }
    }

    /// √self by one Newton step, for a positive number.
    pub fn sqrt(self) -> Self {
        let start = Self::from(self.hi.sqrt());
        start + (self - start * start) / (start + start)
    }

    /// |got − self| in units in the last place of the precision of `got`, at the size of self.
    pub fn error_in_ulp<T: Real>(self, got: T) -> f64 {
        let exponent = self.hi.abs().max(T::min_positive_value().wide()).log2().floor();
        let ulp = T::epsilon().wide() * exponent.exp2();
        self.distance(got) / ulp
    }

    /// |got − self|.
    pub fn distance<T: Real>(self, got: T) -> f64 {
        (Self::from(got.wide()) - self).hi.abs()
    }
}

/// e^x − 1, to the last digits for small x too.
pub fn exp_m1(x: Double) -> Double {
    let halvings = (x.hi.abs().log2() + 8.0).max(0.0) as i32;
    let scale = 0.5_f64.powi(halvings);
    let r = Double { hi: x.hi * scale, lo: x.lo * scale };
    let mut p = Double::from(0.0);
    for n in (1..=14_u8).rev() {
        p = r / f64::from(n).into() * (Double::from(1.0) + p);
    }
    for _ in 0..halvings {
        p = p * p + p + p;
    }
    p
}

/// e^x; below e^{−700}, where lo would be denormal, as good as the library's.
pub fn exp(x: Double) -> Double {
    if x.hi < -700.0 {
        return x.hi.exp().into();
    }
    let grown = exp_m1(x.abs()) + 1.0.into();
    if x.hi < 0.0 { Double::from(1.0) / grown } else { grown }
}

/// log(1 + u) for u ≥ −½.
pub fn ln_1p(u: Double) -> Double {
    let start = Double::from(u.hi.ln_1p());
    let back = exp_m1(start);
    start + (u - back) / (back + 1.0.into())
}

/// log x by one Newton step from the library's, with the exponential in two halves so that it doesn't overflow; near 1 as a difference.
pub fn ln(x: f64) -> Double {
    if (0.5..=2.0).contains(&x) {
        return ln_1p((x - 1.0).into());
    }
    let start = x.ln();
    let half = exp((0.5 * start).into());
    Double::from(start) + (Double::from(x) / half / half - 1.0.into())
}

/// (sin x, cos x) for |x| ≤ 100: the nearest quarter turns taken off.
pub fn sin_cos(x: f64) -> (Double, Double) {
    let turns = (x * std::f64::consts::FRAC_2_PI).round();
    let half_pi = [std::f64::consts::FRAC_PI_2, 6.123233995736766e-17, -1.4973849048591833e-33];
    let r = half_pi.iter().fold(Double::from(x), |r, &part| r - Double::from(turns) * part.into());
    sin_cos_of_quarters(turns.rem_euclid(4.0) as u32, r)
}

/// (sin, cos) of n π/2 + r for |r| ≤ π/4, by Taylor's series.
pub fn sin_cos_of_quarters(n: u32, r: Double) -> (Double, Double) {
    let mut term = Double::from(1.0);
    let mut sums = [Double::from(0.0); 4]; // of the terms r^k/k! with k ≡ 0, 1, 2, 3 (mod 4)
    for k in 0..30_u8 {
        sums[usize::from(k % 4)] = sums[usize::from(k % 4)] + term;
        term = term * r / f64::from(k + 1).into();
    }
    let (sin, cos) = (sums[1] - sums[3], sums[0] - sums[2]);
    match n % 4 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// tanh x.
pub fn tanh(x: Double) -> Double {
    let p = exp_m1(x.abs() + x.abs());
    let t = p / (p + 2.0.into());
    if x.hi < 0.0 { -t } else { t }
}

/// 1/(1 + e^{−x}).
pub fn sigmoid(x: Double) -> Double {
    let e = exp(-x.abs());
    let one = Double::from(1.0);
    if x.hi < 0.0 { e / (e + one) } else { one / (e + one) }
}

/// log(1 + e^x).
pub fn softplus(x: Double) -> Double {
    let rest = ln_1p(exp(-x.abs()));
    if x.hi < 0.0 { rest } else { x + rest }
}

/// log cosh x, as ½ log(1 + sinh² x) for small x.
pub fn ln_cosh(x: Double) -> Double {
    let a = x.abs();
    if a.hi > 1.0 {
        return a + ln_1p(exp(-(a + a))) - LN_2;
    }
    let p = exp_m1(a);
    let half = Double::from(0.5);
    let sinh = half * (p + p / (p + 1.0.into()));
    half * ln_1p(sinh * sinh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(got: Double, hi: f64, lo: f64) {
        let error = (got - Double { hi, lo }).abs().hi / hi.abs();
        assert!(error < 1e-27, "{got:?} for {hi:e} + {lo:e}, off by {error:e}");
    }

    /// Digits by arbitrary-precision arithmetic.
    #[test]
    fn values_from_outside() {
        check(exp(Double::from(0.7)), 2.0137527074704766, -2.0058243549764793e-16);
        check(exp(Double::from(-3.25)), 0.03877420783172201, 1.1433418851841824e-18);
        check(exp(Double::from(300.5)), 3.202519714603633e+130, 3.450128650899247e+112);
        check(exp(Double::from(-250.125)), 2.355552097624285e-109, -1.4638420698715847e-125);
        check(exp_m1(Double::from(1e-10)), 1.00000000005e-10, 3.3900133221217734e-27);
        check(exp_m1(Double::from(0.3)), 0.3498588075760031, 1.6549155728191776e-17);
        check(ln_1p(Double::from(-0.25)), -0.2876820724517809, -2.607160616442564e-17);
        check(ln_1p(Double::from(-1e-12)), -1.0000000000005e-12, 2.4217939436345712e-29);
        check(ln(0.3), -1.2039728043259361, 8.935521583403776e-17);
        check(ln(123.5), 4.816241156068032, -1.6105375184037457e-16);
        check(sin_cos(0.7).0, 0.644217687237691, 2.8740567927338755e-18);
        check(sin_cos(-2.5).1, -0.8011436155469337, -1.8674742705085553e-17);
        check(sin_cos(99.25).0, -0.9582920700310633, 3.316464377157675e-17);
        check(sin_cos_of_quarters(3, Double::from(0.2)).1, 0.19866933079506122, 9.941104213878483e-18);
        check(Double::from(2.0).sqrt(), std::f64::consts::SQRT_2, -9.667293313452913e-17);
        check(tanh(Double::from(-0.001)), -0.0009999996666668, -1.7800613799166557e-20);
        check(tanh(Double::from(0.9)), 0.7162978701990245, -3.514093391268979e-17);
        check(tanh(Double::from(7.5)), 0.9999993881955461, 2.4847492783280624e-17);
        check(sigmoid(Double::from(-30.0)), 9.357622968839299e-14, 8.837142511495094e-31);
        check(sigmoid(Double::from(0.1)), 0.52497918747894, -2.5084310194303448e-17);
        check(sigmoid(Double::from(12.0)), 0.9999938558253978, -7.43154129049498e-18);
        check(softplus(Double::from(-20.0)), 2.061153620314381e-09, -1.0113320447997458e-25);
        check(softplus(Double::from(-0.3)), 0.5543552444685271, -7.224165545006375e-18);
        check(softplus(Double::from(5.0)), 5.006715348489118, -1.871539192757289e-16);
        check(ln_cosh(Double::from(1e-05)), 4.9999999999166676e-11, -6.686052305078699e-28);
        check(ln_cosh(Double::from(-0.8)), 0.29075356032839356, -6.7982889706022335e-18);
        check(ln_cosh(Double::from(1.5)), 0.8554401710137968, -1.9142689139062064e-17);
        check(ln_cosh(Double::from(40.0)), 39.30685281944005, 1.8641886737243033e-15);
    }

    #[test]
    fn ulps() {
        let third = Double::from(1.0) / 3.0.into();
        assert!((third.error_in_ulp(1.0_f32 / 3.0) - 1.0 / 3.0).abs() < 1e-6);
        assert!((third.error_in_ulp(1.0_f64 / 3.0 + f64::EPSILON / 4.0) - (1.0 - 1.0 / 3.0)).abs() < 1e-6);
    }
}
