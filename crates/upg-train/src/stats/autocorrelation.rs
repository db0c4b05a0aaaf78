//! Integrated autocorrelation time by the Γ method (U. Wolff, Comput. Phys. Commun. 156 (2004) 143, hep-lat/0306017).
//!
//! For a series a_1 … a_N with autocovariance Γ(t) and ρ(t) = Γ(t)/Γ(0), summed up to a window W:
//!
//! ```text
//! C(W) = Γ(0) + 2 Σ_{t=1}^{W} Γ(t),   τ_int(W) = C(W)/(2Γ(0)) = ½ + Σ_{t=1}^{W} ρ(t),   error of the mean = √(C/N) .
//! ```
//!
//! A small W cuts off the tail, a large one adds noise. With τ̂ from S/τ̂ = log( (2τ_int(W) + 1)/(2τ_int(W) − 1) ) and S = 1.5, the window is
//! the first W at which the sum of both errors stops falling,
//!
//! ```text
//! g(W) = e^{−W/τ̂} − τ̂/√(W N) < 0 .
//! ```
//!
//! As x e^{−x} ≤ 1/e, there is always one with W ≤ N/e² + 1. The mean is taken from the same series, which makes Γ too small on average:
//! Γ(t) ← Γ(t) + C(W)/N corrects that, hence C ← C (1 + (2W + 1)/N). The error of τ_int is 2τ_int √((W + ½ − τ_int)/N).

use super::autocovariance::autocovariance;

/// S: the ratio of the decay time of Γ to τ_int that the window allows for.
const S: f64 = 1.5;
/// Fewest values.
const FEWEST: usize = 10;
/// Last lag that ρ is given for: at least and, unless the window is longer, at most.
const LAGS: std::ops::RangeInclusive<usize> = 20..=1000;

/// The result of the Γ method for a series; see the [module documentation](self). Times are in steps of the series.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Autocorrelation {
    /// τ_int = ½ + Σ_{t≥1} ρ(t): ½ for independent values. The series is worth N/(2τ_int) of them.
    pub tau: f64,
    /// Standard error of `tau`.
    pub tau_error: f64,
    /// Mean of the series.
    pub mean: f64,
    /// Standard error of `mean`, autocorrelation included.
    pub mean_error: f64,
    /// Γ(0), variance of a single value.
    pub variance: f64,
    /// W, the last lag that is summed.
    pub window: usize,
    /// ρ(t) for t = 0, 1, … to twice the window (to 20 for shorter windows, to 1000 or the window for longer ones, never past N/2).
    pub rho: Vec<f64>,
}

/// The Γ method for one series, in O(N log N).
///
/// `None` for fewer than 10 values, for values that are not finite, and
/// - if all values are equal: a chain that never moved says nothing about how long it would stay, and an error of 0 would be a lie;
/// - if the sum up to the window is not positive: successive values are so anticorrelated that the rule for the window, made for a
///   positive ρ, fails. (The chain of [`super::IndependenceChain`] has ρ ≥ 0.)
pub fn autocorrelation(series: &[f64]) -> Option<Autocorrelation> {
    autocorrelation_of_replicas(&[series])
}

/// The same for independent series of one length, of the same chain: with one mean, and Γ averaged over them.
///
/// `None` as above, where all of them together count.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn autocorrelation_of_replicas(replicas: &[&[f64]]) -> Option<Autocorrelation> {
    let length = replicas.first()?.len();
    assert!(replicas.iter().all(|series| series.len() == length), "replicas of one length");
    let values = || replicas.iter().copied().flatten();
    let first = *values().next()?;
    let n = (replicas.len() * length) as f64;
    if n < FEWEST as f64 || values().all(|a| *a == first) {
        return None;
    }
    let mean = values().sum::<f64>() / n;
    let mut gamma = vec![0.0; length / 2 + 1];
    for series in replicas {
        let deviations: Vec<f64> = series.iter().map(|a| a - mean).collect();
        let of_one = autocovariance(&deviations, gamma.len().min(length) - 1);
        gamma.iter_mut().zip(of_one).for_each(|(sum, of_one)| *sum += of_one / replicas.len() as f64);
    }
    let window = window(&gamma, n);
    let raw = gamma[0] + 2.0 * gamma[1..=window].iter().sum::<f64>();
    let c = raw * (1.0 + (2 * window + 1) as f64 / n);
    if !(c.is_finite() && c > 0.0) {
        return None;
    }
    gamma.iter_mut().for_each(|gamma| *gamma += raw / n);
    let tau = 0.5 * c / gamma[0];
    Some(Autocorrelation {
        tau,
        tau_error: 2.0 * tau * ((window as f64 + 0.5 - tau).max(0.0) / n).sqrt(),
        mean,
        mean_error: (c / n).sqrt(),
        variance: gamma[0],
        window,
        rho: gamma[..=last_shown(window, gamma.len() - 1)].iter().map(|g| g / gamma[0]).collect(),
    })
}

/// The first W with g(W) < 0.
fn window(gamma: &[f64], n: f64) -> usize {
    let mut sum = 0.0; // Σ_{t=1}^{W} ρ(t), so that (2τ + 1)/(2τ − 1) = 1 + 1/sum
    for (w, g) in gamma.iter().enumerate().skip(1) {
        sum += g / gamma[0];
        let decay = S / (1.0 / sum).ln_1p();
        let steps = w as f64;
        if sum <= 0.0 || (-steps / decay).exp() < decay / (steps * n).sqrt() {
            return w;
        }
    }
    gamma.len() - 1
}

/// The last lag of ρ to hand out, of those up to `last`.
fn last_shown(window: usize, last: usize) -> usize {
    (2 * window).clamp(*LAGS.start(), window.max(*LAGS.end())).min(last)
}
