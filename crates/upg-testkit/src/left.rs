//! What a run leaves in its folder, but for what depends on how often it was stopped: a run that was killed, interrupted or out of disk space has to
//! leave, bit for bit, what the run leaves that never was.
//!
//! That is every tensor of the last checkpoint (weights, moments, moving average) and its progress but for the seconds, the checkpoint before it, the
//! best weights, the data that were drawn, and `metrics.jsonl` but for times.

use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The remains of a run: bytes, by names such as `latest: layers.0.net.0.weight` or `metrics 17`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left(BTreeMap<String, Vec<u8>>);

/// The checkpoints of a run.
const CHECKPOINTS: [(&str, &str); 3] = [
    ("latest", "checkpoint.safetensors"),
    ("best", "checkpoint.best.safetensors"),
    ("previous", "checkpoint.previous.safetensors"),
];

/// What is in a checkpoint besides tensors that have to be equal.
const PROGRESS: &str = "state.progress";
const CHECKSUM: &str = "state.checksum";

impl Left {
    /// Reads what a run left.
    ///
    /// # Errors
    /// If a file isn't what a run writes.
    pub fn of(run: &Path) -> Result<Self, String> {
        let mut left = Self::default();
        for (name, file) in CHECKPOINTS.into_iter().filter(|(_, file)| run.join(file).exists()) {
            left.add_checkpoint(name, &run.join(file))?;
        }
        for data in ["train.npy", "test.npy"] {
            left.0.insert(data.into(), fs::read(run.join(data)).unwrap_or_default());
        }
        left.0.extend(
            timeless_metrics(&run.join("metrics.jsonl"))?
                .into_iter()
                .enumerate()
                .map(|(line, text)| (format!("line {} of metrics.jsonl", line + 1), text.into_bytes())),
        );
        Ok(left)
    }

    fn add_checkpoint(&mut self, name: &str, path: &Path) -> Result<(), String> {
        let wrong = |error: String| format!("{}: {error}", path.display());
        let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        for (tensor, view) in file.iter().filter(|(tensor, _)| *tensor != CHECKSUM) {
            let bytes = match tensor {
                PROGRESS if name != "latest" => continue, // of another moment, if checkpoints are made at other steps
                PROGRESS => {
                    timeless_progress(view.data()).ok_or_else(|| wrong(format!("{PROGRESS} has no seconds")))?
                }
                _ => view.data().to_vec(),
            };
            self.0.insert(format!("{name}: {tensor}"), bytes);
        }
        Ok(())
    }

    /// All but the checkpoint before the latest, which is another one if checkpoints are made at other steps.
    #[must_use]
    pub fn but_the_previous(self) -> Self {
        self.but("previous: ")
    }

    /// All but the parts whose names begin so.
    #[must_use]
    pub fn but(mut self, start: &str) -> Self {
        self.0.retain(|name, _| !name.starts_with(start));
        self
    }

    /// What isn't as it is in `expected`, in a line; none if all is.
    pub fn difference(&self, expected: &Self) -> Option<String> {
        let missing = |from: &Self, others: &Self| {
            from.0.keys().filter(|name| !others.0.contains_key(*name)).cloned().collect::<Vec<_>>()
        };
        let differ: Vec<_> =
            self.0.iter().filter(|(name, bytes)| expected.0.get(*name).is_some_and(|other| other != *bytes)).collect();
        let differ: Vec<_> = differ.into_iter().map(|(name, _)| name.clone()).collect();
        let parts =
            [("differ", differ), ("are missing", missing(expected, self)), ("are too many", missing(self, expected))];
        let told = parts.iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<_> = told.map(|(what, names)| format!("{} {what}: {}", names.len(), some(names))).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Asserts that all is as it is in `expected`.
    ///
    /// # Panics
    /// If it isn't.
    #[track_caller]
    pub fn assert_is(&self, expected: &Self, what: &str) {
        if let Some(difference) = self.difference(expected) {
            panic!("{what}: {difference}");
        }
    }
}

/// The first of these names.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 4 { shown + ", …" } else { shown }
}

/// The text of a progress without its seconds.
fn timeless_progress(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (before, seconds) = text.split_once("seconds:")?;
    let (_, after) = seconds.split_once(',')?;
    Some([before, after].concat().into_bytes())
}

/// The lines of a `metrics.jsonl` without their times, if there is one.
///
/// # Errors
/// If a line isn't one.
pub fn timeless_metrics(path: &Path) -> Result<Vec<String>, String> {
    if !path.exists() {
        return Ok(vec![]);
    }
    let wrong = |problem: String| format!("{}: {problem}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let timeless = |(number, line): (usize, &str)| {
        let read = serde_json::from_str::<Value>(line).ok();
        let timeless = read.and_then(|mut value| {
            let object = value.as_object_mut()?;
            object.remove("seconds").zip(object.remove("samples_per_second")).map(|_| value.to_string())
        });
        timeless.ok_or_else(|| wrong(format!("line {} is no line of metrics", number + 1)))
    };
    text.lines().enumerate().map(timeless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with two lines of metrics.
    fn run(second_loss: f64, seconds: f64) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let line = |step: u64, loss: f64| {
            format!("{{\"step\":{step},\"loss\":{loss},\"seconds\":{seconds},\"samples_per_second\":{seconds}}}\n")
        };
        fs::write(folder.path().join("metrics.jsonl"), line(1, 0.5) + &line(2, second_loss)).unwrap();
        folder
    }

    fn difference(a: &Path, b: &Path) -> Option<String> {
        Left::of(a).unwrap().difference(&Left::of(b).unwrap())
    }

    #[test]
    fn times_make_no_difference_and_numbers_do() {
        let (a, b, c) = (run(0.25, 1.0), run(0.25, 2.0), run(0.2500001, 1.0));
        assert_eq!(difference(a.path(), b.path()), None);
        assert_eq!(difference(a.path(), c.path()).unwrap(), "1 differ: line 2 of metrics.jsonl");
    }

    #[test]
    fn a_line_or_a_file_that_is_lost_is_noticed() {
        let (a, b) = (run(0.25, 1.0), run(0.25, 1.0));
        let metrics = b.path().join("metrics.jsonl");
        let text = fs::read_to_string(&metrics).unwrap();
        fs::write(&metrics, text.lines().next().unwrap()).unwrap();
        assert_eq!(difference(b.path(), a.path()).unwrap(), "1 are missing: line 2 of metrics.jsonl");
        fs::write(a.path().join("train.npy"), "numbers").unwrap();
        assert!(difference(b.path(), a.path()).unwrap().contains("1 differ: train.npy"));
        fs::write(&metrics, "{\"step\":1").unwrap();
        assert!(Left::of(b.path()).unwrap_err().contains("line 1 is no line of metrics"));
    }
}
