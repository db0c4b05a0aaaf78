//! The folder of a run, and who may write to it.
//!
//! | file | content |
//! |---|---|
//! | `config.ron` | the configuration, every field spelled out |
//! | `provenance.json` | what made the run: version, commit, processor, threads, precision, seed, overrides |
//! | `metrics.jsonl` | one object per logged step |
//! | `checkpoint.safetensors` | the latest checkpoint; `checkpoint.previous.safetensors` the one before |
//! | `checkpoint.best.safetensors` | the weights of the best validation |
//! | `train.npy`, `test.npy` | samples of the target that were drawn for the run |
//! | `checkpoint.damaged.safetensors` | a latest checkpoint that could not be used, and was not |
//! | `summary.json`, `evaluation/` | results of `upg evaluate`, and what the report shows beside them |
//! | `variance.json` | results of `upg variance` |
//! | `hmc/` | results of `upg hmc`: `hmc.json`, and the samples |
//! | `tensorboard/` | event files |
//! | `lock` | locked while a run is going on |

use crate::config::{Config, ConfigError, ConfigFile, Difference, Override};
use crate::io::output::{OutputError, OutputFile, place_words, remove_temporaries};
use crate::io::read::{MOST_MIB, read_at_most};
use crate::io::refusal::is_of_machine;
use crate::report::tensorboard::is_ours;
use crate::text::Shown;
use serde::Deserialize;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Ways to treat a run that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and stop.
    Refuse,
    /// Go on where it stopped.
    Resume,
    /// Delete it and begin anew.
    Replace,
}

/// Files of the training, written under the lock, in the order in which `--force` removes them: of whatever a process leaves that was
/// killed meanwhile the configuration still says what it is.
const FILES: [&str; 9] = [PREVIOUS, LATEST, BEST, DAMAGED, METRICS, "train.npy", "test.npy", PROVENANCE, CONFIG];

/// Files that `--force` removes besides; nothing else in the folder is touched.
const RESULTS: [&str; 7] = [
    SUMMARY,
    "variance.json",
    HMC,
    "hmc/samples.npy",
    "calibration/calibration.json",
    "calibration/calibration.html",
    "calibration/evaluations.jsonl",
];
/// The files beside `summary.json`, in the folder `evaluation`.
pub const DETAILS: [&str; 3] = ["log_weights.npy", "autocorrelation.json", "samples.npy"];
const EVENTS: &str = "tensorboard";

const CONFIG: &str = "config.ron";
const PROVENANCE: &str = "provenance.json";
const METRICS: &str = "metrics.jsonl";
const LATEST: &str = "checkpoint.safetensors";
const PREVIOUS: &str = "checkpoint.previous.safetensors";
const BEST: &str = "checkpoint.best.safetensors";
const DAMAGED: &str = "checkpoint.damaged.safetensors";
const SUMMARY: &str = "summary.json";
const HMC: &str = "hmc/hmc.json";
const LOCK: &str = "lock";
/// A temporary name of the previous checkpoint.
const SPARE: &str = ".checkpoint.previous.safetensors.link.tmp";

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// A run's folder, locked against other runs while this lives.
#[derive(Debug)]
pub struct LockedRun {
    dir: RunDir,
    /// Whether there was no run.
    is_new: bool,
    _lock: File,
}

