//! `upg --device emulated`: the kernels of a card behind the commands.

use crate::support::{Tensors, provenance, tensors, upg};
use std::path::{Path, PathBuf};
use upg_experiments::gpu_check::{counts, in_any_order, work_repeats};
use upg_experiments::paper::table2;
use upg_train::method::Estimator;

const CONFIG: &str = "(
    flow: RealNvp(lattice: [4, 4], couplings: 3, hidden: [12, 9], activation: Silu, mask: Checkerboard),
    target: Phi4(lattice: [4, 4], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 20, batch: 70, precision: F64, clip: 1.0, ema: 0.9, validation: (every: 10, samples: 50), log_every: 5,
        objective: Sum(reverse: PathFast, reverse_weight: 0.5, forward: PathFast, forward_weight: 0.5),
    ),
    data: (train: Draw(90), test: Draw(40), hmc: (chains: 10, warm_up: 20, thin: 1)),
)";

fn run(arguments: &[&str]) -> String {
    let output = upg(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Weights, moments and averages of a checkpoint; its progress has the time that was needed.
fn state(path: &Path) -> Tensors {
    let mut all = tensors(path);
    all.retain(|name, _| !["state.progress", "state.checksum"].contains(&&name[..]));
    all
}

/// Trains in a folder of that name for so many steps; returns the checkpoint.
fn train(folder: &Path, name: &str, device: &str, more: &[&str]) -> PathBuf {
    let (config, out) = (folder.join("config.ron"), folder.join(name));
    std::fs::write(&config, CONFIG).unwrap();
    let mut arguments =
        vec!["train", "--config", config.to_str().unwrap(), "--out", out.to_str().unwrap(), "--device", device];
    arguments.extend(more);
    run(&arguments);
    out.join("checkpoint.safetensors")
}

#[test]
#[ignore = "takes g++"]
fn a_training_repeats_to_the_bit_and_is_that_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let [once, twice, host] = [("a", "emulated"), ("b", "emulated"), ("c", "cpu")]
        .map(|(name, device)| state(&train(folder.path(), name, device, &[])));
    assert_eq!(once, twice);
    for (name, (_, _, values)) in &once {
        for (here, there) in host[name].2.iter().zip(values) {
            assert!((here - there).abs() <= 1e-9 * here.abs().max(1.0), "{name}: {there}, not {here}");
        }
    }
}

#[test]
#[ignore = "takes g++"]
fn a_training_goes_on_on_another_device() {
    let folder = tempfile::tempdir().unwrap();
    let whole = state(&train(folder.path(), "whole", "cpu", &[]));
    train(folder.path(), "parts", "emulated", &["--steps", "7"]);
    train(folder.path(), "parts", "cpu", &["--resume", "--steps", "13"]);
    let parts = train(folder.path(), "parts", "emulated", &["--resume"]);
    let emulated = "emulated (emulated on the host)";
    assert_eq!(provenance(&parts)["device"], "emulated");
    assert_eq!(provenance(&parts)["trained_on"], serde_json::json!([emulated, "cpu", emulated]));
    for (name, (_, _, values)) in &state(&parts) {
        for (here, there) in whole[name].2.iter().zip(values) {
            assert!((here - there).abs() <= 1e-9 * here.abs().max(1.0), "{name}: {there}, not {here}");
        }
    }
}

/// Of the weights, and of what is computed of them elsewhere.
#[test]
#[ignore = "takes g++"]
fn products_in_tf32_are_told_of_a_run_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let single = ["--set", "training.precision=F32"];
    train(
        folder.path(),
        "run",
        "emulated",
        &[&single[..], &["--set", "precision.products=Tf32", "--steps", "3"]].concat(),
    );
    let (dir, tf32) = (folder.path().join("run"), "emulated (emulated on the host), products in Tf32");
    let refused = upg(&["train", "--resume", "--out", dir.to_str().unwrap()]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && told.contains("--set precision.products=Full"), "{told}");
    let full = ["--set", "precision.products=Full"];
    let after = train(folder.path(), "run", "cpu", &[&single[..], &full[..], &["--resume", "--steps", "6"]].concat());
    assert_eq!(provenance(&after)["trained_on"], serde_json::json!([tf32, "cpu"]));
    let told = run(&["evaluate", "--run", dir.to_str().unwrap(), "--samples", "300"]);
    assert!(told.contains(&format!("trained on                   {tf32}, then cpu\n")), "{told}");
}

#[test]
#[ignore = "takes g++"]
fn every_command_computes_there_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), "run", "emulated", &["--steps", "5"]);
    let dir = folder.path().join("run");
    let dir = dir.to_str().unwrap();
    let told = run(&["evaluate", "--run", dir, "--samples", "300", "--device", "emulated"]);
    assert!(told.contains("emulated"), "{told}");
    let samples = folder.path().join("x.npy");
    let samples = samples.to_str().unwrap();
    run(&["sample", "--run", dir, "-n", "40", "--device", "emulated", "--out", samples]);
    let densities = folder.path().join("log_prob.npy");
    run(&[
        "log-prob",
        "--run",
        dir,
        "--samples",
        samples,
        "--device",
        "emulated",
        "--out",
        densities.to_str().unwrap(),
    ]);
    run(&["variance", "--run", dir, "--batch", "20", "--repetitions", "20", "--device", "emulated"]);
    let here = folder.path().join("here.npy");
    run(&["sample", "--run", dir, "-n", "40", "--out", here.to_str().unwrap()]);
    let [here, there] = [here.as_path(), Path::new(samples)].map(crate::support::npy);
    assert!(here.iter().zip(&there).all(|(here, there)| (here - there).abs() < 1e-10), "samples of both devices");
}

#[test]
#[ignore = "takes g++"]
fn kernels_have_no_races_and_do_not_depend_on_the_order_of_threads() {
    in_any_order().unwrap();
}

#[test]
#[ignore = "takes g++"]
fn gradients_and_steps_ask_for_the_same_work_again() {
    work_repeats().unwrap();
}

/// Launches of path-fast as docs/GPU.md has them, at most, and its four passes.
#[test]
#[ignore = "takes g++"]
fn gradients_ask_of_a_card_what_they_have_to() {
    // A layer of the gauge flow takes 161,280 a pass, constant inputs coming in by sums.
    for (flow, launches, of_a_pass) in
        [("z2nice", 300, None), ("realnvp", 300, None), ("u1", 110, Some(24.0 * 161_280.0))]
    {
        let case = &table2::only(table2::cases(), &[flow.to_owned()]).unwrap()[0];
        let fast = &counts::of(case, 2, |estimator| estimator == Estimator::PathFast).unwrap()[0];
        assert!(fast.launches <= launches, "{flow}: {} launches", fast.launches);
        let passes = fast.multiply_adds / of_a_pass.unwrap_or(fast.of_a_pass as f64);
        assert!((passes - 4.0).abs() < 0.04, "{flow}: {passes} F");
    }
}
