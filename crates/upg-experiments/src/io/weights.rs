//! Parameters and results in safetensors files.
//!
//! A weights file holds every tensor of a [`ParamLayout`] under its name, F32 or F64. Tensors under `state.` belong to
//! whatever wrote the file (a checkpoint's optimiser, say) and are ignored.

mod sealed;

pub use sealed::seal;
pub(crate) use sealed::{open, open_sealed};

use crate::io::output::{OutputError, OutputFile, Provenance};
use crate::io::read::read_file;
use crate::io::refusal::status_of_unreadable;
use crate::text::{Shown, one_line, shape_text, unravel};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sealed::CHECKSUM;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use upg_core::{ParamLayout, Real, Tensor};

/// Prefix of the tensors that are not parameters.
pub const STATE: &str = "state.";

/// Key of the metadata entry that holds the [`Provenance`] as JSON.
pub const PROVENANCE: &str = "provenance";

/// A weights file is wrong.
#[derive(Debug, thiserror::Error)]
#[error("weights {}: {problem}", file.shown())]
pub struct WeightsError {
    /// The file.
    pub file: PathBuf,
    /// The problem.
    pub problem: WeightsProblem,
}

impl WeightsError {
    /// 2 if the input is wrong, 1 if the machine refuses to read it.
    pub fn exit_status(&self) -> u8 {
        match &self.problem {
            WeightsProblem::Unreadable(error) => status_of_unreadable(error),
            _ => 2,
        }
    }
}

/// Problems of a weights file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsProblem {
    /// The file can't be opened or read.
    #[error("cannot read the file: {0}")]
    Unreadable(io::Error),
    /// The content isn't what a safetensors file holds.
    #[error("not a complete safetensors file: {0}")]
    NotSafetensors(String),
    /// The tensors aren't those of the flow.
    #[error("{}", first_of(.0))]
    Mismatch(Vec<Mismatch>),
    /// The file carries a checksum, and it doesn't fit.
    #[error("the checksum is that of other content: the file was altered or damaged")]
    Altered,
    /// A file that this program writes with a checksum has none.
    #[error("there is no checksum in it: accepted is a checkpoint of `upg train` as it was written")]
    NoChecksum,
    /// A NaN or an infinity, or a number too large for the precision asked for.
    #[error("tensor {name} has the value {value} at {index:?}: accepted are finite numbers of {precision}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// Index of its first wrong element.
        index: Vec<usize>,
        /// The value in the file.
        value: f64,
        /// `f32` or `f64`.
        precision: &'static str,
    },
}

/// A difference between the tensors of a file and those of a flow.
#[derive(Clone, Debug, PartialEq)]
pub enum Mismatch {
    /// The file lacks a tensor.
    Missing {
        /// Its name.
        name: String,
        /// The shape it should have.
        accepted: Vec<usize>,
    },
    /// The file has a tensor that the flow has not.
    Extra {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// A tensor has another shape.
    Shape {
        /// Its name.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// Its shape in the flow.
        accepted: Vec<usize>,
    },
    /// A tensor has another type.
    Dtype {
        /// Its name.
        name: String,
        /// Its type in the file.
        found: Dtype,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name, accepted } => write!(f, "tensor {name} of shape {} is missing", shape_text(accepted)),
            Self::Extra { name, found } => {
                let (name, found) = (one_line(name, 100), shape_text(found));
                write!(f, "tensor {name} of shape {found} is not a parameter of the flow")
            }
            Self::Shape { name, found, accepted } => {
                write!(f, "tensor {name} has shape {}, accepted is {}", shape_text(found), shape_text(accepted))
            }
            Self::Dtype { name, found } => write!(f, "tensor {name} has dtype {found:?}, accepted are F32 and F64"),
        }
    }
}

/// The first few differences in one line.
fn first_of(mismatches: &[Mismatch]) -> String {
    const TOLD: usize = 6;
    let mut told: Vec<_> = mismatches.iter().take(TOLD).map(Mismatch::to_string).collect();
    if mismatches.len() > TOLD {
        told.push(format!("and {} more", mismatches.len() - TOLD));
    }
    told.join("; ")
}

