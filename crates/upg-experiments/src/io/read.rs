//! Reading what the user names, however much there is.

use super::memory::{Bytes, of_machine};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Mebibytes of a text that somebody wrote by hand, and far more.
pub(crate) const MOST_MIB: u64 = 64;

/// The text of a file, a pipe or a device, of which no more than [`MOST_MIB`] is read.
///
/// # Errors
/// If the system refuses, the text isn't UTF-8, or there is more of it ([`io::ErrorKind::FileTooLarge`]).
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_at_most(path, MOST_MIB << 20)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the text is not UTF-8"))
}

/// The content of a file, a pipe or a device, if it isn't more than `most` bytes.
///
/// # Errors
/// If the system refuses, or there are more ([`io::ErrorKind::FileTooLarge`]).
pub(crate) fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it holds more than {most} bytes")));
    }
    Ok(bytes)
}

/// The content of a file or a pipe, whatever its size; a device, which may have no end, is refused, and so is a file larger than the memory.
///
/// # Errors
/// If the system refuses, or it is one of these.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let about = path.metadata()?;
    if is_device(&about) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a device, accepted is a file or a pipe"));
    }
    match of_machine() {
        Some(memory) if about.len() > memory => {
            let (size, memory) = (Bytes(about.len()), Bytes(memory));
            Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {size}, more than the {memory} of memory")))
        }
        _ => std::fs::read(path),
    }
}

#[cfg(unix)]
fn is_device(about: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    about.file_type().is_char_device() || about.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_bytes_as_allowed_are_read_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "seven b").unwrap();
        assert_eq!(read_at_most(&path, 7).unwrap(), b"seven b");
        assert_eq!(read_at_most(&path, 6).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_text(&path).unwrap(), "seven b");
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_device_without_end_is_left_off() {
        assert!(read_file("/dev/zero".as_ref()).unwrap_err().to_string().contains("it is a device"));
        assert_eq!(read_at_most("/dev/zero".as_ref(), 1000).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
