//! The folder of a sweep, and who makes which of its runs.
//!
//! | file | content |
//! |---|---|
//! | `sweep.ron` | the fields of the grid, and the runs with their values and seeds, in the order of their numbers |
//! | `runs/NAME/` | a run, as `upg train` makes it |
//! | `runs/NAME.log` | what was said about it |
//! | `runs/NAME.lock` | locked by the process that makes the run |
//! | `sweep.json`, `sweep.html` | the comparison |
//! | `lock` | locked for the moment in which `sweep.ron` is written |

use super::plan::{Plan, PlannedRun};
use crate::Error;
use crate::config::Override;
use crate::io::output::OutputFile;
use crate::io::read::read_text;
use crate::io::run_dir::{Existing, RunDir, RunError};
use crate::text::{Shown, one_line};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A run of the sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// The name of its folder, made of its values.
    pub name: String,
    /// Of each field of the grid, RON.
    pub values: Vec<String>,
    pub seed: u64,
}

/// What is swept. A sweep may grow: further runs stand behind those that are there, whose numbers stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The fields of the grid.
    pub fields: Vec<String>,
    /// Steps after which each run stops, if not those of its configuration.
    pub steps: Option<u64>,
    /// The runs, by their numbers from 1 on.
    pub runs: Vec<Run>,
}

/// A folder that holds a sweep.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

const RECORD: &str = "sweep.ron";
const RUNS: &str = "runs";
/// Bytes of the name of a run, at most.
const LONGEST_NAME: usize = 100;

impl Folder {
    /// The folder for what is planned, made if it is missing: with the sweep that is there, and the runs that it doesn't have yet.
    ///
    /// # Errors
    /// If it holds a run, or a sweep with others than those of the plan; if the system refuses.
    pub fn begin(path: &Path, plan: &Plan, steps: Option<u64>) -> Result<(Self, Record), Error> {
        RunDir::refuse_run(path)?;
        let folder = Self { path: path.to_owned() };
        let place = |source| RunError::Place { path: path.to_owned(), source };
        std::fs::create_dir_all(path.join(RUNS)).map_err(place)?;
        let _lock = folder.lock().map_err(place)?;
        let before = folder.read()?.unwrap_or_else(|| Record { fields: plan.fields.clone(), steps, runs: vec![] });
        let record = Record { steps: steps.or(before.steps), ..folder.merged(before.clone(), plan)? };
        for (run, planned) in planned(&record, plan) {
            folder.prepare(run, planned)?;
        }
        folder.write(&record)?;
        Ok((folder, record))
    }

    /// The folder of a sweep that is there.
    ///
    /// # Errors
    /// If there is none, or the system refuses.
    pub fn open(path: &Path, steps: Option<u64>) -> Result<(Self, Record), Error> {
        let folder = Self { path: path.to_owned() };
        let none =
            || Error::Usage(format!("--out = {}: holds no sweep: accepted is one, or --config with it", path.shown()));
        let mut record = folder.read()?.ok_or_else(none)?;
        if steps.is_some() && steps != record.steps {
            let place = |source| RunError::Place { path: path.to_owned(), source };
            let _lock = folder.lock().map_err(place)?;
            record = Record { steps, ..folder.read()?.ok_or_else(none)? };
            folder.write(&record)?;
        }
        record.runs.iter().try_for_each(|run| folder.check(&record, run))?;
        Ok((folder, record))
    }

