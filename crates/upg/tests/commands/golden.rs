//! `upg gradient` on the golden cases, compared norm-wise, tensor by tensor, with the results of independent programs.

use crate::support::{GOLDEN, Tensors, device, distance, golden, npy, provenance, tensors, upg};
use std::collections::BTreeSet;
use std::path::Path;
use upg_experiments::config::Config;
use upg_experiments::io::samples::{Samples, write_samples};

/// One run of `upg gradient` on a golden case.
struct Run {
    tensors: Tensors,
    provenance: serde_json::Value,
    bytes: Vec<u8>,
}

fn run(case: &str, method: (&str, &str), extra: &[&str]) -> Run {
    let samples = if method.1 == "reverse" { "z.npy" } else { "x_data.npy" };
    run_on(case, method, &golden(case).join(samples), extra)
}

fn run_on(case: &str, (estimator, divergence): (&str, &str), samples: &Path, extra: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    let input = |name: &str| golden(case).join(name).to_str().unwrap().to_owned();
    let (config, params, samples) = (input("config.ron"), input("params.safetensors"), samples.to_str().unwrap());
    let mut arguments = vec!["gradient", "--config", &config, "--params", &params, "--samples", samples];
    arguments.extend(["--estimator", estimator, "--divergence", divergence, "--out", out.to_str().unwrap()]);
    arguments.extend(device());
    arguments.extend(extra);
    let output = upg(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = folder.path().read_dir().unwrap().count();
    assert_eq!(files, 1, "nothing but the result is left");
    Run { tensors: tensors(&out), provenance: provenance(&out), bytes: std::fs::read(&out).unwrap() }
}

/// Log-density of the base of each sample: uniform on the torus for U(1), else N(z; 0, 1).
fn log_base(case: &str, z: &[f64], dof: usize) -> Vec<f64> {
    if case.starts_with("u1") {
        return vec![-(dof as f64) * std::f64::consts::TAU.ln(); z.len() / dof];
    }
    let one = |z: &[f64]| -z.iter().map(|z| z * z + std::f64::consts::TAU.ln()).sum::<f64>() / 2.0;
    z.chunks(dof).map(one).collect()
}

/// Compares a run with its gradient in the golden file and with all that doesn't depend on the estimator; log q and the
/// action are found from the base and `log_det`. Returns the names compared.
fn compare(case: &str, method: (&str, &str), run: &Run, tolerance: f64) -> BTreeSet<String> {
    let expected = tensors(&golden(case).join("expected.safetensors"));
    let ours = |name: &str| &run.tensors[name].2[..];
    let mut seen = BTreeSet::new();
    let mut check = |name: &str, values: &[f64]| {
        let error = distance(values, &expected[name].2);
        assert!(error <= tolerance, "{case} {method:?} {name}: off by {error:e}");
        seen.insert(name.to_owned());
    };
    let dof = npy(&golden(case).join("z.npy")).len() / ours("log_det").len();
    let sum =
        |a: &[f64], factor: f64, b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + factor * b).collect() };
    if method.1 == "reverse" {
        let z = npy(&golden(case).join("z.npy"));
        let log_q = sum(&log_base(case, z.as_slice().unwrap(), dof), -1.0, ours("log_det"));
        let action: Vec<_> =
            log_q.iter().zip(ours("log_weight")).map(|(log_q, log_weight)| -log_q - log_weight).collect();
        let loss = sum(&log_q, 1.0, &expected["action"].2).iter().sum::<f64>() / log_q.len() as f64;
        check("x", ours("end"));
        check("log_q", &log_q);
        check("action", &action);
        assert!((ours("loss")[0] - loss).abs() <= tolerance * loss.abs().max(1.0), "loss");
    } else {
        let log_q = sum(&log_base(case, ours("end"), dof), 1.0, ours("log_det"));
        let loss = -log_q.iter().sum::<f64>() / log_q.len() as f64;
        check("z_of_x_data", ours("end"));
        check("log_q_of_x_data", &log_q);
        assert!((ours("loss")[0] - loss).abs() <= tolerance * loss.abs(), "loss");
    }
    let prefix = format!("grad.{}.{}.", method.0, method.1);
    for name in expected.keys().filter(|name| name.starts_with(&prefix)) {
        let (shape, _, values) = &run.tensors[&format!("grad.{}", &name[prefix.len()..])];
        assert_eq!(shape, &expected[name].0, "shape of {name}");
        check(name, values);
    }
    seen
}

/// The estimators whose gradients a case expects.
fn methods(case: &str) -> BTreeSet<(String, String)> {
    let expected = tensors(&golden(case).join("expected.safetensors"));
    let grads = expected.keys().filter_map(|name| name.strip_prefix("grad."));
    grads.map(|name| name.split('.')).map(|mut n| (n.next().unwrap().into(), n.next().unwrap().into())).collect()
}

#[test]
fn every_golden_tensor_is_met_in_double_precision() {
    for case in GOLDEN {
        let mut seen = BTreeSet::new();
        for (estimator, divergence) in &methods(case) {
            let method = (&estimator[..], &divergence[..]);
            seen.extend(compare(case, method, &run(case, method, &["--dtype", "f64"]), 1e-10));
        }
        let expected = tensors(&golden(case).join("expected.safetensors"));
        assert_eq!(
            seen.iter().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{case}: all tensors were compared"
        );
    }
}

