//! The C++ compiler of this machine, and what it has compiled: kept on the disk by a hash of all that goes into it, loaded once in a process.

use libloading::os::unix::{self, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use xxhash_rust::xxh3::xxh3_128;

const FLAGS: &[&str] = &["-std=c++17", "-fPIC", "-fno-exceptions", "-fno-math-errno"];
/// Lines of what the compiler says that an error repeats.
const LINES: usize = 12;

/// Who finds the functions of a library by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// All that is loaded later.
    Global,
    /// Who holds it.
    Local,
}

/// A library that stays loaded.
#[derive(Debug)]
pub struct Loaded(unix::Library);

impl Loaded {
    /// A function or a structure by its name.
    ///
    /// # Safety
    /// It has the type `T`.
    pub unsafe fn symbol<T: Copy>(&self, name: &str) -> Result<T, String> {
        // SAFETY: the caller's promise.
        unsafe { self.0.get::<T>(name).map(|symbol| *symbol) }.map_err(|error| error.to_string())
    }

    /// Where a structure is, if there is one of the name.
    pub fn place<T>(&self, name: &str) -> Option<*const T> {
        // SAFETY: no more than the address is taken.
        unsafe { self.0.get::<*const T>(name).ok().map(|symbol| symbol.into_raw().cast_const().cast()) }
    }
}

/// A compiler and the folder of what it has compiled.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: OsString,
    version: String,
    cache: PathBuf,
}

impl Compiler {
    /// That of `CXX`, or g++.
    pub fn find() -> Result<Self, String> {
        let program = std::env::var_os("CXX").unwrap_or_else(|| "g++".into());
        let version = version(&program)?;
        Ok(Self { program, version, cache: cache_folder()? })
    }

    /// The first line that it says of itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The flags of everything, those of the user and `more`.
    pub fn flags(&self, more: &[&str]) -> Vec<String> {
        let user = std::env::var("UPG_EMULATOR_FLAGS").unwrap_or_default();
        let user: Vec<_> = user.split_whitespace().map(String::from).collect();
        [self.plain_flags(more), user].concat()
    }

    /// The flags of everything and `more`.
    pub fn plain_flags(&self, more: &[&str]) -> Vec<String> {
        [FLAGS, processor(), more].concat().into_iter().map(String::from).collect()
    }

