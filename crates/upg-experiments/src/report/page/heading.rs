//! The top of the page: the runs, what made them, and what to beware of.

use super::{html::name, json, run::Run};
use crate::report::plot::escape;
use serde_json::{Map, Value};

/// Order of what made a run; the rest comes behind. The configuration has its own place on the page.
const FIRST: [&str; 11] = [
    "version",
    "commit",
    "device",
    "card",
    "products",
    "trained_on",
    "processor",
    "instruction_set",
    "threads",
    "precision",
    "seed",
];

pub(super) fn html(runs: &[Run]) -> String {
    let cards: String = runs.iter().enumerate().map(|(i, run)| card(i, run)).collect();
    let title = match runs {
        [run] => escape(&run.name),
        runs => format!("{} runs", runs.len()),
    };
    format!("<header><h1>{title}</h1>\n<div class=\"cards\">\n{cards}</div></header>\n{}", warnings(runs))
}

fn card(index: usize, run: &Run) -> String {
    let provenance = run.provenance.as_ref().or_else(|| run.summary.as_ref()?.get("provenance"));
    let rows = provenance.and_then(Value::as_object).map_or("<dt>not known</dt><dd></dd>".into(), made_by);
    format!("<article><h3>{}</h3><dl>{rows}</dl></article>\n", name(index, run))
}

fn made_by(provenance: &Map<String, Value>) -> String {
    let rest = provenance.keys().map(String::as_str).filter(|key| !FIRST.contains(key) && *key != "config");
    let row = |key: &str| {
        let value = match provenance.get(key)? {
            Value::String(text) => text.clone(),
            Value::Array(places) if key == "trained_on" => {
                places.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", then ")
            }
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
            number_or_bool => number_or_bool.to_string(),
        };
        Some(format!("<dt>{}</dt><dd>{}</dd>", escape(&key.replace('_', " ")), escape(&value)))
    };
    FIRST.into_iter().chain(rest).filter_map(row).collect()
}

fn warnings(runs: &[Run]) -> String {
    let all: Vec<_> =
        runs.iter().enumerate().flat_map(|(i, run)| about(run).into_iter().map(move |w| (i, run, w))).collect();
    let boxed = |class: &str, heading: &str, kind: fn(&Warning) -> bool| {
        let item = |(i, run, warning): &(usize, &Run, Warning)| {
            format!("<li>{}: {}</li>\n", name(*i, run), escape(warning.text()))
        };
        let items: String = all.iter().filter(|(_, _, warning)| kind(warning)).map(item).collect();
        if items.is_empty() {
            items
        } else {
            format!("<aside class=\"{class}\"><h2>{heading}</h2><ul>\n{items}</ul></aside>\n")
        }
    };
    boxed("warning", "Not to be trusted", |w| matches!(w, Warning::Result(_)))
        + &boxed("note", "To be aware of", |w| matches!(w, Warning::Training(_)))
}

enum Warning {
    /// A result may be wrong.
    Result(String),
    /// Something happened, or is missing.
    Training(String),
}

impl Warning {
    fn text(&self) -> &str {
        match self {
            Self::Result(text) | Self::Training(text) => text,
        }
    }
}

fn about(run: &Run) -> Vec<Warning> {
    let mut warnings: Vec<_> = distrust(run).into_iter().chain(of_hmc(run)).map(Warning::Result).collect();
    let mut note = |text: String| warnings.push(Warning::Training(text));
    if run.metrics.is_empty() {
        note("no training metrics".into());
    }
    if run.summary.is_none() {
        note("not evaluated: there is no summary".into());
    }
    run.stale.iter().for_each(|stale| note(stale.clone()));
    let lost = json::curve(run, "/step", "/loss").iter().filter(|point| !point.1.is_finite()).count();
    if lost > 0 {
        note(format!("the loss is not finite in {lost} of {} logged steps", run.metrics.len()));
    }
    let skipped = json::values(run, "/skipped").fold(0.0, f64::max);
    if skipped > 0.0 {
        note(format!("{skipped} steps skipped, as their gradients were not finite"));
    }
    warnings
}

/// Why log Z isn't to be trusted, if it isn't.
fn distrust(run: &Run) -> Option<String> {
    let log_z = run.summary.as_ref()?.get("log_z")?;
    if log_z.get("trusted")?.as_bool()? {
        return None;
    }
    let reasons = log_z.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let reasons: Vec<_> = reasons.collect();
    let reasons = if reasons.is_empty() { "no reason is given".into() } else { reasons.join("; ") };
    Some(format!("log Z, and what is reweighted: {reasons}"))
}

/// What speaks against the numbers of the chains, if anything does.
fn of_hmc(run: &Run) -> Option<String> {
    let reasons: Vec<_> = run.hmc.as_ref()?.get("warnings")?.as_array()?.iter().filter_map(Value::as_str).collect();
    (!reasons.is_empty()).then(|| format!("HMC: {}", reasons.join("; ")))
}