    /// Whether the folder of a run holds that run.
    fn check(&self, record: &Record, run: &Run) -> Result<(), Error> {
        let path = self.run(run);
        let Ok(dir) = RunDir::open(&path) else {
            let problem = format!("--out = {}: the run {} isn't there", self.path.shown(), run.name);
            return Err(Error::Usage(format!("{problem}: accepted is --config with it, which makes it anew")));
        };
        let file = dir.config().map_err(RunError::from)?;
        let other = |value: String| {
            let problem = format!("{value} is that of another run, not of {}", run.name);
            RunError::Altered { path: path.join("config.ron"), problem }
        };
        if file.config.training.seed != run.seed {
            return Err(other(format!("training.seed = {}", file.config.training.seed)).into());
        }
        // Names of files were meant from the folder of another configuration, and aren't compared.
        for (field, value) in record.fields.iter().zip(&run.values).filter(|(_, value)| !value.contains('"')) {
            let set = format!("{field}={value}").parse::<Override>().map_err(|problem| other(problem.to_owned()))?;
            if file.clone().with(&[set])?.config != file.config {
                return Err(other(format!("the value of {field}")).into());
            }
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<File> {
        let lock = File::options().write(true).create(true).truncate(false).open(self.path.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    fn read(&self) -> Result<Option<Record>, Error> {
        let path = self.path.join(RECORD);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RunError::System { path, source }.into()),
        };
        let record = ron::from_str::<Record>(&text).map_err(|error| one_line(&error.to_string(), 200));
        let record = record.and_then(|record| record.check().map(|()| record));
        record.map(Some).map_err(|problem| RunError::Altered { path, problem }.into())
    }

    fn write(&self, record: &Record) -> Result<(), Error> {
        let text = ron::ser::to_string_pretty(record, ron::ser::PrettyConfig::new().depth_limit(2))
            .expect("names and numbers")
            + "\n";
        Ok(OutputFile::create(&self.path.join(RECORD))?.commit(text.as_bytes())?)
    }

    /// The record with the runs of the plan, which must have all that are there.
    fn merged(&self, mut record: Record, plan: &Plan) -> Result<Record, Error> {
        let (path, accepted) = (self.path.shown(), "accepted is what adds to it, or another folder");
        if record.fields != plan.fields {
            let [there, here] = [&record.fields, &plan.fields].map(|fields| varied(fields));
            return Err(Error::Usage(format!("--grid: {here}: the sweep in {path} varies {there}: {accepted}")));
        }
        let is = |run: &Run, planned: &PlannedRun| run.values == planned.values && run.seed == planned.seed;
        if let Some(lost) = record.runs.iter().find(|run| !plan.runs.iter().any(|planned| is(run, planned))) {
            return Err(Error::Usage(format!("--grid: the sweep in {path} has the run {} too: {accepted}", lost.name)));
        }
        let mut names: BTreeSet<String> = record.runs.iter().map(|run| run.name.clone()).collect();
        for planned in &plan.runs {
            if record.runs.iter().any(|run| is(run, planned)) {
                continue;
            }
            let name = free(&name(&plan.fields, planned), &names);
            names.insert(name.clone());
            record.runs.push(Run { name, values: planned.values.clone(), seed: planned.seed });
        }
        Ok(record)
    }

    /// The folder of a run with its configuration, which `upg train --resume` takes; the same configuration if it is there.
    fn prepare(&self, run: &Run, planned: &PlannedRun) -> Result<(), Error> {
        let (path, config) = (self.run(run), &planned.file.config);
        match RunDir::open(&path) {
            Ok(dir) => dir.compare_with(Some(&dir.config().map_err(RunError::from)?.config), config)?,
            Err(_) => drop(RunDir::begin(&path, config, Existing::Resume)?),
        }
        Ok(())
    }

    /// The run as this process's own to make, as long as the file lives; none if another process makes it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn claim(&self, run: &Run) -> Result<Option<File>, RunError> {
        let path = self.path.join(RUNS).join(format!("{}.lock", run.name));
        let system = |source| RunError::System { path: path.clone(), source };
        let claim = File::options().write(true).create(true).truncate(false).open(&path).map_err(system)?;
        match claim.try_lock() {
            // A process that was killed may have left the training that it had begun.
            Ok(()) => Ok(Some(claim).filter(|_| !RunDir::open(&self.run(run)).is_ok_and(|dir| dir.is_in_use()))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(system(source)),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a run.
    pub fn run(&self, run: &Run) -> PathBuf {
        self.path.join(RUNS).join(&run.name)
    }

    /// What was said about a run.
    pub fn log(&self, run: &Run) -> PathBuf {
        self.path.join(RUNS).join(format!("{}.log", run.name))
    }

    /// `sweep.json`.
    pub fn numbers(&self) -> PathBuf {
        self.path.join("sweep.json")
    }

    /// `sweep.html`.
    pub fn page(&self) -> PathBuf {
        self.path.join("sweep.html")
    }
}

impl Record {
    /// Names of folders are made here, and nowhere else.
    fn check(&self) -> Result<(), String> {
        let is_name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain);
        match self.runs.iter().find(|run| !is_name(&run.name) || run.values.len() != self.fields.len()) {
            None => Ok(()),
            Some(run) => Err(format!("run {}: not a name, or not a value for every field", one_line(&run.name, 100))),
        }
    }
}

/// The runs of the plan by their entries.
fn planned<'a>(record: &'a Record, plan: &'a Plan) -> impl Iterator<Item = (&'a Run, &'a PlannedRun)> {
    record.runs.iter().filter_map(|run| {
        let is_it = |planned: &&PlannedRun| planned.values == run.values && planned.seed == run.seed;
        Some((run, plan.runs.iter().find(is_it)?))
    })
}

fn varied(fields: &[String]) -> String {
    if fields.is_empty() { "no field".into() } else { fields.join(", ") }
}

/// The name of a run: `rate=1e-3,batch=500,seed=2`.
fn name(fields: &[String], run: &PlannedRun) -> String {
    let values =
        fields.iter().zip(&run.values).map(|(field, value)| format!("{}={}", short(field, fields), plain(value)));
    let mut name = values.collect::<Vec<_>>().join(",");
    name.truncate(LONGEST_NAME); // all of it is ASCII
    let seed = format!("seed={}", run.seed);
    if name.is_empty() { seed } else { format!("{name},{seed}") }
}

/// As much of the end of a field's path as tells it from the others.
pub(super) fn short<'a>(field: &'a str, fields: &[String]) -> &'a str {
    let starts = field.rmatch_indices('.').map(|(at, _)| at + 1).chain([0]);
    let is_of = |other: &String, end: &str| other == end || other.ends_with(&format!(".{end}"));
    let mut ends = starts.map(|at| &field[at..]);
    ends.find(|end| fields.iter().filter(|other| is_of(other, end)).count() <= 1).unwrap_or(field)
}

