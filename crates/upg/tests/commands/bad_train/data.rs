//! Samples in files of the user's.

use super::{GOOD, assert_holds, refusal};
use crate::support::{Experiment, distance, files, npy, tensors};
use ndarray::{Array, Array4, ArrayD, Dimension};
use ndarray_npy::{WritableElement, WriteNpyExt};
use std::fs;
use std::path::Path;

fn write<A: WritableElement, D: Dimension>(path: &Path, array: &Array<A, D>) {
    array.write_npy(fs::File::create(path).unwrap()).unwrap();
}

/// A change to a file of 40 samples of shape [4, 2], and the parts of the message.
type DataCase = (fn(&Path), &'static [&'static str]);

const DATA: &[DataCase] = &[
    (|file| fs::remove_file(file).unwrap(), &["cannot read the file"]),
    (|file| write(file, &ArrayD::<f64>::zeros(vec![40, 7])), &["shape = [40, 7]", "[batch, 8]", "[batch, 4, 2]"]),
    (|file| write(file, &ArrayD::<f64>::zeros(vec![40, 2, 4])), &["shape = [40, 2, 4]", "[batch, 4, 2]"]),
    (|file| write(file, &ArrayD::<f64>::zeros(vec![8])), &["shape = [8]", "[batch, 8]"]),
    (|file| write(file, &ArrayD::<f64>::zeros(vec![0, 8])), &["shape = [0, 8]", "at least 1 sample"]),
    (|file| write(file, &ArrayD::<i32>::zeros(vec![40, 8])), &["dtype = '<i4'", "'<f4' and '<f8'"]),
    (|file| write(file, &ArrayD::from_elem(vec![40, 4, 2], f64::NAN)), &["NaN at [0, 0, 0]", "finite numbers of f32"]),
    (|file| write(file, &ArrayD::from_elem(vec![40, 8], 1e39)), &["at [0, 0]", "finite numbers of f32"]),
    (|file| write(file, &ArrayD::from_elem(vec![2, 8], f32::NEG_INFINITY)), &["-inf at [0, 0]"]),
    (|file| fs::write(file, "1.0, 2.0").unwrap(), &["not a complete .npy file"]),
    (|file| fs::write(file, &fs::read(file).unwrap()[..900]).unwrap(), &["not a complete .npy file"]),
];

/// [`GOOD`] with files for data, and 40 good samples in `train.npy` and `test.npy`.
fn with_files() -> Experiment {
    let experiment = Experiment::new("");
    let [train, test] = ["train.npy", "test.npy"].map(|name| format!("File({:?})", experiment.path(name)));
    fs::write(experiment.path("config.ron"), GOOD.replace("Draw(40)", &train).replace("Draw(30)", &test)).unwrap();
    for (name, factor) in [("train.npy", 0.1), ("test.npy", -0.2)] {
        write(
            &experiment.path(name),
            &ArrayD::from_shape_fn(vec![40, 4, 2], |i| factor * ((3 * i[0] + 5 * i[1] + i[2]) % 11) as f64),
        );
    }
    experiment
}

#[test]
fn wrong_data_are_refused() {
    for name in ["train", "test"] {
        for (spoil, fragments) in DATA {
            let experiment = with_files();
            let file = experiment.path(&format!("{name}.npy"));
            spoil(&file);
            let before = files(experiment.folder.path());
            for how in [&[][..], &["--resume"], &["--force"]] {
                let line = refusal(&experiment.train("run", how).output().unwrap(), name);
                assert!(line.starts_with(&format!("data.{name}: samples {}: ", file.display())), "{line}");
                assert_holds(&line, fragments);
            }
            assert_eq!(files(experiment.folder.path()), before);
            assert!(!experiment.path("run").exists());
        }
    }
}

