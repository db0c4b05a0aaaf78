//! The list as a table, and the page of one flow as a configuration with comments.

use super::measured::{Counts, Details, Row};
use std::iter::once;

/// Three lines a flow: the numbers, where it is good, how it is written.
pub(super) fn table(rows: &[Row], lattice: &[usize]) -> String {
    let head = format!(
        "{:<13} {:>10}  {:>11}  {:>12}  {:>13}  {:<9}  {}",
        "flow", "parameters", "sampling, F", "ordinary, 3F", "path-fast, 4F", "devices", "domain"
    );
    let foot = format!(
        "On the lattice {lattice:?} (--lattice). Multiply-adds are those of a sample, without its base and the target.\n\
         `upg flows NAME` tells all about one, as a configuration to begin with; `upg config schema` explains every field."
    );
    once(head).chain(rows.iter().map(lines)).chain(once(foot)).collect::<Vec<_>>().join("\n\n")
}

fn lines(row: &Row) -> String {
    let Row { name, domain, good_for, flow, .. } = row;
    let numbers = match (&row.counts, &row.refused) {
        (Some(counts), _) => numbers(counts),
        (None, problem) => format!("{:<63}", problem.as_deref().unwrap_or_default()),
    };
    format!("{name:<13} {numbers}  {domain}\n    {good_for}\n    {flow}")
}

fn numbers(counts: &Counts) -> String {
    let all = counts.multiply_adds;
    let [parameters, f, ordinary, path] = [counts.parameters, all.sampling, all.ordinary, all.path_fast].map(short);
    format!("{parameters:>10}  {f:>11}  {ordinary:>12}  {path:>13}  {:<9}", counts.devices.join(", "))
}

/// A count to three digits: 999, 1.23 k, 12.3 M.
fn short(count: u64) -> String {
    if count < 1000 {
        return count.to_string();
    }
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 999.5 && unit < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.decimals$} {}", UNITS[unit - 1])
}

/// 10³, 10⁶ and so on.
const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];

/// The page of a flow: comments, then an experiment.
pub(super) fn details(details: &Details) -> String {
    let Details { row, fields, experiment, .. } = details;
    let fields = fields.iter().map(|line| format!("  {line}"));
    let comments = head(row)
        .into_iter()
        .chain(section("Fields", fields))
        .chain(section("Layers: parameters, multiply-adds, how each is written", layers(details)))
        .chain(section("Parameters by tensor", tensors(details)));
    let comments = comments.map(|line| format!("// {line}").trim_end().to_owned());
    comments.chain(once(experiment.clone())).collect::<Vec<_>>().join("\n")
}

fn head(row: &Row) -> Vec<String> {
    let Row { name, domain, good_for, counts, .. } = row;
    let mut lines = vec![format!("{name}, a flow of {domain}."), format!("Good for {good_for}.")];
    lines.extend(counts.iter().flat_map(|counts| {
        let (shape, parameters, all) = (&counts.shape, counts.parameters, counts.multiply_adds);
        let (f, ordinary, path) = (all.sampling, all.ordinary, all.path_fast);
        [
            format!("As below: samples of shape {shape:?}, {parameters} parameters; devices: {}.", counts.devices.join(", ")),
            format!(
                "Multiply-adds of a sample: sampling F = {f}, ordinary gradient 3F = {ordinary}, path-fast 4F = {path}; base and target come on top."
            ),
        ]
    }));
    lines
}

/// A blank line, a title and lines.
fn section(title: &str, lines: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
    [String::new(), format!("{title}:")].into_iter().chain(lines)
}

fn layers(details: &Details) -> Vec<String> {
    let base = format!("  base      {}", details.base);
    let layers =
        details.layers.iter().enumerate().map(|(i, layer)| {
            format!("  {i:<4} {:>10} {:>10}  {}", layer.parameters, layer.multiply_adds, layer.layer)
        });
    once(base).chain(layers).collect()
}

fn tensors(details: &Details) -> Vec<String> {
    let tensors = &details.tensors;
    let width = tensors.iter().map(|tensor| tensor.name.len()).max().unwrap_or(0);
    let lines =
        tensors.iter().map(|tensor| format!("  {:<width$} {:>10}  {:?}", tensor.name, tensor.parameters, tensor.shape));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn counts_have_three_digits() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00 k"),
            (9_994, "9.99 k"),
            (9_996, "10.0 k"),
            (99_960, "100 k"),
            (999_499, "999 k"),
            (999_500, "1.00 M"),
            (12_345_678, "12.3 M"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(short(count), text);
        }
    }
}
