//! `upg` from outside: started, ended, and what it said.

use super::outcome::{Interrupted, LONGEST, Outcome};
use super::stop::Stop;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The program that suffers.
pub(super) struct Program {
    /// A copy of this program, which stays what it is when a new one is built meanwhile.
    this: PathBuf,
    /// In the place of the `upg` in it.
    other: Option<PathBuf>,
}

impl Program {
    /// `other`, or this program, copied to the folder `out`.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    pub(super) fn new(other: Option<&Path>, out: &Path) -> Result<Self, String> {
        let this = out.join("program");
        let copied = std::env::current_exe().and_then(|running| {
            let fresh = out.join(".program.tmp");
            std::fs::copy(running, &fresh)?; // not over one that may still be running
            std::fs::rename(&fresh, &this)
        });
        copied.map_err(|error| format!("--out = {}: {error}", out.display()))?;
        let other = other.map(|path| {
            let found = path.canonicalize().ok().filter(|path| path.is_file());
            found.ok_or_else(|| format!("--program = {}: accepted is the file of a program", path.display()))
        });
        Ok(Self { this, other: other.transpose()? })
    }

    /// This program.
    pub(super) fn this(&self) -> &Path {
        &self.this
    }

    /// `upg` with these arguments.
    pub(super) fn upg<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = match &self.other {
            Some(other) => Command::new(other),
            None => {
                let mut command = Command::new(&self.this);
                command.arg("upg");
                command
            }
        };
        command.args(arguments);
        command
    }
}

/// The same command in a shell that does something before, to itself: `ulimit -f 8`.
pub(super) fn after(preparation: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{preparation}; exec \"$0\" \"$@\"")).arg(command.get_program());
    shell.args(command.get_args());
    shell
}

/// A program that is running; it is killed when nobody asks for its end any more.
pub(super) struct Running {
    child: Child,
    output: PathBuf,
    told: Vec<OsString>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Status(u8),
    Signal(i32),
    /// It was killed, as it took too long.
    Limit(Duration),
}

/// A program that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) how: How,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Its arguments, for a message.
    told: String,
}

impl Running {
    /// Starts a program in a group of its own: the Ctrl-C that ends a soak isn't for it. What it says goes to files.
    pub(super) fn start(mut command: Command, output: &Path) -> Outcome<Self> {
        let told = command.get_args().map(OsStr::to_owned).collect();
        let file = |end: &str| File::create(output.with_extension(end));
        command.stdin(Stdio::null()).stdout(file("stdout")?).stderr(file("stderr")?).process_group(0);
        let child = command.spawn()?;
        Ok(Self { child, output: output.to_owned(), told })
    }

    /// Number of its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has.
    pub(super) fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until something is so, or the program has ended.
    pub(super) fn wait_until(&mut self, stop: &Stop, mut so: impl FnMut() -> bool) -> Outcome {
        let begun = Instant::now();
        while !so() && !self.has_ended()? && begun.elapsed() < LONGEST {
            if stop.is_at_once() {
                return Err(Interrupted::Stopped);
            }
        }
        Ok(())
    }

    /// Sends a signal, e.g. `TERM`; one that has ended gets none.
    pub(super) fn send(&mut self, signal: &str) -> Outcome {
        if !self.has_ended()? {
            Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.id())]).status()?;
        }
        Ok(())
    }

    /// Kills it with SIGKILL.
    pub(super) fn kill(mut self) -> Outcome<Ended> {
        self.child.kill()?;
        let status = self.child.wait()?;
        self.ended(how(status))
    }

    /// Waits for its end.
    pub(super) fn wait(mut self, longest: Duration, stop: &Stop) -> Outcome<Ended> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return self.ended(how(status));
            }
            if stop.is_at_once() {
                return Err(Interrupted::Stopped);
            }
            if begun.elapsed() > longest {
                self.child.kill()?;
                self.child.wait()?;
                return self.ended(How::Limit(longest));
            }
            sleep(Duration::from_millis(1));
        }
    }

    fn ended(&self, how: How) -> Outcome<Ended> {
        let read = |end: &str| std::fs::read(self.output.with_extension(end));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let told = self.told.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Ok(Ended { how, stdout: text(read("stdout")?), stderr: text(read("stderr")?), told })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn how(status: ExitStatus) -> How {
    match (status.code(), status.signal()) {
        (Some(code), _) => How::Status(code as u8),
        (None, signal) => How::Signal(signal.unwrap_or(0)),
    }
}

/// Longest line on standard error, in bytes.
const LONGEST_LINE: usize = 2000;

/// What a line on standard error begins with.
const LINES: [&str; 6] = ["error: ", "warning: ", "note: ", "stopped by ", "going on after step ", "training"];

impl Ended {
    /// What isn't as it has to be, if something isn't: it ended by itself with one of these statuses, said nothing but lines of its own, and
    /// why, if it failed.
    pub(super) fn problem(&self, statuses: &[u8]) -> Option<String> {
        let problem = match self.how {
            How::Limit(longest) => format!("not done after {} s", longest.as_secs()),
            How::Signal(signal) => format!("ended by signal {signal}"),
            How::Status(status) if !statuses.contains(&status) => format!("exit status {status}"),
            How::Status(status) => self.problem_of_lines(status)?,
        };
        Some(format!("{problem}: {}: {}", self.told, self.stderr.lines().take(3).collect::<Vec<_>>().join(" / ")))
    }

    fn problem_of_lines(&self, status: u8) -> Option<String> {
        let says = |start: &str| self.stderr.lines().any(|line| line.starts_with(start));
        let is_odd = |line: &&str| {
            line.len() > LONGEST_LINE
                || line.contains(|c: char| c.is_control())
                || !LINES.iter().any(|start| line.starts_with(start))
        };
        match self.stderr.lines().find(is_odd) {
            Some(line) => Some(format!("an odd line, {:?}", line.chars().take(300).collect::<String>())),
            None if status != 0 && !says("error: ") && !says("stopped by ") => {
                Some("it failed and didn't say why".into())
            }
            None if status == 0 && says("error: ") => Some("an error, and exit status 0".into()),
            None => None,
        }
    }

    /// The line that says why it failed.
    pub(super) fn error(&self) -> &str {
        self.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(how: How, stderr: &str) -> Ended {
        Ended { how, stdout: String::new(), stderr: stderr.into(), told: "train".into() }
    }

    #[test]
    fn what_is_said_oddly_is_a_problem() {
        let problem = |how, stderr: &str| ended(how, stderr).problem(&[0, 2]);
        assert_eq!(problem(How::Status(0), "going on after step 3\nwarning: x\n"), None);
        assert_eq!(problem(How::Status(2), "error: --out = x: accepted is y\n"), None);
        for (how, stderr, expected) in [
            (How::Status(0), "error: x\n", "an error, and exit status 0"),
            (How::Status(2), "", "didn't say why"),
            (How::Status(1), "error: x\n", "exit status 1"),
            (How::Status(101), "thread 'main' panicked at x\n", "exit status 101"),
            (How::Status(2), "error: x\nthread 'a' panicked at b\n", "an odd line"),
            (How::Status(2), "error: \u{1b}[31m\n", "an odd line"),
            (How::Signal(6), "", "ended by signal 6"),
            (How::Limit(Duration::from_secs(5)), "", "not done after 5 s"),
        ] {
            let told = problem(how, stderr).expect(expected);
            assert!(told.contains(expected), "{told} should contain {expected}");
        }
    }
}
