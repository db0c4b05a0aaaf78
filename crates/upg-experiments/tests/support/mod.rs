//! Runs the program on files and reads what it wrote.

#![allow(dead_code, reason = "no test file uses all of it")]

use ndarray::ArrayD;
use ndarray_npy::ReadNpyExt;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Tensors by name: shape, dtype, and values widened to f64.
pub type Tensors = BTreeMap<String, (Vec<usize>, Dtype, Vec<f64>)>;

/// The golden cases: configurations, weights, samples, and results of independent programs in double precision.
pub const GOLDEN: [&str; 5] = ["gmm_6", "phi4_4x4", "u1_4x4", "u1_8x4", "z2nice_4x4"];

/// The folder of a golden case.
pub fn golden(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case)
}

/// `upg` with these arguments.
pub fn upg(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upg")).args(arguments).output().expect("the program starts")
}

/// The first line on standard error.
pub fn first_error_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned()
}

/// Reads a safetensors file of F32 and F64 tensors.
pub fn tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let values = match view.dtype() {
                Dtype::F32 => view.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect(),
                Dtype::F64 => view.data().chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
                other => panic!("{name} is {other:?}"),
            };
            (name.to_owned(), (view.shape().to_vec(), view.dtype(), values))
        })
        .collect()
}

/// The metadata entry `provenance` of a safetensors file.
pub fn provenance(path: &Path) -> serde_json::Value {
    let bytes = std::fs::read(path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    serde_json::from_str(&metadata.metadata().as_ref().unwrap()["provenance"]).unwrap()
}

/// Reads double-precision samples.
pub fn npy(path: &Path) -> ArrayD<f64> {
    ArrayD::read_npy(std::fs::File::open(path).unwrap()).unwrap()
}

/// max|a − b| / max|b|.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "numbers of elements");
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(0.0, |max: f64, x| if x.is_nan() { x } else { max.max(x.abs()) })
    };
    largest(&mut a.iter().zip(b).map(|(a, b)| a - b)) / largest(&mut b.iter().copied())
}
