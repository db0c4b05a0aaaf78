//! The numbers of the chains as text.

use crate::commands::evaluate::with_error;
use crate::text::Shown;
use std::fmt::Write;
use std::path::Path;
use upg_train::ChainSummary;
use upg_train::chains::Chains;
use upg_train::stats::Estimate;

/// The table that is printed, and where the results are.
pub(super) fn text(summary: &ChainSummary, folder: &Path) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| writeln!(out, "{name:<28} {value}").expect("memory takes all");
    match &summary.chains {
        None => line("samples", format!("{}, exact and independent", summary.samples)),
        Some(chains) => of_chains(summary, chains, &mut line),
    }
    line("", "mean over all sweeps           tau_int".into());
    for (name, observed) in &summary.observables {
        let number = observed.number;
        let tau = observed.tau_int.map_or("–".into(), |tau| format!("{tau:.3}"));
        let exact = number.exact.map_or(String::new(), |exact| format!("exact {exact:.6}"));
        let value = with_error(number.value, number.error);
        line(name, format!("{value:<30} {tau:<10} {exact}").trim_end().to_owned());
    }
    for warning in &summary.warnings {
        line("not to be trusted:", warning.clone());
    }
    write!(out, "written to {}", folder.shown()).expect("memory takes all");
    out
}

fn of_chains(summary: &ChainSummary, chains: &Chains, line: &mut impl FnMut(&str, String)) {
    let Chains { number, sweeps, thin, acceptance, smallest_acceptance, never_moved, step_size } = *chains;
    line("samples", format!("{} of {number} chains of {sweeps} sweeps, one every {thin}", summary.samples));
    line("acceptance", format!("{acceptance:.4}, the smallest of a chain {smallest_acceptance:.4}"));
    line("step size", step_size.map_or("–".into(), |step| format!("{step:.5}")));
    line("chains that never moved", never_moved.to_string());
    let slowest =
        slowest(summary).map(|(name, tau)| format!("{} sweeps, {name}", with_error(Some(tau.value), Some(tau.error))));
    line("tau_int, slowest primary", slowest.unwrap_or("not computed".into()));
}

/// The primary with the longest autocorrelation time.
fn slowest(summary: &ChainSummary) -> Option<(&str, Estimate)> {
    let known = summary.tau_int.iter().filter_map(|(name, tau)| Some((&name[..], (*tau)?)));
    known.max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value))
}
