//! `evaluations.jsonl`: what the evaluations are of, then each of them, a line.

use crate::Error;
use crate::commands::run_weights::Loaded;
use crate::config::Place;
use crate::io::output::OutputError;
use crate::io::results::checksum;
use crate::io::run_dir::RunError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use upg_core::Real;
use upg_train::calibration::{ExactValues, Way};
use upg_train::evaluate::{Number, Summary};

/// What the evaluations are of: lines below another heading aren't mixed with these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Heading {
    /// Version of the program.
    version: String,
    /// Checksum of the weights.
    weights: String,
    /// The configuration, but for its seed.
    config: String,
    /// Steps of a continuous flow, if an argument gave others than the configuration.
    ode_steps: Option<u64>,
    /// Names of the numbers that have exact values.
    names: Vec<String>,
}

impl Heading {
    pub fn new<D: Place>(loaded: &Loaded<D>, ode_steps: Option<u64>, exact: &ExactValues) -> Self {
        let mut config = loaded.config.clone();
        config.training.seed = 0;
        let weights: Vec<u8> = loaded.trained.weights().iter().flat_map(|weight| weight.wide().to_le_bytes()).collect();
        let names = exact.log_z.map(|_| "log_z".to_owned()).into_iter().chain(exact.observables.keys().cloned());
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            weights: checksum(&weights),
            config: config.to_ron(),
            ode_steps,
            names: names.collect(),
        }
    }
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Evaluated {
    pub samples: usize,
    pub seed: u64,
    pub ess: Option<f64>,
    /// Whether log Z was trusted, and the numbers along the chain.
    pub trusted: [bool; 2],
    reweighted: BTreeMap<String, Number>,
    along_chain: BTreeMap<String, Number>,
}

impl Evaluated {
    pub fn new(seed: u64, summary: &Summary, exact: &ExactValues) -> Self {
        let of = |wanted| {
            let numbers = exact.beside(summary).filter(|&(_, way, _)| way == wanted);
            numbers.map(|(name, _, number)| (name.to_owned(), number)).collect()
        };
        Self {
            samples: summary.samples,
            seed,
            ess: summary.ess_reverse,
            trusted: [summary.log_z.trusted, summary.chain_warnings.is_empty()],
            reweighted: of(Way::Reweighted),
            along_chain: of(Way::AlongChain),
        }
    }

    /// All numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (Way, &str, Number)> {
        let ways = [(Way::Reweighted, &self.reweighted), (Way::AlongChain, &self.along_chain)];
        ways.into_iter().flat_map(|(way, numbers)| numbers.iter().map(move |(name, &number)| (way, &name[..], number)))
    }
}

/// The open file, and what is in it.
pub(super) struct Records {
    path: PathBuf,
    file: File,
    held: BTreeMap<(usize, u64), Evaluated>,
}

impl Records {
    /// Opens the file, which is locked as long as it is open; a piece of a line at its end is taken out.
    pub fn open(path: &Path, heading: &Heading, force: bool) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Output(OutputError::Write { path: path.to_owned(), source });
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Locked(path.parent().unwrap_or(path).to_owned()).into());
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut text = vec![];
        if !force {
            file.read_to_end(&mut text).map_err(failed)?;
        }
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut records = Self { path: path.to_owned(), file, held: BTreeMap::new() };
        let (first, evaluations) = taken_apart(&text[..whole]);
        let is_ours = match first {
            None => line_of(heading).as_bytes().starts_with(&text), // nothing, or the beginning of it
            Some(first) => serde_json::from_slice::<Heading>(first).is_ok_and(|found| found == *heading),
        };
        if !is_ours {
            return Err(records.refuse("holds evaluations of other weights or another experiment".into()));
        }
        for record in evaluations {
            let record = record.map_err(|line| records.refuse(format!("line {line} is damaged")))?;
            records.held.insert((record.samples, record.seed), record);
        }
        let file = &mut records.file;
        file.set_len(whole as u64).and_then(|()| file.seek(io::SeekFrom::End(0))).map_err(failed)?;
        if whole == 0 {
            records.write(heading)?;
        }
        Ok(records)
    }

    fn refuse(&self, problem: String) -> Error {
        let (path, accepted) = (self.path.display(), "accepted are --force, or another folder");
        Error::Usage(format!("--out: {path} {problem}: {accepted}"))
    }

    /// Whether there is such an evaluation.
    pub fn holds(&self, samples: usize, seed: u64) -> bool {
        self.held.contains_key(&(samples, seed))
    }

    /// Gives an evaluation that is there out of memory; the file keeps it.
    #[track_caller]
    pub fn take(&mut self, key: (usize, u64)) -> Evaluated {
        self.held.remove(&key).expect("it is there")
    }

    /// Adds an evaluation.
    pub fn append(&mut self, record: Evaluated) -> Result<(), Error> {
        self.write(&record)?;
        self.held.insert((record.samples, record.seed), record);
        Ok(())
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let written = self.file.write_all(line_of(line).as_bytes());
        Ok(written.map_err(|source| OutputError::Write { path: self.path.clone(), source })?)
    }
}

/// The heading as it stands in whole lines, and the evaluations below it, or the number of a line that is none.
pub(super) fn taken_apart(lines: &[u8]) -> (Option<&[u8]>, impl Iterator<Item = Result<Evaluated, usize>>) {
    let mut lines = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let evaluated = |(i, line)| serde_json::from_slice::<Evaluated>(line).map_err(|_| i + 2);
    (lines.next(), lines.enumerate().map(evaluated))
}

fn line_of(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("numbers and names") + "\n"
}
