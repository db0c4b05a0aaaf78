//! Counts in bins of equal width, over a range that outliers don't spoil.

/// How many numbers fall into each bin.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// Edges of the bins, one more than there are bins, ascending.
    pub edges: Vec<f64>,
    /// Numbers in each bin; one on an edge belongs to the bin above it, on the last edge to the last bin.
    pub counts: Vec<u64>,
    /// Numbers below the first edge.
    pub below: u64,
    /// Numbers above the last edge.
    pub above: u64,
    /// NaN and infinities.
    pub not_finite: u64,
}

/// Counts `values` in `bins` bins over their [`robust_range`]; (−½, ½) if no value is finite.
///
/// # Panics
/// If `bins` is 0.
#[track_caller]
pub fn histogram(values: &[f64], bins: usize) -> Bars {
    Bars::over(robust_range(values.iter().copied()).unwrap_or((-0.5, 0.5)), values, bins)
}

/// A range for a histogram: half again as wide, to either side, as the middle 99 % of the finite values, or all of them
/// if that is less. Of a normal distribution these are ±5 standard deviations. If all values are the same there is some
/// room around them; without finite values there is none.
pub fn robust_range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let sorted = sorted(values);
    let (from, to) = without_outliers(&sorted, 0.005)?;
    let room = if from < to { 0.0 } else { (from.abs() * 1e-6).max(0.5) };
    Some((from - room, to + room))
}

impl Bars {
    /// Counts `values` in `bins` bins from `from` to `to`.
    ///
    /// # Panics
    /// If `bins` is 0, or the range is empty or not finite.
    #[track_caller]
    pub fn over((from, to): (f64, f64), values: &[f64], bins: usize) -> Self {
        assert!(from < to && (to - from).is_finite() && bins > 0, "{bins} bins from {from} to {to}");
        let edge = |i: usize| if i == bins { to } else { from + (to - from) * (i as f64 / bins as f64) };
        let edges = (0..=bins).map(edge).collect();
        let mut bars = Self { edges, counts: vec![0; bins], below: 0, above: 0, not_finite: 0 };
        values.iter().for_each(|&value| bars.count(value));
        bars
    }

    fn count(&mut self, value: f64) {
        let bins = self.counts.len();
        let (from, to) = (self.edges[0], self.edges[bins]);
        match value {
            value if !value.is_finite() => self.not_finite += 1,
            value if value < from => self.below += 1,
            value if value > to => self.above += 1,
            // By the edges as they are rounded, not by a division that may round differently.
            value => self.counts[self.edges.partition_point(|&edge| edge <= value).clamp(1, bins) - 1] += 1,
        }
    }

    /// The finite numbers counted, those outside the range too.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.below + self.above
    }

    /// (lower edge, count) of each bin, between (first edge, 0) and (last edge, 0): for
    /// [`Style::Bars`](super::Style::Bars) and [`Style::Steps`](super::Style::Steps).
    pub fn points(&self) -> Vec<(f64, f64)> {
        let heights = self.counts.iter().map(|&count| count as f64).chain([0.0]);
        let bins = self.edges.iter().copied().zip(heights);
        std::iter::once((self.edges[0], 0.0)).chain(bins).collect()
    }

    /// The same as a probability density; what lies outside the range has its share.
    pub fn density(&self) -> Vec<(f64, f64)> {
        let weight = self.total().max(1) as f64 * (self.edges[1] - self.edges[0]);
        self.points().into_iter().map(|(edge, count)| (edge, count / weight)).collect()
    }
}

/// The finite ones of `values` in ascending order. Beyond ±1e300 they are cut, so that differences don't overflow.
pub(super) fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut finite: Vec<f64> =
        values.into_iter().filter(|value| value.is_finite()).map(|value| value.clamp(-1e300, 1e300)).collect();
    finite.sort_by(f64::total_cmp);
    finite
}

/// The quantile of a sorted sample, interpolated.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

/// From the quantile `tail` to the quantile 1 − `tail`, widened to either side by half of that, within the values.
pub(super) fn without_outliers(sorted: &[f64], tail: f64) -> Option<(f64, f64)> {
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let (low, high) = (quantile(sorted, tail)?, quantile(sorted, 1.0 - tail)?);
    if low == high {
        return Some((least, most));
    }
    let room = (high - low) / 2.0;
    Some(((low - room).max(least), (high + room).min(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and uniform in [0, 1).
    fn uniform(n: usize) -> Vec<f64> {
        (0..n).map(|i| (i as f64 * 0.618_033_988_749_895).fract()).collect()
    }

    #[test]
    fn every_number_is_counted_once_where_it_lies() {
        let mut values: Vec<f64> = uniform(9973).iter().map(|u| (u - 0.4).powi(3) * 50.0).collect();
        values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0, -3.2]);
        let bars = Bars::over((-2.0, 1.0), &values, 13);
        for (i, &count) in bars.counts.iter().enumerate() {
            let inside = |&&v: &&f64| v >= bars.edges[i] && (v < bars.edges[i + 1] || (i == 12 && v == 1.0));
            assert_eq!(count, values.iter().filter(inside).count() as u64, "bin {i}");
        }
        assert_eq!(bars.below, values.iter().filter(|&&v| v < -2.0 && v.is_finite()).count() as u64);
        assert_eq!(bars.above, values.iter().filter(|&&v| v > 1.0 && v.is_finite()).count() as u64);
        assert_eq!((bars.not_finite, bars.total()), (3, 9976));
        let shown = 1.0 - (bars.below + bars.above) as f64 / 9976.0;
        let area: f64 = bars.density().iter().map(|point| point.1 * 3.0 / 13.0).sum();
        assert!((area - shown).abs() < 1e-12, "{area} {shown}");
        assert_eq!(bars.points().last(), Some(&(1.0, 0.0)));
        assert_eq!(Bars::over((0.0, 4.0), &[0.0, 1.0, 1.0, 2.0, 4.0], 4).counts, [1, 2, 1, 1]);
    }

    #[test]
    fn outliers_are_left_outside() {
        let mut values = uniform(10_000);
        assert_eq!(histogram(&values, 10).counts.iter().sum::<u64>(), 10_000);
        values.extend([1e9, -1e300, f64::MAX]);
        let bars = histogram(&values, 10);
        assert!(bars.edges[0] > -0.6 && bars.edges[10] < 1.6, "{:?}", bars.edges);
        assert_eq!((bars.below, bars.above), (1, 2));
    }

    #[test]
    fn any_data_has_a_range() {
        for constant in [0.0, -3.5, 1e-300, 1e20, -1e308] {
            let bars = histogram(&[constant; 7], 5);
            assert_eq!(bars.counts.iter().sum::<u64>() + bars.below, 7, "{constant}: {bars:?}");
        }
        assert_eq!(histogram(&[], 3).counts, [0; 3]);
        assert_eq!(histogram(&[f64::NAN], 3), Bars { not_finite: 1, ..histogram(&[], 3) });
        assert_eq!(histogram(&[2.0], 1).counts, [1]);
        // Nearly all the same: the rest isn't an outlier.
        let mut values = vec![0.0; 1000];
        values.push(4.0);
        assert_eq!(histogram(&values, 4).counts, [1000, 0, 0, 1]);
    }

    #[test]
    fn quantiles_of_few_numbers() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.84), Some(3.0));
        assert_eq!(quantile(&[0.0, 1.0, 2.0, 10.0], 0.5), Some(1.5));
        assert_eq!(quantile(&[0.0, 1.0, 2.0, 10.0], 1.0), Some(10.0));
    }
}
