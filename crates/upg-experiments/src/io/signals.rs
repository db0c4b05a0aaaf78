//! The signals that end a process, and callers who answer them themselves.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::sync::Arc;

/// A file grows beyond what the process may write: the number on Linux and macOS.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// A caller of this library, who answers signals itself: who asks for an end, if someone does. It is asked now and then, by a training after every step.
pub type Caller<'a> = &'a (dyn Fn() -> Option<&'static str> + Sync);

/// A caller who never asks for an end.
pub fn nobody() -> Option<&'static str> {
    None
}

/// Ends this process without anything else that usually comes with it.
pub fn exit_at_once(status: i32) -> ! {
    signal_hook::low_level::exit(status)
}

/// SIGINT, SIGTERM and SIGHUP, but for a SIGHUP that was ignored when the program began, as under `nohup`: it stays ignored.
pub fn ending() -> Vec<i32> {
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| signal != SIGHUP || !ignores(signal)).collect()
}

/// The name of a signal, e.g. `SIGTERM`.
pub fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}

/// The name of a signal that another process got, as it tells it.
pub fn known(told: &str) -> &'static str {
    ending().into_iter().map(name).find(|&name| name == told).unwrap_or("a signal")
}

/// From now on a file that grows beyond what the process may write (`ulimit -f`) is an error of writing, and doesn't kill the process.
///
/// # Errors
/// If the system refuses.
pub fn survive_limits_of_files() -> io::Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// Whether this process ignores a signal, where the system tells.
fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
