//! Every family of flows compared with PyTorch, tensor by tensor: the cases of `tests/reference`, which the scripts there have made by autograd
//! from dense Jacobians, written from the documentation alone.

use crate::support::{Tensors, device, distance, is_emulated, npy, tensors, upg};
use ndarray::{Array2, Ix2};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use upg_core::{Base, Cpu};
use upg_experiments::config::ConfigFile;
use upg_experiments::io::weights::read_params;
use upg_testkit::runner::{BaseRunner, Mapped, Runner};
use upg_testkit::target::Evaluated;

/// The largest deviation seen is 2e-13.
const TOLERANCE: f64 = 1e-10;

const METHODS: [(&str, &str); 6] = [
    ("reparam", "reverse"),
    ("path-fast", "reverse"),
    ("path-two-pass", "reverse"),
    ("max-likelihood", "forward"),
    ("path-fast", "forward"),
    ("gdreg", "forward"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/cases")
}

/// A case, and the names of what was compared.
struct Case {
    folder: PathBuf,
    expected: Tensors,
    seen: BTreeSet<String>,
}

impl Case {
    fn new(name: &str) -> Self {
        let folder = folder().join(name);
        let expected = tensors(&folder.join("expected.safetensors"));
        Self { folder, expected, seen: BTreeSet::new() }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Base samples, or data: `[batch, dof]`.
    fn samples(&self, name: &str) -> Array2<f64> {
        npy(&self.folder.join(name)).into_dimensionality::<Ix2>().unwrap()
    }

    fn check(&mut self, name: &str, values: &[f64]) {
        let (_, _, expected) = &self.expected[name];
        let error = if values == expected { 0.0 } else { distance(values, expected) }; // both may be zero
        assert!(error <= TOLERANCE, "{}: {name}: off by {error:e}", self.folder.display());
        self.seen.insert(name.to_owned());
    }

    /// What `upg gradient` writes.
    fn check_gradient(&mut self, (estimator, divergence): (&str, &str)) {
        let (samples, end, suffix) =
            if divergence == "reverse" { ("z.npy", "x", "") } else { ("x_data.npy", "z", "_of_x_data") };
        let out = tempfile::NamedTempFile::new().unwrap();
        let [config, params, samples] = ["config.ron", "params.safetensors", samples].map(|name| self.file(name));
        let mut arguments = vec!["gradient", "--config", &config, "--params", &params, "--samples", &samples];
        arguments.extend(["--estimator", estimator, "--divergence", divergence, "--dtype", "f64"]);
        arguments.extend(["--out", out.path().to_str().unwrap()]);
        arguments.extend(device());
        let output = upg(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (name, (shape, _, values)) in tensors(out.path()) {
            let name = match name.strip_prefix("grad.") {
                Some(tensor) => format!("grad.{estimator}.{divergence}.{tensor}"),
                None => format!("{}{suffix}", if name == "end" { end } else { &name }),
            };
            assert_eq!(shape, self.expected[&name].0, "shape of {name}");
            self.check(&name, &values);
        }
    }

    /// Densities, actions and scores, which that file doesn't hold.
    fn check_densities(&mut self) {
        let (device, config) = (Cpu::here(), ConfigFile::read(&self.folder.join("config.ron")).unwrap());
        let model = config.build::<f64>().unwrap();
        let theta = read_params::<f64>(&self.folder.join("params.safetensors"), &model.layout()).unwrap();
        let (of_base, of_flow) = theta.split_at(model.base.params().size());
        let mut base = BaseRunner::new(&device, &*model.base, of_base);
        let sum = |log_base: &[f64], sign: f64, log_det: &[f64]| -> Vec<f64> {
            log_base.iter().zip(log_det).map(|(log_base, log_det)| log_base + sign * log_det).collect()
        };

        let z = self.samples("z.npy");
        let (log_base, score) = base.log_density_and_score(&z);
        let (Mapped { y: x, log_det }, score) =
            Runner::new(&device, &model.flow, of_flow).forward_with_score(&z, &score);
        self.check("log_q", &sum(&log_base, -1.0, &log_det));
        self.check("score", score.as_slice().unwrap());
        self.check("action", &Evaluated::of(&device, &*model.target, &x).action);

        let (x, inverse) = (self.samples("x_data.npy"), model.flow.inverse());
        let force = Evaluated::of(&device, &*model.target, &x).force;
        let (Mapped { y: z, log_det }, score) = Runner::new(&device, &inverse, of_flow).forward_with_score(&x, &force);
        self.check("log_q_of_x_data", &sum(&base.log_density(&z), 1.0, &log_det));
        self.check("score_of_x_data", score.as_slice().unwrap());
    }
}

/// Cases with layers that have no kernels.
const WITHOUT_KERNELS: [&str; 5] = ["iaf_affine", "iaf_spline", "linear_layers", "maf_affine", "maf_spline"];

/// In one line that names the layer.
fn is_refused(name: &str) {
    let case = Case::new(name);
    let [config, params, samples] = ["config.ron", "params.safetensors", "z.npy"].map(|file| case.file(file));
    let mut arguments =
        vec!["gradient", "--config", &config, "--params", &params, "--samples", &samples, "--out", "/nowhere"];
    arguments.extend(["--estimator", "path-fast", "--divergence", "reverse"]);
    arguments.extend(device());
    let output = upg(&arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{told}");
    assert!(told.contains("layers[") && told.contains("Autoregressive"), "{told}");
}

#[track_caller]
fn compare(name: &str) {
    if is_emulated() && WITHOUT_KERNELS.contains(&name) {
        return is_refused(name);
    }
    let mut case = Case::new(name);
    for method in METHODS {
        case.check_gradient(method);
    }
    case.check_densities();
    assert!(case.seen.iter().eq(case.expected.keys()), "{name}: all tensors were compared");
}

macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            compare(stringify!($name));
        })*

        #[test]
        fn every_case_has_its_line() {
            let folders = folder().read_dir().unwrap().map(|case| case.unwrap().file_name().into_string().unwrap());
            let lines = [$(stringify!($name)),*].map(String::from);
            assert_eq!(folders.collect::<BTreeSet<_>>(), BTreeSet::from(lines));
        }
    };
}

cases! {
    continuous_free_field
    continuous_shallow
    continuous_two_signs
    conv_additive_3d
    conv_affine
    conv_affine_4d
    conv_odd_spline
    glow
    iaf_affine
    iaf_spline
    layers_1d
    linear_layers
    maf_affine
    maf_spline
    spline_nvp
    torus_spline
    torus_tan_mixture
    u1_continuous_2x4
    u1_continuous_3x3
    u1_inverses
    u1_spline
}
