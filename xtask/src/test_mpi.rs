//! `cargo xtask test-mpi`: runs of the program on several processes, in an implementation of MPI that it installs where there is none.

use crate::python::{done, end, root};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Options of the task.
#[derive(Args)]
pub struct Arguments {
    /// The implementation.
    #[arg(long, default_value = "open-mpi")]
    mpi: Implementation,
}

/// An implementation of MPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Implementation {
    /// Open MPI.
    OpenMpi,
    /// MPICH.
    Mpich,
}

impl Implementation {
    /// The packages of Debian and its kin; bindgen reads the headers by libclang, and g++ compiles the kernels of emulated cards.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::OpenMpi => &["openmpi-bin", "libopenmpi-dev", "libclang-dev", "g++"],
            Self::Mpich => &["mpich", "libmpich-dev", "libclang-dev", "g++"],
        }
    }

    /// Its compiler and its launcher, by names that are its alone where the distribution has several implementations, else by those that all have.
    fn programs(self) -> Option<[PathBuf; 2]> {
        let suffix = match self {
            Self::OpenMpi => "openmpi",
            Self::Mpich => "mpich",
        };
        let own = ["mpicc", "mpirun"].map(|name| found(&format!("{name}.{suffix}")));
        let common = ["mpicc", "mpirun"].map(found);
        let both = |[compiler, launcher]: [Option<PathBuf>; 2]| Some([compiler?, launcher?]);
        both(own).or_else(|| both(common).filter(|[_, launcher]| self.is_that_of(launcher)))
    }

    fn is_that_of(self, launcher: &Path) -> bool {
        let told = Command::new(launcher).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        let is_open = String::from_utf8_lossy(&told).contains("Open MPI");
        is_open == (self == Self::OpenMpi)
    }
}

/// Installs what is missing, builds the program with it, and runs the tests.
pub fn run(arguments: &Arguments) -> ExitCode {
    end(test(arguments.mpi))
}

fn test(mpi: Implementation) -> Result<(), String> {
    if mpi.programs().is_none() || !has_libclang() || found("g++").is_none() {
        install(mpi.packages())?;
    }
    let missing = || {
        format!(
            "--mpi = {mpi:?}: its mpicc and mpirun aren't on the PATH: accepted is an implementation that is installed"
        )
    };
    let [compiler, launcher] = mpi.programs().ok_or_else(missing)?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--features", "upg/mpi", "--test", "mpi"]).current_dir(root());
    cargo.env("MPICC", compiler).env("UPG_MPIRUN", launcher);
    if mpi == Implementation::Mpich {
        cargo.env("CARGO_TARGET_DIR", root().join("target/mpich")); // bindings of two implementations aren't told apart
    }
    done(&mut cargo)
}

/// By the package manager of Debian and its kin, as root or by sudo.
fn install(packages: &[&str]) -> Result<(), String> {
    let apt = || match found("sudo") {
        Some(sudo) => {
            let mut command = Command::new(sudo);
            command.arg("apt-get");
            command
        }
        None => Command::new("apt-get"),
    };
    done(apt().args(["update", "-qq"]))?;
    done(apt().args(["install", "-y", "-qq"]).args(packages))
}

fn has_libclang() -> bool {
    let installed = Command::new("sh").args(["-c", "ls /usr/lib/llvm-*/lib/libclang*.so*"]).output();
    installed.is_ok_and(|output| output.status.success()) || std::env::var_os("LIBCLANG_PATH").is_some()
}

/// A program on the PATH.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
