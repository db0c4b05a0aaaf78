//! Wrong input: one clear line first, exit status 2, and no output file.

use crate::support::{first_error_line, golden, npy, tensors, upg};
use ndarray::{Array2, ArrayD};
use ndarray_npy::WriteNpyExt;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use upg_experiments::io::output::{OutputFile, Provenance};
use upg_experiments::io::weights::{OutTensor, write_tensors};

/// A folder with good inputs, and the arguments that use them.
struct Scene {
    folder: TempDir,
    arguments: Vec<(&'static str, String)>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.ron", "params.safetensors", "z.npy", "x_data.npy"] {
            fs::copy(golden("z2nice_4x4").join(name), folder.path().join(name)).unwrap();
        }
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let arguments = vec![
            ("--config", path("config.ron")),
            ("--params", path("params.safetensors")),
            ("--samples", path("z.npy")),
            ("--estimator", "path-fast".into()),
            ("--divergence", "reverse".into()),
            ("--out", path("out.safetensors")),
        ];
        Self { folder, arguments }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives an argument another value, or adds it.
    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.arguments.retain(|(other, _)| *other != name);
        self.arguments.push((name, value.into()));
    }

    /// Gives an argument the path of a file of this folder; of the folder itself for an empty name.
    fn set_path(&mut self, name: &'static str, file: &str) {
        let path = self.path(file).to_str().unwrap().to_owned();
        self.set(name, path);
    }

    /// Replaces a part of the configuration that occurs once.
    fn edit_config(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.path("config.ron")).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{old} in {text}");
        fs::write(self.path("config.ron"), text.replace(old, new)).unwrap();
    }

    /// Changes the tensors of the weights file.
    fn edit_params(&self, edit: impl FnOnce(&mut Vec<OutTensor>)) {
        let path = self.path("params.safetensors");
        let double =
            |(name, (shape, _, values)): (String, (Vec<usize>, _, Vec<f64>))| OutTensor::new(name, shape, &values);
        let mut all: Vec<_> = tensors(&path).into_iter().map(double).collect();
        edit(&mut all);
        write_tensors(OutputFile::create(&path).unwrap(), &all, &Provenance::new(1, "f64", None, String::new()))
            .unwrap();
    }

    /// Changes the base samples, shape `[6, 16]`.
    fn edit_samples(&self, edit: impl FnOnce(ArrayD<f64>) -> ArrayD<f64>) {
        let samples = edit(npy(&self.path("z.npy")));
        samples.write_npy(fs::File::create(self.path("z.npy")).unwrap()).unwrap();
    }

    fn cut(&self, name: &str, len: usize) {
        let bytes = fs::read(self.path(name)).unwrap();
        fs::write(self.path(name), &bytes[..bytes.len() - len]).unwrap();
    }

    fn run(&self) -> std::process::Output {
        let mut arguments = vec!["gradient"];
        arguments.extend(self.arguments.iter().flat_map(|(name, value)| [name, &value[..]]));
        upg(&arguments)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = self.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

/// A name, what is made wrong, and what the message must hold.
type Case = (&'static str, fn(&mut Scene), &'static [&'static str]);

const CONFIG: &[Case] = &[
    ("unknown field", |s| s.edit_config("kappa:", "kapa:"), &["config.ron:3:", "target.kapa = 0.3", "`kappa`"]),
    ("unknown section", |s| s.edit_config("target:", "seed: 3, target:"), &["config.ron:3:5", "`seed`", "`flow`"]),
    (
        "unknown flow",
        |s| s.edit_config("Z2Nice", "Z3Nice"),
        &["config.ron:2:11", "flow = Z3Nice", "`Z2Nice`", "`RealNvp`"],
    ),
    ("missing field", |s| s.edit_config("couplings: 4, ", ""), &["config.ron:2:", "missing", "`couplings`"]),
    ("wrong type", |s| s.edit_config("couplings: 4", "couplings: \"4\""), &["flow.couplings = \"4\"", "whole number"]),
    (
        "nothing to couple",
        |s| s.edit_config("couplings: 4", "couplings: 0"),
        &["config.ron:2:", "flow.couplings = 0", "at least 1"],
    ),
    (
        "even activation",
        |s| s.edit_config("hidden: [20, 20]", "hidden: [20, 20], activation: Relu"),
        &["flow.activation = Relu", "Tanh"],
    ),
    ("infinite coupling", |s| s.edit_config("lambda: 0.022", "lambda: NaN"), &["target.lambda = NaN", "finite"]),
    (
        "lattices differ",
        |s| s.edit_config("Phi4(lattice: [4, 4]", "Phi4(lattice: [2, 8]"),
        &["config.ron:3:", "target.lattice = [2, 8]", "flow.lattice = [4, 4]"],
    ),
    (
        "dimensions differ",
        |s| s.edit_config("Phi4(lattice: [4, 4], kappa: 0.3, lambda: 0.022)", "Gmm(dim: 6)"),
        &["target.dim = 6", "16", "flow.lattice = [4, 4]"],
    ),
    ("not RON", |s| fs::write(s.path("config.ron"), "flow = 3").unwrap(), &["config.ron:1:1"]),
    ("unclosed", |s| s.cut("config.ron", 4), &["config.ron:"]),
    ("no such file", |s| s.set("--config", "nowhere/config.ron"), &["nowhere/config.ron", "cannot read"]),
];

const WEIGHTS: &[Case] = &[
    (
        "missing tensor",
        |s| s.edit_params(|all| all.retain(|t| t.name != "layers.1.net.0.weight")),
        &["params.safetensors", "layers.1.net.0.weight", "[20, 8]", "missing"],
    ),
    (
        "extra tensor",
        |s| s.edit_params(|all| all.push(OutTensor::new("layers.1.net.0.bias", [20], &[0.0; 20]))),
        &["params.safetensors", "layers.1.net.0.bias", "[20]", "not a parameter"],
    ),
    (
        "turned tensor",
        |s| {
            s.edit_params(|all| {
                all.iter_mut().filter(|t| t.name == "layers.3.net.2.weight").for_each(|t| t.shape.reverse())
            })
        },
        &["layers.3.net.2.weight", "[20, 8]", "accepted is [8, 20]"],
    ),
    (
        "infinite weight",
        |s| {
            s.edit_params(|all| {
                all.retain(|t| t.name != "layers.4.log_scale");
                all.push(OutTensor::new("layers.4.log_scale", [1], &[f64::INFINITY]));
            })
        },
        &["layers.4.log_scale", "inf at [0]", "finite numbers of f32"],
    ),
    (
        "other flow",
        |s| s.edit_config("couplings: 4", "couplings: 6"),
        &["layers.4.net.0.weight", "missing", "and 2 more"],
    ),
    ("not safetensors", |s| s.set_path("--params", "z.npy"), &["z.npy", "not a complete safetensors file"]),
    (
        "truncated header",
        |s| s.cut("params.safetensors", 24_000),
        &["params.safetensors", "not a complete safetensors file"],
    ),
    ("truncated data", |s| s.cut("params.safetensors", 1), &["params.safetensors", "not a complete safetensors file"]),
    ("no such file", |s| s.set("--params", "nowhere"), &["weights nowhere", "cannot read"]),
];

const SAMPLES: &[Case] = &[
    (
        "wrong width",
        |s| s.edit_samples(|z| z.slice(ndarray::s![.., 1..]).to_owned().into_dyn()),
        &["z.npy", "shape = [6, 15]", "[batch, 16]", "[batch, 4, 4]"],
    ),
    (
        "other lattice",
        |s| s.edit_samples(|z| z.into_shape_with_order((6, 2, 8)).unwrap().into_dyn()),
        &["shape = [6, 2, 8]", "[batch, 4, 4]"],
    ),
    (
        "empty batch",
        |s| s.edit_samples(|_| Array2::zeros((0, 16)).into_dyn()),
        &["z.npy", "shape = [0, 16]", "empty batch"],
    ),
    (
        "NaN",
        |s| {
            s.edit_samples(|mut z| {
                (z[[3, 11]], z[[5, 0]]) = (f64::NAN, f64::NAN);
                z
            })
        },
        &["z.npy", "NaN at [3, 11]", "finite"],
    ),
    (
        "too large for f32",
        |s| {
            s.edit_samples(|mut z| {
                z[[0, 2]] = -1e39;
                z
            })
        },
        &["at [0, 2]", "f32"],
    ),
    (
        "integers",
        |s| ArrayD::<i64>::zeros(vec![6, 16]).write_npy(fs::File::create(s.path("z.npy")).unwrap()).unwrap(),
        &["dtype = '<i8'", "'<f4'", "'<f8'"],
    ),
    ("truncated", |s| s.cut("z.npy", 5), &["z.npy", "not a complete .npy file"]),
    ("not npy", |s| s.set_path("--samples", "config.ron"), &["config.ron", "not a complete .npy file"]),
    ("a folder", |s| s.set_path("--samples", ""), &["samples ", "cannot read"]),
];

const ARGUMENTS: &[Case] = &[
    (
        "forward estimator",
        |s| s.set("--estimator", "max-likelihood"),
        &["estimator = max-likelihood", "divergence = reverse", "path-fast"],
    ),
    ("the other one", |s| s.set("--estimator", "gdreg"), &["estimator = gdreg", "divergence = reverse", "reparam"]),
    (
        "reverse estimator",
        |s| {
            s.set("--divergence", "forward");
            s.set("--estimator", "path-two-pass");
        },
        &["estimator = path-two-pass", "divergence = forward", "max-likelihood, path-fast, gdreg"],
    ),
    ("unknown estimator", |s| s.set("--estimator", "path-slow"), &["'path-slow'", "--estimator"]),
    ("unknown divergence", |s| s.set("--divergence", "sideways"), &["'sideways'", "--divergence"]),
    ("unknown precision", |s| s.set("--dtype", "f16"), &["'f16'", "--dtype"]),
    ("no threads", |s| s.set("--threads", "0"), &["'0'", "--threads"]),
    ("unknown argument", |s| s.set("--colour", "red"), &["--colour"]),
    ("nothing said", |s| s.arguments.clear(), &["required arguments"]),
    ("folder missing", |s| s.set_path("--out", "none/out.safetensors"), &["none", "not a folder"]),
    ("a folder", |s| s.set_path("--out", ""), &["is not a file", "accepted"]),
];

fn refuses(cases: &[Case]) {
    for (name, spoil, fragments) in cases {
        let mut scene = Scene::new();
        spoil(&mut scene);
        let before = scene.files();
        let output = scene.run();
        let line = first_error_line(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {line}");
        assert_eq!(scene.files(), before, "{name}: no file is left");
        assert!(output.stdout.is_empty(), "{name}: nothing on standard output");
        for fragment in *fragments {
            assert!(line.contains(fragment), "{name}: `{line}` should contain `{fragment}`");
        }
    }
}

/// Without this, the tables above could pass on a scene that never works.
#[test]
fn the_unspoilt_scene_works() {
    let scene = Scene::new();
    let output = scene.run();
    assert_eq!((output.status.code(), first_error_line(&output)), (Some(0), String::new()));
    assert!(scene.path("out.safetensors").exists());
}

#[test]
fn wrong_configurations_are_refused() {
    refuses(CONFIG);
}

#[test]
fn wrong_weights_are_refused() {
    refuses(WEIGHTS);
}

#[test]
fn wrong_samples_are_refused() {
    refuses(SAMPLES);
}

#[test]
fn wrong_arguments_are_refused() {
    refuses(ARGUMENTS);
}

#[test]
fn an_earlier_result_survives_a_refusal() {
    let mut scene = Scene::new();
    fs::write(scene.path("out.safetensors"), "earlier").unwrap();
    scene.set("--samples", "nowhere");
    assert_eq!(scene.run().status.code(), Some(2));
    assert_eq!(fs::read(scene.path("out.safetensors")).unwrap(), b"earlier");
}

#[test]
fn the_state_of_a_checkpoint_is_ignored() {
    let scene = Scene::new();
    scene.edit_params(|all| all.push(OutTensor::new("state.adam.m", [2], &[f64::NAN, 1.0])));
    assert_eq!(scene.run().status.code(), Some(0));
}

/// Not the input's fault: finite samples and weights whose action overflows.
#[test]
fn a_result_that_is_not_finite_is_a_failed_run() {
    let scene = Scene::new();
    scene.edit_samples(|z| z * 1e30);
    let before = scene.files();
    let output = scene.run();
    let line = first_error_line(&output);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains("not finite") && line.contains(" at ["), "{line}");
    assert_eq!(scene.files(), before);
}

/// A socket stands for all that is no file: a device, say, which a rename would replace.
#[test]
#[cfg(unix)]
fn what_is_no_file_is_not_replaced() {
    let mut scene = Scene::new();
    let _socket = std::os::unix::net::UnixListener::bind(scene.path("socket")).unwrap();
    scene.set_path("--out", "socket");
    let output = scene.run();
    assert_eq!(output.status.code(), Some(2));
    assert!(first_error_line(&output).contains("is not a file"), "{}", first_error_line(&output));
}
