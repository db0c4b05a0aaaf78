//! What NVRTC compiled, kept on disk from one run to the next.
//!
//! A file is named by text, architecture and a hash of all that goes into its content: the text, the compiler's arguments and version. It holds the
//! content's own hash and the content. A file that doesn't agree with its hash counts as none; what can't be written is compiled again next
//! time. Files are written under another name first, so that programs that run at the same time never read half a file.

use crate::gpu::Source;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, process};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Bytes of a hash.
const HASH: usize = 16;

/// The folder: `UPG_CACHE_DIR`, else `upg` in `XDG_CACHE_HOME` or `~/.cache`; none where no variable names one.
pub fn folder() -> Option<PathBuf> {
    folder_of(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

fn folder_of(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let own = variable("UPG_CACHE_DIR").map(PathBuf::from);
    let common = || variable("XDG_CACHE_HOME").map(|folder| Path::new(&folder).join("upg"));
    let home = || variable("HOME").map(|folder| Path::new(&folder).join(".cache/upg"));
    own.or_else(common).or_else(home)
}

/// The name of the file that holds what a compiler of that version makes of a text with these arguments.
pub fn file_name(source: &Source, architecture: &str, arguments: &[String], version: (i32, i32)) -> String {
    let mut hash = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(source.name.as_bytes());
    part(source.text.as_bytes());
    part(format!("{version:?}").as_bytes());
    arguments.iter().for_each(|argument| part(argument.as_bytes()));
    let stem = Path::new(source.name).file_stem().unwrap_or_default().display().to_string();
    format!("{stem}-{architecture}-{:032x}.cubin", hash.digest128())
}

/// The content of a file, if there is one and it is whole.
pub fn read(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(file).ok()?;
    let hash = bytes.get(..HASH)?.to_vec();
    bytes.drain(..HASH);
    (hash == xxh3_128(&bytes).to_le_bytes()).then_some(bytes)
}

/// Writes a file and, if need be, its folder; whether that works doesn't matter.
pub fn write(file: &Path, content: &[u8]) {
    let _ = try_write(file, content);
}

fn try_write(file: &Path, content: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let mut bytes = xxh3_128(content).to_le_bytes().to_vec();
    bytes.extend(content);
    let unfinished = file.with_extension(format!("{}.{:?}.unfinished", process::id(), std::thread::current().id()));
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, file));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&unfinished);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source { name: "some.cu", text: "text".into(), defines: vec![] }
    }

    #[test]
    fn what_is_written_is_read_and_a_damaged_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/some.cubin");
        assert_eq!(read(&file), None);
        write(&file, b"content");
        assert_eq!(read(&file).as_deref(), Some(&b"content"[..]));
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing unfinished stays");
        let whole = fs::read(&file).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..HASH - 1], b""] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(read(&file), None);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let no_folder = folder.path().join("file");
        fs::write(&no_folder, "").unwrap();
        write(&no_folder.join("some.cubin"), b"content");
        assert_eq!(fs::read(&no_folder).unwrap(), b"");
    }

    #[test]
    fn the_name_depends_on_all_that_goes_into_the_content() {
        let arguments = ["-DA=1".to_owned(), "-DB=2".to_owned()];
        let name = |source: &Source, arguments: &[String], version| file_name(source, "sm_80", arguments, version);
        let one = name(&source(), &arguments, (12, 9));
        assert!(one.starts_with("some-sm_80-") && one.ends_with(".cubin"), "{one}");
        assert_eq!(one, name(&source(), &arguments, (12, 9)));
        let joined = ["-DA=1-DB=2".to_owned()];
        let others = [
            name(&Source { text: "texts".into(), ..source() }, &arguments, (12, 9)),
            name(&Source { name: "other/some.cu", ..source() }, &arguments, (12, 9)),
            name(&source(), &arguments, (12, 8)),
            name(&source(), &joined, (12, 9)),
        ];
        assert!(others.iter().all(|other| *other != one));
    }

    #[test]
    fn the_first_variable_that_is_there_names_the_folder() {
        let of = |set: &[(&str, &str)]| {
            folder_of(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        let all = [("UPG_CACHE_DIR", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")];
        assert_eq!(of(&all), Some("/a".into()));
        assert_eq!(of(&all[1..]), Some("/b/upg".into()));
        assert_eq!(of(&all[2..]), Some("/c/.cache/upg".into()));
        assert_eq!(of(&[]), None);
    }
}
