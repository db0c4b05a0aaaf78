//! The elements that all parts of a page share.

use super::run::Run;
use crate::report::plot::{Chart, Heatmap, escape};

/// A page in the common style; `body` is HTML.
pub fn document(title: &str, body: &str) -> String {
    let (title, style) = (escape(title), include_str!("style.css"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{title}</title>\n<style>\n{style}</style></head>\n<body>\n{body}</body></html>\n"
    )
}

/// A part of a page under its heading, with a line that says how to read it, all HTML; nothing if there is no content.
pub fn section(heading: &str, explanation: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    let explanation =
        if explanation.is_empty() { String::new() } else { format!("<p class=\"how\">{explanation}</p>\n") };
    format!("<section><h2>{heading}</h2>\n{explanation}{content}</section>\n")
}

/// The name of run `index` beside its colour.
pub(super) fn name(index: usize, run: &Run) -> String {
    let again = if index < 8 { "" } else { " again" };
    // Names are often paths, or words with underscores: let them break there.
    let breakable = ['/', '_', '-'].iter().fold(escape(&run.name), |name, &c| name.replace(c, &format!("{c}<wbr/>")));
    format!("<span class=\"swatch s{}{again}\"></span>{breakable}", index % 8)
}

/// The charts that show something, side by side.
pub(super) fn charts(charts: &[Chart]) -> String {
    grid(charts.iter().filter(|chart| !chart.is_empty()).map(Chart::svg))
}

/// The charts that show something, side by side, each over its caption, HTML.
pub(crate) fn captioned(charts: &[(Chart, String)]) -> String {
    let shown = charts.iter().filter(|(chart, _)| !chart.is_empty());
    let figure = |(chart, caption): &(Chart, String)| {
        format!("<figure>{}<figcaption>{caption}</figcaption></figure>\n", chart.svg())
    };
    let figures: String = shown.map(figure).collect();
    if figures.is_empty() { figures } else { format!("<div class=\"grid\">\n{figures}</div>\n") }
}

/// A table of texts under a heading each; all HTML.
pub fn plain_table<'a>(head: &[impl AsRef<str>], rows: impl IntoIterator<Item = &'a [String]>) -> String {
    let head: String = head.iter().map(|name| format!("<th>{}</th>", name.as_ref())).collect();
    let row = |cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = rows.into_iter().map(row).collect();
    format!("<div class=\"scroll\"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n")
}

/// Heat maps side by side.
pub(super) fn heatmaps(maps: &[Heatmap]) -> String {
    grid(maps.iter().map(Heatmap::svg)).replace("class=\"grid\"", "class=\"grid maps\"")
}

fn grid(images: impl Iterator<Item = String>) -> String {
    let figures: String = images.map(|svg| format!("<figure>{svg}</figure>\n")).collect();
    if figures.is_empty() { figures } else { format!("<div class=\"grid\">\n{figures}</div>\n") }
}
