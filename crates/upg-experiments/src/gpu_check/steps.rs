//! The steps, and what a process does that makes one of them.

use super::card::Card;
use super::finding::Findings;
use super::{agreement, costs, hardware, numbers, peer, tools};
use clap::ValueEnum;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use upg_gpu::gpu::Gpu;

/// A step of the check; the most valuable comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Libraries, card, bandwidth, rates of products.
    Hardware,
    /// Random numbers against the host's.
    Numbers,
    /// Layers, estimators, golden cases and training steps against the host.
    Agreement,
    /// Table 2 on the card.
    Costs,
    /// The same work in PyTorch.
    Peer,
    /// The smallest work under compute-sanitizer.
    Sanitizer,
    /// The main kernels under ncu.
    Profile,
    /// That smallest work by itself; no step of the check.
    #[value(hide = true)]
    Smallest,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Hardware, Self::Numbers, Self::Agreement, Self::Costs, Self::Peer, Self::Sanitizer, Self::Profile];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Numbers => "numbers",
            Self::Agreement => "agreement",
            Self::Costs => "costs",
            Self::Peer => "peer",
            Self::Sanitizer => "sanitizer",
            Self::Profile => "profile",
            Self::Smallest => "smallest",
        }
    }

    /// How long it may take, on a card: six minutes together. The emulator computes some thousand times slower.
    pub fn limit(self, emulated: bool) -> Duration {
        let seconds = match self {
            Self::Hardware => 20,
            Self::Numbers => 15,
            Self::Agreement => 75,
            Self::Costs => 90,
            Self::Peer => 60,
            Self::Sanitizer => 55,
            Self::Profile | Self::Smallest => 30,
        };
        Duration::from_secs(if emulated { 10 * seconds } else { seconds })
    }

    /// Whether it needs a card: tools and other programs do.
    pub fn needs_card(self) -> bool {
        matches!(self, Self::Peer | Self::Sanitizer | Self::Profile)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl<G: Gpu> Card<G> {
    /// Makes one step; its findings are appended to a file in the folder of the results. Returns whether all is as it has to be.
    ///
    /// # Errors
    /// What kept it from its end.
    pub fn make(&self, step: Step) -> Result<bool, Box<dyn std::error::Error>> {
        let mut findings = Findings::append_to(&file_of(&self.out, step), step.name())?;
        match step {
            Step::Hardware => hardware::look(self, &mut findings)?,
            Step::Numbers => numbers::compare(self, &mut findings)?,
            Step::Agreement => agreement::compare(self, &mut findings)?,
            Step::Costs => costs::measure(self, &mut findings)?,
            Step::Peer => peer::measure(&self.out, &mut findings)?,
            Step::Sanitizer => tools::sanitize(&mut findings)?,
            Step::Profile => tools::profile(&mut findings)?,
            Step::Smallest => agreement::smallest(self)?,
        }
        Ok(findings.all_passed())
    }
}

/// The file of a step's findings.
pub(super) fn file_of(out: &Path, step: Step) -> PathBuf {
    out.join(format!("{step}.jsonl"))
}
