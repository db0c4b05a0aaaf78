//! How heavy the tail of weights is: the index k̂ of the generalised Pareto distribution that fits the largest of them.
//!
//! A tail P(w > t) ∝ t^{−1/k} has a variance only for k < 1/2, and a mean only for k < 1. Beyond 1/2 the spread of the weights that
//! were seen says nothing of the weight that is still to come, and a standard error is too small as a rule.
//!
//! The fit is that of J. Zhang and M. A. Stephens (Technometrics 51 (2009) 316), to the largest M = min(N/5, 3√N) of N weights and with the weak
//! prior of A. Vehtari, D. Simpson, A. Gelman, Y. Yao and J. Gabry (J. Mach. Learn. Res. 25 (2024) 72, arXiv:1507.02646). So few of them see a
//! tail that begins late, but k̂ has a spread of nearly 0.1 at N = 20,000, too much to tell ½ from ¾; a fit to the largest tenth has one of 0.04.

/// Fewest samples in a tail.
const SMALLEST_TAIL: usize = 5;
/// Weights closer to each other than this, in logarithm, have no tail that could matter.
const FLAT: f64 = 1e-3;
/// The prior: as if so many samples of the tail had had this index.
const PRIOR: (f64, f64) = (10.0, 0.5);
/// The largest index of many samples with which estimates are of use, Vehtari et al.
const LARGEST: f64 = 0.7;
/// The largest index of the largest tenth at which there is a variance.
const LARGEST_OF_TENTH: f64 = 0.5;

/// The index of the tail of weights.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TailIndex {
    /// k̂ of the largest min(N/5, 3√N).
    pub index: f64,
    /// k̂ of the largest tenth, or of as many as for `index` if those are more.
    pub of_tenth: f64,
}

impl TailIndex {
    /// Whether a standard error over so many samples may be believed: `index` is at most min(1 − 1/log₁₀ N, 0.7), the limit of Vehtari et
    /// al., and `of_tenth` at most ½.
    pub fn is_light(self, samples: usize) -> bool {
        self.index <= largest_tail_index(samples) && self.of_tenth <= LARGEST_OF_TENTH
    }
}

/// k̂ of weights given by their logarithms, in any order; `None` for too few samples, for a NaN or +∞ among them, and where there is no tail.
///
/// ```
/// use upg_train::stats::tail_index;
/// // w = u^{-k} for u equidistant in (0, 1) has the tail index k.
/// let log_weights = |k: f64| (1..=20_000).map(move |i| -k * ((i as f64 - 0.5) / 20_000.0).ln());
/// let index = tail_index(log_weights(0.3)).unwrap();
/// assert!((index.index - 0.3).abs() < 0.05 && (index.of_tenth - 0.3).abs() < 0.02);
/// assert!(index.is_light(20_000) && !tail_index(log_weights(0.6)).unwrap().is_light(20_000));
/// ```
pub fn tail_index(log_weights: impl IntoIterator<Item = f64>) -> Option<TailIndex> {
    let all: Vec<f64> = log_weights.into_iter().collect();
    let mut few = Largest::of(all.len());
    all.iter().for_each(|&log_weight| few.push(log_weight));
    Some(TailIndex { index: few.index()?, of_tenth: index_of_tenth(&all)? })
}

/// Log-weights with the largest min(N/5, 3√N) of them in the place of the quantiles of the Pareto distribution that fits them, none above the
/// largest that was there, and its index k̂: Pareto-smoothed importance sampling, Vehtari et al. Their scale is the same, their order too.
/// `None` as for [`tail_index`].
///
/// ```
/// use upg_train::stats::smoothed;
/// let log_weights: Vec<f64> = (1..=1000).map(|i| -0.6 * ((f64::from(i) - 0.5) / 1000.0).ln()).collect();
/// let (smoothed, index) = smoothed(&log_weights).unwrap();
/// assert!((index - 0.6).abs() < 0.1 && smoothed[0] <= log_weights[0] && smoothed[999] == log_weights[999]);
/// ```
pub fn smoothed(log_weights: &[f64]) -> Option<(Vec<f64>, f64)> {
    let tail = number_of_largest(log_weights.len());
    if log_weights.iter().any(|w| w.is_nan() || *w == f64::INFINITY)
        || tail < SMALLEST_TAIL
        || log_weights.len() <= tail
    {
        return None;
    }
    let mut order: Vec<usize> = (0..log_weights.len()).collect();
    order.sort_by(|&a, &b| log_weights[a].total_cmp(&log_weights[b]));
    let largest = order.split_off(log_weights.len() - tail);
    let (cut, top) = (log_weights[order[order.len() - 1]], log_weights[largest[tail - 1]]);
    if cut == f64::NEG_INFINITY || top - cut < FLAT {
        return None;
    }
    let threshold = (cut - top).exp();
    let excesses: Vec<f64> = largest.iter().map(|&i| (log_weights[i] - top).exp() - threshold).collect();
    let fit = Pareto::fitting(&excesses);
    let mut smoothed = log_weights.to_vec();
    for (rank, &i) in largest.iter().enumerate() {
        let excess = fit.quantile((rank as f64 + 0.5) / tail as f64);
        smoothed[i] = top + (threshold + excess).ln().min(0.0);
    }
    Some((smoothed, fit.index))
}

