//! The comparison as one HTML page: a summary, then problem by problem, then the regularising effect, then every comparison.

mod regularising;
mod settings;
mod study;
mod summary;

use super::Figures;
use super::verdict::{Row, rows};
use super::words::{HEAD, cells, in_words};
use crate::io::output::Provenance;
use crate::report::page::{document, plain_table, section};
use crate::report::plot::escape;

/// Colours of the two gradients.
const ORDINARY: usize = 1;
const PATH: usize = 0;

const TITLE: &str = "Ordinary and path gradients, at equal steps and at equal seconds";

/// What the numbers are, HTML.
const DEFINITIONS: &str = "<dl>\
    <dt>reverse ESS</dt><dd>(Σ w)²/(N Σ w²) with w = p/q of N samples of the flow: the share of them that count; 1 where q = p. It doesn't see \
    what the flow leaves out.</dd>\n\
    <dt>forward ESS</dt><dd>1/(mean of w · mean of 1/w) over samples of the target: near 0 as long as the flow leaves out a part of \
    the target.</dd>\n\
    <dt>NLL</dt><dd>The mean of −log q over test data, in nats; its least value is the entropy of the target.</dd>\n\
    <dt>time</dt><dd>Steps times the cost of a step. The costs are medians of steps that all estimators of a problem made in turn before \
    any training, so what else the machine does favours nobody. The run with the ordinary gradient is as long as the one with \
    the path gradient in this time; where the learning rate falls until the end of a training these are two runs, each with a rate that falls to its \
    own end.</dd>\n\
    <dt>integrator</dt><dd>A continuous flow is tested with more steps than it is trained with: the ordinary gradient learns to profit from the error of \
    the few.</dd>\n\
    <dt>diverged</dt><dd>A run whose gradient wasn't finite in 20 steps in a row, and was given up.</dd>\n\
    <dt>variance per sample</dt><dd>B Σ |g − ḡ|²/(R − 1) over R gradients g of B samples each, summed over the parameters.</dd>\n\
    <dt>signal to noise</dt><dd>The squared norm of the mean gradient over the variance per sample: its inverse is the number of samples \
    that tell the gradient from zero.</dd>\n</dl>\n";

/// The page, HTML in UTF-8.
pub fn page(figures: &Figures, provenance: &Provenance) -> String {
    let rows = rows(&figures.studies);
    let verdict = in_words(&rows).lines().map(|line| format!("<p>{}</p>\n", escape(line))).collect::<String>();
    let mut body = format!("<h1>{TITLE}</h1>\n{}\n{}", made(provenance), summary::html(&figures.studies));
    body.push_str(&section("What is shown", "", DEFINITIONS));
    figures.studies.iter().for_each(|study| body.push_str(&study::html(study)));
    body.push_str(&figures.regularising.as_ref().map_or(String::new(), regularising::html));
    if rows.is_empty() {
        return document(TITLE, &body);
    }
    body.push_str(&section("Where the path gradient wins", "", &verdict));
    body.push_str(&section(
        "Every comparison",
        "Mean ± standard deviation over the seeds; the gain is the mean difference of the pairs ± its standard error, above 0 where the path gradient is \
         better; better is by more than chance makes of as many pairs one time in twenty-two (Student's two standard errors). Runs that diverged are left out and counted.",
        &table(&rows),
    ));
    document(TITLE, &body)
}

fn made(provenance: &Provenance) -> String {
    let Provenance { version, commit, processor, threads, precision, .. } = provenance;
    let (commit, processor) = (escape(commit), escape(processor));
    format!("<p class=\"how\">upg {version}, commit {commit}; {processor}, {threads} threads, {precision}.</p>")
}

fn table(rows: &[Row]) -> String {
    let head: Vec<_> = ["problem", "KL", "equal", "metric"].into_iter().chain(HEAD).collect();
    let line = |row: &Row| -> Vec<String> {
        let first = [&row.problem, row.divergence.name(), row.equal, row.metric.name()];
        first.into_iter().map(escape).chain(cells(row).iter().map(|cell| escape(cell))).collect()
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    plain_table(&head, lines.iter().map(|line| &line[..]))
}
