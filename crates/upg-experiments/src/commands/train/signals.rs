//! Ctrl-C and SIGTERM: the first one asks the run to save and stop, the second one stops it at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whether the run was asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    number: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen() -> io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let (signals, again) = (Self::default(), Arc::new(AtomicBool::new(false)));
        for signal in [SIGINT, SIGTERM] {
            // Registered first, so it acts on the second signal only.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&again))?;
            signal_hook::flag::register(signal, Arc::clone(&again))?;
            let usize_signal = usize::try_from(signal).expect("numbers of signals are small");
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.number), usize_signal)?;
        }
        Ok(signals)
    }

    /// Name of the signal that came, if one did.
    pub fn received(&self) -> Option<&'static str> {
        match i32::try_from(self.number.load(Ordering::Relaxed)) {
            Ok(signal_hook::consts::SIGINT) => Some("SIGINT"),
            Ok(signal_hook::consts::SIGTERM) => Some("SIGTERM"),
            _ => None,
        }
    }
}
