//! Event files for TensorBoard, in the folder `tensorboard` of the run. They hold what `metrics.jsonl` holds, from which they are made anew
//! when a run is resumed.

use crate::io::metrics::Line;
use crate::io::output::OutputError;
use crate::io::run_dir::RunDir;
use crate::report::tensorboard::{EventWriter, file_name};
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The open event file.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    writer: EventWriter<BufWriter<File>>,
}

impl Events {
    /// Begins the event file of a run with the lines its `metrics.jsonl` holds already; older event files go.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn open(dir: &RunDir) -> Result<Self, OutputError> {
        let folder = dir.file("tensorboard");
        let path = folder.join(file_name(now()));
        let begin = || {
            std::fs::create_dir_all(&folder)?;
            dir.remove_events()?;
            EventWriter::new(BufWriter::new(File::create(&path)?), now())
        };
        let writer = begin().map_err(|source| OutputError::Write { path: path.clone(), source })?;
        let mut events = Self { path, writer };
        let text = std::fs::read_to_string(dir.metrics()).unwrap_or_default();
        let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let last = lines.last().map_or(0.0, |line| line.seconds);
        for line in &lines {
            events.write(line, now() - (last - line.seconds))?;
        }
        Ok(events)
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn append(&mut self, line: &Line) -> Result<(), OutputError> {
        self.write(line, now())
    }

    fn write(&mut self, line: &Line, wall_time: f64) -> Result<(), OutputError> {
        let tested = line.validation.as_ref();
        let all = [
            ("loss", line.loss),
            ("ess_reverse", line.ess_reverse),
            ("ess_forward", line.ess_forward),
            ("grad_norm", line.grad_norm),
            ("rate", Some(line.rate)),
            ("samples_per_second", line.samples_per_second),
            ("validation/ess_reverse", tested.and_then(|tested| tested.ess_reverse)),
            ("validation/ess_forward", tested.and_then(|tested| tested.ess_forward)),
            ("validation/loss", tested.map(|tested| tested.loss)),
            ("validation/nll", tested.and_then(|tested| tested.nll)),
        ];
        let known: Vec<_> =
            all.into_iter().filter_map(|(tag, value)| Some((tag, value.filter(|x| x.is_finite())?))).collect();
        let outcome = self.writer.scalars(line.step, wall_time, &known).and_then(|()| self.writer.flush());
        outcome.map_err(|source: io::Error| OutputError::Write { path: self.path.clone(), source })
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
