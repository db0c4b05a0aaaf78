//! What came of the steps, all together.

use super::finding::Finding;
use crate::io::output::Provenance;
use serde::Serialize;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ended {
    /// The step.
    pub step: String,
    /// In words: `done`, `a finding failed`, `ended at its limit of 20 s`, …
    pub how: String,
    /// Seconds.
    pub seconds: f64,
    /// Whether all is as it has to be.
    pub passed: bool,
}

/// All that was found.
#[derive(Debug, Serialize)]
pub struct Check {
    /// Version, commit and processor.
    pub provenance: Provenance,
    /// Whether it was the emulator.
    pub emulated: bool,
    /// The steps.
    pub steps: Vec<Ended>,
    /// Their findings.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Whether all is as it has to be.
    pub fn passed(&self) -> bool {
        self.steps.iter().all(|step| step.passed)
    }
}