/// A value without what shells and file systems mind.
fn plain(value: &str) -> String {
    let spaced: String = value.chars().map(|c| if is_plain(c) && c != '=' && c != ',' { c } else { ' ' }).collect();
    let name = spaced.split_whitespace().collect::<Vec<_>>().join("-");
    if name.is_empty() { "none".into() } else { name }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-=,".contains(c)
}

/// The name, with a number behind it if it is taken.
fn free(name: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name)).expect("numbers don't end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_by_what_tells_them_apart() {
        let fields =
            ["training.batch", "flow.layers[1].net.hidden", "flow.layers[2].net.hidden", "flow"].map(String::from);
        let names: Vec<_> = fields.iter().map(|field| short(field, &fields)).collect();
        assert_eq!(names, ["batch", "layers[1].net.hidden", "layers[2].net.hidden", "flow"]);
        let fields = ["training.steps", "steps"].map(String::from);
        assert_eq!(fields.each_ref().map(|field| short(field, &fields)), ["training.steps", "steps"]);
    }

    #[test]
    fn values_are_names_of_folders() {
        assert_eq!(plain("[32, 32]"), "32-32");
        assert_eq!(plain("Adam(rate: 1e-3)"), "Adam-rate-1e-3");
        assert_eq!(plain("\"../a=b,c\""), "..-a-b-c");
        assert_eq!((plain("-0.5"), plain("[]")), ("-0.5".into(), "none".into()));
        let taken = ["a", "a-2"].map(String::from).into();
        assert_eq!((free("b", &taken), free("a", &taken)), ("b".into(), "a-3".into()));
    }

    #[test]
    fn a_record_that_leads_out_of_its_folder_is_refused() {
        let record = |name: &str| Record {
            fields: vec![],
            steps: None,
            runs: vec![Run { name: name.into(), values: vec![], seed: 1 }],
        };
        assert!(record("seed=1").check().is_ok());
        for name in ["../seed=1", "", ".", "a b"] {
            assert!(record(name).check().is_err(), "{name}");
        }
        let lacks = Record { fields: vec!["a".into()], ..record("a=1") };
        assert!(lacks.check().is_err());
    }
}
