//! The output of `upg sample`, and `upg gradient` of it.

use super::{GAUGE, SCALAR, done, done_on, number, trained};
use crate::support::{Experiment, distance, json, npy, progress, progress_number, tensors};
use ndarray::{ArrayD, Axis};
use ndarray_npy::ReadNpyExt;
use std::fs;
use std::path::{Path, PathBuf};
use upg_experiments::io::output::{OutputFile, Provenance};
use upg_experiments::io::weights::{OutTensor, write_tensors};

/// `upg gradient` of samples at the parameters in a file: their log-weights.
fn log_weights(experiment: &Experiment, params: &Path, samples: &str) -> Vec<f64> {
    let (config, out) = (experiment.argument("config.ron"), experiment.argument("gradient.safetensors"));
    let inputs = ["gradient", "--config", &config, "--params", params.to_str().unwrap(), "--samples", samples];
    let method = ["--estimator", "path-fast", "--divergence", "forward", "--dtype", "f64", "--out", &out];
    done(&[&inputs[..], &method].concat());
    tensors(Path::new(&out))["log_weight"].2.clone()
}

/// A weights file with the moving average of a checkpoint.
fn average_of(experiment: &Experiment) -> PathBuf {
    let path = experiment.path("ema.safetensors");
    let all = tensors(&experiment.path("run/checkpoint.safetensors"));
    let average: Vec<_> = all
        .iter()
        .filter_map(|(name, (shape, _, values))| {
            Some(OutTensor::new(name.strip_prefix("state.ema.")?, &shape[..], values))
        })
        .collect();
    let provenance = Provenance::new(1, "f64", None, String::new());
    write_tensors(OutputFile::create(&path).unwrap(), &average, &provenance).unwrap();
    path
}

#[test]
fn samples_come_with_the_log_weights_of_the_weights_asked_for() {
    for (config, tolerance, shape, number, all) in [
        (SCALAR, 1e-11, &[9000, 4, 2][..], "<f8", &["best", "latest", "ema"][..]),
        (GAUGE, 1e-4, &[9000, 2, 4, 4], "<f4", &["best", "latest"]),
    ] {
        let experiment = trained(config);
        let latest = experiment.path("run/checkpoint.safetensors");
        let (x, w) = (experiment.argument("x.npy"), experiment.argument("w.npy"));
        let mut seen = vec![];
        for &weights in all {
            let said =
                done_on(&experiment, "sample", &["-n", "9000", "--out", &x, "--log-weights", &w, "--weights", weights]);
            assert_eq!(said, format!("9000 samples; written to {x}\n"));
            let params = match weights {
                "best" => experiment.path("run/checkpoint.best.safetensors"),
                "latest" => latest.clone(),
                _ => average_of(&experiment),
            };
            let written = npy(Path::new(&w));
            let recomputed = log_weights(&experiment, &params, &x);
            let error = distance(written.as_slice().unwrap(), &recomputed);
            assert!(error < tolerance, "{weights}: {error:e}");
            let header = fs::read(&x).unwrap();
            assert!(String::from_utf8_lossy(&header[..128]).contains(number), "{weights}");
            let samples = if number == "<f8" { npy(Path::new(&x)) } else { single(&x) };
            assert_eq!((samples.shape(), written.shape()), (shape, &[9000][..]));
            assert!(!seen.contains(&written), "{weights} are no others' weights");
            seen.push(written);
        }
        let best = progress(&latest);
        assert!(
            !best.contains(&format!("best:Some((step:{}", progress_number(&latest, "step"))),
            "else ema is best: {best}"
        );
    }
}

/// Single-precision samples, widened.
fn single(path: &str) -> ArrayD<f64> {
    ArrayD::<f32>::read_npy(fs::File::open(path).unwrap()).unwrap().mapv(f64::from)
}

fn rows(samples: &ArrayD<f64>) -> Vec<Vec<f64>> {
    samples.axis_iter(Axis(0)).map(|row| row.iter().copied().collect()).collect()
}

