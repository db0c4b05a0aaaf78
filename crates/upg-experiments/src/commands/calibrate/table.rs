//! What the evaluations of one number of samples say.

use super::record::Evaluated;
use crate::report::page::with_error;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use upg_train::calibration::{Calibration, Pulls, Verdicts, Way};
use upg_train::stats::{Estimate, Moments};

/// A number, and how it was estimated.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub name: String,
    pub way: Way,
    #[serde(flatten)]
    pub calibration: Option<Calibration>,
    #[serde(skip)]
    pub pulls: Pulls,
}

/// All of them, and the verdicts.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Table {
    /// The mean of the effective sample sizes.
    pub ess: Option<f64>,
    pub numbers: Vec<Row>,
    /// On log Z.
    pub verdicts: Option<Verdicts>,
    /// Share of the evaluations whose chain was trusted.
    pub chains_trusted: f64,
}

impl Table {
    pub fn of<'a>(evaluations: impl Iterator<Item = &'a Evaluated>) -> Self {
        let (mut all, mut verdicts, mut ess) = (BTreeMap::<(Way, String), Pulls>::new(), None, Moments::default());
        let (mut chains, mut count) = (0, 0);
        for evaluated in evaluations {
            let [log_z_trusted, chain_trusted] = evaluated.trusted;
            for (way, name, number) in evaluated.numbers() {
                all.entry((way, name.to_owned())).or_default().push(number);
                if name == "log_z" {
                    verdicts.get_or_insert_with(Verdicts::default).push(log_z_trusted, number);
                }
            }
            ess.push(evaluated.ess.unwrap_or(f64::NAN));
            chains += u64::from(chain_trusted);
            count += 1;
        }
        let row =
            |((way, name), pulls): ((Way, String), Pulls)| Row { name, way, calibration: pulls.calibration(), pulls };
        let numbers = all.into_iter().map(row).collect();
        Self { ess: ess.mean(), numbers, verdicts, chains_trusted: chains as f64 / f64::from(count) }
    }

    /// As it is printed.
    pub fn text(&self, samples: usize) -> String {
        let mut out = String::new();
        let ess = self.ess.map_or("not known".into(), |ess| format!("{ess:.4}"));
        let most = self.numbers.iter().filter_map(|row| Some(row.calibration?.evaluations)).max().unwrap_or(0);
        let known_to = 100.0 * (0.683 * 0.317 / most.max(1) as f64).sqrt();
        writeln!(
            out,
            "{samples} samples, ESS {ess}; {most} evaluations, by which a share of 68.3 % is known to {known_to:.1}"
        )
        .expect("memory takes all");
        let mut line = |name: &str, way: &str, cells: [&str; 7]| {
            let [mean, width, one, two, three, interval, flagged] = cells;
            writeln!(
                out,
                "{name:<24} {way:<12} {mean:>12} {width:>12} {one:>9} {two:>9} {three:>9} {interval:>9} {flagged:>9}"
            )
            .expect("memory takes all");
        };
        line("", "", COLUMNS);
        for row in &self.numbers {
            line(&row.name, way(row.way), row.cells().each_ref().map(String::as_str));
        }
        if let Some(verdicts) = self.verdicts {
            let Verdicts { right, missed_alarms, false_alarms, alarms } = verdicts;
            let total = right + missed_alarms + false_alarms + alarms;
            writeln!(
                out,
                "log Z trusted: {} of {total}, {missed_alarms} of them beyond 3 sigma; not trusted: {}, {false_alarms} of them within",
                right + missed_alarms,
                false_alarms + alarms
            )
            .expect("memory takes all");
        }
        out + "\n"
    }
}

/// What [`Row::cells`] are.
pub(super) const COLUMNS: [&str; 7] = ["mean pull", "width", "68.3 %", "95.4 %", "99.7 %", "intervals", "flagged"];

impl Row {
    /// Mean and width; the coverage, and that of the intervals, and how many were flagged, in percent.
    pub fn cells(&self) -> [String; 7] {
        let Some(Calibration { mean, width, coverage, interval_coverage, flagged, evaluations, .. }) = self.calibration
        else {
            return ["not computed", "", "", "", "", "", ""].map(String::from);
        };
        let told = |of: Estimate| with_error(of.value, of.error);
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let [one, two, three] = coverage.map(|share| percent(share.value));
        let intervals = interval_coverage.map_or("none".into(), |share| percent(share.value));
        [told(mean), told(width), one, two, three, intervals, percent(flagged as f64 / evaluations as f64)]
    }
}

/// In words.
pub(super) fn way(way: Way) -> &'static str {
    match way {
        Way::Reweighted => "reweighted",
        Way::AlongChain => "along chain",
    }
}
