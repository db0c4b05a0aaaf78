//! When a soak ends: when its time is over, or somebody asks for it.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Whether to go on.
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    until: Instant,
}

impl Stop {
    /// Listens to signals from now on.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn at(until: Instant) -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, asked.clone())?;
        }
        Ok(Self { asked, until })
    }

    /// Whether there was a signal, which ends the round that is under way, too.
    pub(super) fn is_at_once(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether there are to be no more rounds.
    pub(super) fn is_asked_for(&self) -> bool {
        self.is_at_once() || Instant::now() >= self.until
    }
}
