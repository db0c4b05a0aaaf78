//! The regularising effect: training and test NLL side by side.

use super::super::regularising::{Learning, Nll, Regularising};
use super::{ORDINARY, PATH, settings};
use crate::report::curves;
use crate::report::page::{captioned, section};
use crate::report::plot::{Chart, Scale, escape};
use upg_train::method::Estimator;

const HOW: &str = "With few training data maximum likelihood overfits: the NLL of the data it is trained on falls on, that of test data rises. \
                   The path gradient also knows the score of the target at the data.";

pub(super) fn html(regularising: &Regularising) -> String {
    let Regularising { title, config, runs } = regularising;
    let charts: [(Chart, String); 2] = [("Training", (|nll| nll.train) as fn(&Nll) -> f64), ("Test", |nll| nll.test)]
        .map(|(what, of)| (chart(what, of, runs), caption(what, runs)));
    let content = format!("{}{}", settings::html(config), captioned(&charts));
    section(&format!("The regularising effect: {}", escape(title)), HOW, &content)
}

fn chart(what: &str, of: fn(&Nll) -> f64, runs: &[Learning]) -> Chart {
    let mut chart = Chart::new(&format!("{what} NLL"), "steps", "NLL / nat");
    let both = [(Estimator::MaxLikelihood, ORDINARY), (Estimator::PathFast, PATH)];
    let curve = |(estimator, colour): (Estimator, usize)| {
        let own = runs.iter().filter(|run| run.estimator == estimator);
        let points: Vec<_> = own.map(|run| points(run, of)).collect();
        curves::mean(estimator.name(), colour, &points, Scale::Linear)
    };
    chart.series = both.into_iter().map(curve).collect();
    chart
}

/// All but the NLL of the initial weights, which is off any scale.
fn points(run: &Learning, of: fn(&Nll) -> f64) -> Vec<(f64, f64)> {
    run.course.iter().skip(1).map(|nll| (nll.step as f64, of(nll))).collect()
}

fn caption(what: &str, runs: &[Learning]) -> String {
    let seeds = runs.iter().filter(|run| run.estimator == Estimator::PathFast).count();
    let data = if what == "Test" { "samples of the target that no run was trained on" } else { "all training data" };
    format!("Mean of −log q over {data}; mean over seeds ({seeds}) in a band of one standard deviation.")
}
