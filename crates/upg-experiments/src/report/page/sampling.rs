//! The quality of the samples: log-weights, and autocorrelation in the Markov chain.

use super::html::{charts, name, section};
use super::{number::grouped, run::Run};
use crate::report::plot::{Bars, Chart, Colour, Scale, Series, Style, robust_range, significant};

const BINS: usize = 60;

const HOW: &str = "Log-weights log <i>p̃</i> − log <i>q</i>, less the logarithm of their mean weight: all zero for a \
                   perfect flow; the tail to the right is what makes weights heavy. <i>ρ</i>(<i>t</i>): autocorrelation \
                   in the Markov chain, t in updates.";

pub(super) fn html(runs: &[Run]) -> String {
    let mut shown = vec![histogram(runs)];
    shown.extend(autocorrelation(runs));
    section("Weights and autocorrelation", HOW, &(charts(&shown) + &heaviest(runs) + &not_finite(runs)))
}

/// Lines about samples that can't be shown.
fn not_finite(runs: &[Run]) -> String {
    let lost = |run: &Run| run.log_weights.as_ref().map_or(0, |all| all.iter().filter(|x| !x.is_finite()).count());
    let told = |(i, run): (usize, &Run)| {
        let (lost, samples) = (lost(run), run.not_finite);
        (lost + samples > 0).then(|| {
            let (lost, samples) = (grouped(lost as f64), grouped(samples as f64));
            format!("<li>{}: {lost} log-weights, {samples} of the samples to be shown</li>", name(i, run))
        })
    };
    match runs.iter().enumerate().filter_map(told).collect::<String>() {
        none if none.is_empty() => none,
        items => format!("<p class=\"how\">Not finite, and left out:</p><ul class=\"how\">{items}</ul>\n"),
    }
}

/// log w − log mean w, and the share of the heaviest weight in the sum of all; NaN and +∞ are left out, −∞ is a weight
/// of 0.
fn centred(log_weights: &[f64]) -> Option<(Vec<f64>, f64)> {
    let known: Vec<f64> = log_weights.iter().copied().filter(|value| *value < f64::INFINITY).collect();
    let largest = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return None;
    }
    let sum: f64 = known.iter().map(|value| (value - largest).exp()).sum();
    let log_mean = largest + (sum / known.len() as f64).ln();
    Some((known.iter().map(|value| value - log_mean).collect(), 1.0 / sum))
}

/// The runs whose log-weights are known, with what [`centred`] gives.
fn weights(runs: &[Run]) -> impl Iterator<Item = (usize, &Run, Vec<f64>, f64)> {
    runs.iter().enumerate().filter_map(|(i, run)| {
        let (values, share) = centred(run.log_weights.as_ref()?)?;
        Some((i, run, values, share))
    })
}

fn histogram(runs: &[Run]) -> Chart {
    let mut chart = Chart { y_scale: Scale::Log, ..Chart::new("Log-weights", "log w − log mean w", "density") };
    let all: Vec<_> = weights(runs).collect();
    let Some(range) = robust_range(all.iter().flat_map(|(_, _, values, _)| values.iter().copied())) else {
        return chart;
    };
    for (i, run, values, _) in &all {
        let density = Bars::over(range, values, BINS).density();
        chart.series.push(Series::new(&run.name, Colour::Palette(*i), Style::Steps, density));
    }
    chart
}

/// A line about the heaviest weights.
fn heaviest(runs: &[Run]) -> String {
    let told = |(i, run, values, share): (usize, &Run, Vec<f64>, f64)| {
        format!(
            "<li>{}: {} % (<i>N</i> = {})</li>",
            name(i, run),
            significant(100.0 * share, 2),
            grouped(values.len() as f64)
        )
    };
    let items: String = weights(runs).map(told).collect();
    if items.is_empty() {
        items
    } else {
        format!("<p class=\"how\">Share of the heaviest weight in the sum of all:</p><ul class=\"how\">{items}</ul>\n")
    }
}

/// One chart for each observable, in the order in which runs name them.
fn autocorrelation(runs: &[Run]) -> Vec<Chart> {
    let mut shown: Vec<Chart> = vec![];
    for (i, run) in runs.iter().enumerate() {
        for (observable, rho) in run.autocorrelation.iter().filter(|(_, rho)| rho.iter().any(|value| value.is_finite()))
        {
            let points = rho.iter().enumerate().map(|(t, &rho)| (t as f64, rho)).collect();
            let series = Series::new(&run.name, Colour::Palette(i), Style::Line, points);
            let title = format!("Autocorrelation: {observable}");
            match shown.iter_mut().find(|chart| chart.title == title) {
                Some(chart) => chart.series.push(series),
                None => {
                    shown.push(Chart { series: vec![series], levels: vec![0.0], ..Chart::new(&title, "t", "ρ(t)") })
                }
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centred_weights_have_mean_one() {
        let (values, share) = centred(&[700.0, 701.5, f64::NEG_INFINITY, 698.0, f64::NAN]).unwrap();
        let mean = values.iter().map(|value| value.exp()).sum::<f64>() / 4.0;
        assert!((mean - 1.0).abs() < 1e-12);
        assert!((values[1] - values[0] - 1.5).abs() < 1e-12 && values[2] == f64::NEG_INFINITY);
        assert!((share - values[1].exp() / 4.0).abs() < 1e-12);
        assert_eq!(centred(&[]), None);
        assert_eq!(centred(&[f64::NAN, f64::NEG_INFINITY, f64::INFINITY]), None);
        assert_eq!(centred(&[-3.0; 5]), Some((vec![0.0; 5], 0.2)));
    }
}
