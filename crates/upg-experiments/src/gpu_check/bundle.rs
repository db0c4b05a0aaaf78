//! One folder with all that a machine with a card needs for the check: no network, no cargo.

use super::peer::SCRIPT;
use std::io;
use std::path::Path;

/// The script that runs the check.
const RUN: &str = include_str!("run.sh");

/// Fills the folder `out`: the program, the golden cases, machine code of all kernels that a compiler here made (`cubins`, if there are some), the
/// PyTorch script, and `run.sh`.
///
/// # Errors
/// The system's; or if the folder is there and holds something.
pub fn write(out: &Path, program: &Path, golden: &[&Path], cubins: Option<&Path>) -> io::Result<u64> {
    if out.exists() && out.read_dir()?.next().is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it holds something"));
    }
    std::fs::create_dir_all(out)?;
    std::fs::copy(program, out.join("upg-gpu-check"))?;
    for folder in golden {
        copy_folder(folder, &out.join("golden"))?;
    }
    if let Some(cubins) = cubins {
        copy_folder(cubins, &out.join("cubins"))?;
    }
    std::fs::write(out.join("peer.py"), SCRIPT)?;
    let run = out.join("run.sh");
    std::fs::write(&run, RUN)?;
    make_executable(&run)?;
    size(out)
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
fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in folder.read_dir()? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