/// Path estimators of one divergence differ in cost, not in value; the lean one is in no golden file.
#[test]
fn two_passes_agree_with_one() {
    for case in GOLDEN {
        for (own, other) in [
            (("path-two-pass", "reverse"), ("path-fast", "reverse")),
            (("path-two-pass-lean", "reverse"), ("path-fast", "reverse")),
            (("gdreg", "forward"), ("path-fast", "forward")),
        ] {
            if own.1 == "forward" && !golden(case).join("x_data.npy").exists() {
                continue;
            }
            let [own, other] = [own, other].map(|method| run(case, method, &["--dtype", "f64"]));
            assert_eq!(own.tensors.len(), other.tensors.len());
            for (name, (_, _, values)) in &own.tensors {
                let error = distance(values, &other.tensors[name].2);
                assert!(error <= 1e-10, "{case} {name}: off by {error:e}");
            }
        }
    }
}

/// ε of f32 is 1.2e-7; the largest deviation seen is 2.5e-6.
const SINGLE: f64 = 2e-5;

#[test]
fn single_precision_agrees_to_its_round_off() {
    for case in GOLDEN {
        for (estimator, divergence) in &methods(case) {
            let method = (&estimator[..], &divergence[..]);
            let run = run(case, method, &[]); // f32 by default
            compare(case, method, &run, SINGLE);
            for (name, (_, dtype, _)) in &run.tensors {
                let double = ["log_det", "log_weight", "loss"].contains(&&name[..]);
                let expected = if double { safetensors::Dtype::F64 } else { safetensors::Dtype::F32 };
                assert_eq!(*dtype, expected, "{name}");
            }
        }
    }
}

#[test]
fn threads_do_not_enter_the_result() {
    let method = ("path-fast", "reverse");
    let runs = ["1", "2", "3"].map(|threads| run("phi4_4x4", method, &["--threads", threads]));
    assert_eq!(runs[0].tensors, runs[1].tensors);
    assert_eq!(runs[0].tensors, runs[2].tensors);
    assert_eq!(runs[2].provenance["threads"], 3);
    assert_eq!(runs[0].bytes, run("phi4_4x4", method, &["--threads", "1"]).bytes, "the same bytes again");
}

#[test]
fn the_output_says_what_made_it_and_has_the_shapes_of_its_inputs() {
    let run = run("z2nice_4x4", ("reparam", "reverse"), &["--dtype", "f64", "--seed", "17"]);
    let shape = |name: &str| &run.tensors[name].0[..];
    assert_eq!((shape("end"), shape("log_det"), shape("log_weight")), (&[6, 16][..], &[6][..], &[6][..]));
    assert_eq!((shape("loss"), shape("grad.layers.4.log_scale")), (&[][..], &[1][..]));
    let record = &run.provenance;
    assert_eq!((&record["seed"], &record["precision"]), (&17.into(), &"f64".into()));
    for key in ["version", "commit", "processor"] {
        assert!(record[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {record}");
    }
    let config = Config::parse(record["config"].as_str().unwrap()).unwrap();
    let file = std::fs::read_to_string(golden("z2nice_4x4").join("config.ron")).unwrap();
    assert_eq!(config, Config::parse(&file).unwrap());
}

#[test]
fn samples_of_lattice_shape_give_end_samples_of_that_shape() {
    let folder = tempfile::tempdir().unwrap();
    let z = folder.path().join("z.npy");
    let values = npy(&golden("phi4_4x4").join("z.npy")).into_shape_with_order((8, 16)).unwrap();
    write_samples(&z, &Samples { values, shape: vec![8, 4, 4] }).unwrap();
    let run = run_on("phi4_4x4", ("path-fast", "reverse"), &z, &["--dtype", "f64"]);
    assert_eq!(run.tensors["end"].0, [8, 4, 4]);
    compare("phi4_4x4", ("path-fast", "reverse"), &run, 1e-10);
}

#[test]
fn links_outside_the_interval_are_wrapped() {
    let folder = tempfile::tempdir().unwrap();
    let z = folder.path().join("z.npy");
    let links = npy(&golden("u1_4x4").join("z.npy"));
    let turns = |i: usize| std::f64::consts::TAU * (i % 5) as f64 - 2.0 * std::f64::consts::TAU;
    let values: Vec<f64> = links.iter().enumerate().map(|(i, link)| link + turns(i)).collect();
    let values = ndarray::Array2::from_shape_vec((4, 32), values).unwrap();
    write_samples(&z, &Samples { values, shape: vec![4, 2, 4, 4] }).unwrap();
    for method in [("path-fast", "reverse"), ("reparam", "reverse")] {
        compare("u1_4x4", method, &run_on("u1_4x4", method, &z, &["--dtype", "f64"]), 1e-10);
    }
    let data = run_on("u1_4x4", ("path-fast", "forward"), &z, &["--dtype", "f64"]);
    assert!(data.tensors["end"].2.iter().all(|angle| (0.0..std::f64::consts::TAU).contains(angle)));
}