/// Reads the parameters of a flow into one flat buffer, in the order of `layout`.
///
/// # Errors
/// If the file can't be read, its tensors are not those of `layout`, or a number isn't finite in `T`.
pub fn read_params<T: Real>(path: &Path, layout: &ParamLayout) -> Result<Vec<T>, WeightsError> {
    let wrong = |problem| WeightsError { file: path.to_owned(), problem };
    let bytes = read_file(path).map_err(|e| wrong(WeightsProblem::Unreadable(e)))?;
    decode_params(&bytes, layout).map_err(wrong)
}

/// The record of what made a file of weights, if it has one.
///
/// # Errors
/// If the file can't be read.
pub fn read_provenance(path: &Path) -> Result<Option<serde_json::Value>, WeightsError> {
    let unreadable = |e| WeightsError { file: path.to_owned(), problem: WeightsProblem::Unreadable(e) };
    Ok(provenance_of(&read_file(path).map_err(unreadable)?))
}

/// The parameters in the bytes of a safetensors file, in the order of `layout`.
///
/// # Errors
/// As [`read_params`].
pub fn decode_params<T: Real>(bytes: &[u8], layout: &ParamLayout) -> Result<Vec<T>, WeightsProblem> {
    params_of(&open(bytes)?, layout)
}

/// The parameters in an open file.
pub(crate) fn params_of<T: Real>(file: &SafeTensors<'_>, layout: &ParamLayout) -> Result<Vec<T>, WeightsProblem> {
    let mismatches = compare(file, layout);
    if !mismatches.is_empty() {
        return Err(WeightsProblem::Mismatch(mismatches));
    }
    let mut flat = Vec::with_capacity(layout.size());
    for tensor in layout.tensors() {
        let view = file.tensor(&tensor.name).expect("no tensor is missing");
        extend(&mut flat, tensor, &view)?;
    }
    Ok(flat)
}

/// The tensors `state.{name}.…` of an open file, in the layout of the parameters; numbers of any value.
pub(crate) fn state_of<T: Real>(
    file: &SafeTensors<'_>,
    name: &str,
    layout: &ParamLayout,
) -> Result<Vec<T>, WeightsProblem> {
    let mut nested = ParamLayout::default();
    nested.nest(&format!("{STATE}{name}."), layout);
    let mismatches: Vec<_> = nested.tensors().iter().filter_map(|tensor| compare_one(file, tensor)).collect();
    if !mismatches.is_empty() {
        return Err(WeightsProblem::Mismatch(mismatches));
    }
    let mut flat = Vec::with_capacity(layout.size());
    for tensor in nested.tensors() {
        let view = file.tensor(&tensor.name).expect("no tensor is missing");
        flat.extend((0..tensor.size()).map(|at| T::of(number(&view, at))));
    }
    Ok(flat)
}

/// All differences, in the order of the layout, then the extra tensors by name.
fn compare(file: &SafeTensors<'_>, layout: &ParamLayout) -> Vec<Mismatch> {
    let mut mismatches: Vec<_> = layout.tensors().iter().filter_map(|tensor| compare_one(file, tensor)).collect();
    let mut extra: Vec<_> = file
        .iter()
        .filter(|(name, _)| !name.starts_with(STATE) && layout.range(name).is_none())
        .map(|(name, view)| Mismatch::Extra { name: name.to_owned(), found: view.shape().to_vec() })
        .collect();
    extra.sort_by_key(Mismatch::to_string);
    mismatches.extend(extra);
    mismatches
}

fn compare_one(file: &SafeTensors<'_>, tensor: &Tensor) -> Option<Mismatch> {
    let (name, accepted) = (tensor.name.clone(), tensor.shape.clone());
    let Ok(view) = file.tensor(&name) else { return Some(Mismatch::Missing { name, accepted }) };
    if view.shape() != accepted {
        return Some(Mismatch::Shape { name, found: view.shape().to_vec(), accepted });
    }
    let known = matches!(view.dtype(), Dtype::F32 | Dtype::F64);
    (!known).then(|| Mismatch::Dtype { name, found: view.dtype() })
}

/// Appends the numbers of one tensor of the file, little-endian F32 or F64.
fn extend<T: Real>(flat: &mut Vec<T>, tensor: &Tensor, view: &TensorView<'_>) -> Result<(), WeightsProblem> {
    let first = flat.len();
    let value = |at: usize| number(view, at);
    flat.extend((0..tensor.size()).map(|at| T::of(value(at))));
    let Some(at) = flat[first..].iter().position(|x| !x.is_finite()) else { return Ok(()) };
    let (name, index) = (tensor.name.clone(), unravel(at, &tensor.shape));
    Err(WeightsProblem::NotFinite { name, index, value: value(at), precision: T::NAME })
}