    /// What was compiled before of a text with these arguments, or is compiled now of what `complete` makes of it.
    pub fn library(
        &self,
        name: &str,
        text: &str,
        arguments: &[String],
        kind: Library,
        complete: impl FnOnce(String) -> Result<String, String>,
    ) -> Result<&'static Loaded, String> {
        let key = xxh3_128(format!("{text}\0{arguments:?}\0{:?}\0{}", self.program, self.version).as_bytes());
        let place = in_process(key);
        let mut loaded = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = *loaded {
            return Ok(library);
        }
        let path = self.cache.join(format!("{}-{key:032x}.so", plain(name)));
        if !path.exists() {
            self.build(name, &complete(text.into())?, arguments, &path)?;
        }
        let library = load(&path, kind)?;
        *loaded = Some(library);
        Ok(library)
    }

    /// What the preprocessor makes of a text.
    pub fn preprocess(&self, name: &str, text: &str, arguments: &[String]) -> Result<String, String> {
        let folder = self.folder()?;
        let source = write_source(folder.path(), name, text)?;
        let out = self.execute(Command::new(&self.program).args(["-E", "-P"]).args(arguments).arg(source), name)?;
        Ok(String::from_utf8_lossy(&out).into())
    }

    /// Compiles to an object and makes it a library, without the flag that would make it need a library that it must not have.
    fn build(&self, name: &str, text: &str, arguments: &[String], path: &Path) -> Result<(), String> {
        let folder = self.folder()?;
        let source = write_source(folder.path(), name, text)?;
        let (object, library) = (folder.path().join("text.o"), folder.path().join("text.so"));
        self.execute(Command::new(&self.program).args(arguments).arg("-c").arg(source).arg("-o").arg(&object), name)?;
        let linked = arguments.iter().filter(|flag| *flag != "-fsanitize=thread");
        self.execute(
            Command::new(&self.program).args(linked).arg("-shared").arg(object).arg("-o").arg(&library),
            name,
        )?;
        fs::rename(&library, path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn folder(&self) -> Result<tempfile::TempDir, String> {
        tempfile::tempdir_in(&self.cache).map_err(|error| format!("{}: {error}", self.cache.display()))
    }

    fn execute(&self, command: &mut Command, name: &str) -> Result<Vec<u8>, String> {
        let out = command.output().map_err(|error| missing(&self.program, &error.to_string()))?;
        if out.status.success() {
            return Ok(out.stdout);
        }
        Err(format!("{} doesn't compile {name}:\n{}", Path::new(&self.program).display(), first_lines(&out.stderr)))
    }
}

/// The first line that a compiler says of itself; it is asked once in a process.
fn version(program: &OsStr) -> Result<String, String> {
    static KNOWN: Mutex<BTreeMap<OsString, String>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(version) = known.get(program) {
        return Ok(version.clone());
    }
    let out = Command::new(program).arg("--version").output().map_err(|error| missing(program, &error.to_string()))?;
    if !out.status.success() {
        return Err(missing(program, &first_lines(&out.stderr)));
    }
    let version: String = String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or_default().into();
    known.insert(program.into(), version.clone());
    Ok(version)
}

/// The library of a key in this process, and a lock for who compiles it.
fn in_process(key: u128) -> Arc<Mutex<Option<&'static Loaded>>> {
    type Libraries = Mutex<HashMap<u128, Arc<Mutex<Option<&'static Loaded>>>>>;
    static LIBRARIES: OnceLock<Libraries> = OnceLock::new();
    let mut libraries = LIBRARIES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    libraries.entry(key).or_default().clone()
}

fn load(path: &Path, kind: Library) -> Result<&'static Loaded, String> {
    let visible = match kind {
        Library::Global => RTLD_GLOBAL,
        Library::Local => RTLD_LOCAL,
    };
    // SAFETY: what it does when it is loaded is to fill constants.
    let library = unsafe { unix::Library::open(Some(path), RTLD_NOW | visible) };
    library
        .map(|library| &*Box::leak(Box::new(Loaded(library))))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn write_source(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.join(format!("{}.cpp", plain(name)));
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// A name without folders.
fn plain(name: &str) -> String {
    name.replace(std::path::MAIN_SEPARATOR, "-")
}

/// Flags for the instructions of this processor that matter, its own fused multiply-add above all.
fn processor() -> &'static [&'static str] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        return &["-mavx2", "-mfma"];
    }
    &[]
}

/// `UPG_EMULATOR_CACHE`, or a folder of this user's alone among the temporary files: what is in it will be run.
fn cache_folder() -> Result<PathBuf, String> {
    unsafe extern "C" {
        safe fn getuid() -> u32;
    }
    let chosen = std::env::var_os("UPG_EMULATOR_CACHE").filter(|folder| !folder.is_empty());
    let folder = chosen.map_or_else(|| std::env::temp_dir().join(format!("upg-emulator-{}", getuid())), PathBuf::from);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder).and_then(|()| fs::metadata(&folder));
    let owner =
        made.map_err(|error| format!("{} for what is compiled (UPG_EMULATOR_CACHE): {error}", folder.display()))?.uid();
    if owner != getuid() {
        return Err(format!("{} belongs to user {owner}, not {}: set UPG_EMULATOR_CACHE", folder.display(), getuid()));
    }
    Ok(folder)
}

fn missing(program: &OsStr, words: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("the C++ compiler `{}` can't be run (CXX names it; it is looked for in {path}): {words}", program.display())
}

fn first_lines(words: &[u8]) -> String {
    String::from_utf8_lossy(words).lines().take(LINES).collect::<Vec<_>>().join("\n")
}
