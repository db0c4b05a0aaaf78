//! Runs as processes of their own: `upg train --resume` in a folder with a configuration.

use super::folder::{Folder, Record};
use crate::Error;
use crate::commands::place::PlaceArgs;
use crate::commands::train::signals::Signals;
use crate::io::checkpoint::read_progress;
use crate::io::console::say;
use crate::io::program;
use crate::io::run_dir::{RunDir, RunError};
use crate::text::{Shown, one_line};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often processes are looked at.
const EVERY: Duration = Duration::from_millis(20);
/// How often those of others are.
const OTHERS: Duration = Duration::from_millis(500);

/// What came of the runs.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Runs that are done, whoever made them.
    pub done: usize,
    pub failed: usize,
    /// The signal that ended it early.
    pub stopped_by: Option<&'static str>,
}

/// A run that is being made; claimed as long as this lives.
struct Running {
    number: usize,
    process: Child,
    log: File,
    /// Where in the log this process began.
    from: u64,
    _claim: File,
}

/// What there is to do about a run.
enum Turn {
    Done,
    Begun(Running),
    /// Another process makes it.
    Elsewhere,
}

/// Makes runs.
pub(super) struct Sweeper<'a> {
    folder: &'a Folder,
    record: &'a Record,
    place: &'a PlaceArgs,
    /// Of each run.
    threads: usize,
    signals: &'a Signals,
}

impl<'a> Sweeper<'a> {
    pub fn new(
        folder: &'a Folder,
        record: &'a Record,
        place: &'a PlaceArgs,
        threads: usize,
        signals: &'a Signals,
    ) -> Self {
        Self { folder, record, place, threads, signals }
    }

    /// Makes the runs of these numbers, `jobs` at a time; those that another process makes are waited for.
    ///
    /// # Errors
    /// If a run can't be looked at, or no process be started. Runs that fail are told, and counted.
    pub fn make(&self, numbers: &[usize], jobs: usize) -> Result<Ended, Error> {
        self.signals.save_from_now_on();
        let mut running = vec![];
        let outcome = self.work(numbers, &mut running, jobs);
        // Whatever came in between, no process is left alone.
        running.iter().for_each(|running| ask_to_end(&running.process));
        for mut running in running {
            running.process.wait().map_err(|error| self.system(error))?;
        }
        outcome
    }

    fn work(&self, numbers: &[usize], running: &mut Vec<Running>, jobs: usize) -> Result<Ended, Error> {
        let (mut waiting, mut elsewhere) = (VecDeque::from(numbers.to_vec()), vec![]);
        let (mut ended, mut looked, mut is_told) = (Ended::default(), Instant::now(), false);
        while !(waiting.is_empty() && elsewhere.is_empty() && running.is_empty()) {
            if let Some(signal) = self.signals.received() {
                return Ok(Ended { stopped_by: Some(signal), ..ended });
            }
            while running.len() < jobs
                && let Some(number) = waiting.pop_front()
            {
                match self.begin(number)? {
                    Turn::Done => ended.done += 1,
                    Turn::Begun(begun) => running.push(begun),
                    Turn::Elsewhere => elsewhere.push(number),
                }
            }
            self.look_at(running, &mut ended)?;
            if running.is_empty() && !elsewhere.is_empty() && !is_told {
                say(format_args!("waiting for {} of the runs, which another process makes", elsewhere.len()));
                is_told = true;
            }
            if waiting.is_empty() && looked.elapsed() > OTHERS {
                waiting.extend(elsewhere.drain(..));
                looked = Instant::now();
            }
            sleep(EVERY);
        }
        Ok(ended)
    }

    /// Begins a run, if it isn't done, nor somebody else's.
    fn begin(&self, number: usize) -> Result<Turn, Error> {
        let run = &self.record.runs[number];
        let Some(claim) = self.folder.claim(run)? else { return Ok(Turn::Elsewhere) };
        let dir = RunDir::open(&self.folder.run(run))?;
        if steps_left(&dir, self.record.steps)? == 0 {
            return Ok(Turn::Done);
        }
        let path = self.folder.log(run);
        let log = File::options().read(true).append(true).create(true).open(&path);
        let system = |source| RunError::System { path: path.clone(), source };
        let mut log = log.map_err(system)?;
        let from = log.seek(SeekFrom::End(0)).map_err(system)?;
        let process = self.start(dir.path(), &log).map_err(|error| self.system(error))?;
        Ok(Turn::Begun(Running { number, process, log, from, _claim: claim }))
    }

    fn start(&self, dir: &Path, log: &File) -> io::Result<Child> {
        let mut command = program::once_more()?;
        command.args(["train", "--resume", "--out"]).arg(dir);
        command.args(["--threads", &self.threads.to_string(), "--device", &self.place.device.to_string()]);
        if let Some(steps) = self.record.steps {
            command.args(["--steps", &steps.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).spawn()
    }

    /// Takes note of processes that have ended.
    fn look_at(&self, running: &mut Vec<Running>, ended: &mut Ended) -> Result<(), Error> {
        let mut at = 0;
        while at < running.len() {
            let Some(status) = running[at].process.try_wait().map_err(|error| self.system(error))? else {
                at += 1;
                continue;
            };
            let over = running.swap_remove(at);
            let (run, all) = (&self.record.runs[over.number], self.record.runs.len());
            let which = format!("run {} of {all}, {}", over.number + 1, run.name);
            if status.success() {
                ended.done += 1;
                say(format_args!("{which}: done"));
            } else if self.signals.received().is_none() {
                ended.failed += 1;
                say(format_args!("{which}: failed: {}; more in {}", over.reason(status), self.folder.log(run).shown()));
            }
        }
        Ok(())
    }

    fn system(&self, source: io::Error) -> Error {
        RunError::System { path: self.folder.path().to_owned(), source }.into()
    }
}

impl Running {
    /// Why it failed, by the first error that it told, else by how it ended.
    fn reason(mut self, status: ExitStatus) -> String {
        let mut said = vec![];
        let read = self.log.seek(SeekFrom::Start(self.from)).and_then(|_| self.log.read_to_end(&mut said));
        let said = String::from_utf8_lossy(&said);
        let told = said.lines().find_map(|line| line.strip_prefix("error: "));
        told.filter(|_| read.is_ok()).map_or_else(|| status.to_string(), |told| one_line(told, 300))
    }
}

/// The steps that a run still has to make, by its latest checkpoint; all of them if that can't be read.
pub(super) fn steps_left(dir: &RunDir, steps: Option<u64>) -> Result<u64, Error> {
    let wanted = steps.unwrap_or(dir.config().map_err(RunError::from)?.config.training.steps);
    let made = read_progress(&dir.latest()).ok().flatten().map(|progress| progress.step);
    Ok(made.map_or(wanted.max(1), |made| wanted.saturating_sub(made)))
}

/// Asks a process to save and end.
#[cfg(unix)]
fn ask_to_end(process: &Child) {
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(process), rustix::process::Signal::TERM); // it may have ended
}

#[cfg(not(unix))]
fn ask_to_end(_: &Child) {}
