//! What comes of a part of a round.

use std::io;
use std::time::Duration;

/// Why a round has no outcome.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// Somebody asked for an end.
    Stopped,
    /// The machine doesn't do its part: nothing is said about `upg`.
    Failed(String),
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A value, unless the round is interrupted.
pub(super) type Outcome<V = ()> = Result<V, Interrupted>;

/// How long a program may take that is left alone: many times as long as any does on a busy machine.
pub(super) const LONGEST: Duration = Duration::from_secs(120);
