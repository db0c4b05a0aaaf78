//! Output files that are either complete or not there, and the record of what made them.

use super::refusal::is_of_machine;
use super::signals;
use crate::text::Shown;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use tempfile::NamedTempFile;
use upg_core::vmath::InstructionSet;

/// A place for an output file, found usable.
///
/// The content is written under a temporary name beside it, then renamed: whatever ends the program before leaves what
/// stood there.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
}

/// An output file can't be had.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The place asked for is unusable; nothing was computed yet.
    #[error("output {}: {reason}", path.shown())]
    Place {
        /// The place.
        path: PathBuf,
        /// The problem with it, and what is accepted.
        reason: String,
    },
    /// Writing failed, e.g. because the disk is full; nothing is left of it.
    #[error("output {}: cannot write: {source}", path.shown())]
    Write {
        /// The place.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl OutputError {
    /// 2 if the place is wrong, 1 if writing failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Place { .. } => 2,
            Self::Write { .. } => 1,
        }
    }
}

impl OutputFile {
    /// Tries a temporary file beside `path`, so that an unusable place is found out before any work is done.
    ///
    /// # Errors
    /// [`OutputError::Place`] if `path` is something else than a file, or its folder is missing or not writable;
    /// [`OutputError::Write`] if the disk is full, or the machine refuses for another reason of its own.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let refuse = |reason: String| OutputError::Place { path: path.to_owned(), reason };
        let folder = folder_of(path);
        // A folder, a device or a pipe would be refused, or worse replaced, when the file gets its name.
        if path.file_name().is_none() || (path.exists() && !path.is_file()) {
            return Err(refuse("exists and is not a file, accepted is the name of a file".into()));
        }
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(refuse("is the name of a folder, accepted is the name of a file".into()));
        }
        if !folder.is_dir() {
            let folder = folder.shown();
            return Err(refuse(format!("{folder} is not a folder, accepted is a file in a folder that exists")));
        }
        remove_temporaries(path);
        match temporary(path) {
            Ok(_) => Ok(Self { path: path.to_owned() }),
            Err(source) if is_of_machine(&source) => Err(OutputError::Write { path: path.to_owned(), source }),
            Err(e) => Err(refuse(format!("cannot create a file there: {e}"))),
        }
    }

    /// The same, unless it would take the place of one of `others`, each with the name of the argument it comes from.
    ///
    /// # Errors
    /// [`OutputError::Place`], too, if it is one of them.
    pub fn create_beside(path: &Path, others: &[(&str, &Path)]) -> Result<Self, OutputError> {
        match others.iter().find(|(_, other)| are_the_same(path, other)) {
            None => Self::create(path),
            Some((name, _)) => Err(OutputError::Place {
                path: path.to_owned(),
                reason: format!("is {name} too: accepted is another file"),
            }),
        }
    }

    /// Places for several outputs, each with the name of its argument, if it was given: none of them one of `others`, or another of them.
    ///
    /// # Errors
    /// As [`create_beside`](Self::create_beside).
    pub fn create_all<'a, const N: usize>(
        others: &[(&'a str, &'a Path)],
        named: [(&'a str, Option<&'a Path>); N],
    ) -> Result<[Option<Self>; N], OutputError> {
        let (mut taken, mut places) = (others.to_vec(), [const { None }; N]);
        for (place, (name, path)) in places.iter_mut().zip(named) {
            let Some(path) = path else { continue };
            *place = Some(Self::create_beside(path, &taken)?);
            taken.push((name, path));
        }
        Ok(places)
    }

    /// Writes `content`, syncs it to the disk and gives it its name.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn commit(self, content: &[u8]) -> Result<(), OutputError> {
        self.with(content)?.finish()
    }

    /// Writes `content`, which is to get its name later.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn with(self, content: &[u8]) -> Result<OutputWriter, OutputError> {
        let mut writer = self.writer()?;
        writer.write(content)?;
        Ok(writer)
    }

    /// Begins to write content that comes piece by piece.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn writer(self) -> Result<OutputWriter, OutputError> {
        match temporary(&self.path) {
            Ok((file, listed)) => Ok(OutputWriter { path: self.path, file, _listed: listed }),
            Err(source) => Err(OutputError::Write { path: self.path, source }),
        }
    }
}