/// A folder can't be used for a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It holds a run and neither `--resume` nor `--force` was given.
    #[error("--out = {}: holds a run already: accepted are --resume, --force, or another folder", .0.shown())]
    Occupied(PathBuf),
    /// Results of one run were to go into the folder of another.
    #[error("--out = {}: holds another run, or lies in one: accepted is a folder of its own", .0.shown())]
    OfAnotherRun(PathBuf),
    /// It holds no run.
    #[error("--run = {}: {missing} is missing: accepted is the folder of a run of `upg train`", path.shown())]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// A file that a run's folder would hold.
        missing: &'static str,
    },
    /// There can't be a folder, or no files in it.
    #[error("--out = {}: cannot write there: {source}: accepted is a folder, or a place for one", path.shown())]
    Place {
        /// The place.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Another process trains there.
    #[error("{}: another run is going on in this folder", .0.shown())]
    Locked(PathBuf),
    /// The configuration isn't that of the run.
    #[error("run {}: {difference}", path.shown())]
    Changed {
        /// The folder.
        path: PathBuf,
        /// The field that differs.
        difference: Box<Difference>,
    },
    /// The system refuses.
    #[error("{}: {source}", path.shown())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A result of another command isn't what that command wrote.
    #[error("{}: {problem}: accepted is the file as `upg` wrote it", path.shown())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Samples of the target aren't those that the run began with.
    #[error("{}: not the samples that the run began with: accepted are those", .0.shown())]
    OtherData(PathBuf),
    /// The configuration in the folder is wrong.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// A file can't be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl RunError {
    /// 2 if the input is wrong, 1 if the run failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Output(error) => error.exit_status(),
            Self::System { .. } => 1,
            Self::Place { source, .. } if is_of_machine(source) => 1,
            Self::Config(error) => error.exit_status(),
            _ => 2,
        }
    }
}

/// What is read of `provenance.json`.
#[derive(Deserialize)]
struct Recorded {
    #[serde(default)]
    overrides: Vec<String>,
    #[serde(default)]
    device: String,
    card: Option<String>,
    products: Option<String>,
    #[serde(default)]
    trained_on: Vec<String>,
}

/// Files of runs as what an output must not replace.
pub fn named_files(own: &[PathBuf]) -> Vec<(&'static str, &Path)> {
    own.iter().map(|path| ("a file of the run", path.as_path())).collect()
}

