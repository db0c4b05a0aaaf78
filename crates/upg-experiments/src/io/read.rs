//! Reading what the user names, however much there is.

use std::fs::File;
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
        assert_eq!(read_at_most("/dev/zero".as_ref(), 1000).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
