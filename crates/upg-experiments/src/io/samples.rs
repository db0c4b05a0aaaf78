//! Batches of samples in `.npy` files: f32 or f64, shape `[batch, dof]` or `[batch, lattice…]`, C or Fortran order.

mod error;
mod header;
mod rows;

pub use error::{SamplesError, SamplesProblem};
pub use rows::RowWriter;

use crate::io::output::{OutputError, OutputFile};
use crate::io::read::read_file;
use crate::text::{shape_text, unravel};
use header::Header;
use ndarray::{Array2, ArrayD, IxDyn, ShapeBuilder};
use std::path::Path;
use upg_core::Real;

/// Samples as the engine takes them, and the shape they came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples<T> {
    /// Shape `[batch, dof]`, finite numbers.
    pub values: Array2<T>,
    /// Shape of the file, `[batch, dof]` or `[batch, lattice…]`.
    pub shape: Vec<usize>,
}

/// Reads the samples of a model whose single sample has shape `sample_shape`, e.g. the lattice.
///
/// # Errors
/// If the file can't be read, has another type or shape, no samples, or a number that isn't finite in `T`.
pub fn read_samples<T: Real>(path: &Path, sample_shape: &[usize]) -> Result<Samples<T>, SamplesError> {
    let wrong = |problem| SamplesError { file: path.to_owned(), problem };
    let bytes = read_file(path).map_err(|e| wrong(SamplesProblem::Unreadable(e)))?;
    decode_samples(&bytes, sample_shape).map_err(wrong)
}

/// The same, but for numbers that aren't finite, which are read as they are.
///
/// # Errors
/// As [`read_samples`].
pub fn read_any_samples<T: Real>(path: &Path, sample_shape: &[usize]) -> Result<Samples<T>, SamplesError> {
    let wrong = |problem| SamplesError { file: path.to_owned(), problem };
    let bytes = read_file(path).map_err(|e| wrong(SamplesProblem::Unreadable(e)))?;
    decode(&bytes, sample_shape, Numbers::Any).map_err(wrong)
}

/// Which numbers are accepted.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    Finite,
    Any,
}

/// The samples in the bytes of a `.npy` file, of a model whose single sample has shape `sample_shape`.
///
/// # Errors
/// As [`read_samples`].
pub fn decode_samples<T: Real>(bytes: &[u8], sample_shape: &[usize]) -> Result<Samples<T>, SamplesProblem> {
    decode(bytes, sample_shape, Numbers::Finite)
}

fn decode<T: Real>(bytes: &[u8], sample_shape: &[usize], accepted: Numbers) -> Result<Samples<T>, SamplesProblem> {
    let (header, numbers) = Header::read(bytes)?;
    check_shape(&header.shape, sample_shape)?;
    match header.dtype() {
        "<f4" => convert(&array(&header, numbers, f32::from_le_bytes)?, sample_shape, accepted),
        ">f4" => convert(&array(&header, numbers, f32::from_be_bytes)?, sample_shape, accepted),
        "<f8" => convert(&array(&header, numbers, f64::from_le_bytes)?, sample_shape, accepted),
        ">f8" => convert(&array(&header, numbers, f64::from_be_bytes)?, sample_shape, accepted),
        _ => Err(header.wrong_dtype("'<f4' and '<f8'")),
    }
}

fn check_shape(shape: &[usize], sample_shape: &[usize]) -> Result<(), SamplesProblem> {
    let dof: usize = sample_shape.iter().product();
    match shape.split_first() {
        Some((_, rest)) if rest != [dof] && rest != sample_shape => Err(wrong_shape(shape.to_vec(), sample_shape)),
        None => Err(wrong_shape(shape.to_vec(), sample_shape)),
        Some((0, _)) => Err(SamplesProblem::Empty(shape.to_vec())),
        Some(_) => Ok(()),
    }
}

/// The array of `numbers`, whose length is compared with the header before anything is allocated.
fn array<A: Real, const N: usize>(
    header: &Header<'_>,
    numbers: &[u8],
    read: fn([u8; N]) -> A,
) -> Result<ArrayD<A>, SamplesProblem> {
    let whole = header.shape.iter().try_fold(N, |bytes, &extent| bytes.checked_mul(extent));
    if whole != Some(numbers.len()) {
        let (shape, found) = (shape_text(&header.shape), numbers.len());
        return Err(SamplesProblem::NotNpy(format!("{found} bytes of numbers for the shape {shape}")));
    }
    let (numbers, _) = numbers.as_chunks::<N>();
    let numbers = numbers.iter().map(|&bytes| read(bytes)).collect();
    let shape = IxDyn(&header.shape).set_f(header.fortran_order);
    Ok(ArrayD::from_shape_vec(shape, numbers).expect("the length was compared"))
}

