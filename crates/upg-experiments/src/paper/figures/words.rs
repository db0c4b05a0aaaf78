//! The comparisons in tables and in words: who wins where, and by how much.

use super::verdict::{Metric, Row, Spread, Winner};
use std::fmt::Write;

/// What a table says of a comparison after its metric: both numbers, the gain, who won.
pub(super) const HEAD: [&str; 4] = ["ordinary", "path", "gain of path", "better"];

/// The same for a row.
pub(super) fn cells(row: &Row) -> [String; 4] {
    let winner = match row.winner {
        Winner::Path => "path",
        Winner::Ordinary => "ordinary",
        Winner::Neither => "no telling",
    };
    [shown(row.ordinary), shown(row.path), gain(row), winner.into()]
}

/// The table as text, and the verdict in words.
pub(super) fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    let name = rows.iter().map(|row| row.problem.chars().count()).max().unwrap_or(0);
    let mut line = |[problem, kl, equal, metric]: [&str; 4], [ordinary, path, gain, winner]: [&str; 4]| {
        let text =
            format!("{problem:<name$} {kl:<8} {equal:<8} {metric:<12} {ordinary:<20} {path:<20} {gain:<20} {winner}");
        writeln!(out, "{}", text.trim_end()).expect("memory takes all");
    };
    line(["", "KL", "equal", ""], HEAD);
    for row in rows {
        let cells = cells(row);
        line(
            [&row.problem, row.divergence.name(), row.equal, row.metric.name()],
            cells.each_ref().map(|cell| &cell[..]),
        );
    }
    writeln!(out, "\n{}", in_words(rows)).expect("memory takes all");
    out
}

/// Mean ± standard deviation, and how many runs have no part in it.
pub fn shown(spread: Spread) -> String {
    let Spread { mean, std, diverged, not_finite } = spread;
    let Some(mean) = mean else {
        return if diverged > not_finite { "diverged".into() } else { "not computed".into() };
    };
    let failed = [(diverged, "diverged"), (not_finite, "not finite")].into_iter().filter(|(runs, _)| *runs > 0);
    let failed: String = failed.map(|(runs, how)| format!(", {runs} {how}")).collect();
    format!("{}{failed}", with_spread(mean, std))
}

fn with_spread(mean: f64, spread: Option<f64>) -> String {
    match spread {
        Some(spread) if mean.abs() < 1e-3 => format!("{mean:.1e} ± {spread:.1e}"),
        Some(spread) => format!("{mean:.4} ± {spread:.4}"),
        None => format!("{mean:.4}"),
    }
}

/// The gain of the path gradient with its error.
fn gain(row: &Row) -> String {
    let sign = |gain: f64| if gain < 0.0 { "" } else { "+" };
    row.gain.map_or(String::new(), |gain| format!("{}{}", sign(gain), with_spread(gain, row.gain_error)))
}

/// Where each of the two wins, and by how much: a line for all, then a line for each problem and divergence.
pub(super) fn in_words(rows: &[Row]) -> String {
    let won = |winner| rows.iter().filter(|row| row.winner == winner).count();
    let nowhere_or = |n: usize| if n == 0 { "nowhere".into() } else { format!("in {n}") };
    let mut out = format!(
        "The path gradient is better in {} of {} comparisons, the ordinary gradient {}; no telling (chance may have made the difference) in {}.",
        won(Winner::Path),
        rows.len(),
        nowhere_or(won(Winner::Ordinary)),
        won(Winner::Neither),
    );
    for rows in rows.chunk_by(|one, next| (&one.problem, one.divergence) == (&next.problem, next.divergence)) {
        out.push_str(&format!("\n{}", of_outcome(rows)));
    }
    out
}

/// The verdict on one problem and divergence.
fn of_outcome(rows: &[Row]) -> String {
    let Row { problem, divergence, pairs, .. } = &rows[0];
    let diverged = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let diverged = [("ordinary", diverged(|row| row.ordinary.diverged)), ("path", diverged(|row| row.path.diverged))];
    let diverged = diverged.into_iter().filter(|(_, runs)| *runs > 0);
    let diverged = diverged.map(|(which, runs)| format!("{runs} of {pairs} runs with the {which} gradient diverged"));
    let wins =
        [(Winner::Path, "path better: "), (Winner::Ordinary, "ordinary better: "), (Winner::Neither, "no telling: ")];
    let wins = wins.into_iter().filter_map(|(winner, who)| {
        let of = |metric| won(rows, winner, metric);
        let won: Vec<_> = Metric::ALL.into_iter().filter_map(of).collect();
        (!won.is_empty()).then(|| format!("{who}{}", won.join(", ")))
    });
    let all: Vec<_> = diverged.chain(wins).collect();
    format!("{problem}, {divergence} KL, {pairs} pairs: {}.", all.join("; "))
}

/// The comparisons of `metric` among `rows` that `winner` won, with the gain.
fn won(rows: &[Row], winner: Winner, metric: Metric) -> Option<String> {
    let comparison = |row: &Row| match gain(row) {
        by if winner == Winner::Neither || by.is_empty() => row.equal.into(),
        by => format!("{} ({by})", row.equal),
    };
    let won = rows.iter().filter(|row| row.winner == winner && row.metric == metric);
    let won: Vec<String> = won.map(comparison).collect();
    (!won.is_empty()).then(|| format!("{} at equal {}", metric.name(), won.join(" and ")))
}