#[test]
fn a_run_that_is_to_be_replaced_survives_wrong_data() {
    let experiment = with_files();
    experiment.trained("run", &[]);
    fs::write(experiment.path("test.npy"), "").unwrap();
    let before = files(experiment.folder.path());
    refusal(&experiment.train("run", &["--force"]).output().unwrap(), "--force");
    assert_eq!(files(experiment.folder.path()), before);
}

#[test]
fn other_data_under_the_same_name_are_recognised() {
    let experiment = with_files();
    experiment.trained("run", &["--steps", "3"]);
    let mut other = npy(&experiment.path("train.npy"));
    other[[39, 3, 1]] += 1e-3;
    write(&experiment.path("train.npy"), &other);
    let before = files(experiment.folder.path());
    let line = refusal(&experiment.train("run", &["--resume"]).output().unwrap(), "other data");
    assert_holds(&line, &["data: not the samples the run began with"]);
    assert_eq!(files(experiment.folder.path()), before);
}

/// Angles are the same wherever they are wrapped.
#[test]
fn links_of_any_value_are_data() {
    let text = |file: &Path| {
        format!(
            "(flow: U1(lattice: [4, 4], layers: 2, mixtures: 2, hidden: [4]), target: U1(lattice: [4, 4], beta: 0.5),
             training: (steps: 3, batch: 8, precision: F64, objective: Forward(PathFast), validation: (every: 3, samples: 8)),
             data: (train: File({file:?}), test: File({file:?})))"
        )
    };
    let experiment = Experiment::new("");
    let mut weights = vec![];
    for (name, turns) in [("inside", 0.0), ("outside", 2.0 * std::f64::consts::TAU)] {
        let file = experiment.path(&format!("{name}.npy"));
        let link = |(sample, direction, x, y)| {
            let angle = (7 * sample + 5 * direction + 3 * x + y) as f64 % 6.25;
            angle + turns * (((sample + direction + x) % 3) as f64 - 1.0)
        };
        write(&file, &Array4::from_shape_fn((20, 2, 4, 4), link));
        fs::write(experiment.path("config.ron"), text(&file)).unwrap();
        experiment.trained(name, &[]);
        weights.push(tensors(&experiment.path(name).join("checkpoint.best.safetensors")));
    }
    for (name, (_, _, inside)) in &weights[0] {
        if name != "state.checksum" {
            let error = distance(&weights[1][name].2, inside);
            assert!(error < 1e-9, "{name}: {error:e}");
        }
    }
}

/// Samples that are drawn are as good as those of a file, or there is no training.
#[test]
fn drawn_data_that_are_none_are_refused() {
    let config = |target: &str, flow: &str| {
        format!(
            "(flow: {flow}, target: {target}, training: (steps: 2, batch: 8, objective: Forward(PathFast)),
             data: (train: Draw(200), test: Draw(100), hmc: (chains: 50, warm_up: 5, thin: 5)))"
        )
    };
    let (line, lattice) =
        ("RealNvp(lattice: [2], couplings: 2, hidden: [4])", "RealNvp(lattice: [4, 2], couplings: 2, hidden: [4])");
    let far = config("Gaussian(mean: [0.0, 1e39], covariance: [[1.0, 0.0], [0.0, 1.0]])", line);
    let frozen = config("Phi4(lattice: [4, 2], kappa: 0.2, lambda: 1e30)", lattice);
    for (text, status, expected) in [
        (far, 2, "error: data.train = Draw(200): the number at [0, 1] is inf: accepted are finite numbers of f32"),
        (
            frozen,
            1,
            "error: data.train: 50 of 50 chains never moved in 20 trajectories, so there are no samples of the target; what can be changed: data.hmc.warm_up, data.hmc.length",
        ),
    ] {
        let experiment = Experiment::new(&text);
        let output = experiment.train("run", &[]).output().unwrap();
        assert_eq!((output.status.code(), crate::support::errors(&output).trim()), (Some(status), expected));
        assert!(!experiment.path("run").exists(), "free for another try");
    }
}
