//! Words for a person: progress and warnings on standard error, results on standard output.

use super::output::OutputError;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

static SILENT: AtomicBool = AtomicBool::new(false);

/// Whether this process speaks: of several that make one run the first does, for all of them.
pub fn be_silent(silent: bool) {
    SILENT.store(silent, Ordering::Relaxed);
}

fn is_silent() -> bool {
    SILENT.load(Ordering::Relaxed)
}

/// Says a line on standard error. If nobody can hear it, because the terminal is gone or the disk behind it is full, nothing is lost: it ends no run.
pub fn say(line: impl Display) {
    if is_silent() {
        return;
    }
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints a result on standard output. A reader that has gone away has had enough of it.
///
/// # Errors
/// [`OutputError::Write`] if it can't be written.
pub fn print(text: impl Display) -> Result<(), OutputError> {
    if is_silent() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(OutputError::Write { path: PathBuf::from("standard output"), source })
        }
        _ => Ok(()),
    }
}
