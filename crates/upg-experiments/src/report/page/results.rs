//! The final numbers of `summary.json` beside the exact ones.

mod hmc;

use super::{
    html::section,
    json,
    number::grouped,
    run::Run,
    table::{self, Cell, Estimate, Group, Row},
};
use crate::report::plot::{escape, significant};
use serde_json::Value;
use upg_train::stats::interval::FEWEST;

const HOW: &str = "In brackets the standard error of the last digits: 1.234(12) is 1.234 ± 0.012. \
                   Pull: (value − exact) / error, <span class=\"off\">marked</span> beyond ±3. A dash: not computed.";

pub(super) fn html(runs: &[Run]) -> String {
    let groups = vec![
        sampling(runs),
        free_energy(runs),
        observables(runs, "observables"),
        observables(runs, "observables_chain"),
        hmc::sampling(runs),
        hmc::observables(runs),
    ];
    section("Results", HOW, &table::html(runs, groups))
}

/// A row of what `cell` finds in each run.
fn row(runs: &[Run], label: &str, cell: impl Fn(&Run) -> Option<Cell>) -> Row {
    Row { label: label.into(), cells: runs.iter().map(cell).collect() }
}

/// A row of the estimate at `path` of the summaries.
fn estimates(runs: &[Run], label: &str, path: &str) -> Row {
    row(runs, label, |run| estimate(run.summary.as_ref()?.pointer(path)?).map(Cell::Number))
}

/// A row of the counts at `path` of the summaries.
fn counts(runs: &[Run], label: &str, path: &str) -> Row {
    row(runs, label, |run| Some(Cell::Text(grouped(json::number(run.summary.as_ref()?, path)?))))
}

fn sampling(runs: &[Run]) -> Group {
    let time = |run: &Run| Some(Cell::Text(duration(json::values(run, "/seconds").last()?)));
    let rate = |run: &Run| Some(Cell::Text(grouped(json::median(run, "/samples_per_second")?)));
    let weights_of = |run: &Run| Some(Cell::Text(run.summary.as_ref()?.get("weights_of")?.as_str()?.to_owned()));
    let weights = |run: &Run| Some(Cell::Text(run.summary.as_ref()?.get("weights")?.as_str()?.to_owned()));
    let rows = vec![
        counts(runs, "training steps", "/steps"),
        row(runs, "training time", time),
        row(runs, "samples per second, median", rate),
        row(runs, "weights", weights),
        row(runs, "weights of", weights_of),
        counts(runs, "samples", "/samples"),
        estimates(runs, "ESS, reverse", "/ess_reverse"),
        estimates(runs, "ESS, forward", "/ess_forward"),
        estimates(runs, "Metropolis acceptance", "/acceptance"),
        row(runs, "<i>τ</i><sub>int</sub>", |run| beside(run, "/tau_int", "/tau_int_error")),
    ];
    Group { heading: "Training and sampling", rows }
}

fn free_energy(runs: &[Run]) -> Group {
    let rows = vec![
        row(runs, "loss", |run| beside(run, "/loss", "/loss_error")),
        estimates(runs, "log <i>Z</i>", "/log_z"),
        counts(runs, "steps of the integrator", "/integration/steps"),
        row(runs, "change of log <i>Z</i> by twice as many", |run| beside(run, "/integration/of_samples/log_z", "")),
        estimates(runs, "log <i>Z</i> from data", "/log_z_forward"),
        estimates(runs, "free energy per site", "/free_energy_per_site"),
        estimates(runs, "negative log-likelihood of the data", "/nll"),
    ];
    Group { heading: "Free energy", rows }
}

/// The observables of the summaries under `key`.
fn observables(runs: &[Run], key: &str) -> Group {
    let heading = if key == "observables" { "Observables, reweighted" } else { "Observables, Markov chain" };
    Group { heading, rows: observables_of(runs, |run| run.summary.as_ref()?.get(key)) }
}

/// Rows of the observables in the object that `find` finds in each run, in the order in which runs name them.
fn observables_of<'a>(runs: &'a [Run], find: impl Fn(&'a Run) -> Option<&'a Value>) -> Vec<Row> {
    let mut names: Vec<&String> = vec![];
    for run in runs {
        let object = find(run).and_then(Value::as_object);
        names.extend(object.into_iter().flat_map(|object| object.keys()));
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    let cell = |run: &'a Run, name: &str| estimate(find(run)?.get(name)?).map(Cell::Number);
    let of_name = |name: &String| Row { label: symbol(name), cells: runs.iter().map(|run| cell(run, name)).collect() };
    names.into_iter().map(of_name).collect()
}

/// A number, or an object with a `value` and maybe `error`, `exact`, `tau_int` and `trusted`.
fn estimate(value: &Value) -> Option<Estimate> {
    if let Some(value) = value.as_f64() {
        return Some(Estimate { value, ..Estimate::default() });
    }
    let number = |key| value.get(key)?.as_f64();
    let mut remark = number("tau_int").map_or(String::new(), |tau| format!(" τ {}", significant(tau, 2)));
    if value.get("trusted").and_then(Value::as_bool) == Some(false) {
        remark += " not trusted";
    }
    if number("rests_on").is_some_and(|on| on < FEWEST) {
        remark += " error of few samples";
    }
    Some(Estimate { value: number("value")?, error: number("error"), exact: number("exact"), remark })
}

/// A number whose error stands beside it.
fn beside(run: &Run, value: &str, error: &str) -> Option<Cell> {
    let summary = run.summary.as_ref()?;
    let value = json::number(summary, value)?;
    Some(Cell::Number(Estimate { value, error: json::number(summary, error), ..Estimate::default() }))
}

/// How physicists write an observable, HTML.
fn symbol(name: &str) -> String {
    match name {
        "plaquette" => "⟨cos <i>P</i>⟩".into(),
        "q" => "⟨<i>Q</i>⟩".into(),
        "q2" => "⟨<i>Q</i>²⟩".into(),
        "phi2" => "⟨φ²⟩".into(),
        "magnetization" => "⟨<i>m</i>⟩".into(),
        "magnetization_abs" => "⟨|<i>m</i>|⟩".into(),
        name => escape(&name.replace('_', " ")),
    }
}

fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        ..60.0 => format!("{} s", significant(seconds, 3)),
        ..3600.0 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!([3.217, 61.4, 3599.0, 9000.0].map(duration), ["3.22 s", "1 min 01 s", "59 min 59 s", "2 h 30 min"]);
    }
}
