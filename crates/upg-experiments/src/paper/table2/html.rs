//! The table as a page of its own, in the style of the reports.

use super::report::{HEAD, begins_group, cells, in_products};
use super::rows::Row;
use crate::io::output::Provenance;
use crate::report::page::{document, plain_table, section};
use crate::report::plot::escape;

const TITLE: &str = "The cost of the estimators";

const HOW: &str = "Medians of the times of one gradient, in seconds; the estimators of a table took turns. The ratio is against the first one, round \
                   by round, mean ± standard deviation; the floor is that of the multiply-adds; the paper's numbers are of an A100.";

/// The page, HTML in UTF-8.
pub fn html(rows: &[Row], provenance: &Provenance) -> String {
    let Provenance { version, commit, processor, threads, precision, .. } = provenance;
    let (commit, device) = (escape(commit), escape(rows.first().map_or(processor, |row| &row.device)));
    let products = rows.first().map_or(String::new(), in_products);
    let made = format!(
        "<p class=\"how\">upg {version}, commit {commit}; {device}, {threads} threads, {precision}{products}.</p>"
    );
    let head = HEAD.map(|(name, _)| escape(name));
    let group = |group: &[Row]| {
        let lines: Vec<_> = group.iter().map(|row| cells(row, rows).map(|cell| escape(&cell))).collect();
        plain_table(&head, lines.iter().map(|line| &line[..]))
    };
    let tables: String = rows.chunk_by(|_, next| !begins_group(next)).map(group).collect();
    document(
        TITLE,
        &format!("<h1>{TITLE}</h1>\n{made}\n{}", section("Table 2 of arXiv:2403.15881, measured here", HOW, &tables)),
    )
}
