//! A round: what is drawn, counted and found.

use super::outcome::{Interrupted, LONGEST, Outcome};
use super::program::{Ended, Program, Running};
use super::stop::Stop;
use rand::RngExt;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use upg_core::Rng;

/// A round under way.
pub(super) struct Round<'a> {
    /// What is drawn.
    pub(super) rng: Rng,
    /// An empty folder for its files.
    pub(super) folder: PathBuf,
    /// What suffers.
    pub(super) program: &'a Program,
    pub(super) stop: &'a Stop,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) findings: Vec<String>,
    /// What this machine has no means for.
    pub(super) not_run: Vec<String>,
}

impl<'a> Round<'a> {
    pub(super) fn new(rng: Rng, folder: PathBuf, program: &'a Program, stop: &'a Stop) -> Self {
        Self { rng, folder, program, stop, counts: BTreeMap::new(), findings: vec![], not_run: vec![] }
    }

    /// Counts something that was done.
    pub(super) fn count(&mut self, what: &str, times: u64) {
        *self.counts.entry(what.to_owned()).or_default() += times;
    }

    /// Something isn't as it has to be.
    pub(super) fn find(&mut self, what: impl Into<String>) {
        self.findings.push(what.into());
    }

    /// The same, if there is something.
    pub(super) fn find_if(&mut self, what: Option<impl Into<String>>) {
        self.findings.extend(what.map(Into::into));
    }

    /// Something can't be done on this machine.
    pub(super) fn leave_out(&mut self, what: impl Into<String>) {
        self.not_run.push(what.into());
    }

    /// Ends the round here if that was asked for.
    pub(super) fn go_on(&self) -> Outcome {
        if self.stop.is_at_once() { Err(Interrupted::Stopped) } else { Ok(()) }
    }

    /// One of these.
    pub(super) fn pick<V: Copy>(&mut self, all: &[V]) -> V {
        all[self.rng.random_range(0..all.len())]
    }

    /// Starts a program.
    pub(super) fn start(&self, command: Command) -> Outcome<Running> {
        self.go_on()?;
        Running::start(command, &self.folder.join("output"))
    }

    /// Lets a program come to its end.
    pub(super) fn let_end(&self, command: Command) -> Outcome<Ended> {
        self.start(command)?.wait(LONGEST, self.stop)
    }

    /// The same; what isn't one of these exit statuses, or isn't said as it should be, is found.
    pub(super) fn let_end_with(&mut self, statuses: &[u8], what: &str, command: Command) -> Outcome<Ended> {
        let ended = self.let_end(command)?;
        self.find_if(ended.problem(statuses).map(|problem| format!("{what}: {problem}")));
        Ok(ended)
    }
}
