//! How close two results must be, and the assertions that say so.
//!
//! Agreement of two arrays is norm-wise, max|a − b| / max|b| over one tensor, and every bound is a named multiple of the
//! machine epsilon of the precision the results were computed in. Nothing agrees with a NaN or an infinity.

use std::fmt;
use upg_core::Real;

/// A bound on a norm-wise error: a named multiple of the machine epsilon of one precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    name: &'static str,
    multiple: f64,
    epsilon: f64,
}

impl Tolerance {
    /// 64 ε: the same formula, summed in another order (1.4e-14 in f64, 7.6e-6 in f32).
    pub fn round_off<T: Real>() -> Self {
        Self::named::<T>("round-off", 64.0)
    }

    /// 4096 ε: equal in exact arithmetic, by different ways through a layer or a flow (9.1e-13 in f64, 4.9e-4 in f32).
    pub fn theorem<T: Real>() -> Self {
        Self::named::<T>("theorem", 4096.0)
    }

    /// 2²² ε = 9.3e-10, in f64: against [finite differences](crate::finite).
    pub fn differences() -> Self {
        Self::named::<f64>("finite differences", 4_194_304.0)
    }

    fn named<T: Real>(name: &'static str, multiple: f64) -> Self {
        Self { name, multiple, epsilon: T::epsilon().wide() }
    }

    /// The bound times `condition`, where a measured condition number, not the code, decides how much round-off grows.
    pub fn times(self, condition: f64) -> Self {
        Self { multiple: self.multiple * condition, ..self }
    }

    /// This bound, or `error` where that is larger: the error of the equations themselves, of those that an integrator solves, say.
    pub fn at_least(self, error: f64) -> Self {
        if error <= self.bound() {
            self
        } else {
            Self { name: "error of the method", multiple: error / self.epsilon, ..self }
        }
    }

    /// The largest norm-wise error allowed.
    pub fn bound(&self) -> f64 {
        self.multiple * self.epsilon
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1e} ({}: {} ε)", self.bound(), self.name, self.multiple)
    }
}

/// max|a − b| / max|b|. Zero if both are zero throughout or empty; infinite if something is not finite, or b alone is zero.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn norm_wise_error(a: &[impl Real], b: &[impl Real]) -> f64 {
    let (difference, norm) = (largest_difference(a, b), largest(b));
    match difference {
        0.0 => 0.0,
        f64::INFINITY => f64::INFINITY,
        _ => difference / norm,
    }
}

/// max|a|; infinite if something is not finite.
pub fn largest(a: &[impl Real]) -> f64 {
    a.iter().map(|a| finite_or_infinity(a.wide())).fold(0.0, f64::max)
}

/// max|a − b|; infinite if something is not finite.
#[track_caller]
fn largest_difference(a: &[impl Real], b: &[impl Real]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths of the two sides");
    a.iter().zip(b).map(|(a, b)| finite_or_infinity(a.wide() - b.wide())).fold(0.0, f64::max)
}

fn finite_or_infinity(a: f64) -> f64 {
    if a.is_finite() { a.abs() } else { f64::INFINITY }
}

/// Asserts norm-wise agreement of `got` with `expected`.
#[track_caller]
pub fn assert_close(what: &str, got: &[impl Real], expected: &[impl Real], tolerance: Tolerance) {
    let error = norm_wise_error(got, expected);
    assert!(
        error <= tolerance.bound(),
        "{what}: norm-wise error {error:.1e}, allowed {tolerance}\n{}",
        both_sides(got, expected)
    );
}

/// Asserts |got − expected| ≤ tolerance·|expected|.
#[track_caller]
pub fn assert_close_number(what: &str, got: impl Real, expected: impl Real, tolerance: Tolerance) {
    assert_close(what, &[got], &[expected], tolerance);
}

/// Asserts max|got − expected| ≤ tolerance·`scale`, where the terms `expected` is the sum of set the scale, not the sum.
#[track_caller]
pub fn assert_close_on_scale(what: &str, got: &[impl Real], expected: &[impl Real], scale: f64, tolerance: Tolerance) {
    let difference = largest_difference(got, expected);
    let error = if difference == 0.0 { 0.0 } else { difference / scale };
    assert!(
        error <= tolerance.bound(),
        "{what}: error {error:.1e} of the scale {scale:e}, allowed {tolerance}\n{}",
        both_sides(got, expected)
    );
}

/// Asserts that two results are the same to the bit (NaN included).
#[track_caller]
pub fn assert_same_bits(what: &str, a: &[impl Real], b: &[impl Real]) {
    assert_eq!(a.len(), b.len(), "{what}: lengths of the two sides");
    let differing = a.iter().zip(b).filter(|(a, b)| a.wide().to_bits() != b.wide().to_bits()).count();
    assert!(differing == 0, "{what}: {differing} of {} numbers differ\n{}", a.len(), both_sides(a, b));
}

/// The five elements that differ most, both sides.
fn both_sides(a: &[impl Real], b: &[impl Real]) -> String {
    let mut order: Vec<usize> = (0..a.len()).collect();
    let distance = |i: usize| finite_or_infinity(a[i].wide() - b[i].wide());
    order.sort_by(|&i, &j| distance(j).total_cmp(&distance(i)));
    let line = |&i: &usize| format!("  [{i}] left {:?}, right {:?}", a[i], b[i]);
    let lines: Vec<String> = order.iter().take(5).map(line).collect();
    format!("of {} elements the ones that differ most:\n{}", a.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_norm_wise() {
        assert_eq!(norm_wise_error(&[1.0, 4.5], &[1.5, 5.0]), 0.1);
        assert_eq!(norm_wise_error(&[0.0], &[0.0]), 0.0);
        assert_eq!(norm_wise_error(&[1e-300], &[0.0]), f64::INFINITY);
    }

    #[test]
    fn nothing_agrees_with_nan() {
        for bad in [f64::NAN, f64::INFINITY] {
            assert_eq!(norm_wise_error(&[bad, 1.0], &[1.0, 1.0]), f64::INFINITY);
            assert_eq!(norm_wise_error(&[1.0], &[bad]), f64::INFINITY);
            assert_eq!(norm_wise_error(&[bad], &[bad]), f64::INFINITY);
        }
    }

    #[test]
    #[should_panic(expected = "norm-wise error 1.0e-1, allowed 1.4e-14 (round-off: 64 ε)")]
    fn a_failure_says_what_was_allowed() {
        assert_close("example", &[4.5], &[5.0], Tolerance::round_off::<f64>());
    }

    #[test]
    #[should_panic(expected = "1 of 1 numbers differ")]
    fn bits_see_the_sign_of_zero() {
        assert_same_bits("zero", &[0.0], &[-0.0]);
    }
}
