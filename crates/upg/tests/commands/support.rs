//! Runs the program on files and reads what it wrote.

use ndarray::ArrayD;
use ndarray_npy::ReadNpyExt;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Tensors by name: shape, dtype, and values widened to f64.
pub type Tensors = BTreeMap<String, (Vec<usize>, Dtype, Vec<f64>)>;

/// The golden cases: configurations, weights, samples, and results of independent programs in double precision.
pub const GOLDEN: [&str; 5] = ["gmm_6", "phi4_4x4", "u1_4x4", "u1_8x4", "z2nice_4x4"];

/// The device that the gradients of these tests are computed on: the processor, or with `UPG_TEST_DEVICE=emulated`, which takes g++, the kernels of a card.
pub fn device() -> Vec<&'static str> {
    if is_emulated() { vec!["--device", "emulated"] } else { vec![] }
}

pub fn is_emulated() -> bool {
    match std::env::var("UPG_TEST_DEVICE").as_deref() {
        Ok("emulated") => true,
        Ok("cpu") | Err(_) => false,
        Ok(other) => panic!("UPG_TEST_DEVICE = {other}: accepted are cpu and emulated"),
    }
}

/// The folder of a golden case.
pub fn golden(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../upg-experiments/tests/golden").join(case)
}

/// `upg` with these arguments.
pub fn upg<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    command(arguments).output().expect("the program starts")
}

/// `upg` with these arguments, not yet started.
pub fn command<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upg"));
    command.args(arguments);
    command
}

/// The first line on standard error.
pub fn first_error_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned()
}

/// All of standard error.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The content of a file; shown by its length.
#[derive(PartialEq)]
pub struct Content(pub Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Every file below a folder with its content.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Content> {
    let mut found = BTreeMap::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), Content(fs::read(&path).unwrap()))),
        }
    }
    found
}

/// Names of the temporary files in a folder.
pub fn temporaries(folder: &Path) -> Vec<String> {
    let names = folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".tmp")).collect()
}

/// A configuration in a folder of its own, trained there under one name or several.
pub struct Experiment {
    /// Holds `config.ron` and the runs.
    pub folder: TempDir,
}

impl Experiment {
    /// Writes the configuration.
    pub fn new(config: &str) -> Self {
        let experiment = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(experiment.path("config.ron"), config).unwrap();
        experiment
    }

    /// A file or a run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as an argument.
    pub fn argument(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// `upg train` of the configuration in the run's folder.
    pub fn train(&self, run: &str, extra: &[&str]) -> Command {
        let mut command = command(&["train", "--config", &self.argument("config.ron"), "--out", &self.argument(run)]);
        command.args(extra);
        command
    }

    /// Trains, successfully; returns what was said on standard error.
    #[track_caller]
    pub fn trained(&self, run: &str, extra: &[&str]) -> String {
        let output = self.train(run, extra).output().unwrap();
        assert!(output.status.success(), "{run}: {}", errors(&output));
        errors(&output)
    }
}

/// The objects of `metrics.jsonl`.
pub fn metrics(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An object in a JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The RON text `state.progress` of a checkpoint.
pub fn progress(checkpoint: &Path) -> String {
    let bytes = fs::read(checkpoint).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    String::from_utf8(file.tensor("state.progress").unwrap().data().to_vec()).unwrap()
}

/// The number of a field of that text.
pub fn progress_number(checkpoint: &Path, field: &str) -> f64 {
    let text = progress(checkpoint);
    let (_, rest) = text.split_once(&format!("{field}:")).unwrap();
    rest.split([',', ')']).next().unwrap().parse().unwrap()
}

/// Bytes of every tensor, by name.
pub fn raw(path: &Path) -> BTreeMap<String, (Vec<usize>, Dtype, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), view.dtype(), view.data().to_vec())))
        .collect()
}

/// Reads the F32 and F64 tensors of a safetensors file, and its bytes as numbers.
pub fn tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let values = match view.dtype() {
                Dtype::F32 => view.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect(),
                Dtype::F64 => view.data().chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
                Dtype::U8 => view.data().iter().map(|&byte| byte.into()).collect(),
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
