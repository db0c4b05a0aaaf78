//! Programs that may run for so long, and nothing of theirs any longer.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Runs a program, in a group of processes of its own; if it isn't done by its limit, or this process gets a signal to stop, the whole group is ended,
/// as what a tool has started would go on and use the card. Returns how it ended, none at the limit, and what it told where `told` is a pipe.
///
/// # Errors
/// If it can't be started, or this process was asked to stop.
pub(super) fn within(limit: Duration, mut command: Command, told: Stdio) -> io::Result<(Option<ExitStatus>, Vec<u8>)> {
    let until = Instant::now() + limit;
    let stop = Arc::new(AtomicBool::new(false));
    let heard = [SIGINT, SIGTERM].map(|signal| flag::register(signal, stop.clone()));
    let mut child = command.stdin(Stdio::null()).stdout(told).process_group(0).spawn()?;
    let pipe = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut told = vec![];
        pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut told)).map(|_| told)
    });
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if stop.load(Ordering::Relaxed) || Instant::now() >= until {
            end_group(&mut child)?;
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    heard.into_iter().flatten().for_each(|id| _ = low_level::unregister(id));
    if stop.load(Ordering::Relaxed) {
        return Err(io::Error::other("asked to stop by a signal"));
    }
    Ok((status, reader.join().expect("reading doesn't panic")?))
}

/// Ends a process and all of its group.
fn end_group(child: &mut Child) -> io::Result<()> {
    let ended = Command::new("sh").args(["-c", &format!("kill -KILL -{}", child.id())]).status()?;
    if !ended.success() {
        child.kill()?;
    }
    child.wait().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_a_limit_what_a_program_has_started_ends_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alive");
        let script = format!("(sleep 1; touch '{}') & echo begun; sleep 60", file.display());
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        let (ended, told) = within(Duration::from_millis(300), command, Stdio::piped()).unwrap();
        assert_eq!((ended, &told[..]), (None, &b"begun\n"[..]));
        thread::sleep(Duration::from_millis(1500));
        assert!(!file.exists(), "what it had started went on");
    }
}
