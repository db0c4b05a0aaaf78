//! Rows of the table.

use crate::config::Products;
use serde::Serialize;
use upg_train::method::{Divergence, Estimator, Method};

/// One estimator of one flow at one batch size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Name of the flow.
    pub flow: &'static str,
    /// Name of the target.
    pub target: &'static str,
    /// The divergence.
    pub divergence: Divergence,
    /// The estimator.
    pub estimator: Estimator,
    /// Samples per gradient.
    pub batch: usize,
    /// The estimator that the ratio is against: the ordinary gradient of the same divergence.
    pub baseline: Estimator,
    /// Batch over median time.
    pub samples_per_second: f64,
    /// Time of one gradient.
    pub seconds: Seconds,
    /// Time over that of the baseline in the same round.
    pub ratio: Mean,
    /// Name of the processor, or of the card.
    pub device: String,
    /// Number of threads of the processor.
    pub threads: usize,
    /// The precision of products, if it isn't full.
    #[serde(skip_serializing_if = "Products::are_full")]
    pub products: Products,
}

/// Statistics of repeated timings, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seconds {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The shortest.
    pub min: f64,
    /// Standard deviation, n − 1 in the denominator.
    pub std: f64,
}

/// Mean and spread of a repeated measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Standard deviation of a single value, n − 1 in the denominator.
    pub std: f64,
}

impl Mean {
    /// Of at least one value; the spread of a single value is 0.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Self { mean, std: (squares / (n - 1.0).max(1.0)).sqrt() }
    }
}

impl Seconds {
    /// Of at least one time.
    pub fn of(times: &[f64]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        Self { median: (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0, min: sorted[0], std: Mean::of(times).std }
    }
}

/// The columns that the rows of one group have in common.
pub(super) struct Group<'a> {
    pub flow: &'static str,
    pub target: &'static str,
    pub batch: usize,
    pub device: &'a str,
    pub threads: usize,
    pub products: Products,
}

impl Group<'_> {
    /// One row a method; `times[m][r]` is the time of method m in round r, the baseline is method 0.
    pub fn rows(&self, methods: &[Method], times: &[Vec<f64>]) -> Vec<Row> {
        methods.iter().zip(times).map(|(&method, own)| self.row(method, own, methods[0], &times[0])).collect()
    }

    fn row(&self, method: Method, own: &[f64], baseline: Method, base: &[f64]) -> Row {
        let ratios: Vec<_> = own.iter().zip(base).map(|(own, base)| own / base).collect();
        let seconds = Seconds::of(own);
        Row {
            flow: self.flow,
            target: self.target,
            divergence: method.divergence(),
            estimator: method.estimator(),
            batch: self.batch,
            baseline: baseline.estimator(),
            samples_per_second: self.batch as f64 / seconds.median,
            seconds,
            ratio: Mean::of(&ratios),
            device: self.device.to_owned(),
            threads: self.threads,
            products: self.products,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_a_few_numbers() {
        assert_eq!(Seconds::of(&[4.0, 1.0, 3.0]), Seconds { median: 3.0, min: 1.0, std: (7.0_f64 / 3.0).sqrt() });
        assert_eq!(Seconds::of(&[4.0, 1.0]).median, 2.5);
        assert_eq!(Mean::of(&[2.0]), Mean { mean: 2.0, std: 0.0 });
    }

    #[test]
    fn ratios_are_paired_round_by_round() {
        let group = Group { flow: "f", target: "t", batch: 10, device: "d", threads: 2, products: Products::Full };
        let methods: Vec<_> = Method::of(Divergence::Forward).take(2).collect();
        let rows = group.rows(&methods, &[vec![1.0, 10.0, 4.0], vec![2.0, 20.0, 8.0]]);
        assert_eq!(rows[1].ratio, Mean { mean: 2.0, std: 0.0 }); // the ratio of the medians or means would do as well …
        let rows = group.rows(&methods, &[vec![1.0, 10.0, 4.0], vec![3.0, 10.0, 4.0]]);
        assert_eq!(rows[1].ratio.mean, 5.0 / 3.0); // … but not here
        assert_eq!((rows[1].seconds.median, rows[1].samples_per_second), (4.0, 2.5));
        assert_eq!((rows[1].estimator, rows[1].baseline), (Estimator::PathFast, Estimator::MaxLikelihood));
    }
}