/// Number `at` of a tensor, F32 or F64, C order.
fn number(view: &TensorView<'_>, at: usize) -> f64 {
    match view.dtype() {
        Dtype::F64 => f64::from_le_bytes(view.data()[8 * at..][..8].try_into().expect("eight bytes")),
        _ => f32::from_le_bytes(view.data()[4 * at..][..4].try_into().expect("four bytes")).into(),
    }
}

/// A tensor to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct OutTensor {
    /// Its name.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    dtype: Dtype,
    /// Little-endian, C order.
    bytes: Vec<u8>,
}

impl OutTensor {
    /// `values` in C order, in their own precision.
    ///
    /// # Panics
    /// If their number isn't that of `shape`.
    #[track_caller]
    pub fn new<'a, T: Real>(
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        values: impl IntoIterator<Item = &'a T>,
    ) -> Self {
        let (name, shape) = (name.into(), shape.into());
        let single = T::NAME == f32::NAME;
        let mut bytes = Vec::new();
        for x in values {
            match single {
                true => bytes.extend((x.wide() as f32).to_le_bytes()),
                false => bytes.extend(x.wide().to_le_bytes()),
            }
        }
        let dtype = if single { Dtype::F32 } else { Dtype::F64 };
        let accepted = shape.iter().product::<usize>() * size_of::<T>();
        assert_eq!(bytes.len(), accepted, "bytes of tensor {name}, and of its shape {shape:?}");
        Self { name, shape, dtype, bytes }
    }

    /// A tensor of bytes.
    pub(crate) fn of_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), shape: vec![bytes.len()], dtype: Dtype::U8, bytes }
    }

    /// The tensors of a flat buffer in the layout of the parameters, each name behind `prefix`.
    pub fn of_layout<T: Real>(prefix: &str, layout: &ParamLayout, flat: &[T]) -> Vec<Self> {
        assert_eq!(flat.len(), layout.size(), "length of the buffer, and of its layout");
        let named = |tensor: &Tensor| format!("{prefix}{}", tensor.name);
        layout.ranges().map(|(tensor, range)| Self::new(named(tensor), &tensor.shape[..], &flat[range])).collect()
    }

    /// Name, index and value of the first number that isn't finite.
    pub fn first_not_finite(&self) -> Option<(&str, Vec<usize>, f64)> {
        let view = self.view();
        let at = (0..self.shape.iter().product()).find(|&at| !number(&view, at).is_finite())?;
        Some((&self.name, unravel(at, &self.shape), number(&view, at)))
    }

    fn view(&self) -> TensorView<'_> {
        TensorView::new(self.dtype, self.shape.clone(), &self.bytes).expect("the length was checked")
    }
}

/// Writes tensors with the record of what made them; the same content gives the same bytes.
///
/// # Errors
/// If the file can't be written; then nothing is left of it.
pub fn write_tensors(file: OutputFile, tensors: &[OutTensor], provenance: &Provenance) -> Result<(), OutputError> {
    file.commit(&encode(tensors, provenance))
}

/// The record of what made a file, if it has one.
pub(crate) fn provenance_of(bytes: &[u8]) -> Option<serde_json::Value> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
    serde_json::from_str(metadata.metadata().as_ref()?.get(PROVENANCE)?).ok()
}

/// The bytes of a file that [`write_tensors`] would write, with a checksum of the whole file in it.
pub(crate) fn encode_with_checksum(mut tensors: Vec<OutTensor>, provenance: &Provenance) -> Vec<u8> {
    tensors.push(OutTensor::of_bytes(CHECKSUM, vec![0; size_of::<u128>()]));
    let mut bytes = encode(&tensors, provenance);
    seal(&mut bytes);
    bytes
}

