//! One folder with all that a machine with a card needs for the check: no network, no cargo.

use super::peer::SCRIPT;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of kernels compiled before, in that of the bundle; `run.sh` unpacks and names it.
pub const CUBINS: &str = "cubins";

/// The program there.
const PROGRAM: &str = "upg-gpu-check";
/// Both, packed.
const PACKED: &str = "packed.tar.gz";

/// The script that runs the check.
const RUN: &str = include_str!("run.sh");

/// Makes the folder `out`, before anything takes time.
///
/// # Errors
/// The system's; or if the folder is there and holds something.
pub fn begin(out: &Path) -> io::Result<()> {
    if out.exists() && out.read_dir()?.next().is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it holds something"));
    }
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("peer.py"), SCRIPT)
}

/// Fills the folder `out`: the program, the golden cases, and `run.sh`. Machine code goes to the folder [`CUBINS`] there.
///
/// # Errors
/// The system's.
pub fn write(out: &Path, program: &Path, golden: &[PathBuf]) -> io::Result<()> {
    std::fs::copy(program, out.join(PROGRAM))?;
    for folder in golden {
        copy_folder(folder, &out.join("golden"))?;
    }
    let run = out.join("run.sh");
    std::fs::write(&run, RUN)?;
    make_executable(&run)
}

/// Makes the program and the folder [`CUBINS`] of a bundle one file, by `tar`: as they are, they are three times as large.
///
/// # Errors
/// The system's.
pub fn pack(out: &Path) -> io::Result<()> {
    let (program, cubins) = (out.join(PROGRAM), out.join(CUBINS));
    std::fs::create_dir_all(&cubins)?;
    let status = Command::new("tar").current_dir(out).args(["-czf", PACKED, PROGRAM, CUBINS]).status();
    match status.map_err(|error| io::Error::new(error.kind(), format!("tar: {error}")))? {
        status if status.success() => {}
        status => return Err(io::Error::other(format!("tar: {status}"))),
    }
    std::fs::remove_file(program)?;
    std::fs::remove_dir_all(cubins)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Bytes of all files.
///
/// # Errors
/// The system's.
pub fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in folder.read_dir()? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
