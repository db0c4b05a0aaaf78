//! `cargo xtask wheel` and `cargo xtask test-python`: the Python package of `crates/upg-python`.

use clap::Args;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Options of both.
#[derive(Args)]
pub struct Arguments {
    /// Compile as for tests, which takes less time; the program is slower.
    #[arg(long)]
    dev: bool,
}

/// The package, from the root of the workspace.
const PACKAGE: &str = "crates/upg-python";

/// The oldest Python that a wheel is for.
const OLDEST: (u32, u32) = (3, 10);

/// Builds the wheel.
pub fn wheel(arguments: &Arguments) -> ExitCode {
    end(build(arguments).map(|wheel| println!("{}", wheel.display())))
}

/// Builds the wheel, installs it, and runs the tests and the check of types.
pub fn test(arguments: &Arguments) -> ExitCode {
    end(build(arguments).and_then(|wheel| check(&wheel)))
}

fn end(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The wheel in `target/wheels`.
fn build(arguments: &Arguments) -> Result<PathBuf, String> {
    let (python, folder) = (python()?, root().join("target/wheels"));
    let maturin = match Command::new("maturin").arg("--version").output() {
        Ok(found) if found.status.success() => PathBuf::from("maturin"),
        _ => environment("maturin", &python, &["maturin>=1.9,<2"])?.join("maturin"),
    };
    let _ = std::fs::remove_dir_all(&folder);
    let manifest = root().join(PACKAGE).join("Cargo.toml");
    let mut command = Command::new(maturin);
    command.args(["build", "--locked", "--manifest-path"]).arg(manifest).arg("--out").arg(&folder);
    command.arg("--interpreter").arg(python).args(["--profile", if arguments.dev { "dev" } else { "release" }]);
    done(&mut command)?;
    let made = folder.read_dir().map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut wheels = made.filter_map(|entry| Some(entry.ok()?.path()));
    wheels.find(|path| path.extension() == Some(OsStr::new("whl"))).ok_or("maturin has made no wheel".into())
}

/// Installs the wheel in an environment of its own, and looks at it there.
fn check(wheel: &Path) -> Result<(), String> {
    let programs = environment("python", &python()?, &["numpy", "pytest", "mypy", "nbclient", "ipykernel"])?;
    let python = programs.join("python");
    let package = root().join(PACKAGE);
    done(pip(&python).args(["--force-reinstall", "--no-deps"]).arg(wheel))?;
    done(Command::new(&python).args(["-m", "pytest", "--quiet", "tests"]).current_dir(&package))?;
    done(Command::new(&python).args(["-m", "mypy", "python/upg", "tests"]).current_dir(&package))
}

/// The programs of a virtual environment under `target/` with these packages, which is made where it isn't there.
fn environment(name: &str, python: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let folder = root().join("target").join(format!("venv-{name}"));
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let (complete, names) = (folder.join("complete"), packages.join("\n"));
    if std::fs::read_to_string(&complete).ok().as_deref() != Some(&names) {
        done(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
        done(pip(&programs.join("python")).args(packages))?;
        std::fs::write(&complete, names).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(programs)
}

fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}

/// A Python that is new enough.
fn python() -> Result<PathBuf, String> {
    let question = "import sys; print(sys.executable) if sys.version_info >= (3, 10) else sys.exit(1)";
    let asked =
        ["python3", "python"].into_iter().filter_map(|name| Command::new(name).args(["-c", question]).output().ok());
    let path = asked.filter(|answer| answer.status.success()).find_map(|answer| String::from_utf8(answer.stdout).ok());
    let (major, minor) = OLDEST;
    path.map(|path| PathBuf::from(path.trim()))
        .ok_or_else(|| format!("no Python: accepted is {major}.{minor} or later, as python3 on the PATH"))
}

fn done(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
