//! Autocovariances of a series at many lags at once, by the Wiener–Khinchin theorem.
//!
//! The discrete Fourier transform of Σ_i d_i d_{i+t} is |d̂|²; zeros behind the series keep its ends apart. The transform is of radix 2
//! (J. Cooley, J. Tukey, Math. Comp. 19 (1965) 297): decimated in frequency on the way there, in time on the way back, so that the
//! spectrum lies in bit-reversed order and nothing has to be permuted. The cost is O(N log N) whatever the number of lags, also for
//! a chain that hardly moves and needs lags up to a fraction of N.

use std::f64::consts::TAU;

type Complex = [f64; 2];

/// Γ(t) = (1/(N − t)) Σ_{i < N−t} d_i d_{i+t} for the lags 0 … `last`, of N deviations d from the mean; `last` < N.
pub(super) fn autocovariance(deviations: &[f64], last: usize) -> Vec<f64> {
    let size = (deviations.len() + last).next_power_of_two();
    let mut x = vec![[0.0; 2]; size];
    x.iter_mut().zip(deviations).for_each(|(x, &d)| *x = [d, 0.0]);
    let roots = roots_of_unity(size);
    to_spectrum(&mut x, &roots);
    x.iter_mut().for_each(|x| *x = [x[0] * x[0] + x[1] * x[1], 0.0]);
    from_spectrum(&mut x, &roots);
    (0..=last).map(|t| x[t][0] / (size * (deviations.len() - t)) as f64).collect()
}

/// e^{−2πik/size} for k < size/2.
fn roots_of_unity(size: usize) -> Vec<Complex> {
    let angle = |k| TAU * k as f64 / size as f64;
    (0..size / 2).map(|k| [angle(k).cos(), -angle(k).sin()]).collect()
}

/// Natural order to bit-reversed order.
fn to_spectrum(x: &mut [Complex], roots: &[Complex]) {
    let mut half = x.len() / 2;
    while half > 0 {
        let stride = roots.len() / half;
        for pair in x.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for ((a, b), &root) in low.iter_mut().zip(high).zip(roots.iter().step_by(stride)) {
                (*a, *b) = ([a[0] + b[0], a[1] + b[1]], product([a[0] - b[0], a[1] - b[1]], root));
            }
        }
        half /= 2;
    }
}

/// Bit-reversed order to natural order. The sign of the exponent is that of [`to_spectrum`]: for a spectrum that is real and even
/// it makes no difference.
fn from_spectrum(x: &mut [Complex], roots: &[Complex]) {
    let mut half = 1;
    while half < x.len() {
        let stride = roots.len() / half;
        for pair in x.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for ((a, b), &root) in low.iter_mut().zip(high).zip(roots.iter().step_by(stride)) {
                let turned = product(*b, root);
                (*a, *b) = ([a[0] + turned[0], a[1] + turned[1]], [a[0] - turned[0], a[1] - turned[1]]);
            }
        }
        half *= 2;
    }
}

fn product(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}