/// A file being written under a temporary name; gone unless it is finished.
#[derive(Debug)]
pub struct OutputWriter {
    path: PathBuf,
    file: NamedTempFile,
    _listed: Listed,
}

/// The files under temporary names that this process is writing.
static BEING_WRITTEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// An entry in that list, as long as it lives.
#[derive(Debug)]
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        being_written().remove(&self.0);
    }
}

fn being_written() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    BEING_WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what is being written under temporary names, before the process ends without unwinding. As long as the outcome is kept, nobody begins to
/// write anything else.
#[must_use = "let go, it lets other threads begin to write"]
pub(crate) fn give_up_writing() -> Option<MutexGuard<'static, BTreeSet<PathBuf>>> {
    // Held for moments by threads that go on, for good by the thread that is to end, perhaps.
    for _ in 0..100 {
        let listed = match BEING_WRITTEN.try_lock() {
            Ok(listed) => listed,
            Err(TryLockError::Poisoned(listed)) => listed.into_inner(),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(std::time::Duration::from_millis(1));
                continue;
            }
        };
        for path in listed.iter() {
            let _ = std::fs::remove_file(path); // it takes room, no more
        }
        return Some(listed);
    }
    None
}

/// From now on a signal that ends the process (Ctrl-C, SIGTERM, SIGHUP) takes with it what is being written under temporary names. Those
/// that are ignored stay ignored.
///
/// # Errors
/// If the system refuses.
pub fn clean_up_on_signals() -> io::Result<()> {
    let mut incoming = signal_hook::iterator::Signals::new(signals::ending())?;
    let clean_up = move || {
        for number in incoming.forever() {
            let _nothing_begins = give_up_writing();
            let _ = signal_hook::low_level::emulate_default_handler(number);
        }
    };
    std::thread::Builder::new().name("upg-signals".into()).spawn(clean_up).map(drop)
}

impl OutputWriter {
    /// The place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn write(&mut self, piece: &[u8]) -> Result<(), OutputError> {
        self.file.write_all(piece).map_err(|source| OutputError::Write { path: self.path.clone(), source })
    }

    /// Makes sure that all pieces are on the disk.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn sync(&mut self) -> Result<(), OutputError> {
        let outcome = self.file.as_file().sync_all();
        outcome.map_err(|source| OutputError::Write { path: self.path.clone(), source })
    }

    /// Syncs the file to the disk and gives it its name.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn finish(self) -> Result<(), OutputError> {
        persist(self.file, &self.path).map_err(|source| OutputError::Write { path: self.path, source })
    }
}

/// Gives their names to files that belong together: all of them are on the disk before the first gets its name, so that a full disk leaves
/// what stood there, and next to no time passes between the first and the last.
///
/// # Errors
/// [`OutputError::Write`].
pub fn finish_together(mut writers: Vec<OutputWriter>) -> Result<(), OutputError> {
    writers.iter_mut().try_for_each(OutputWriter::sync)?;
    writers.into_iter().try_for_each(OutputWriter::finish)
}

/// Whether two paths lead to one file, there or not yet there.
fn are_the_same(a: &Path, b: &Path) -> bool {
    let resolved = |path: &Path| {
        path.canonicalize().ok().or_else(|| Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?)))
    };
    resolved(a).is_some_and(|a| resolved(b) == Some(a))
}

