//! The table for a paper: a floating `table` of the package `booktabs`.

use super::report::{HEAD, begins_group, cells, in_products};
use super::rows::Row;
use crate::io::output::Provenance;
use std::fmt::Write;

/// The table, LaTeX; nothing without rows.
pub fn latex(rows: &[Row], provenance: &Provenance) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut out = String::from("% \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n");
    let columns: String = HEAD.map(|(_, is_number)| if is_number { 'r' } else { 'l' }).iter().collect();
    let mut line = |text: &str| writeln!(out, "  {text}").expect("memory takes all");
    line(&format!("\\caption{{{}}}", caption(first, provenance)));
    line("\\label{tab:cost-of-the-estimators}");
    line(&format!("\\begin{{tabular}}{{{columns}}}"));
    line("\\toprule");
    line(&joined(HEAD.map(|(name, _)| escape(name))));
    line("\\midrule");
    for (i, row) in rows.iter().enumerate() {
        if i > 0 && begins_group(row) {
            line("\\midrule");
        }
        line(&joined(cells(row, rows).map(|cell| escape(&cell))));
    }
    line("\\bottomrule");
    line("\\end{tabular}");
    out + "\\end{table}\n"
}

fn joined(cells: [String; 10]) -> String {
    cells.join(" & ") + " \\\\"
}

fn caption(first: &Row, provenance: &Provenance) -> String {
    format!(
        "Cost of a gradient on {}, {} threads, {}{}: medians of estimators that took turns. The ratio is against the first estimator of each \
         group, round by round, mean $\\pm$ standard deviation; the floor is that of the multiply-adds; upg {}, commit {}.",
        escape(&first.device),
        first.threads,
        provenance.precision,
        in_products(first),
        provenance.version,
        escape(provenance.commit),
    )
}

/// `text` with everything that means something to TeX made to mean itself.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '±' => out.push_str("$\\pm$"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_to_tex_is_escaped() {
        assert_eq!(escape("a_b & 50% #1 {x} $y"), "a\\_b \\& 50\\% \\#1 \\{x\\} \\$y");
        assert_eq!(escape("~^\\ 1 ± 2"), "\\textasciitilde{}\\textasciicircum{}\\textbackslash{} 1 $\\pm$ 2");
    }
}
