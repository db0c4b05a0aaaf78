//! Every loader against files that are altered at random, in a process of its own with little memory: whatever ends that process is found.

use super::outcome::{Interrupted, Outcome};
use super::program::{Ended, How, after};
use super::round::Round;
use clap::Args;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use upg_core::Streams;
use upg_experiments::io::console::{print, say};
use upg_fuzz::loaders::{LOADERS, Loader, named};
use upg_testkit::mutate::Mutator;

/// How long a loader is tried in a round, and one that is soon done.
const SECONDS: u64 = 3;
const SECONDS_OF_QUICK: u64 = 10;
const QUICK: [&str; 5] = ["flow", "lattice", "metrics", "numbers", "samples"];
/// Kilobytes of address space that a loader may have.
const MEMORY: u64 = 4 << 20;
/// A load that takes longer hangs.
const HANGS: Duration = Duration::from_secs(20);

/// All loaders, one after the other.
pub(super) fn round(round: &mut Round<'_>) -> Outcome {
    for loader in LOADERS {
        let seed = round.rng.random();
        try_loader(round, loader, seed)?;
    }
    Ok(())
}

fn seconds(loader: &Loader) -> u64 {
    if QUICK.contains(&loader.name) { SECONDS_OF_QUICK } else { SECONDS }
}

fn try_loader(round: &mut Round<'_>, loader: &Loader, seed: u64) -> Outcome {
    let ended = round
        .start(loads(round, loader, seed, &[]))?
        .wait(Duration::from_secs(seconds(loader)) + 3 * HANGS, round.stop)?;
    let done = serde_json::from_str::<Loaded>(&ended.stdout).ok().filter(|_| ended.how == How::Status(0));
    let Some(Loaded { executions, findings }) = done else { return look_for_the_end(round, loader, seed, &ended) };
    round.count("executions", executions);
    round.count(&format!("executions of {}", loader.name), executions);
    findings.into_iter().for_each(|finding| round.find(format!("{}: {finding}", loader.name)));
    Ok(())
}

/// The process ended without a word: once more, and the file that ends it stays.
fn look_for_the_end(round: &mut Round<'_>, loader: &Loader, seed: u64, ended: &Ended) -> Outcome {
    let last = round.folder.join(format!("{}-{seed}.bin", loader.name));
    let last_argument = last.to_string_lossy().into_owned();
    let again = round.start(loads(round, loader, seed, &["--each", &last_argument]))?;
    again.wait(Duration::from_secs(600), round.stop)?;
    let why = ended.stderr.lines().next().unwrap_or("without a word");
    round.find(format!("{}: its process ended by {:?}, {why}; the file is {}", loader.name, ended.how, last.display()));
    Ok(())
}

/// The process that loads.
fn loads(round: &Round<'_>, loader: &Loader, seed: u64, more: &[&str]) -> Command {
    let mut command = Command::new(round.program.this());
    command.args([
        "soak-loads",
        "--loader",
        loader.name,
        "--seconds",
        &seconds(loader).to_string(),
        "--seed",
        &seed.to_string(),
    ]);
    command.arg("--out").arg(&round.folder).args(more);
    after(&format!("ulimit -v {MEMORY}"), &command)
}

/// Options of the process that loads.
#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    loader: String,
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    seed: u64,
    /// Where files stay that something is wrong with.
    #[arg(long)]
    out: PathBuf,
    /// A file for every input, before it is loaded.
    #[arg(long)]
    each: Option<PathBuf>,
}

/// What came of the loads.
#[derive(Serialize, Deserialize)]
struct Loaded {
    executions: u64,
    findings: Vec<String>,
}

thread_local! {
    /// Where a load panicked, and why.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether this thread is loading: whatever else panics is told.
    static IS_LOADING: Cell<bool> = const { Cell::new(false) };
}

/// Loads altered files for some seconds, and prints how many, and what was found.
pub(crate) fn load(arguments: &Arguments) -> ExitCode {
    let Some(loader) = named(&arguments.loader) else {
        let names: Vec<_> = LOADERS.iter().map(|loader| loader.name).collect();
        say(format_args!("error: --loader = {}: accepted are {}", arguments.loader, names.join(", ")));
        return ExitCode::from(2);
    };
    panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let words = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
        let told = words.chars().take(300).collect::<String>();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let told = format!("{place}: {}", told.replace('\n', " "));
        if IS_LOADING.get() { PANIC.set(Some(told)) } else { say(format_args!("error: {told}")) }
    }));
    match loads_of(loader, arguments) {
        Ok(loaded) => {
            let _ = print(serde_json::to_string(&loaded).expect("numbers and texts"));
            ExitCode::SUCCESS
        }
        Err(Interrupted::Failed(problem)) => {
            say(format_args!("error: {problem}"));
            ExitCode::FAILURE
        }
        Err(Interrupted::Stopped) => ExitCode::FAILURE,
    }
}