/// Removes what a process that was killed left of `path` under a temporary name. What somebody is writing is locked, and stays.
pub(crate) fn remove_temporaries(path: &Path) {
    let prefix = temporary_prefix(path);
    for entry in folder_of(path).read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_temporary = name.to_str().is_some_and(|name| name.starts_with(&prefix) && name.ends_with(TEMPORARY));
        if is_temporary && let Ok(file) = File::open(entry.path()) {
            // Removed before the lock is let go: whoever has just made it and waits for the lock sees that it is gone.
            let _ = file.try_lock().map(|()| std::fs::remove_file(entry.path())); // it takes room, no more
        }
    }
}

/// How the temporary names of `path` begin.
fn temporary_prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// How they end.
const TEMPORARY: &str = ".tmp";

/// A file beside `path`, locked, removed when dropped.
fn temporary(path: &Path) -> io::Result<(NamedTempFile, Listed)> {
    loop {
        let (file, listed) = unlocked_temporary(path)?;
        let locked = file.as_file().lock(); // fails where the file system has no locks: nobody removes it there either
        if locked.is_err() || file.path().exists() {
            return Ok((file, listed));
        }
    }
}

/// It is in the list from its first moment, so that no signal comes between.
fn unlocked_temporary(path: &Path) -> io::Result<(NamedTempFile, Listed)> {
    let mut listed = None;
    let open = |temporary: &Path| {
        let mut being_written = being_written();
        let file = File::options().read(true).write(true).create_new(true).open(temporary)?;
        being_written.insert(temporary.to_owned());
        listed = Some(Listed(temporary.to_owned()));
        Ok(file)
    };
    let prefix = temporary_prefix(path);
    let file = tempfile::Builder::new().prefix(&prefix).suffix(TEMPORARY).make_in(folder_of(path), open)?;
    Ok((file, listed.expect("a file that was opened is in the list")))
}

fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path)?;
    if cfg!(unix) {
        File::open(folder_of(path))?.sync_all()?; // the new name itself
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The commit the running program was built from. A library that had it built in would be compiled anew for every commit.
static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// Tells the commit the running program was built from, for the records of all its results; the first word counts.
pub fn tell_commit(commit: &'static str) {
    COMMIT.get_or_init(|| commit);
}

/// How many processes compute together, if somebody has told.
static PROCESSES: OnceLock<usize> = OnceLock::new();

/// From now on outputs say that so many processes have computed together.
pub fn tell_processes(processes: usize) {
    PROCESSES.get_or_init(|| processes);
}

/// The origin of a result: program, machine, configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Provenance {
    /// Version of the program.
    pub version: &'static str,
    /// Commit the program was built from, with `-modified` behind it if the sources differed; `unknown` if it doesn't [tell](tell_commit).
    pub commit: &'static str,
    /// The device: `cpu`, or `cuda:0`.
    pub device: String,
    /// The card, in the words of its driver, if the device is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// The precision of products of matrices of f32, if it isn't full: `Tf32`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<String>,
    /// Where the run was trained, in the order of its sessions, if not only where this was computed: `cuda:0 (NVIDIA A100), products in Tf32`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trained_on: Vec<String>,
    /// Name of the processor.
    pub processor: String,
    /// The instruction set the loops were dispatched to.
    pub instruction_set: String,
    /// Number of threads of the processor.
    pub threads: usize,
    /// Number of processes that computed together, if it wasn't one; `threads` are those of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<usize>,
    /// `f32` or `f64`.
    pub precision: &'static str,
    /// Seed of the random numbers, if any were drawn or one was named.
    pub seed: Option<u64>,
    /// The configuration, with the default values spelled out, RON.
    pub config: String,
    /// The values that were given instead of those of the file, `FIELD=VALUE`; the configuration holds them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// The flow as a list of layers, RON, where weights are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// Which weights a file holds, and why these, where it holds some that were chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
}

