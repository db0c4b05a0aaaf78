//! Folders of files: copied, compared, kept.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The content of every file below a folder, by its path from there.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Reads all files below a folder but the lock, which has no content.
pub(super) fn read(folder: &Path) -> io::Result<Files> {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in inner.read_dir()? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.file_name().is_some_and(|name| name == "lock") => {}
                false => {
                    let content = fs::read(&path)?;
                    found.insert(path.strip_prefix(folder).expect("it is below").to_owned(), content);
                }
            }
        }
    }
    Ok(found)
}

/// The names of the files below a folder that lie under temporary names.
pub(super) fn temporaries(files: &Files) -> Vec<String> {
    let names = files.keys().map(|path| path.display().to_string());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

/// Whether something is being written in a folder.
pub(super) fn is_writing(folder: &Path) -> bool {
    let mut names = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.any(|name| name.as_encoded_bytes().ends_with(b".tmp"))
}

/// Copies a folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for (path, content) in read(from)? {
        let path = to.join(path);
        fs::create_dir_all(path.parent().unwrap_or(to))?;
        fs::write(path, content)?;
    }
    Ok(())
}

/// Removes a folder, if it is there.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes an empty folder.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    remove(folder)?;
    fs::create_dir_all(folder)
}

/// Keeps a folder under another name.
pub(super) fn keep(folder: &Path, name: &Path) -> io::Result<()> {
    clear(name)?;
    fs::rename(folder, name)
}
