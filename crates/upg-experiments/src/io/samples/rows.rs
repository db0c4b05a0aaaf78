//! A `.npy` file whose rows come piece by piece, written by a thread of its own while the next rows are being made.

use super::{append, header};
use crate::io::output::{OutputError, OutputFile, OutputWriter};
use std::io;
use std::marker::PhantomData;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use upg_core::Real;

/// Pieces that may wait to be written.
const WAITING: usize = 2;

/// A `.npy` file of an array whose number of rows is known and whose rows come piece by piece; memory doesn't grow with it.
#[derive(Debug)]
pub struct RowWriter<T> {
    behind: Option<Behind>,
    row: usize,
    missing: usize,
    precision: PhantomData<T>,
}

/// The thread that writes, until it fails or is finished.
#[derive(Debug)]
struct Behind {
    pieces: SyncSender<Vec<u8>>,
    writer: JoinHandle<Result<OutputWriter, OutputError>>,
}

impl Behind {
    fn start(mut writer: OutputWriter) -> Result<Self, OutputError> {
        let path = writer.path().to_owned();
        let (pieces, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let write = move || {
            waiting.iter().try_for_each(|piece| writer.write(&piece))?;
            Ok(writer)
        };
        match Builder::new().name("upg-writer".into()).spawn(write) {
            Ok(writer) => Ok(Self { pieces, writer }),
            Err(e) => {
                let source = io::Error::new(e.kind(), format!("cannot start a thread for it: {e}"));
                Err(OutputError::Write { path, source })
            }
        }
    }

    /// Waits until all pieces are written.
    fn wait(self) -> Result<OutputWriter, OutputError> {
        drop(self.pieces);
        self.writer.join().expect("the writer doesn't panic")
    }
}

impl<T: Real> RowWriter<T> {
    /// Begins an array of `rows` rows of shape `row_shape`, C order; `[]` for single numbers.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn begin(file: OutputFile, rows: usize, row_shape: &[usize]) -> Result<Self, OutputError> {
        let mut writer = file.writer()?;
        writer.write(&header::encode::<T>(&[&[rows], row_shape].concat()))?;
        let (behind, row) = (Some(Behind::start(writer)?), row_shape.iter().product());
        Ok(Self { behind, row, missing: rows, precision: PhantomData })
    }

    /// Appends whole rows.
    ///
    /// # Errors
    /// If the file can't be written; what failed may be an earlier piece.
    ///
    /// # Panics
    /// If these aren't whole rows, or more than were announced; or after an error.
    #[track_caller]
    pub fn append<'a>(&mut self, values: impl IntoIterator<Item = &'a T>) -> Result<(), OutputError> {
        let mut bytes = vec![];
        append(&mut bytes, values);
        let rows = bytes.len() / (self.row * size_of::<T>());
        assert_eq!(bytes.len(), rows * self.row * size_of::<T>(), "bytes, and those of whole rows");
        assert!(rows <= self.missing, "{rows} rows, and {} left to write", self.missing);
        self.missing -= rows;
        let behind = self.behind.as_ref().expect("not after an error");
        match behind.pieces.send(bytes) {
            Ok(()) => Ok(()),
            Err(_) => self.wait().map(|_| unreachable!("nobody listens only after an error")),
        }
    }

    /// The whole file, to get its name later.
    ///
    /// # Errors
    /// If the file can't be written.
    ///
    /// # Panics
    /// If rows are missing.
    #[track_caller]
    pub fn settle(mut self) -> Result<OutputWriter, OutputError> {
        assert_eq!(self.missing, 0, "rows left to write");
        self.wait()
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If the file can't be written.
    ///
    /// # Panics
    /// If rows are missing.
    #[track_caller]
    pub fn finish(self) -> Result<(), OutputError> {
        self.settle()?.finish()
    }
}

impl<T> RowWriter<T> {
    #[track_caller]
    fn wait(&mut self) -> Result<OutputWriter, OutputError> {
        self.behind.take().expect("not after an error").wait()
    }
}

/// The temporary file is gone when an unfinished writer is.
impl<T> Drop for RowWriter<T> {
    fn drop(&mut self) {
        if let Some(behind) = self.behind.take() {
            let _ = behind.wait(); // unfinished, so nobody misses what can't be written
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::samples::{Samples, write_samples};
    use ndarray::{Array2, ArrayD};
    use ndarray_npy::ReadNpyExt;

    #[test]
    fn rows_written_one_by_one_are_the_array_written_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for (rows, shape) in [(1, vec![]), (5, vec![3]), (4, vec![2, 1, 3]), (123_456, vec![1])] {
            let row: usize = shape.iter().product();
            let values = Array2::from_shape_fn((rows, row), |(i, j)| (7 * i + j) as f32 - 0.25);
            let whole = Samples { shape: [&[rows], &shape[..]].concat(), values };
            let (once, pieces) = (folder.path().join("once.npy"), folder.path().join("pieces.npy"));
            write_samples(&once, &whole).unwrap();
            let mut writer = RowWriter::begin(OutputFile::create(&pieces).unwrap(), rows, &shape).unwrap();
            for piece in whole.values.axis_chunks_iter(ndarray::Axis(0), 3) {
                writer.append(piece).unwrap();
            }
            assert!(!pieces.exists() || rows > 1, "not before it is whole");
            writer.finish().unwrap();
            let bytes = [&once, &pieces].map(|path| std::fs::read(path).unwrap());
            assert!(bytes[0] == bytes[1]);
            let witness = ArrayD::<f32>::read_npy(&bytes[0][..]).unwrap();
            assert_eq!(witness, whole.values.to_shape(&whole.shape[..]).unwrap());
        }
    }

    #[test]
    fn nothing_is_left_of_an_unfinished_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RowWriter::begin(OutputFile::create(&folder.path().join("x.npy")).unwrap(), 9, &[2]).unwrap();
        writer.append(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "the temporary file");
        drop(writer);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