fn convert<A: Real, T: Real>(
    array: &ArrayD<A>,
    sample_shape: &[usize],
    accepted: Numbers,
) -> Result<Samples<T>, SamplesProblem> {
    let (shape, dof) = (array.shape().to_vec(), sample_shape.iter().product());
    let values: Vec<T> = array.iter().map(|&x| T::of(x.wide())).collect(); // C order, whatever the layout
    if let Some(at) = values.iter().position(|x| !x.is_finite()).filter(|_| accepted == Numbers::Finite) {
        let index = unravel(at, &shape);
        return Err(SamplesProblem::NotFinite { value: array[&index[..]].wide(), index, precision: T::NAME });
    }
    let values = Array2::from_shape_vec((shape[0], dof), values).expect("the width was checked");
    Ok(Samples { values, shape })
}

fn wrong_shape(found: Vec<usize>, sample_shape: &[usize]) -> SamplesProblem {
    let list = |extents: &[usize]| extents.iter().map(|n| format!(", {n}")).collect::<String>();
    let flat = format!("[batch{}]", list(&[sample_shape.iter().product()]));
    let accepted = match sample_shape {
        [_] => flat,
        _ => format!("{flat} and [batch{}]", list(sample_shape)),
    };
    SamplesProblem::Shape { found, accepted }
}

/// Writes samples, shape `[batch, dof]`, in the shape they carry.
///
/// # Errors
/// If the file can't be written; then nothing is left of it.
///
/// # Panics
/// If that shape doesn't hold as many values.
#[track_caller]
pub fn write_samples<T: Real>(path: &Path, samples: &Samples<T>) -> Result<(), OutputError> {
    assert_eq!(samples.shape.iter().product::<usize>(), samples.values.len(), "values of the shape, and values");
    OutputFile::create(path)?.commit(&encode(&samples.shape, &samples.values))
}

/// Reads a one-dimensional array of f64.
///
/// # Errors
/// If the file can't be read, or holds something else.
pub fn read_numbers(path: &Path) -> Result<Vec<f64>, SamplesError> {
    let wrong = |problem| SamplesError { file: path.to_owned(), problem };
    let bytes = read_file(path).map_err(|e| wrong(SamplesProblem::Unreadable(e)))?;
    decode_numbers(&bytes).map_err(wrong)
}

/// The numbers in the bytes of a `.npy` file with a one-dimensional array of f64.
///
/// # Errors
/// If the bytes are something else.
pub fn decode_numbers(bytes: &[u8]) -> Result<Vec<f64>, SamplesProblem> {
    let (header, numbers) = Header::read(bytes)?;
    if header.shape.len() != 1 {
        return Err(SamplesProblem::Shape { found: header.shape, accepted: "[numbers]".into() });
    }
    let array = match header.dtype() {
        "<f8" => array(&header, numbers, f64::from_le_bytes)?,
        ">f8" => array(&header, numbers, f64::from_be_bytes)?,
        _ => return Err(header.wrong_dtype("'<f8'")),
    };
    Ok(array.into_raw_vec_and_offset().0)
}

/// The `.npy` file of an array of shape `shape` whose elements, in C order, are `values`.
pub(crate) fn encode<'a, T: Real>(shape: &[usize], values: impl IntoIterator<Item = &'a T>) -> Vec<u8> {
    let mut bytes = header::encode::<T>(shape);
    append(&mut bytes, values);
    bytes
}

