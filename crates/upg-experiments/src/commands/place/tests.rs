//! All commands on the second device of the tests, which computes as the processor does.

use super::*;
use crate::commands::evaluate::EvaluateArgs;
use crate::commands::gradient::GradientArgs;
use crate::commands::log_prob::LogProbArgs;
use crate::commands::run_weights::{RunArgs, Weights};
use crate::commands::sample::SampleArgs;
use crate::commands::train::TrainArgs;
use crate::commands::variance::VarianceArgs;
use crate::commands::{evaluate, gradient, log_prob, sample, train, variance};
use crate::config::Override;
use serde_json::Value;
use std::path::{Path, PathBuf};
use upg_train::method::{Divergence, Estimator};

const CONFIG: &str = "(
    flow: RealNvp(lattice: [4], couplings: 2, hidden: [5]),
    target: Gmm(dim: 4),
    training: (steps: 6, batch: 8, precision: F64, validation: (every: 3, samples: 20)),
    precision: (products: Tf32),
    data: (test: Draw(30)),
    evaluation: (samples: 200, blocks: 10),
)";

const MIRROR: PlaceArgs = PlaceArgs { device: DeviceName::Cuda(7), threads: None };
const CPU: PlaceArgs = PlaceArgs { device: DeviceName::Cpu, threads: Some(1) };
const WORDS: &str = "on cuda:7 (a mirror), products in Tf32";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path("config.ron"), CONFIG).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn train(&self, place: PlaceArgs, set: &[&str], steps: u64) -> Result<String, Error> {
        train::run(&TrainArgs {
            config: Some(self.path("config.ron")),
            set: set.iter().map(|set| set.parse::<Override>().unwrap()).collect(),
            steps: Some(steps),
            out: Some(self.path("run")),
            resume: true,
            force: false,
            place,
            seed: None,
        })
    }

    fn run(&self, place: PlaceArgs) -> RunArgs {
        RunArgs { run: self.path("run"), weights: Weights::Latest, place, ode_steps: None }
    }

    fn evaluate(&self, place: PlaceArgs, out: &str) -> (String, Value) {
        let args = EvaluateArgs { run: self.run(place), seed: None, samples: None, out: Some(self.path(out)) };
        let told = evaluate::run(&args).unwrap();
        (told, json(&self.path(out).join("summary.json")))
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_command_computes_on_the_device_and_names_it() {
    let folder = Folder::new();
    let told = folder.train(MIRROR, &[], 6).unwrap();
    assert!(told.contains(WORDS), "{told}");

    let ((told, mut mirror), (of_cpu, mut cpu)) = (folder.evaluate(MIRROR, "mirror"), folder.evaluate(CPU, "cpu"));
    assert!(told.contains("device                       cuda:7 (a mirror), products in Tf32\n"), "{told}");
    assert!(of_cpu.contains("device                       cpu\n"), "{of_cpu}");
    let [record, of_cpu] = [&mut mirror, &mut cpu].map(|summary| summary["provenance"].take());
    assert_eq!([&record["device"], &record["card"], &record["products"]], ["cuda:7", "a mirror", "Tf32"]);
    assert_eq!([&of_cpu["device"], &of_cpu["products"]], [&Value::from("cpu"), &Value::Null]);
    for summary in [&mut mirror, &mut cpu] {
        assert!(summary["checksum"].take().is_string());
    }
    assert_eq!(mirror, cpu);

    let x = folder.path("x.npy");
    let told = sample::run(&SampleArgs {
        run: folder.run(MIRROR),
        seed: None,
        samples: 30,
        first: 0,
        out: x.clone(),
        log_weights: None,
        latent: None,
        dtype: None,
        metropolis: false,
    });
    assert!(told.as_ref().is_ok_and(|told| told.contains(WORDS)), "{told:?}");
    let out = folder.path("log_q.npy");
    let told =
        log_prob::run(&LogProbArgs { run: folder.run(MIRROR), samples: x.clone(), out, latent: None, dtype: None });
    assert!(told.as_ref().is_ok_and(|told| told.contains(WORDS)), "{told:?}");
    let told =
        variance::run(&VarianceArgs { run: folder.run(MIRROR), seed: None, repetitions: 20, batch: 8, out: None });
    assert!(told.as_ref().is_ok_and(|told| told.contains(WORDS)), "{told:?}");
    assert_eq!(json(&folder.path("run/variance.json"))["provenance"]["device"], "cuda:7");
}

#[test]
fn a_gradient_is_read_from_the_device() {
    let folder = Folder::new();
    folder.train(MIRROR, &[], 3).unwrap();
    let args = |place, set: &[&str], out: &str| GradientArgs {
        config: folder.path("config.ron"),
        set: set.iter().map(|set| set.parse().unwrap()).collect(),
        params: folder.path("run/checkpoint.safetensors"),
        samples: folder.path("run/test.npy"),
        estimator: Estimator::PathFast,
        divergence: Divergence::Forward,
        dtype: Precision::F64,
        out: folder.path(out),
        place,
        seed: None,
    };
    let told = gradient::run(&args(MIRROR, &[], "mirror")).unwrap();
    assert!(told.contains(WORDS), "{told}");
    let refused = gradient::run(&args(CPU, &[], "cpu")).unwrap_err();
    assert_eq!(refused.exit_status(), 2);
    let told = refused.to_string();
    assert!(
        told.contains(
            "config.ron:5:27: precision.products = Tf32: accepted is Full on cpu, Full, Split or Tf32 on cuda"
        ),
        "{told}"
    );
    gradient::run(&args(CPU, &["precision.products=Full"], "cpu")).unwrap();
    let tensors = |name: &str| {
        let bytes = std::fs::read(folder.path(name)).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors: Vec<_> = file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect();
        tensors.sort();
        tensors
    };
    assert_eq!(tensors("mirror"), tensors("cpu"));
}

#[test]
fn a_run_goes_on_with_other_products() {
    let folder = Folder::new();
    folder.train(MIRROR, &[], 3).unwrap();
    let refused = folder.train(CPU, &[], 6).unwrap_err();
    assert!(refused.to_string().contains("precision.products = Tf32: accepted is Full on cpu"), "{refused}");
    let told = folder.train(CPU, &["precision.products=Full"], 6).unwrap();
    assert!(told.starts_with("6 steps in ") && told.contains(" s on cpu"), "{told}");
    assert!(json(&folder.path("run/provenance.json"))["products"].is_null());
}

#[test]
fn a_device_that_is_not_there_is_refused_in_one_line() {
    let refused = Folder::new().train(PlaceArgs { device: DeviceName::Cuda(0), threads: None }, &[], 1).unwrap_err();
    assert_eq!((refused.exit_status(), refused.told().lines().count()), (2, 1));
    assert!(refused.to_string().starts_with("--device = cuda:0: "), "{refused}");
}
