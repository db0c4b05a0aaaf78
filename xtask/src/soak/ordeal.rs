//! The ordeals there are.

use super::outcome::Outcome;
use super::round::Round;
use super::{configs, damage, disks, ends, fuzz, leaks, libfuzzer};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use upg_core::{Rng, Streams};

/// What a round does to `upg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ordeal {
    /// SIGKILL at any moment, again and again.
    Kills,
    /// Random bytes for every loader.
    Fuzz,
    /// SIGINT, SIGTERM and SIGHUP at any moment.
    Signals,
    /// No room on the disk.
    Disks,
    /// Files of a run that are cut, altered or gone.
    Damage,
    /// Configurations drawn from all that may be said, good and bad.
    Configs,
    /// Memory and open files of long runs.
    Leaks,
    /// Loaders against a fuzzer that sees what they do, where `cargo fuzz build` has made its programs.
    Libfuzzer,
}

impl Ordeal {
    /// All of them, in their turn.
    pub(super) const ALL: [Self; 8] = [
        Self::Kills,
        Self::Fuzz,
        Self::Signals,
        Self::Disks,
        Self::Damage,
        Self::Configs,
        Self::Leaks,
        Self::Libfuzzer,
    ];

    /// Its name, that of `--only`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kills => "kills",
            Self::Fuzz => "fuzz",
            Self::Signals => "signals",
            Self::Disks => "disks",
            Self::Damage => "damage",
            Self::Configs => "configs",
            Self::Leaks => "leaks",
            Self::Libfuzzer => "libfuzzer",
        }
    }

    /// The random numbers of a round.
    pub(super) fn stream(self, seed: u64, number: u64) -> Rng {
        Streams::derived(seed, &[number, self as u64]).next_stream()
    }

    /// Makes a round of it.
    pub(super) fn make(self, round: &mut Round<'_>) -> Outcome {
        match self {
            Self::Kills => ends::round(round, ends::Way::Kill),
            Self::Fuzz => fuzz::round(round),
            Self::Signals => ends::round(round, ends::Way::Signal),
            Self::Disks => disks::round(round),
            Self::Damage => damage::round(round),
            Self::Configs => configs::round(round),
            Self::Leaks => leaks::round(round),
            Self::Libfuzzer => libfuzzer::round(round),
        }
    }
}
