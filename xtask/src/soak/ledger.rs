//! `ledger.jsonl`: a line for every round that is over, on the disk before the next one begins.

use super::ordeal::Ordeal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A round that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) round: u64,
    pub(super) ordeal: Ordeal,
    pub(super) seed: u64,
    /// The commit that the program was built from, where it is known.
    pub(super) commit: String,
    pub(super) seconds: f64,
    /// How often what was done.
    pub(super) counts: BTreeMap<String, u64>,
    /// What isn't as it has to be.
    pub(super) findings: Vec<String>,
    /// What this machine has no means for.
    pub(super) not_run: Vec<String>,
}

impl Entry {
    pub(super) fn new(ordeal: Ordeal, round: u64, seed: u64, seconds: f64) -> Self {
        let commit = option_env!("UPG_COMMIT").unwrap_or("unknown").to_owned();
        Self { round, ordeal, seed, commit, seconds, counts: BTreeMap::new(), findings: vec![], not_run: vec![] }
    }

    /// How to repeat it.
    pub(super) fn again(&self) -> String {
        format!("cargo xtask soak --only {} --seed {} --round {}", self.ordeal.name(), self.seed, self.round)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.counts.iter().map(|(what, times)| format!("{times} {what}")).collect();
        write!(f, "round {}, {}: {} ({:.1} s)", self.round, self.ordeal.name(), counts.join(", "), self.seconds)?;
        self.not_run.iter().try_for_each(|what| write!(f, "\n  not run: {what}"))?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n  FOUND: {finding}; again: {}", self.again()))
    }
}

/// The open file, locked as long as it is, and what is in it.
pub(super) struct Ledger {
    file: File,
    seed: u64,
    entries: Vec<Entry>,
}

impl Ledger {
    /// Opens the ledger of a folder; a piece of a line at its end, of a soak that was killed, is taken out.
    ///
    /// # Errors
    /// If the system refuses, it is of another seed or of something else, or another soak goes on there: in a line.
    pub(super) fn open(out: &Path, seed: Option<u64>) -> Result<Self, String> {
        let path = out.join("ledger.jsonl");
        let wrong = |problem: String| format!("{}: {problem}", path.display());
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(|error| wrong(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(wrong("another soak goes on in this folder".into())),
            Err(TryLockError::Error(error)) => return Err(wrong(error.to_string())),
        }
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let entries = entries(&bytes[..whole]).map_err(|line| {
            wrong(format!(
                "line {line} is no round of a soak: accepted is the file as it was written, or another --out"
            ))
        })?;
        let own = entries.first().map(|entry| entry.seed);
        if let (Some(own), Some(asked)) = (own, seed)
            && own != asked
        {
            return Err(format!(
                "--seed = {asked}: accepted is {own}, that of the ledger in {}, or another --out",
                out.display()
            ));
        }
        let cut = file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { file, seed: own.or(seed).unwrap_or(1), entries })
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number of the round that comes next.
    pub(super) fn next_round(&self) -> u64 {
        self.entries.iter().map(|entry| entry.round + 1).max().unwrap_or(0)
    }

    /// Adds a round.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn append(&mut self, entry: Entry) -> io::Result<()> {
        let line = serde_json::to_string(&entry).expect("numbers and texts") + "\n";
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        self.entries.push(entry);
        Ok(())
    }
}

/// The rounds in whole lines, or the number of a line that is none.
fn entries(lines: &[u8]) -> Result<Vec<Entry>, usize> {
    let lines = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.enumerate().map(|(i, line)| serde_json::from_slice(line).map_err(|_| i + 1)).collect()
}