fn loads_of(loader: &Loader, arguments: &Arguments) -> Outcome<Loaded> {
    let mut inputs = Inputs::new(loader, arguments.seed);
    let (begun, limit, executions) =
        (Instant::now(), Duration::from_secs(arguments.seconds), Arc::new(AtomicU64::new(0)));
    watch(executions.clone());
    let (mut places, mut findings) = (BTreeSet::new(), vec![]);
    // The clock is asked now and then only.
    while executions.load(Ordering::Relaxed) % 64 != 0 || begun.elapsed() < limit {
        let input = inputs.next();
        if let Some(path) = &arguments.each {
            fs::write(path, &input)?;
        }
        if let Some(panic) = panic_of(loader, &input)
            && places.insert(panic.split(": ").next().unwrap_or_default().to_owned())
        {
            let path = arguments.out.join(format!("{}-{}-{}.bin", loader.name, arguments.seed, findings.len()));
            fs::write(&path, &input)?;
            findings.push(format!("{panic}; the file is {}", shown(&path)));
        }
        executions.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Loaded { executions: executions.load(Ordering::Relaxed), findings })
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Why a load panics, if it does.
fn panic_of(loader: &Loader, input: &[u8]) -> Option<String> {
    IS_LOADING.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (loader.load)(input)));
    IS_LOADING.set(false);
    outcome.is_err().then(|| PANIC.take().unwrap_or_default())
}

/// Ends the process when a load doesn't come to its end.
fn watch(executions: Arc<AtomicU64>) {
    thread::spawn(move || {
        let mut before = u64::MAX;
        loop {
            let now = executions.load(Ordering::Relaxed);
            if now == before {
                say("a load hangs");
                std::process::abort();
            }
            before = now;
            thread::sleep(HANGS);
        }
    });
}

/// Altered files without end, the same for a seed.
struct Inputs {
    rng: upg_core::Rng,
    mutator: Mutator,
    seeds: Vec<Vec<u8>>,
    /// The seeds as texts, if all are.
    texts: Vec<(String, String)>,
}

impl Inputs {
    fn new(loader: &Loader, seed: u64) -> Self {
        let seeds = (loader.seeds)();
        let text = |seed: &Vec<u8>| Some((String::new(), String::from_utf8(seed.clone()).ok()?));
        let texts = seeds.iter().map(text).collect::<Option<_>>().unwrap_or_default();
        Self { rng: Streams::new(seed).next_stream(), mutator: Mutator::new(seed), seeds, texts }
    }

    fn next(&mut self) -> Vec<u8> {
        let at = self.rng.random_range(0..self.seeds.len());
        if !self.texts.is_empty() && self.rng.random() {
            return self.mutator.text(&self.texts[at].1, &self.texts).0;
        }
        let other = self.rng.random_range(0..self.seeds.len());
        let mut input = self.mutator.bytes(&self.seeds[at], &[&self.seeds[other]]).0;
        if self.rng.random_bool(0.3) {
            input = self.mutator.bytes(&input, &[&self.seeds[other]]).0;
        }
        input
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loader that panics for one byte in the first place.
    const FUSSY: Loader = Loader {
        name: "fussy",
        load: |bytes| assert!(bytes.first() != Some(&b'('), "a bracket"),
        seeds: || vec![b"12, 34".to_vec()],
    };

    #[test]
    fn a_panic_is_found_once_and_its_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let arguments =
            Arguments { loader: "fussy".into(), seconds: 0, seed: 3, out: folder.path().to_owned(), each: None };
        let mut inputs = Inputs::new(&FUSSY, 3);
        let found = (0..50_000).find(|_| panic_of(&FUSSY, &inputs.next()).is_some());
        assert!(found.is_some(), "some damage puts a bracket in front");
        let loaded = loads_of(&FUSSY, &Arguments { seconds: 1, ..arguments }).ok().unwrap();
        assert_eq!((loaded.executions > 1000, loaded.findings.len()), (true, 1));
        let file = folder.path().read_dir().unwrap().next().unwrap().unwrap().path();
        assert!(fs::read(file).unwrap().starts_with(b"("));
    }

    #[test]
    fn every_loader_takes_its_own_seeds() {
        for loader in LOADERS {
            let seeds = (loader.seeds)();
            assert!(!seeds.is_empty(), "{}", loader.name);
            seeds.iter().for_each(|seed| (loader.load)(seed));
        }
    }
}
