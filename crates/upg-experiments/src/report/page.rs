//! Runs as one HTML page: tables, curves and images, to be opened offline, printed, or sent to a colleague.
//!
//! [`render`] takes what is in the files of each run and gives the text of the page. It holds its style and its images
//! and names no other file and no address. Whatever a run lacks is left out: each part of the page shows the runs that
//! have something to show there, each run in its colour throughout.
//!
//! | part | from |
//! |---|---|
//! | what made the runs | `provenance`, or that of `summary` |
//! | warnings | `summary`: log Z that isn't to be trusted; `metrics`: losses that are not finite, skipped steps |
//! | results | `summary`: numbers with errors beside the exact ones |
//! | training | `metrics` |
//! | weights and autocorrelation | `log_weights`, `autocorrelation` |
//! | a configuration | `field`, for gauge fields with the plaquettes P(x) = u₀(x) + u₁(x+ê₀) − u₀(x+ê₁) − u₁(x) |
//! | marginals | `marginals`, `data_marginals` |
//! | configurations | `config` |

mod field;
mod heading;
mod json;
mod marginals;
mod number;
mod results;
mod sampling;
mod table;
mod training;

pub use number::with_error;

use crate::report::plot::{Chart, Heatmap, escape};
use ndarray::Array2;
use serde_json::Value;

/// What is known of one run; all but the name may be empty.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Name, e.g. of its folder.
    pub name: String,
    /// The configuration, RON.
    pub config: String,
    /// What made it.
    pub provenance: Option<Value>,
    /// The lines of `metrics.jsonl`, ascending in `step`.
    pub metrics: Vec<Value>,
    /// `summary.json`.
    pub summary: Option<Value>,
    /// log p̃ − log q of samples of the flow.
    pub log_weights: Option<Vec<f64>>,
    /// Observables with their normalised autocorrelation ρ(t), t = 0, 1, …, in the Markov chain.
    pub autocorrelation: Vec<(String, Vec<f64>)>,
    /// A sample of a lattice theory.
    pub field: Option<Field>,
    /// Samples of the flow, shape `[samples, dof]`, for up to 8 degrees of freedom.
    pub marginals: Option<Array2<f64>>,
    /// Samples of the target, shape `[samples, dof]`.
    pub data_marginals: Option<Array2<f64>>,
}

/// A configuration of a two-dimensional lattice.
#[derive(Clone, Debug)]
pub struct Field {
    /// `[L0, L1]` for sites, `[2, L0, L1]` for links.
    pub shape: Vec<usize>,
    /// The values in C order.
    pub values: Vec<f64>,
    /// What they are.
    pub kind: FieldKind,
}

/// Where the values of a field live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Real numbers on sites.
    Sites,
    /// Angles on links.
    Links,
}

/// The page, HTML in UTF-8.
///
/// # Panics
/// If a field's shape doesn't fit its kind or the number of its values.
pub fn render(runs: &[Run]) -> String {
    let names: Vec<_> = runs.iter().map(|run| run.name.as_str()).collect();
    let parts = [heading::html, results::html, training::html, sampling::html, field::html, marginals::html, configs];
    let body: String = parts.iter().map(|part| part(runs)).collect();
    document(&format!("upg: {}", names.join(", ")), &body)
}

/// A page in the common style; `body` is HTML.
pub(crate) fn document(title: &str, body: &str) -> String {
    let (title, style) = (escape(title), include_str!("page/style.css"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{title}</title>\n<style>\n{style}</style></head>\n<body>\n{body}</body></html>\n"
    )
}

fn configs(runs: &[Run]) -> String {
    let config = |(i, run): (usize, &Run)| {
        let text = if run.config.is_empty() { "not known" } else { &run.config };
        format!("<details><summary>{}</summary><pre>{}</pre></details>\n", name(i, run), escape(text))
    };
    section("Configurations", "", &runs.iter().enumerate().map(config).collect::<String>())
}

/// A part of a page under its heading, with a line that says how to read it, all HTML; nothing if there is no content.
pub(crate) fn section(heading: &str, explanation: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    let explanation =
        if explanation.is_empty() { String::new() } else { format!("<p class=\"how\">{explanation}</p>\n") };
    format!("<section><h2>{heading}</h2>\n{explanation}{content}</section>\n")
}

/// The name of run `index` beside its colour.
fn name(index: usize, run: &Run) -> String {
    let again = if index < 8 { "" } else { " again" };
    // Names are often paths, or words with underscores: let them break there.
    let breakable = ['/', '_', '-'].iter().fold(escape(&run.name), |name, &c| name.replace(c, &format!("{c}<wbr/>")));
    format!("<span class=\"swatch s{}{again}\"></span>{breakable}", index % 8)
}

/// The charts that show something, side by side.
pub(crate) fn charts(charts: &[Chart]) -> String {
    grid(charts.iter().filter(|chart| !chart.is_empty()).map(Chart::svg))
}

/// Heat maps side by side.
fn heatmaps(maps: &[Heatmap]) -> String {
    grid(maps.iter().map(Heatmap::svg)).replace("class=\"grid\"", "class=\"grid maps\"")
}

fn grid(images: impl Iterator<Item = String>) -> String {
    let figures: String = images.map(|svg| format!("<figure>{svg}</figure>\n")).collect();
    if figures.is_empty() { figures } else { format!("<div class=\"grid\">\n{figures}</div>\n") }
}

#[cfg(test)]
mod tests;