fn encode(tensors: &[OutTensor], provenance: &Provenance) -> Vec<u8> {
    let metadata = HashMap::from([(PROVENANCE.to_owned(), provenance.to_json())]);
    let named = tensors.iter().map(|tensor| (&tensor.name[..], tensor.view()));
    safetensors::serialize(named, Some(metadata)).expect("names and numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use upg_core::Init;

    fn layout() -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("layers.0.net.0.weight", [2, 3], Init::Constant(0.0)));
        layout.push(Tensor::new("layers.1.log_scale", [1], Init::Constant(0.0)));
        layout
    }

    fn file(tensors: &[OutTensor]) -> Vec<u8> {
        safetensors::serialize(tensors.iter().map(|t| (&t.name[..], t.view())), None).unwrap()
    }

    fn tensors<T: Real>() -> Vec<OutTensor> {
        OutTensor::of_layout("", &layout(), &[0.1, -2.5, 3.0, 4.0, 5.0, 6.0, 0.7].map(T::of))
    }

    #[test]
    fn both_precisions_are_read_into_both() {
        let value = [0.1, -2.5, 3.0, 4.0, 5.0, 6.0, 0.7];
        assert_eq!(decode_params::<f64>(&file(&tensors::<f64>()), &layout()).unwrap(), value);
        assert_eq!(decode_params::<f32>(&file(&tensors::<f64>()), &layout()).unwrap(), value.map(|x| x as f32));
        assert_eq!(
            decode_params::<f64>(&file(&tensors::<f32>()), &layout()).unwrap(),
            value.map(|x| f64::from(x as f32))
        );
    }

    #[test]
    fn what_is_written_is_read_and_says_what_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let provenance = Provenance::new(3, "f64", Some(11), "(flow: …)".into());
        let mut all = tensors::<f64>();
        all.push(OutTensor::new("state.step", [], &[17.0]));
        write_tensors(OutputFile::create(&path).unwrap(), &all, &provenance).unwrap();
        assert_eq!(read_params::<f64>(&path, &layout()).unwrap()[6], 0.7);

        let bytes = std::fs::read(&path).unwrap();
        let metadata = SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap();
        let record: serde_json::Value = serde_json::from_str(&metadata[PROVENANCE]).unwrap();
        assert_eq!((&record["threads"], &record["seed"], &record["precision"]), (&3.into(), &11.into(), &"f64".into()));
        assert!(record["commit"].is_string() && record["processor"].is_string() && record["config"] == "(flow: …)");
    }

    #[test]
    fn wrong_tensors_are_named() {
        let all = tensors::<f64>();
        let extra = OutTensor::new("layers.9.bias", [2], &[1.0, 2.0]);
        let mut nan = all.clone();
        nan[0] = OutTensor::new(&nan[0].name[..], [2, 3], &[1.0, 2.0, 3.0, 4.0, f64::NAN, 6.0]);
        let large = OutTensor::new("layers.1.log_scale", [1], &[1e200]);
        let turned = OutTensor { shape: vec![3, 2], ..all[0].clone() };
        let whole = OutTensor { dtype: Dtype::I64, ..all[1].clone() };
        let cases = [
            (file(&all[..1]), "tensor layers.1.log_scale of shape [1] is missing"),
            (file(&[&all[..], &[extra]].concat()), "tensor layers.9.bias of shape [2] is not a parameter"),
            (file(&[turned, all[1].clone()]), "layers.0.net.0.weight has shape [3, 2], accepted is [2, 3]"),
            (file(&[all[0].clone(), whole]), "layers.1.log_scale has dtype I64"),
            (file(&nan), "layers.0.net.0.weight has the value NaN at [1, 1]"),
            (file(&[all[0].clone(), large]), "finite numbers of f32"),
            (file(&all)[..50].to_vec(), "not a complete safetensors file"),
            (file(&all)[..file(&all).len() - 1].to_vec(), "not a complete safetensors file"),
            (b"hello".to_vec(), "not a complete safetensors file"),
        ];
        for (bytes, fragment) in cases {
            let message = decode_params::<f32>(&bytes, &layout()).unwrap_err().to_string();
            assert!(message.contains(fragment) && !message.contains('\n'), "{message} should contain {fragment}");
        }
    }

    #[test]
    fn all_differences_are_told_at_once() {
        let extra = OutTensor::new("b", [1], &[1.0]);
        let message = decode_params::<f64>(&file(&[extra]), &layout()).unwrap_err().to_string();
        assert!(
            message.contains("weight") && message.contains("log_scale") && message.contains("tensor b"),
            "{message}"
        );
    }

    #[test]
    fn the_first_number_that_is_not_finite_is_found() {
        let tensor = OutTensor::new("a", [2, 2], &[1.0_f32, 2.0, f32::INFINITY, f32::NAN]);
        assert_eq!(tensor.first_not_finite(), Some(("a", vec![1, 0], f64::INFINITY)));
        assert_eq!(OutTensor::new("a", [], &[1.0_f64]).first_not_finite(), None);
    }
}
