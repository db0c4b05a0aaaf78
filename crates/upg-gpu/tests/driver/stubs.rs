//! Libraries that stand for NVIDIA's, and processes that find them: the search path of libraries is read when a process starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use upg_gpu::driver::libraries::Library;

/// Names the test that a process was started for.
const TEST: &str = "UPG_STUBS";

/// What the process of a test finds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup<'a> {
    /// Libraries that are there.
    pub libraries: &'a [&'a str],
    /// Files with the names of libraries that aren't libraries.
    pub damaged: &'a [&'a str],
    /// Options of the C compiler.
    pub options: &'a [&'a str],
    /// Variables of the environment.
    pub variables: &'a [(&'a str, &'a str)],
}

/// All three of them.
pub const ALL: &[&str] = &["libcuda.so", "libnvrtc.so", "libcublas.so"];

/// Runs the body of the test `test`, its path in this crate, in a process of its own.
pub fn run(test: &str, setup: Setup<'_>, body: impl FnOnce()) {
    match std::env::var(TEST) {
        Ok(started) if started == test => {
            std::thread::spawn(end_after_a_minute);
            body();
        }
        _ => start(test, setup),
    }
}

/// A call that never returns is a failure.
fn end_after_a_minute() {
    std::thread::sleep(Duration::from_secs(60));
    eprintln!("still running after a minute");
    std::process::abort();
}

fn start(test: &str, setup: Setup<'_>) {
    let folder = tempfile::tempdir().unwrap();
    for library in setup.libraries {
        link(folder.path(), library, setup.options);
    }
    for library in setup.damaged {
        std::fs::write(folder.path().join(library), "damaged").unwrap();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
    command.env(TEST, test).env("LD_LIBRARY_PATH", folder.path()).env("STUB_LOG", folder.path().join("log"));
    command.env("UPG_CACHE_DIR", folder.path().join("cache")).envs(setup.variables.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// One file under several names is loaded once. A C compiler is wherever Rust programs are linked.
fn link(folder: &Path, library: &str, options: &[&str]) {
    let built = folder.join("libcuda.so.built");
    if !built.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver/stub.c");
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-w"]).args(options).arg("-o").arg(&built).arg(source);
        assert!(command.status().unwrap().success(), "{command:?}");
    }
    std::os::unix::fs::symlink(&built, folder.join(library)).unwrap();
}

/// Whether the system's folders hold the library, so that it can't be missing.
pub fn system_has(library: Library) -> bool {
    std::env::var(TEST).is_err() && library.find().is_ok()
}

/// What the stubs wrote, line by line; read in the test's own process.
pub fn log() -> Vec<String> {
    let file = PathBuf::from(std::env::var_os("STUB_LOG").unwrap());
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}