/// k̂ of the largest tenth of weights given by their logarithms, or of the largest min(N/5, 3√N) if those are more; `None` as for [`tail_index`].
pub(crate) fn index_of_tenth(log_weights: &[f64]) -> Option<f64> {
    let is_broken = |w: &f64| w.is_nan() || *w == f64::INFINITY;
    let tenth = number_of_largest(log_weights.len()).max(log_weights.len() / 10);
    (!log_weights.iter().any(is_broken)).then(|| of_largest(&mut log_weights.to_vec(), tenth))?
}

/// The largest min(N/5, 3√N) of N weights that come one by one: all that their index asks for.
#[derive(Clone, Debug)]
pub(crate) struct Largest {
    samples: usize,
    /// Logarithms of the largest so far, and of some others.
    kept: Vec<f64>,
    is_broken: bool,
}

impl Largest {
    /// Of `samples` weights.
    pub fn of(samples: usize) -> Self {
        Self { samples, kept: vec![], is_broken: false }
    }

    /// Takes in one weight.
    pub fn push(&mut self, log_weight: f64) {
        self.is_broken |= log_weight.is_nan() || log_weight == f64::INFINITY;
        self.kept.push(log_weight);
        let needed = number_of_largest(self.samples) + 1; // and the one below them
        if self.kept.len() >= 4 * needed && !self.is_broken {
            self.kept.select_nth_unstable_by(needed, |a, b| b.total_cmp(a));
            self.kept.truncate(needed);
        } else if self.is_broken {
            self.kept.clear();
        }
    }

    /// k̂; `None` as for [`tail_index`].
    pub fn index(mut self) -> Option<f64> {
        (!self.is_broken).then(|| of_largest(&mut self.kept, number_of_largest(self.samples)))?
    }
}

/// min(N/5, 3√N).
fn number_of_largest(samples: usize) -> usize {
    let number = samples as f64;
    (0.2 * number).min(3.0 * number.sqrt()).ceil() as usize
}

/// k̂ of the `tail` largest.
fn of_largest(all: &mut [f64], tail: usize) -> Option<f64> {
    if tail < SMALLEST_TAIL || all.len() <= tail {
        return None;
    }
    let (largest, &mut cut, _) = all.select_nth_unstable_by(tail, |a, b| b.total_cmp(a));
    largest.sort_by(f64::total_cmp);
    let top = largest[tail - 1];
    if cut == f64::NEG_INFINITY || top - cut < FLAT {
        return None;
    }
    let excesses: Vec<f64> = largest.iter().map(|w| (w - top).exp() - (cut - top).exp()).collect();
    Some(Pareto::fitting(&excesses).index)
}

/// min(1 − 1/log₁₀ N, 0.7).
fn largest_tail_index(samples: usize) -> f64 {
    (1.0 - 1.0 / (samples as f64).log10()).min(LARGEST)
}

/// The generalised Pareto distribution of excesses over a threshold: P(x > t) = (1 + k t/σ)^{−1/k}.
struct Pareto {
    /// k̂, with the prior.
    index: f64,
    /// σ.
    scale: f64,
}

impl Pareto {
    /// That of ascending excesses, the smallest of which may be zero.
    fn fitting(excesses: &[f64]) -> Self {
        let number = excesses.len() as f64;
        let candidates = 30 + number.sqrt() as usize;
        let (largest, quartile) = (excesses[excesses.len() - 1], excesses[(number / 4.0 + 0.5) as usize - 1]);
        let scale = if quartile > 0.0 { quartile } else { largest };
        let k_of = |theta: f64| excesses.iter().map(|x| (-theta * x).ln_1p()).sum::<f64>() / number;
        let theta = |j: usize| largest.recip() + (1.0 - (candidates as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * scale);
        let thetas: Vec<f64> = (1..=candidates).map(theta).collect();
        let log_likelihoods: Vec<f64> = thetas
            .iter()
            .map(|&theta| {
                let k = k_of(theta);
                number * ((-theta / k).ln() - k - 1.0)
            })
            .collect();
        let weight = |of: f64| log_likelihoods.iter().map(|other| (other - of).exp()).sum::<f64>().recip();
        let mean: f64 = thetas.iter().zip(&log_likelihoods).map(|(theta, &of)| theta * weight(of)).sum();
        let ((count, index), k) = (PRIOR, k_of(mean));
        Self { index: (number * k + count * index) / (number + count), scale: -k / mean }
    }

    /// Where the distribution function is `p`.
    fn quantile(&self, p: f64) -> f64 {
        let log_rest = (-p).ln_1p();
        match self.index {
            0.0 => -self.scale * log_rest,
            k => self.scale * (-k * log_rest).exp_m1() / k,
        }
    }
}
