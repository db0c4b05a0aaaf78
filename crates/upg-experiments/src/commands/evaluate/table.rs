//! The summary as text.

use crate::commands::run_weights;
use crate::text::Shown;
use std::fmt::Write;
use std::path::Path;
use upg_train::evaluate::{Change, Integration, Number, Summary};

/// Which weights the numbers are of.
pub(super) struct Weights<'a> {
    pub name: run_weights::Weights,
    pub origin: Option<&'a str>,
    /// Where they were computed.
    pub device: &'a str,
    /// Where the run was trained, if not only there.
    pub trained_on: &'a [String],
}

/// The table that is printed, and where the numbers are; `has_data` tells what there is not from what is not finite.
pub(super) fn text(summary: &Summary, weights: &Weights<'_>, has_data: bool, path: &Path) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| writeln!(out, "{name:<28} {value}").expect("memory takes all");
    let of = |x: Option<f64>, digits: usize| x.map_or("not computed".into(), |x| format!("{x:.digits$}"));
    line("samples", format!("{} of the {} weights", summary.samples, weights.name));
    if let Some(origin) = weights.origin {
        line("weights", origin.to_owned());
    }
    line("device", weights.device.to_owned());
    if !weights.trained_on.is_empty() {
        line("trained on", weights.trained_on.join(", then "));
    }
    line("ESS, reverse", of(summary.ess_reverse, 4));
    line("ESS, forward", if has_data { of(summary.ess_forward, 4) } else { "not computed (no data)".into() });
    line("tail index of the weights", tail(summary));
    line("Metropolis acceptance", of(summary.acceptance, 4));
    line("tau_int, slowest primary", with_error(summary.tau_int, summary.tau_int_error));
    line("loss, bound on -log Z", with_error(summary.loss, summary.loss_error));
    line("log Z", number(summary.log_z.number));
    if let Some(log_z) = summary.log_z_forward {
        line("log Z from the data", with_error(Some(log_z.value), Some(log_z.error)));
    }
    line("free energy per site", number(summary.free_energy_per_site));
    if let Some(nll) = summary.nll {
        line("-log q on the test data", with_error(Some(nll.value), Some(nll.error)));
    }
    if let Some(integration) = &summary.integration {
        of_steps(integration).for_each(|(name, value)| line(name, value));
    }
    line("", "reweighted                     along the chain".into());
    for (name, &reweighted) in &summary.observables {
        let along = summary.observables_chain[name].number;
        let (value, chain) = (plain(reweighted), plain(along));
        let exact = reweighted.exact.map_or(String::new(), |exact| format!("exact {exact:.6}"));
        line(name, format!("{value:<30} {chain:<30} {exact}"));
    }
    for warning in &summary.log_z.warnings {
        line("log Z is not to be trusted:", warning.clone());
    }
    for warning in &summary.observables_warnings {
        line("not to be trusted:", warning.clone());
    }
    for warning in &summary.chain_warnings {
        line("the chain is not to be trusted:", warning.clone());
    }
    write!(out, "written to {}", path.shown()).expect("memory takes all");
    out
}

/// What twice the steps of the integrator change.
fn of_steps(integration: &Integration) -> impl Iterator<Item = (&'static str, String)> {
    let Integration { steps, of_samples, of_data } = *integration;
    let change = move |change: Change| {
        let of = |x: Option<f64>| x.map_or("not finite".into(), |x| format!("{x:.1e}"));
        let Change { log_z, log_weight_std, score, .. } = change;
        format!("log Z {}, log-weights ± {}, scores {}", of(log_z), of(log_weight_std), of(score))
    };
    let heading = ("steps of the integrator", format!("{steps}; twice as many change"));
    [heading, ("  of the samples", change(of_samples))]
        .into_iter()
        .chain(of_data.map(|of_data| ("  of the data", change(of_data))))
}

fn tail(summary: &Summary) -> String {
    match (summary.tail_index, summary.tail_index_of_tenth) {
        (Some(index), Some(of_tenth)) => format!("{index:.2}, of the largest tenth {of_tenth:.2}"),
        _ => "no tail".into(),
    }
}

/// With a mark where the error isn't known.
fn plain(number: Number) -> String {
    with_error(number.value, number.error) + if number.is_unsettled() { " ?" } else { "" }
}

/// The number with its error, beside the exact value.
fn number(number: Number) -> String {
    let exact = number.exact.map_or(String::new(), |exact| format!("exact {exact:.6}"));
    format!("{:<30} {exact}", plain(number)).trim_end().to_owned()
}

/// A number with its error, as far as they are known.
pub(in crate::commands) fn with_error(value: Option<f64>, error: Option<f64>) -> String {
    match (value, error) {
        (Some(value), Some(error)) => format!("{value:.6} ± {error:.6}"),
        (Some(value), None) => format!("{value:.6}"),
        _ => "not computed".into(),
    }
}
