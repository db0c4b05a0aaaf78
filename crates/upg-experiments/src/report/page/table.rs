//! A table of numbers: a row for each quantity, some columns for each run.

use super::{
    html::name,
    number::{self, with_error},
    run::Run,
};
use crate::report::plot::{escape, minus, significant};

/// A pull above this many standard errors is marked.
const SUSPICIOUS: f64 = 3.0;

/// Rows under a common heading.
pub(super) struct Group {
    pub heading: &'static str,
    pub rows: Vec<Row>,
}

/// One quantity of all runs.
pub(super) struct Row {
    /// HTML.
    pub label: String,
    /// One for each run.
    pub cells: Vec<Option<Cell>>,
}

/// A quantity in a run, as far as it is known.
pub(super) enum Cell {
    /// A count, a time, a name.
    Text(String),
    /// A measurement.
    Number(Estimate),
}

/// A measured number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Estimate {
    pub value: f64,
    pub error: Option<f64>,
    pub exact: Option<f64>,
    /// Said behind the value.
    pub remark: String,
}

/// Where the exact numbers stand.
#[derive(Clone, Copy, PartialEq)]
enum Exact {
    /// There are none.
    Nowhere,
    /// In one column: they are the same for all runs.
    Shared,
    /// In a column for each run.
    Each,
}

impl Estimate {
    fn pull(&self) -> Option<f64> {
        let pull = (self.value - self.exact?) / self.error?;
        pull.is_finite().then_some(pull)
    }

    fn written(&self) -> String {
        let value = self.error.map_or_else(
            || significant(self.value, if self.value.abs() < 1.0 { 4 } else { 6 }),
            |error| with_error(self.value, error),
        );
        if self.remark.is_empty() { value } else { format!("{value}<small>{}</small>", escape(&self.remark)) }
    }
}

impl Row {
    fn estimates(&self) -> impl Iterator<Item = &Estimate> {
        self.cells.iter().flatten().filter_map(|cell| if let Cell::Number(number) = cell { Some(number) } else { None })
    }

    /// Whether all runs have the same exact number, up to round-off, or all have none.
    fn agree(&self) -> bool {
        let mut exact = self.estimates().map(|number| number.exact);
        let first = exact.next().flatten();
        exact.all(|other| match (first, other) {
            (Some(first), Some(other)) => (first - other).abs() <= 1e-10 * first.abs(),
            (first, other) => first == other,
        })
    }

    /// The exact number that runs agree on, to the precision of the best.
    fn exact(&self) -> String {
        let Some(exact) = self.estimates().find_map(|number| number.exact) else { return String::new() };
        number::exact(exact, self.estimates().filter_map(|number| number.error).reduce(f64::min))
    }
}

/// The runs side by side in one table.
struct Columns<'a> {
    runs: &'a [Run],
    /// Index of the first of them.
    from: usize,
    exact: Exact,
}

/// The tables, of a few runs each; nothing if no run has anything to show. Rows that no run has are left out.
pub(super) fn html(runs: &[Run], mut groups: Vec<Group>) -> String {
    groups.iter_mut().for_each(|group| group.rows.retain(|row| row.cells.iter().any(Option::is_some)));
    groups.retain(|group| !group.rows.is_empty());
    if groups.is_empty() {
        return String::new();
    }
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let (exact, abreast) = match rows().flat_map(Row::estimates).any(|number| number.exact.is_some()) {
        false => (Exact::Nowhere, 6),
        true if rows().all(Row::agree) => (Exact::Shared, 4),
        true => (Exact::Each, 3),
    };
    let tables = runs.chunks(abreast).enumerate();
    tables.map(|(k, runs)| Columns { runs, from: k * abreast, exact }.table(&groups)).collect()
}

impl Columns<'_> {
    fn table(&self, groups: &[Group]) -> String {
        let body: String = groups.iter().map(|group| self.group(group)).collect();
        format!("<div class=\"scroll\"><table>\n{}{body}</table></div>\n", self.head())
    }

    /// Two lines: the runs, and what is in the columns of each.
    fn head(&self) -> String {
        let (span, own, shared) = match self.exact {
            Exact::Nowhere => (1, "<th class=\"first\">value</th>", ""),
            Exact::Shared => (2, "<th class=\"first\">value</th><th>pull</th>", "<th>exact</th>"),
            Exact::Each => (3, "<th class=\"first\">value</th><th>exact</th><th>pull</th>", ""),
        };
        let name = |(i, run)| {
            format!("<th scope=\"colgroup\" class=\"first\" colspan=\"{span}\">{}</th>", name(self.from + i, run))
        };
        let names: String = self.runs.iter().enumerate().map(name).collect();
        let blank = if shared.is_empty() { "" } else { "<td></td>" };
        let own = own.repeat(self.runs.len());
        format!("<thead><tr><td></td>{blank}{names}</tr><tr><td></td>{shared}{own}</tr></thead>\n")
    }

    fn group(&self, Group { heading, rows }: &Group) -> String {
        let columns = match self.exact {
            Exact::Nowhere => 1 + self.runs.len(),
            Exact::Shared => 2 + 2 * self.runs.len(),
            Exact::Each => 1 + 3 * self.runs.len(),
        };
        let heading = format!("<tr><th scope=\"rowgroup\" class=\"group\" colspan=\"{columns}\">{heading}</th></tr>");
        format!("<tbody>{heading}\n{}</tbody>\n", rows.iter().map(|row| self.row(row)).collect::<String>())
    }

    fn row(&self, row: &Row) -> String {
        let shared = if self.exact == Exact::Shared { format!("<td>{}</td>", row.exact()) } else { String::new() };
        let cells = &row.cells[self.from..self.from + self.runs.len()];
        let cells: String = cells.iter().map(|cell| self.cell(cell.as_ref())).collect();
        format!("<tr><th scope=\"row\">{}</th>{shared}{cells}</tr>\n", row.label)
    }

    /// The columns of one run.
    fn cell(&self, cell: Option<&Cell>) -> String {
        let (written, number) = match cell {
            None => ("–".into(), None),
            Some(Cell::Text(text)) => (escape(text), None),
            Some(Cell::Number(number)) => (number.written(), Some(number)),
        };
        let value = format!("<td class=\"first\">{written}</td>");
        let pull = pull(number.and_then(Estimate::pull));
        let exact = number.and_then(|number| Some(number::exact(number.exact?, number.error)));
        match self.exact {
            Exact::Nowhere => value,
            Exact::Shared => value + &pull,
            Exact::Each => format!("{value}<td>{}</td>{pull}", exact.unwrap_or_default()),
        }
    }
}

fn pull(pull: Option<f64>) -> String {
    let Some(pull) = pull else { return "<td></td>".into() };
    let class = if pull.abs() > SUSPICIOUS { "off" } else { "fits" };
    // Rounded first: what is then zero has no sign.
    let written = format!("{:+.1}", (pull * 10.0).round() / 10.0 + 0.0);
    format!("<td class=\"{class}\">{}</td>", minus(&written))
}
