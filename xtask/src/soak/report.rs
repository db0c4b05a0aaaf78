//! What all rounds of a ledger came to: text, `report.json` and `report.html`.

use super::ledger::{Entry, Ledger};
use super::ordeal::Ordeal;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use upg_experiments::io::output::{OutputFile, Provenance};
use upg_experiments::report::page::{document, plain_table, section};
use upg_experiments::report::plot::escape;

/// What is to be reached over all runs together.
const TO_REACH: [(&str, u64); 3] = [("kills", 1000), ("executions", 100_000_000), ("steps", 1_000_000)];

/// All rounds of an ordeal.
#[derive(Debug, Default, Serialize)]
struct Total {
    rounds: u64,
    seconds: f64,
    findings: u64,
    counts: BTreeMap<String, u64>,
}

/// All rounds.
#[derive(Serialize)]
struct Report<'a> {
    seed: u64,
    rounds: u64,
    hours: f64,
    /// What is to be reached, what was.
    reached: BTreeMap<&'static str, [u64; 2]>,
    ordeals: BTreeMap<&'static str, Total>,
    findings: Vec<&'a Entry>,
    not_run: BTreeSet<&'a str>,
    /// The commits that the programs were built from.
    commits: BTreeSet<&'a str>,
    provenance: Provenance,
}

impl<'a> Report<'a> {
    fn of(ledger: &'a Ledger) -> Self {
        let entries = ledger.entries();
        let mut ordeals: BTreeMap<_, Total> =
            Ordeal::ALL.into_iter().map(|ordeal| (ordeal.name(), Total::default())).collect();
        let mut all = BTreeMap::<&str, u64>::new();
        for entry in entries {
            let total = ordeals.entry(entry.ordeal.name()).or_default();
            total.rounds += 1;
            total.seconds += entry.seconds;
            total.findings += entry.findings.len() as u64;
            for (what, times) in &entry.counts {
                *total.counts.entry(what.clone()).or_default() += times;
                *all.entry(what).or_default() += times;
            }
        }
        let reached = TO_REACH.map(|(what, wanted)| (what, [wanted, all.get(what).copied().unwrap_or(0)]));
        Self {
            seed: ledger.seed(),
            rounds: entries.len() as u64,
            hours: entries.iter().map(|entry| entry.seconds).sum::<f64>() / 3600.0,
            reached: reached.into(),
            ordeals,
            findings: entries.iter().filter(|entry| !entry.findings.is_empty()).collect(),
            not_run: entries.iter().flat_map(|entry| &entry.not_run).map(String::as_str).collect(),
            commits: entries.iter().map(|entry| &entry.commit[..]).collect(),
            provenance: Provenance::new(1, "f32", Some(ledger.seed()), String::new()),
        }
    }

    /// What was found, a line each.
    fn lines(&self) -> impl Iterator<Item = String> {
        let lines = |entry: &&'a Entry| {
            let entry: &'a Entry = entry;
            entry.findings.iter().map(move |finding| format!("{finding}; again: {}", entry.again()))
        };
        self.findings.iter().flat_map(lines)
    }
}

fn told(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(what, times)| format!("{times} {what}")).collect::<Vec<_>>().join(", ")
}

/// The report for a terminal.
pub(super) fn text(ledger: &Ledger) -> String {
    let report = Report::of(ledger);
    let mut text = format!("{} rounds in {:.2} hours, seed {}\n", report.rounds, report.hours, report.seed);
    for (name, total) in &report.ordeals {
        let counts = told(&total.counts);
        let _ = writeln!(text, "{name:<10} {:>5} rounds, {} found: {counts}", total.rounds, total.findings);
    }
    for (what, [wanted, found]) in &report.reached {
        let _ = writeln!(text, "{what}: {found} of {wanted} to reach");
    }
    report.not_run.iter().for_each(|what| {
        let _ = writeln!(text, "not run: {what}");
    });
    report.lines().for_each(|line| {
        let _ = writeln!(text, "FOUND: {line}");
    });
    text
}

/// Writes the report to the folder.
pub(super) fn write(out: &Path, ledger: &Ledger) -> Result<(), String> {
    let report = Report::of(ledger);
    let json = serde_json::to_vec_pretty(&report).expect("numbers and texts");
    for (name, content) in [("report.json", json), ("report.html", page(&report).into_bytes())] {
        let file = OutputFile::create(&out.join(name)).and_then(|file| file.commit(&content));
        file.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn page(report: &Report<'_>) -> String {
    let verdict = if report.findings.is_empty() { "Nothing was found." } else { "Something was found." };
    let commits: Vec<_> = report.commits.iter().copied().map(escape).collect();
    let heading = format!(
        "<h1>soak</h1>\n<p>{verdict} {} rounds in {:.2} hours on {}, seed {}, of {}.</p>\n",
        report.rounds,
        report.hours,
        escape(&report.provenance.processor),
        report.seed,
        commits.join(", ")
    );
    let reached: Vec<_> = report
        .reached
        .iter()
        .map(|(what, [wanted, found])| [(*what).to_owned(), found.to_string(), wanted.to_string()])
        .collect();
    let ordeals = report.ordeals.iter().map(|(name, total)| {
        let numbers = [total.rounds.to_string(), format!("{:.0}", total.seconds), total.findings.to_string()];
        let [rounds, seconds, findings] = numbers;
        [(*name).to_owned(), rounds, seconds, findings, escape(&told(&total.counts))]
    });
    let ordeals: Vec<_> = ordeals.collect();
    let list = |lines: Vec<String>| match lines.is_empty() {
        true => String::new(),
        false => format!(
            "<ul>\n{}</ul>\n",
            lines.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect::<String>()
        ),
    };
    let body = [
        heading,
        section("What was found", "", &list(report.lines().collect())),
        section(
            "What was to be reached",
            "",
            &plain_table(&["", "reached", "to reach"], reached.iter().map(|row| &row[..])),
        ),
        section(
            "Ordeals",
            "",
            &plain_table(&["", "rounds", "seconds", "found", "done"], ordeals.iter().map(|row| &row[..])),
        ),
        section("Not run on this machine", "", &list(report.not_run.iter().map(|what| (*what).to_owned()).collect())),
    ];
    document("soak", &body.concat())
}
