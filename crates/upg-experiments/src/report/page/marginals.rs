//! Marginals of low-dimensional targets: samples of the flow against samples of the target.

use super::html::{charts, heatmaps, name, section};
use super::run::Run;
use crate::report::plot::{Bars, Chart, Colour, Extent, Heatmap, Series, Shades, Style, robust_range};
use ndarray::{Array2, ArrayView2};

/// Bins of a histogram, and of each axis of a two-dimensional one.
const BINS: usize = 60;
const SIDE: usize = 40;

/// Up to this many degrees of freedom all pairs are shown, above it neighbours.
const ALL_PAIRS: usize = 3;

/// More degrees of freedom are not shown.
const MOST: usize = 8;

type Ends = (f64, f64);

pub(super) fn html(runs: &[Run]) -> String {
    let ranges = ranges(runs);
    let pairs = runs.iter().enumerate().filter_map(|(i, run)| {
        let pairs = images(run, &ranges).iter().map(|pair| heatmaps(pair)).collect::<String>();
        (!pairs.is_empty()).then(|| format!("<h3>{}</h3>\n<div class=\"pairs\">\n{pairs}</div>\n", name(i, run)))
    });
    let pairs: String = pairs.collect();
    let singles: Vec<_> = ranges.iter().enumerate().map(|(k, &range)| single(runs, k, range)).collect();
    section(
        "Marginals",
        "Probability densities; samples outside the range shown are counted in.",
        &(charts(&singles) + &pairs),
    )
}

/// The range shown of each degree of freedom, the same for all runs.
fn ranges(runs: &[Run]) -> Vec<Ends> {
    let arrays = || runs.iter().flat_map(|run| [&run.marginals, &run.data_marginals]).flatten();
    let dof = arrays().map(Array2::ncols).max().unwrap_or(0).min(MOST);
    let column =
        |k: usize| arrays().filter(move |array| k < array.ncols()).flat_map(move |array| array.column(k).to_vec());
    (0..dof).map(|k| robust_range(column(k)).unwrap_or((-0.5, 0.5))).collect()
}

/// One degree of freedom of all runs, over the data of the first run that has some.
fn single(runs: &[Run], k: usize, range: Ends) -> Chart {
    let title = format!("x{}", subscript(k));
    let mut chart = Chart::new(&title, &title, "density");
    let density = |array: &Array2<f64>| Bars::over(range, &array.column(k).to_vec(), BINS).density();
    let has = |array: &&Array2<f64>| k < array.ncols() && array.nrows() > 0;
    if let Some((run, data)) = runs.iter().find_map(|run| Some((run, run.data_marginals.as_ref().filter(has)?))) {
        let several = runs.iter().filter(|run| run.data_marginals.is_some()).count() > 1;
        let name = if several { format!("data of {}", run.name) } else { "data".into() };
        chart.series.push(Series::new(&name, Colour::Neutral, Style::Bars, density(data)));
    }
    for (i, run) in runs.iter().enumerate() {
        if let Some(samples) = run.marginals.as_ref().filter(has) {
            chart.series.push(Series::new(&run.name, Colour::Palette(i), Style::Steps, density(samples)));
        }
    }
    chart
}

/// For pairs of degrees of freedom of a run the samples, and the data in the same shades.
fn images(run: &Run, ranges: &[Ends]) -> Vec<Vec<Heatmap>> {
    let Some(samples) = run.marginals.as_ref().filter(|samples| samples.nrows() > 0) else { return vec![] };
    let data = run.data_marginals.as_ref().filter(|data| data.nrows() > 0 && data.ncols() == samples.ncols());
    let map = |kind: &str, (a, b): (usize, usize), values: Array2<f64>, largest| Heatmap {
        title: format!("{kind}: x{}, x{}", subscript(a), subscript(b)),
        x_label: format!("x{}", subscript(a)),
        y_label: format!("x{}", subscript(b)),
        values,
        shades: Shades::Between(0.0, largest),
        extent: Extent::Bins { x: ranges[a], y: ranges[b] },
    };
    let beside = |(a, b)| {
        let densities = [Some(samples), data].map(|array| Some(density(array?.view(), (a, b), ranges)));
        let largest = densities.iter().flatten().flatten().copied().fold(0.0, f64::max);
        let kinds = ["samples", "data"].into_iter().zip(densities);
        kinds.filter_map(|(kind, values)| Some(map(kind, (a, b), values?, largest))).collect()
    };
    pairs(samples.ncols().min(MOST)).into_iter().map(beside).collect()
}

fn pairs(dof: usize) -> Vec<(usize, usize)> {
    let all = (0..dof).flat_map(|a| (a + 1..dof).map(move |b| (a, b)));
    all.filter(|(a, b)| dof <= ALL_PAIRS || b - a == 1).collect()
}

/// The density of columns `a` (along the columns of the result) and `b` of `samples`.
fn density(samples: ArrayView2<f64>, (a, b): (usize, usize), ranges: &[Ends]) -> Array2<f64> {
    let bin = |value: f64, (from, to): Ends| {
        let at = (value - from) / (to - from) * SIDE as f64;
        (0.0..=SIDE as f64).contains(&at).then(|| (at as usize).min(SIDE - 1))
    };
    let mut counts = Array2::zeros((SIDE, SIDE));
    for sample in samples.outer_iter() {
        if let (Some(column), Some(row)) = (bin(sample[a], ranges[a]), bin(sample[b], ranges[b])) {
            counts[[row, column]] += 1.0;
        }
    }
    let cell = [a, b].map(|k| (ranges[k].1 - ranges[k].0) / SIDE as f64);
    counts / (samples.nrows() as f64 * cell[0] * cell[1])
}

/// The index k in letters.
fn subscript(k: usize) -> String {
    let lower = |c: char| char::from_u32('₀' as u32 + c as u32 - '0' as u32).unwrap_or(c);
    k.to_string().chars().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_density_integrates_to_one() {
        let samples =
            Array2::from_shape_fn((5000, 3), |(i, k)| (i as f64 * [0.618_034, 0.754_878, 0.569_84][k]).fract());
        let ranges = [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0)];
        let density = density(samples.view(), (0, 2), &ranges);
        let area: f64 = density.sum() * (1.0 / 40.0) * (2.0 / 40.0);
        assert!((area - 1.0).abs() < 1e-12, "{area}");
        // x₂ is never below 0: the lower half of the rows is empty, the upper uniform.
        assert_eq!(density.slice(ndarray::s![..20, ..]).sum(), 0.0);
        assert!(density.slice(ndarray::s![20.., ..]).iter().all(|&d| d > 0.3 && d < 2.0), "{density}");
    }

    #[test]
    fn many_degrees_of_freedom_are_shown_with_their_neighbours() {
        assert_eq!(pairs(3), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(pairs(5), [(0, 1), (1, 2), (2, 3), (3, 4)]);
        assert_eq!(pairs(1), []);
    }
}