/// State n is proposal n or state n − 1; a rejection repeats the log-weight with the sample; the acceptance is that of `upg evaluate`,
/// which draws other proposals.
#[test]
fn a_markov_chain_repeats_what_it_rejects() {
    const STATES: usize = 9000;
    let experiment = trained(SCALAR);
    let place = |name: &str| experiment.argument(name);
    let sample = |x: &str, w: &str, more: &[&str]| {
        let files = ["-n", &STATES.to_string(), "--out", &place(x), "--log-weights", &place(w)].map(str::to_owned);
        done_on(&experiment, "sample", &[&files.each_ref().map(String::as_str)[..], more].concat())
    };
    sample("x.npy", "w.npy", &[]);
    let said = sample("chain.npy", "states.npy", &["--metropolis"]);
    let [proposals, states] = ["x.npy", "chain.npy"].map(|name| rows(&npy(&experiment.path(name))));
    let [offered, weights] = ["w.npy", "states.npy"].map(|name| rows(&npy(&experiment.path(name))).concat());
    let mut moves = 0;
    assert_eq!((&states[0], weights[0]), (&proposals[0], offered[0]));
    for n in 1..STATES {
        let (moved, stayed) = (states[n] == proposals[n], states[n] == states[n - 1]);
        assert!(moved != stayed, "state {n}");
        assert_eq!(weights[n], if moved { offered[n] } else { weights[n - 1] }, "state {n}");
        assert!(!(offered[n] >= weights[n - 1] && stayed), "a better proposal is always accepted, {n}");
        moves += usize::from(moved);
    }
    let acceptance = moves as f64 / (STATES - 1) as f64;
    assert!(said.contains(&format!("{STATES} samples, acceptance {acceptance:.4}; written to ")), "{said}");
    done_on(&experiment, "evaluate", &[]);
    let summary = json(&experiment.path("run/summary.json"));
    let (other, tau) = (number(&summary["acceptance"]), number(&summary["tau_int"]));
    let error = (2.0 * tau * acceptance * (1.0 - acceptance) * (1.0 / 4000.0 + 1.0 / STATES as f64)).sqrt();
    assert!((acceptance - other).abs() < 5.0 * error, "{acceptance}, {other} ± {error}");
}

/// Pieces are parts of the whole; samples of the base lead to them; log q is what the weights say.
#[test]
fn samples_in_pieces_with_their_latent_ones_and_their_density() {
    let experiment = trained(SCALAR);
    let place = |name: &str| experiment.argument(name);
    let read = |name: &str| npy(&experiment.path(name));
    let sample = |more: &[&str]| done_on(&experiment, "sample", &[&["--seed", "7"], more].concat());
    sample(&["-n", "60", "--out", &place("x.npy"), "--log-weights", &place("w.npy"), "--latent", &place("z.npy")]);
    sample(&["-n", "25", "--first", "35", "--out", &place("piece.npy"), "--latent", &place("piece_z.npy")]);
    let tail = |array: ArrayD<f64>| array.slice_axis(Axis(0), (35..).into()).to_owned();
    assert_eq!((read("piece.npy"), read("piece_z.npy")), (tail(read("x.npy")), tail(read("z.npy"))));

    let said = done_on(
        &experiment,
        "log-prob",
        &["--samples", &place("x.npy"), "--out", &place("q.npy"), "--latent", &place("back.npy")],
    );
    assert_eq!(said, format!("log q of 60 points; written to {}\n", place("q.npy")));
    let back = distance(read("back.npy").as_slice().unwrap(), read("z.npy").as_slice().unwrap());
    assert!(back < 1e-12, "{back:e}");
    // −log q is the loss of the forward KL, and x the end of the flow from z.
    let best = experiment.path("run/checkpoint.best.safetensors");
    let gradient = |divergence: &str, samples: &str| {
        let (config, out) = (place("config.ron"), place("gradient.safetensors"));
        let inputs = ["gradient", "--config", &config, "--params", best.to_str().unwrap(), "--samples", samples];
        let method = ["--estimator", "path-fast", "--divergence", divergence, "--dtype", "f64", "--out", &out];
        done(&[&inputs[..], &method].concat());
        tensors(Path::new(&out))
    };
    let loss = gradient("forward", &place("x.npy"))["loss"].2[0];
    assert!((loss + read("q.npy").mean().unwrap()).abs() < 1e-12 * loss.abs());
    let from_latent = gradient("reverse", &place("z.npy"));
    assert_eq!(from_latent["end"].2, read("x.npy").into_raw_vec_and_offset().0);
    assert_eq!(from_latent["log_weight"].2, read("w.npy").into_raw_vec_and_offset().0);

    sample(&["-n", "60", "--dtype", "f32", "--out", &place("single.npy")]);
    let error = distance(single(&place("single.npy")).as_slice().unwrap(), read("x.npy").as_slice().unwrap());
    assert!(error > 1e-9 && error < 1e-5, "{error:e}");
}

#[test]
fn arguments_that_do_not_go_together_are_refused() {
    let experiment = trained(GAUGE);
    let (run, x) = (experiment.argument("run"), experiment.argument("x.npy"));
    let sample = ["sample", "--run", &run, "-n", "5", "--out", &x];
    done(&sample);
    for (arguments, fragment) in [
        ([&sample[..], &["--metropolis", "--first", "3"]].concat(), "cannot be used with"),
        (
            [&sample[..], &["--first", "18446744073709551615"]].concat(),
            "--first = 18446744073709551615: accepted is at most",
        ),
        ([&sample[..], &["--latent", &x]].concat(), "is --out too"),
        (vec!["log-prob", "--run", &run, "--samples", &x, "--out", &x], "is --samples too"),
        (vec!["log-prob", "--run", &run, "--samples", "missing.npy", "--out", "y.npy"], "missing.npy"),
    ] {
        let output = crate::support::upg(&arguments);
        let line = crate::support::errors(&output);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains(fragment), "{line} should contain {fragment}");
    }
}