/// Appends numbers as a `.npy` file holds them.
fn append<'a, T: Real>(bytes: &mut Vec<u8>, values: impl IntoIterator<Item = &'a T>) {
    let values = values.into_iter();
    bytes.reserve(values.size_hint().0 * size_of::<T>());
    for x in values {
        match size_of::<T>() {
            4 => bytes.extend((x.wide() as f32).to_le_bytes()),
            _ => bytes.extend(x.wide().to_le_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, Array1, Array3, arr2};
    use ndarray_npy::{ReadNpyExt, WriteNpyExt};

    fn bytes<A: ndarray_npy::WritableElement, D: ndarray::Dimension>(array: &Array<A, D>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    fn message(bytes: &[u8], sample_shape: &[usize]) -> String {
        decode_samples::<f32>(bytes, sample_shape).unwrap_err().to_string()
    }

    #[test]
    fn both_orders_and_both_shapes_give_the_same_samples() {
        let value = |b: usize, i: usize, j: usize| 0.1 * (b as f64) + (i as f64) - 7.0 * j as f64;
        let flat = Array2::from_shape_fn((4, 6), |(b, k)| value(b, k / 3, k % 3));
        let c = Array3::from_shape_fn((4, 2, 3), |(b, i, j)| value(b, i, j));
        let f = Array3::from_shape_fn((4, 2, 3).f(), |(b, i, j)| value(b, i, j));
        assert!(bytes(&f).windows(4).any(|w| w == b"True"), "written in Fortran order");
        for (file, shape) in [(bytes(&flat), vec![4, 6]), (bytes(&c), vec![4, 2, 3]), (bytes(&f), vec![4, 2, 3])] {
            let samples: Samples<f64> = decode_samples(&file, &[2, 3]).unwrap();
            assert_eq!((samples.values, samples.shape), (flat.clone(), shape));
        }
    }

    #[test]
    fn precisions_are_converted() {
        let single: Samples<f64> = decode_samples(&bytes(&arr2(&[[0.1_f32, -3.0]])), &[2]).unwrap();
        assert_eq!(single.values, arr2(&[[f64::from(0.1_f32), -3.0]]));
        let double: Samples<f32> = decode_samples(&bytes(&arr2(&[[0.1_f64, -3.0]])), &[2]).unwrap();
        assert_eq!(double.values, arr2(&[[0.1_f32, -3.0]]));
    }

    /// The standard's other byte order: every number turned round.
    #[test]
    fn big_endian_numbers_are_read() {
        let array = arr2(&[[0.1, -3.0], [1e-300, 7.5]]);
        let mut file = bytes(&array);
        let start = file.len() - 8 * array.len();
        file[start..].chunks_exact_mut(8).for_each(<[u8]>::reverse);
        let descr = file.iter().position(|&byte| byte == b'<').unwrap();
        file[descr] = b'>';
        assert_eq!(decode_samples::<f64>(&file, &[2]).unwrap().values, array);
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let samples = Samples { values: arr2(&[[1.5_f32, 2.0, -0.0, 4.0]]), shape: vec![1, 2, 2] };
        write_samples(&path, &samples).unwrap();
        assert_eq!(read_samples::<f32>(&path, &[2, 2]).unwrap(), samples);
    }

    #[test]
    fn numbers_are_those_an_independent_reader_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.npy");
        let values = [0.1, -0.0, 1e-310, f64::MAX, f64::NEG_INFINITY];
        std::fs::write(&path, encode(&[values.len()], &values)).unwrap();
        let witness = Array1::<f64>::read_npy(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(witness.mapv(f64::to_bits).to_vec(), values.map(f64::to_bits));
        assert_eq!(read_numbers(&path).unwrap(), values);

        // In memory the other way round: in the file in C order all the same.
        let values = arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).reversed_axes();
        write_samples(&path, &Samples { values: values.clone(), shape: vec![3, 2] }).unwrap();
        assert_eq!(Array2::<f64>::read_npy(std::fs::File::open(&path).unwrap()).unwrap(), values);
    }

    #[test]
    fn wrong_files_are_named() {
        let good = bytes(&arr2(&[[1.0, 2.0], [3.0, 4.0]]));
        let mut huge = good.clone();
        let at = huge.windows(6).position(|w| w == b"(2, 2)").unwrap();
        huge[at..][..19].copy_from_slice(b"(88888888888, 2), }"); // over the blanks behind it
        let cases: [(Vec<u8>, &[usize], &str); 12] = [
            (good.clone(), &[3], "shape = [2, 2]: accepted are [batch, 3]"),
            (good.clone(), &[2, 3], "accepted are [batch, 6] and [batch, 2, 3]"),
            (bytes(&Array::<f64, _>::zeros(IxDyn(&[]))), &[1], "shape = []"),
            (bytes(&Array::<f64, _>::zeros(IxDyn(&[2]))), &[2], "shape = [2]"),
            (bytes(&Array2::<f64>::zeros((0, 2))), &[2], "empty batch"),
            (bytes(&arr2(&[[1.0, 2.0], [f64::NAN, f64::NAN]])), &[2], "value = NaN at [1, 0]"),
            (bytes(&arr2(&[[1.0, f64::NEG_INFINITY]])), &[2], "value = -inf at [0, 1]"),
            (bytes(&arr2(&[[1.0, 1e300]])), &[2], "finite numbers of f32"),
            (bytes(&arr2(&[[1_i64, 2]])), &[2], "dtype = '<i8'"),
            (good[..good.len() - 3].to_vec(), &[2], "not a complete .npy file"),
            (good[..5].to_vec(), &[2], "not a complete .npy file"),
            (b"PK\x03\x04 not numpy at all".to_vec(), &[2], "not a complete .npy file"),
        ];
        for (file, sample_shape, fragment) in cases {
            let message = message(&file, sample_shape);
            assert!(message.contains(fragment) && !message.contains('\n'), "{message} should contain {fragment}");
        }
        assert!(message(&huge, &[2]).contains("not a complete .npy file"), "without allocating what it claims");
    }
}
