//! The numbers of `hmc.json`: the target by its own sampler, beside the flow.

use super::{estimate, observables_of, row};
use crate::report::page::number::grouped;
use crate::report::page::table::{Cell, Group};
use crate::report::page::{json, run::Run};
use crate::report::plot::significant;
use serde_json::Value;

/// How the chains went.
pub(super) fn sampling(runs: &[Run]) -> Group {
    let rows = vec![
        row(runs, "samples", |run| Some(Cell::Text(samples(run.hmc.as_ref()?)?))),
        row(runs, "acceptance", |run| Some(Cell::Text(acceptance(run.hmc.as_ref()?)?))),
        row(runs, "chains that never moved", |run| {
            Some(Cell::Text(grouped(json::number(run.hmc.as_ref()?, "/chains/never_moved")?)))
        }),
        row(runs, "<i>τ</i><sub>int</sub> in sweeps", |run| estimate(slowest(run.hmc.as_ref()?)?).map(Cell::Number)),
    ];
    Group { heading: "HMC", rows }
}

/// The observables of the chains.
pub(super) fn observables(runs: &[Run]) -> Group {
    Group { heading: "Observables, HMC", rows: observables_of(runs, |run| run.hmc.as_ref()?.get("observables")) }
}

fn samples(hmc: &Value) -> Option<String> {
    let samples = grouped(json::number(hmc, "/samples")?);
    let chains = json::number(hmc, "/chains/number").map(grouped);
    Some(chains.map_or(format!("{samples}, exact"), |chains| format!("{samples} of {chains} chains")))
}

fn acceptance(hmc: &Value) -> Option<String> {
    let [mean, smallest] = ["/chains/acceptance", "/chains/smallest_acceptance"].map(|path| json::number(hmc, path));
    Some(format!("{}, of a chain at least {}", significant(mean?, 3), significant(smallest?, 3)))
}

/// The longest autocorrelation time of a primary.
fn slowest(hmc: &Value) -> Option<&Value> {
    let times = hmc.get("tau_int")?.as_object()?.values().filter(|time| json::number(time, "/value").is_some());
    times.max_by(|a, b| json::number(a, "/value").partial_cmp(&json::number(b, "/value")).expect("finite numbers"))
}
