//! Deviations, norm-wise, and those that are accepted.

/// In f64.
pub(super) const DOUBLE: f64 = 1e-10;
/// In f32, with products as accurate as f32.
pub(super) const SINGLE: f64 = 1e-4;

/// ‖a − b‖/‖b‖; infinite where a number is missing or isn't one.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    let norm = |terms: &mut dyn Iterator<Item = f64>| terms.map(|x| x * x).sum::<f64>().sqrt();
    let off = norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied()).max(f64::MIN_POSITIVE);
    if a.len() == b.len() && off.is_finite() { off } else { f64::INFINITY }
}
