//! Programs that may run for so long, and nothing of theirs any longer.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long a group of processes has, once asked to end, to end what it has started in groups of their own.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a program, in a group of processes of its own; if it isn't done by its limit, or this process gets a signal to stop, the whole group is ended,
/// as what a tool has started would go on and use the card. Returns how it ended, none at the limit, and what it told where `told` is a pipe.
///
/// # Errors
/// If it can't be started, or this process was asked to stop.
pub(super) fn within(limit: Duration, mut command: Command, told: Stdio) -> io::Result<(Option<ExitStatus>, Vec<u8>)> {
    let (until, stop) = (Instant::now() + limit, stop()?);
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
    if stop.load(Ordering::Relaxed) {
        return Err(io::Error::other("asked to stop by a signal"));
    }
    Ok((status, reader.join().expect("reading doesn't panic")?))
}

/// Whether this process was asked to stop; it listens from the first call on, and for good: what was asked between two programs holds for the second.
fn stop() -> io::Result<&'static AtomicBool> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(stop) = STOP.get() {
        return Ok(stop);
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, stop.clone())?;
    }
    Ok(STOP.get_or_init(|| stop))
}

/// Asks a process and all of its group to end; after [`GRACE`] they are killed.
fn end_group(child: &mut Child) -> io::Result<()> {
    let group = child.id();
    // No group any more is as good as one that was told.
    let send = |signal| Command::new("sh").args(["-c", &format!("kill -{signal} -{group} 2>/dev/null")]).status();
    send("TERM")?;
    let until = Instant::now() + GRACE;
    while child.try_wait()?.is_none() && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    // Also where it has ended itself: others of its group may not have.
    send("KILL")?;
    child.wait().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a script has told by its limit of 300 ms, and whether it still made the file `$FILE` by 1.5 s after.
    fn at_the_limit(script: &str) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made");
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("FILE", &file);
        let (ended, told) = within(Duration::from_millis(300), command, Stdio::piped()).unwrap();
        assert_eq!(ended, None, "{script}");
        thread::sleep(Duration::from_millis(1500));
        (String::from_utf8(told).unwrap(), file.exists())
    }

    #[test]
    fn at_a_limit_what_a_program_has_started_ends_too() {
        assert_eq!(at_the_limit("(sleep 1; touch $FILE) & echo begun; sleep 60"), ("begun\n".into(), false));
        // The first of a group may end at once, the others not listen.
        let deaf = "(trap '' TERM; sleep 1; sleep 2; touch $FILE) & echo begun; sleep 60";
        assert_eq!(at_the_limit(deaf), ("begun\n".into(), false));
    }

    #[test]
    fn a_program_is_asked_first_so_that_it_can_end_what_is_not_of_its_group() {
        assert!(at_the_limit("trap 'touch $FILE; exit' TERM; sleep 60 & wait").1);
        assert!(!at_the_limit("trap '' TERM; sleep 2.5; sleep 1; touch $FILE").1, "it listens to neither");
    }
}