impl RunDir {
    /// The folder of a run that exists.
    ///
    /// # Errors
    /// If it holds no configuration.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let dir = Self { path: path.to_owned() };
        if dir.file(CONFIG).is_file() {
            return Ok(dir);
        }
        Err(RunError::NoRun { path: dir.path, missing: CONFIG })
    }

    /// A folder, whatever it holds.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder for a run of `config`, made if it is missing, locked, with `config.ron` in it and without temporary files.
    ///
    /// # Errors
    /// If it holds a run and `existing` doesn't say what to do about it, if it holds a run of another configuration, if another
    /// process uses it, or the system refuses.
    pub fn begin(path: &Path, config: &Config, existing: Existing) -> Result<LockedRun, RunError> {
        let dir = Self { path: path.to_owned() };
        let place = |source| RunError::Place { path: path.to_owned(), source };
        if dir.is_occupied() && existing == Existing::Refuse {
            return Err(RunError::Occupied(dir.path));
        }
        std::fs::create_dir_all(path).map_err(place)?;
        // Nothing is written to it: should it be a link to something, that stays what it is.
        let lock = File::options().write(true).create(true).truncate(false).open(dir.file(LOCK)).map_err(place)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RunError::Locked(dir.path)),
            Err(TryLockError::Error(source)) => return Err(place(source)),
        }
        FILES.iter().for_each(|name| remove_temporaries(&dir.file(name)));
        match existing {
            Existing::Replace => dir.clear()?,
            Existing::Resume if dir.is_occupied() => dir.compare(config)?,
            Existing::Refuse if dir.is_occupied() => return Err(RunError::Occupied(dir.path)), // it began since we looked
            Existing::Resume | Existing::Refuse => {}
        }
        let is_new = !dir.file(CONFIG).is_file();
        if is_new {
            OutputFile::create(&dir.file(CONFIG))?.commit(config.to_pretty_ron().as_bytes())?;
        }
        Ok(LockedRun { dir, is_new, _lock: lock })
    }

    /// The folder for results of this run, made if it is missing: `out`, or that of the run itself.
    ///
    /// # Errors
    /// If it holds another run, or the system refuses.
    pub fn results(&self, out: Option<&Path>) -> Result<Self, RunError> {
        let Some(out) = out else { return Ok(self.clone()) };
        std::fs::create_dir_all(out).map_err(|source| RunError::Place { path: out.to_owned(), source })?;
        let (results, resolved) = (Self { path: out.to_owned() }, |path: &Path| path.canonicalize().ok());
        let is_own = resolved(out) == resolved(&self.path);
        if results.file(CONFIG).exists() && !is_own {
            return Err(RunError::OfAnotherRun(out.to_owned()));
        }
        match resolved(out).as_deref().and_then(Path::parent) {
            Some(around) if !is_own => Self::refuse_run(around)?, // which has folders of its own
            _ => {}
        }
        Ok(results)
    }

    /// Writes down a configuration that differs from that of the run in what may change.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep_config(&self, config: &Config) -> Result<(), RunError> {
        if self.config()?.config != *config {
            OutputFile::create(&self.file(CONFIG))?.commit(config.to_pretty_ron().as_bytes())?;
        }
        Ok(())
    }

    /// Whether another process trains there at this moment.
    pub fn is_in_use(&self) -> bool {
        let lock = File::options().write(true).open(self.file(LOCK));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Whether there are files of a run.
    fn is_occupied(&self) -> bool {
        FILES.iter().chain(&RESULTS).any(|name| self.file(name).exists())
    }

    fn clear(&self) -> Result<(), RunError> {
        self.remove_events().map_err(|source| RunError::System { path: self.file(EVENTS), source })?;
        let _ = std::fs::remove_dir(self.file(EVENTS)); // unless there are files of the user's
        let named = RESULTS.iter().chain(&FILES).map(|name| self.file(name));
        for path in self.details().chain(named).filter(|path| path.exists()) {
            remove_temporaries(&path);
            std::fs::remove_file(&path).map_err(|source| RunError::System { path, source })?;
        }
        for folder in ["hmc", "evaluation", "calibration"] {
            let _ = std::fs::remove_dir(self.file(folder)); // unless there are files of the user's
        }
        Ok(())
    }

    /// Removes the event files of the run; others in their folder stay.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove_events(&self) -> io::Result<()> {
        for entry in self.file(EVENTS).read_dir().into_iter().flatten() {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_ours) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Holds the configuration of the run against that in a file of weights, which nobody edits.
    ///
    /// # Errors
    /// [`RunError::Changed`].
    pub fn compare_with(&self, of_weights: Option<&Config>, config: &Config) -> Result<(), RunError> {
        match of_weights.and_then(|of_weights| of_weights.first_difference(config)) {
            None => Ok(()),
            Some(difference) => Err(RunError::Changed { path: self.path.clone(), difference: Box::new(difference) }),
        }
    }

    /// Refuses a folder that holds a run as the place for results of something else.
    ///
    /// # Errors
    /// [`RunError::OfAnotherRun`].
    pub fn refuse_run(out: &Path) -> Result<(), RunError> {
        let holds = Self::at(out).latest().exists();
        if holds { Err(RunError::OfAnotherRun(out.to_owned())) } else { Ok(()) }
    }

    fn compare(&self, config: &Config) -> Result<(), RunError> {
        self.compare_with(Some(&self.config()?.config), config)
    }

    /// The files beside the summary.
    fn details(&self) -> impl Iterator<Item = PathBuf> {
        let folder = self.file("evaluation");
        DETAILS.into_iter().map(move |name| folder.join(name))
    }

    /// The files of the run that are there, each a place where no other output may go.
    pub fn own_files(&self) -> Vec<PathBuf> {
        let named = FILES.iter().chain(&RESULTS).chain(&[LOCK]).map(|name| self.file(name));
        named.chain(self.details()).filter(|path| path.exists()).collect()
    }

    /// The configuration of the run.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn config(&self) -> Result<ConfigFile, ConfigError> {
        self.config_with(&[])
    }

    /// The same with other values for some fields.
    ///
    /// # Errors
    /// If it can't be read, or doesn't take the values.
    pub fn config_with(&self, overrides: &[Override]) -> Result<ConfigFile, ConfigError> {
        ConfigFile::read_with(&self.file(CONFIG), overrides)
    }

    /// The overrides that `provenance.json` names; none if it can't be read.
    pub fn overrides(&self) -> Vec<String> {
        self.recorded().map(|recorded| recorded.overrides).unwrap_or_default()
    }

    /// Where the run was trained so far, by `provenance.json`; none if it can't be read.
    pub fn trained_on(&self) -> Vec<String> {
        let Some(Recorded { device, card, products, mut trained_on, .. }) = self.recorded() else { return vec![] };
        let last = place_words(&device, card.as_deref(), products.as_deref());
        if trained_on.last() != Some(&last) {
            trained_on.push(last);
        }
        trained_on
    }

    fn recorded(&self) -> Option<Recorded> {
        serde_json::from_slice(&read_at_most(&self.provenance(), MOST_MIB << 20).ok()?).ok()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `metrics.jsonl`.
    pub fn metrics(&self) -> PathBuf {
        self.file(METRICS)
    }

    /// `provenance.json`.
    pub fn provenance(&self) -> PathBuf {
        self.file(PROVENANCE)
    }

    /// `summary.json`.
    pub fn summary(&self) -> PathBuf {
        self.file(SUMMARY)
    }

    /// `hmc/hmc.json`.
    pub fn hmc(&self) -> PathBuf {
        self.file(HMC)
    }

    /// The latest checkpoint.
    pub fn latest(&self) -> PathBuf {
        self.file(LATEST)
    }

    /// The checkpoint before the latest.
    pub fn previous(&self) -> PathBuf {
        self.file(PREVIOUS)
    }

    /// The weights of the best validation.
    pub fn best(&self) -> PathBuf {
        self.file(BEST)
    }

    /// Gives a latest checkpoint that can't be used another name, lest it take the place of the good one before it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn set_latest_aside(&self) -> Result<(), RunError> {
        let (latest, aside) = (self.latest(), self.file(DAMAGED));
        if !latest.exists() {
            return Ok(());
        }
        std::fs::rename(&latest, &aside).map_err(|source| RunError::System { path: aside, source })
    }

    /// Gives the latest checkpoint its second name, so that the next one can take the first; at no moment is there none.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn keep_latest_as_previous(&self) -> Result<(), RunError> {
        let (latest, previous) = (self.latest(), self.previous());
        if !latest.exists() {
            return Ok(());
        }
        let spare = self.file(SPARE);
        let _ = std::fs::remove_file(&spare); // of an attempt that failed
        let linked = std::fs::hard_link(&latest, &spare).and_then(|()| std::fs::rename(&spare, &previous));
        // A file system without links: the copy costs time, not safety.
        linked
            .or_else(|_| std::fs::copy(&latest, &spare).and_then(|_| std::fs::rename(&spare, &previous)))
            .map_err(|source| RunError::System { path: previous, source })?;
        let _ = std::fs::remove_file(&spare); // still there if the two were one file, of which a rename makes nothing
        Ok(())
    }
}

impl LockedRun {
    /// Takes back a run that can't begin, as its data can't be had, say: the folder is as it was, and free for another try.
    pub fn abandon(&self) {
        if self.is_new {
            let _ = self.dir.clear(); // what stays does no harm
            let _ = std::fs::remove_file(self.dir.file(LOCK));
            let _ = std::fs::remove_dir(&self.dir.path); // unless there is something else in it
        }
    }
}

impl std::ops::Deref for LockedRun {
    type Target = RunDir;

    fn deref(&self) -> &RunDir {
        &self.dir
    }
}
