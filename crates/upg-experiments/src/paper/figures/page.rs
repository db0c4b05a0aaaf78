//! The comparison as one HTML page.

use super::compare::{Outcome, Pair, Run};
use super::verdict::{Metric, Row, Winner, in_words, shown};
use crate::io::output::Provenance;
use crate::report::page::{charts, document, section};
use crate::report::plot::{Chart, Colour, Series, Style, escape};
use upg_train::stats::Moments;

/// The page, HTML in UTF-8.
pub fn page(outcomes: &[Outcome], rows: &[Row], provenance: &Provenance) -> String {
    let title = "Ordinary and path gradients, at equal steps and at equal seconds";
    let seeds = outcomes.first().map_or(0, |outcome| outcome.pairs.len());
    let made = format!(
        "<p class=\"how\">upg {}, commit {}; {}, {} threads, {}; {seeds} seeds. Curves are means over the seeds in a band of one standard \
         deviation.</p>",
        provenance.version,
        escape(provenance.commit),
        escape(&provenance.processor),
        provenance.threads,
        provenance.precision,
    );
    let verdict = in_words(rows).lines().map(|line| format!("<p>{}</p>\n", escape(line))).collect::<String>();
    let mut body = format!("<h1>{title}</h1>\n{made}\n{}", section("Where the path gradient wins", "", &verdict));
    body.push_str(&section(
        "Comparisons",
        "Mean ± standard deviation over the seeds; better by more than two standard errors of the pairs' mean difference.",
        &table(rows),
    ));
    for outcome in outcomes {
        let heading = format!("{}, {} KL", escape(&outcome.title), outcome.divergence);
        body.push_str(&section(&heading, "", &charts(&curves(outcome))));
    }
    document(title, &body)
}

fn table(rows: &[Row]) -> String {
    let head = ["problem", "KL", "equal", "metric", "ordinary", "path", "better"];
    let head: String = head.iter().map(|name| format!("<th>{name}</th>")).collect();
    let line = |row: &Row| {
        let winner = match row.winner {
            Winner::Path => "path",
            Winner::Ordinary => "ordinary",
            Winner::Neither => "no telling",
        };
        let (divergence, metric) = (row.divergence.to_string(), row.metric.name());
        let (ordinary, path) = (shown(row.ordinary), shown(row.path));
        let cells = [&row.problem, &divergence, row.equal, metric, &ordinary, &path, winner];
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = rows.iter().map(line).collect();
    format!("<div class=\"scroll\"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n")
}

/// Every metric against steps and against seconds.
fn curves(outcome: &Outcome) -> Vec<Chart> {
    let charts = Metric::ALL.into_iter().flat_map(|metric| {
        [(Against::Steps, "step"), (Against::Seconds, "time / s")].map(|(against, label)| {
            let mut chart = Chart::new(&format!("{} by {label}", metric.name()), label, metric.name());
            chart.series = vec![
                curve("ordinary", 1, outcome, |pair| &pair.ordinary, metric, against),
                curve("path", 0, outcome, |pair| &pair.path, metric, against),
            ];
            chart
        })
    });
    charts.collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Against {
    Steps,
    Seconds,
}

/// The mean over the seeds at every common test, with a band of one standard deviation.
fn curve(
    name: &str,
    colour: usize,
    outcome: &Outcome,
    of: fn(&Pair) -> &Run,
    metric: Metric,
    against: Against,
) -> Series {
    let runs: Vec<&Run> = outcome.pairs.iter().map(of).collect();
    let tests = runs.iter().map(|run| run.course.len()).min().unwrap_or(0);
    let (mut points, mut band) = (vec![], vec![]);
    // The first test is that of the initial weights, whose NLL is off any scale.
    for test in 1..tests {
        let (mut x, mut y) = (Moments::default(), Moments::default());
        for run in &runs {
            let moment = &run.course[test];
            x.push(if against == Against::Steps { moment.step as f64 } else { moment.seconds });
            y.push(metric.of(moment));
        }
        let (Some(x), Some(mean)) = (x.mean(), y.mean()) else { continue };
        let spread = y.variance().map_or(0.0, f64::sqrt);
        points.push((x, mean));
        band.push((mean - spread, mean + spread));
    }
    Series { band: Some(band), ..Series::new(name, Colour::Palette(colour), Style::Line, points) }
}
