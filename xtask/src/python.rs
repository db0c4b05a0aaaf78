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
    /// The interpreter. Where it is told, its own packages are there, too: `/usr/bin/python3` has the distribution's NumPy and PyTorch.
    #[arg(long)]
    python: Option<PathBuf>,
}

/// Options of the tests.
#[derive(Args)]
pub struct TestArguments {
    #[command(flatten)]
    wheel: Arguments,
    /// Packages besides, as pip takes them: tests for `torch`, `jax` and `arviz` run where these are there.
    #[arg(long, value_delimiter = ',')]
    with: Vec<String>,
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
pub fn test(arguments: &TestArguments) -> ExitCode {
    end(build(&arguments.wheel).and_then(|wheel| check(&wheel, arguments)))
}

pub(crate) fn end(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The wheel in `target/wheels`.
fn build(arguments: &Arguments) -> Result<PathBuf, String> {
    let (python, folder) = (python(arguments)?, root().join("target/wheels"));
    let maturin = match Command::new("maturin").arg("--version").output() {
        Ok(found) if found.status.success() => PathBuf::from("maturin"),
        _ => environment("maturin", &python, Packages::Own, &["maturin>=1.9,<2"])?.join("maturin"),
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
fn check(wheel: &Path, arguments: &TestArguments) -> Result<(), String> {
    let packages = if arguments.wheel.python.is_some() { Packages::Theirs } else { Packages::Own };
    let named = ["numpy", "pytest", "nbclient", "ipykernel"];
    let all: Vec<_> = named.into_iter().chain(arguments.with.iter().map(String::as_str)).collect();
    let interpreter = python(&arguments.wheel)?;
    let python = environment("python", &interpreter, packages, &all)?.join("python");
    let package = root().join(PACKAGE);
    done(pip(&python).args(["--force-reinstall", "--no-deps"]).arg(wheel))?;
    done(Command::new(&python).args(["-m", "pytest", "--quiet", "tests"]).current_dir(&package))?;
    // By the types of NumPy that users have now, and without those of optional packages.
    let types = environment("types", &interpreter, Packages::Own, &["numpy", "pytest", "mypy"])?.join("python");
    done(Command::new(&types).args(["-m", "mypy", "python/upg", "tests"]).current_dir(&package))
}

/// What is there in a virtual environment.
#[derive(Clone, Copy, Debug)]
enum Packages {
    /// What is installed in it.
    Own,
    /// The interpreter's as well.
    Theirs,
}

/// The programs of a virtual environment under `target/` with these packages, which is made where it isn't there.
fn environment(name: &str, python: &Path, packages: Packages, named: &[&str]) -> Result<PathBuf, String> {
    let folder = root().join("target").join(format!("venv-{name}"));
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let (complete, told) = (folder.join("complete"), format!("{}, {packages:?}: {named:?}", python.display()));
    if std::fs::read_to_string(&complete).ok().as_deref() != Some(&told) {
        let mut venv = Command::new(python);
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        if matches!(packages, Packages::Theirs) {
            venv.arg("--system-site-packages");
        }
        done(&mut venv)?;
        done(pip(&programs.join("python")).args(named))?;
        std::fs::write(&complete, told).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(programs)
}

fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}

/// The Python that was told, or one on the PATH that is new enough.
fn python(arguments: &Arguments) -> Result<PathBuf, String> {
    let question = "import sys; print(sys.executable) if sys.version_info >= (3, 10) else sys.exit(1)";
    let names = match &arguments.python {
        Some(told) => vec![told.as_path()],
        None => vec![Path::new("python3"), Path::new("python")],
    };
    let asked = names.iter().filter_map(|name| Command::new(name).args(["-c", question]).output().ok());
    let path = asked.filter(|answer| answer.status.success()).find_map(|answer| String::from_utf8(answer.stdout).ok());
    let (major, minor) = OLDEST;
    path.map(|path| PathBuf::from(path.trim())).ok_or_else(|| {
        let told = names.iter().map(|name| name.display().to_string()).collect::<Vec<_>>().join(", ");
        format!("--python = {told}: accepted is Python {major}.{minor} or later, by default as python3 on the PATH")
    })
}

pub(crate) fn done(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
