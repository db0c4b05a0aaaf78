//! Gauss–Legendre quadrature.

use std::f64::consts::PI;

/// The `n` nodes and weights on [0, `end`]: exact for polynomials of degree 2n − 1.
pub(crate) fn gauss_legendre(n: usize, end: f64) -> Vec<(f64, f64)> {
    (1..=n)
        .map(|k| {
            let (node, weight) = node_and_weight(n, k);
            (0.5 * end * (1.0 - node), 0.5 * end * weight)
        })
        .collect()
}

/// The k-th root of P_n counted from 1 downwards, by Newton from Tricomi's estimate, and its weight 2/((1 − x²) P_n'²).
fn node_and_weight(n: usize, k: usize) -> (f64, f64) {
    let mut x = (PI * (k as f64 - 0.25) / (n as f64 + 0.5)).cos();
    for _ in 0..6 {
        let (value, slope) = legendre(n, x);
        x -= value / slope;
    }
    let slope = legendre(n, x).1;
    (x, 2.0 / ((1.0 - x * x) * slope * slope))
}

/// P_n(x) and P_n'(x), by the three-term recurrence.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_and_analytic_functions_are_exact() {
        for n in [2, 5, 64, 256] {
            for degree in [0, 1, 2, 3] {
                let sum: f64 = gauss_legendre(n, 3.0).iter().map(|(x, w)| w * x.powi(degree)).sum();
                let exact = 3.0_f64.powi(degree + 1) / f64::from(degree + 1);
                assert!((sum / exact - 1.0).abs() < 1e-13, "{n} nodes, degree {degree}: {sum}");
            }
        }
        let sum: f64 = gauss_legendre(20, PI).iter().map(|(x, w)| w * x.sin()).sum();
        assert!((sum - 2.0).abs() < 1e-14);
    }
}