impl Provenance {
    /// The record of a run of this program on the processor of this machine.
    pub fn new(threads: usize, precision: &'static str, seed: Option<u64>, config: String) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: COMMIT.get().copied().unwrap_or("unknown"),
            device: "cpu".into(),
            card: None,
            products: None,
            trained_on: vec![],
            processor: processor(),
            instruction_set: format!("{:?}", InstructionSet::detect()).to_lowercase(),
            threads,
            processes: PROCESSES.get().copied().filter(|&processes| processes > 1),
            precision,
            seed,
            config,
            overrides: vec![],
            flow: None,
            weights: None,
        }
    }

    /// The place in words.
    pub fn place(&self) -> String {
        place_words(&self.device, self.card.as_deref(), self.products.as_deref())
    }

    /// With the places where a run was trained, unless all was here.
    pub fn trained_on(self, places: Vec<String>) -> Self {
        let here = self.place();
        let trained_on = if places.iter().all(|place| *place == here) { vec![] } else { places };
        Self { trained_on, ..self }
    }

    /// Of training that goes on here after these places.
    pub fn after(self, mut places: Vec<String>) -> Self {
        let here = self.place();
        if places.last() != Some(&here) {
            places.push(here);
        }
        self.trained_on(places)
    }

    /// The record as one JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and numbers")
    }
}

/// Name of a device, card, and products unless they are full: `cuda:0 (NVIDIA A100), products in Tf32`.
pub fn place_words(device: &str, card: Option<&str>, products: Option<&str>) -> String {
    let card = card.map_or(String::new(), |card| format!(" ({card})"));
    let products = products.map_or(String::new(), |products| format!(", products in {products}"));
    format!("{device}{card}{products}")
}

/// Name of the processor as the system tells it, else its architecture.
pub fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == "model name");
    name.map_or(std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_temporary_file_is_in_the_list_as_long_as_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (file, listed) = temporary(&folder.path().join("x")).unwrap();
        let path = file.path().to_owned();
        assert!(being_written().contains(&path));
        drop((file, listed));
        assert!(!path.exists() && !being_written().contains(&path));
    }

    #[test]
    fn a_file_is_complete_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result");
        let file = OutputFile::create(&path).unwrap();
        assert_eq!(names(folder.path()), [""; 0]); // nor while the work is done
        drop(file);
        assert_eq!(names(folder.path()), [""; 0]);
        OutputFile::create(&path).unwrap().commit(b"first").unwrap();
        drop(OutputFile::create(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        OutputFile::create(&path).unwrap().commit(b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["result"]);
        let lost = OutputFile::create(&folder.path().join("lost")).unwrap();
        let place = folder.path().to_owned();
        drop(folder);
        let error = lost.commit(b"third").unwrap_err();
        assert!(!place.exists() && error.exit_status() == 1, "{error}");
    }

    #[test]
    fn temporaries_go_unless_somebody_is_writing_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result");
        std::fs::write(folder.path().join(".result.killed.tmp"), b"left").unwrap();
        std::fs::write(folder.path().join(".results.other.tmp"), b"of another file").unwrap();
        let mut writer = OutputFile::create(&path).unwrap().writer().unwrap();
        writer.write(b"first").unwrap();
        assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));
        OutputFile::create(&path).unwrap().commit(b"second").unwrap();
        writer.finish().unwrap();
        assert_eq!(
            (names(folder.path()), std::fs::read(&path).unwrap()),
            (vec![".results.other.tmp".into(), "result".into()], b"first".to_vec())
        );
    }

    #[test]
    fn unusable_places_are_refused_first() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), b"").unwrap();
        for (place, fragment) in
            [("", "is not a file"), ("missing/result", "not a folder"), ("file/result", "not a folder")]
        {
            let error = OutputFile::create(&folder.path().join(place)).unwrap_err();
            assert!(matches!(&error, OutputError::Place { reason, .. } if reason.contains(fragment)), "{error}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn others_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode();
        File::create(folder.path().join("plain")).unwrap();
        OutputFile::create(&folder.path().join("ours")).unwrap().commit(b"").unwrap();
        assert_eq!(mode("ours"), mode("plain"));
    }
}
