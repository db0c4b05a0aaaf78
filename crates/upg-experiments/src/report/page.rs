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
//! | results | `summary`: numbers with errors beside the exact ones; `hmc`: those of the sampler of the target |
//! | training | `metrics` |
//! | weights and autocorrelation | `log_weights`, `autocorrelation` |
//! | a configuration | `field`, for gauge fields with the plaquettes P(x) = u₀(x) + u₁(x+ê₀) − u₀(x+ê₁) − u₁(x) |
//! | marginals | `marginals`, `data_marginals` |
//! | configurations | `config` |

mod field;
mod heading;
mod html;
mod json;
mod marginals;
mod number;
mod results;
mod run;
mod sampling;
mod table;
mod training;

pub(crate) use html::captioned;
pub use html::{document, plain_table, section};
pub use number::with_error;
pub use run::{Field, FieldKind, Run};

use crate::report::plot::escape;
use html::name;

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

fn configs(runs: &[Run]) -> String {
    let config = |(i, run): (usize, &Run)| {
        let text = if run.config.is_empty() { "not known" } else { &run.config };
        format!("<details><summary>{}</summary><pre>{}</pre></details>\n", name(i, run), escape(text))
    };
    section("Configurations", "", &runs.iter().enumerate().map(config).collect::<String>())
}

#[cfg(test)]
mod tests;
