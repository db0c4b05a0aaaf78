//! What takes too long for the gate: on every problem of `configs`, with the estimators of every family of flows, the mean of the path gradients is that of the
//! ordinary ones. `cargo test --release -p xtask --test weekly -- --ignored`, minutes to an hour.

use clap::Parser;
use std::path::{Path, PathBuf};
use upg_experiments::commands::train::{self, TrainArgs};
use upg_experiments::commands::variance::{self, VarianceArgs};

#[derive(Parser)]
struct Train {
    #[command(flatten)]
    options: TrainArgs,
}

#[derive(Parser)]
struct Variance {
    #[command(flatten)]
    options: VarianceArgs,
}

/// Gradients of each estimator, and samples of each of them. Data are used once.
const REPETITIONS: usize = 200;
const BATCH: usize = 32;
/// Standard errors at most between the means. One number alone, not a sum over many parameters, is beyond with a probability of 0.3 %.
const SIGMAS: f64 = 5.5;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

/// Trains for some steps, so that the flow is none that is special, and compares.
#[track_caller]
fn same_means(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").to_str().unwrap().to_owned();
    let config = configs().join(format!("{name}.ron")).to_str().unwrap().to_owned();
    let mut arguments = vec!["train", "--config", &config, "--out", &run, "--steps", "20"];
    arguments.extend(["--set", "training.precision=F64", "--set", "training.batch=64"]);
    let data = format!("data.train=Draw({})", REPETITIONS * BATCH);
    if std::fs::read_to_string(&config).unwrap().contains("train: Draw") {
        arguments.extend(["--set", &data]);
    }
    train::run(&Train::parse_from(arguments).options).unwrap();
    let [repetitions, batch] = [REPETITIONS, BATCH].map(|number| number.to_string());
    let arguments =
        ["variance", "--run", &run, "--repetitions", &repetitions, "--batch", &batch, "--weights", "latest"];
    let told = variance::run(&Variance::parse_from(arguments).options).unwrap();
    println!("{told}");
    let found = std::fs::read_to_string(folder.path().join("run/variance.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let mut compared = 0;
    for of in found["estimators"].as_array().unwrap() {
        let number = |path: &str| of.pointer(path).and_then(serde_json::Value::as_f64);
        let (Some(value), Some(error)) = (number("/distance/value"), number("/distance/error")) else { continue };
        assert!(value.abs() <= SIGMAS * error, "{name}: {of}");
        compared += 1;
    }
    assert!(compared >= 2, "{found}");
}

macro_rules! problems {
    ($($name:ident)*) => {
        /// All of them but for those too large, whose flows others have on smaller lattices.
        #[test]
        fn every_problem_is_there() {
            const TOO_LARGE: [&str; 4] = ["gmm_paper", "phi4_32x32", "phi4_64x64", "u1_32x32_continuous"];
            let mut known = [&[$(stringify!($name)),*][..], &TOO_LARGE].concat();
            known.sort_unstable();
            let files = std::fs::read_dir(configs()).unwrap().map(|file| file.unwrap().path());
            let mut found: Vec<String> =
                files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
            found.sort_unstable();
            assert_eq!(known, found);
        }

        $(
            #[test]
            #[ignore = "long: weekly"]
            fn $name() {
                same_means(stringify!($name));
            }
        )*
    };
}

problems! {
    banana funnel gaussian gmm gmm_layers gmm_spline many_well random_gaussians
    phi4_6x6 phi4_8x2 phi4_8x2_forward phi4_8x2_reverse phi4_8x8 phi4_10x10 phi4_12x12 phi4_14x14 phi4_16x8 phi4_16x8_quick phi4_realnvp phi4_z2nice
    u1_8x8_beta2 u1_8x8_continuous u1_16x16_beta3 u1_16x16_continuous u1_16x16_beta5_continuous
}
