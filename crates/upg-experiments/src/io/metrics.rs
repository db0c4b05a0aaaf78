//! `metrics.jsonl`: one JSON object for every logged step, each step once, also after a resume.

use crate::io::console::say;
use crate::io::output::{OutputError, OutputFile};
use crate::text::Shown;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use upg_train::Tested;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Number of steps made.
    pub step: u64,
    /// The weighted sum of the losses.
    pub loss: Option<f64>,
    /// Effective sample size of the batch under the flow; `null` without base samples.
    pub ess_reverse: Option<f64>,
    /// Effective sample size of the batch under the target; `null` without data.
    pub ess_forward: Option<f64>,
    /// Norm of the gradient before clipping.
    pub grad_norm: Option<f64>,
    /// The learning rate.
    pub rate: f64,
    /// Seconds of training, over all sessions.
    pub seconds: f64,
    /// Samples per second since the last line.
    pub samples_per_second: Option<f64>,
    /// Steps skipped so far.
    pub skipped: u64,
    /// Why this step was skipped, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The test after this step, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Tested>,
}

/// The open file.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Metrics {
    /// Opens the file for the lines after `step`; what a run wrote beyond, before it was stopped, is taken out.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn open(path: &Path, step: u64) -> Result<Self, OutputError> {
        let failed = |source| OutputError::Write { path: path.to_owned(), source };
        if path.exists() {
            let text = std::fs::read(path).map_err(failed)?;
            let Lines { kept, damaged } = lines_up_to(&text, step);
            for line in damaged {
                say(format_args!("warning: {}: line {line} is damaged, and left out", path.shown()));
            }
            if kept.len() != text.len() || has_another_name(path).map_err(failed)? {
                OutputFile::create(path)?.commit(&kept)?;
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Appends a line; whoever reads the file sees whole lines.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn append(&mut self, line: &Line) -> Result<(), OutputError> {
        let mut text = serde_json::to_string(line).expect("numbers and strings");
        text.push('\n');
        let outcome = self.file.write_all(text.as_bytes()).and_then(|()| self.file.flush());
        outcome.map_err(|source| self.failed(source))
    }

    /// Makes sure that all lines are on the disk.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn sync(&mut self) -> Result<(), OutputError> {
        let outcome = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
        outcome.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> OutputError {
        OutputError::Write { path: self.path.clone(), source }
    }
}

/// Whether the file has another name, which what is appended would be seen under: that of a copy by `cp -al`, say.
fn has_another_name(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    let names = std::os::unix::fs::MetadataExt::nlink(&path.metadata()?);
    #[cfg(not(unix))]
    let names = path.metadata().map(|_| 1)?;
    Ok(names > 1)
}

/// The bytes of a file, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The whole lines of steps up to the one asked for.
    pub kept: Vec<u8>,
    /// Numbers, from 1, of the lines that are none, but for the beginning of one at the end.
    pub damaged: Vec<usize>,
}

/// Takes the bytes of a file apart.
pub fn lines_up_to(text: &[u8], step: u64) -> Lines {
    let mut lines = Lines::default();
    let whole = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    for (i, line) in whole.enumerate() {
        match serde_json::from_slice::<Line>(line) {
            Ok(read) if read.step <= step => lines.kept.extend_from_slice(line),
            Ok(_) => {}
            Err(_) => lines.damaged.push(i + 1),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64) -> Line {
        Line {
            step,
            loss: Some(0.1 * step as f64),
            ess_reverse: None,
            ess_forward: Some(1.0 / 3.0),
            grad_norm: None,
            rate: 1e-3,
            seconds: 1.5,
            samples_per_second: None,
            skipped: 0,
            fault: None,
            validation: None,
        }
    }

    fn steps(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap().step).collect()
    }

    #[test]
    fn each_step_stands_once_however_the_run_was_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut metrics = Metrics::open(&path, 0).unwrap();
        (1..=5).for_each(|step| metrics.append(&line(step)).unwrap());
        drop(metrics);
        std::fs::write(&path, [std::fs::read(&path).unwrap(), b"{\"step\":6,\"lo".to_vec()].concat()).unwrap();
        let mut metrics = Metrics::open(&path, 3).unwrap();
        assert_eq!(steps(&path), [1, 2, 3]);
        (4..=6).for_each(|step| metrics.append(&line(step)).unwrap());
        metrics.sync().unwrap();
        assert_eq!(steps(&path), [1, 2, 3, 4, 5, 6]);
        assert_eq!(Metrics::open(&path, 99).map(|_| steps(&path)).unwrap().len(), 6);
    }

    /// A copy made of links goes its own way.
    #[cfg(unix)]
    #[test]
    fn a_linked_copy_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [path, copy] = ["metrics.jsonl", "copy.jsonl"].map(|name| folder.path().join(name));
        Metrics::open(&path, 0).unwrap().append(&line(1)).unwrap();
        std::fs::hard_link(&path, &copy).unwrap();
        Metrics::open(&path, 1).unwrap().append(&line(2)).unwrap();
        assert_eq!((steps(&path), steps(&copy)), (vec![1, 2], vec![1]));
    }

    /// A damaged byte costs the line that it is in.
    #[test]
    fn lines_behind_a_damaged_one_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut metrics = Metrics::open(&path, 0).unwrap();
        (1..=5).for_each(|step| metrics.append(&line(step)).unwrap());
        drop(metrics);
        let mut bytes = std::fs::read(&path).unwrap();
        let second = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 3;
        bytes[second] = 0xff;
        assert_eq!(lines_up_to(&bytes, 4).damaged, [2]);
        std::fs::write(&path, &bytes).unwrap();
        drop(Metrics::open(&path, 4).unwrap());
        assert_eq!(steps(&path), [1, 3, 4]);
    }

    #[test]
    fn what_is_not_computed_is_null() {
        let text = serde_json::to_string(&line(2)).unwrap();
        assert!(text.contains("\"ess_reverse\":null") && !text.contains("validation"), "{text}");
    }
}
