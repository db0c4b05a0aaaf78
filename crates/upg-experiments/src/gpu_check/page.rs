//! The findings as a page.

use super::check::Check;
use super::finding::{Finding, Verdict};
use crate::report::page::{document, plain_table};
use crate::report::plot::escape;
use std::fmt::Write;

/// The page.
pub(super) fn page(check: &Check) -> String {
    let mut body = String::new();
    let verdict = if check.passed() { "All is as it has to be." } else { "Something isn't as it has to be." };
    let place = if check.emulated { " On the emulator, which shows nothing about speed." } else { "" };
    let _ = writeln!(body, "<h1>gpu-check</h1>\n<p>{verdict}{place}</p>");
    for step in &check.steps {
        let _ = writeln!(body, "<h2>{}</h2>\n<p>{} ({:.1} s)</p>", escape(&step.step), escape(&step.how), step.seconds);
        let rows: Vec<_> = check.findings.iter().filter(|finding| finding.step == step.step).map(row).collect();
        body.push_str(&plain_table(&["", "value", "verdict", "note"], rows.iter().map(|row| &row[..])));
    }
    document("gpu-check", &body)
}

fn row(Finding { name, value, unit, verdict, note, .. }: &Finding) -> [String; 4] {
    let value = value.map_or(String::new(), |value| format!("{value:.4e} {unit}"));
    let verdict = match verdict {
        Verdict::Figure => "",
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::NotRun => "not run",
    };
    [escape(name), value, verdict.to_owned(), escape(note)]
}
