//! Targets in shared libraries, built by the C compiler that links this test, too.

use crate::support::{Experiment, command, device, errors, json, raw, upg};
use safetensors::Dtype;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use upg_core::{Batch, Cpu, Real, SampleStream};
use upg_experiments::config::ConfigFile;

/// Where the header is.
const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../upg-experiments/include");
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/library_target");

/// A short training for the target `T`.
const SHORT: &str = "(
    flow: RealNvp(lattice: [3], couplings: 2, hidden: [6], activation: Tanh, mask: Alternating),
    target: Library(path: \"libfaulty.so\", dof: 3),
    training: (steps: 9, batch: 20, seed: 2, precision: F64, validation: (every: 3, samples: 50), checkpoint: (every: 2), log_every: 1, abort_after: 2),
    evaluation: (samples: 200, blocks: 10),
)";

/// Compiles `source` to a library.
fn build(source: &Path, library: &Path) {
    let arguments =
        ["-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-shared", "-fPIC", "-I", INCLUDE, "-o"];
    let output = Command::new("cc").args(arguments).arg(library).arg(source).arg("-lm").output().expect("a C compiler");
    assert!(output.status.success(), "{}", errors(&output));
}

/// A configuration beside `libfaulty.so`.
fn beside_faulty(config: &str) -> Experiment {
    let experiment = Experiment::new(config);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/library/faulty.c");
    build(source.as_ref(), &experiment.path("libfaulty.so"));
    experiment
}

/// The example with another training.
fn eight_schools(training: &str) -> Experiment {
    let text = fs::read_to_string(format!("{EXAMPLE}/eight_schools.ron")).unwrap();
    let kept: Vec<_> = text.lines().filter(|line| !line.starts_with("    training:")).collect();
    let experiment =
        Experiment::new(&kept.join("\n").replace("    evaluation:", &format!("    {training}\n    evaluation:")));
    build(format!("{EXAMPLE}/eight_schools.c").as_ref(), &experiment.path("libeight_schools.so"));
    experiment
}

/// All that a run trains, to the bit.
fn tensors(run: &Path) -> BTreeMap<String, (Vec<usize>, Dtype, Vec<u8>)> {
    let all = raw(&run.join("checkpoint.safetensors")).into_iter();
    all.filter(|(name, _)| name != "state.progress" && name != "state.checksum").collect()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", errors(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Refused before anything was done: status 2 and one line.
#[track_caller]
fn refused(output: &Output, parts: &[&str]) {
    let said = errors(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    parts.iter().for_each(|part| assert!(said.contains(part), "`{said}` should contain `{part}`"));
}

/// An observable and its error.
#[track_caller]
fn observable(results: &Value, name: &str) -> [f64; 2] {
    let found = &results["observables"][name];
    ["value", "error"].map(|field| found[field].as_f64().unwrap_or_else(|| panic!("{name}: {found}")))
}

/// By quadrature over log tau, everything else being Gaussian.
const EXACT: [(&str, f64); 5] = [
    ("mean_0", 4.396_820_7),
    ("variance_0", 11.007_162_9),
    ("mean_1", 0.802_139_2),
    ("mean_2", 0.316_659_8),
    ("mean_8", 0.356_725_4),
];
const LOG_Z: f64 = 7.950_262_2;

#[track_caller]
fn agree_with_exact(results: &Value) {
    for (name, exact) in EXACT {
        let [value, error] = observable(results, name);
        assert!(
            (value - exact).abs() < 5.0 * error && error < 0.1 * exact.abs().max(1.0),
            "{name}: {value} ± {error}, exact {exact}"
        );
    }
}

#[test]
fn eight_schools_are_trained_evaluated_and_sampled() {
    let experiment = eight_schools(
        "training: (steps: 600, batch: 200, seed: 1, objective: Reverse(PathFast), optimiser: Adam(rate: 0.004), schedule: Cosine(), clip: 10.0),",
    );
    let run = experiment.argument("run");
    done(&experiment.train("run", &[]).output().unwrap());
    done(&upg(&["evaluate", "--run", &run, "--samples", "40000"]));
    let summary = json(&experiment.path("run/summary.json"));
    agree_with_exact(&summary);
    let [log_z, error] = ["value", "error"].map(|field| summary["log_z"][field].as_f64().unwrap());
    assert!((log_z - LOG_Z).abs() < 5.0 * error && error < 0.01, "{log_z} ± {error}");
    let (samples, z) = (experiment.argument("x.npy"), experiment.argument("z.npy"));
    done(&upg(&[&["sample", "--run", &run, "-n", "300", "--out", &samples, "--latent", &z][..], &device()].concat()));
    done(&upg(&["log-prob", "--run", &run, "--samples", &samples, "--out", &experiment.argument("log_prob.npy")]));
    done(&upg(&["variance", "--run", &run]));
    done(&upg(&["report", "--run", &run, "--out", &experiment.argument("report.html")]));
}

#[test]
fn eight_schools_by_chains() {
    let experiment = eight_schools("training: (precision: F64), data: (hmc: (chains: 100, warm_up: 100, thin: 2)),");
    let out = experiment.argument("chains");
    done(&upg(&["hmc", "--config", &experiment.argument("config.ron"), "--out", &out, "--samples", "20000"]));
    let results = json(&experiment.path("chains/hmc.json"));
    agree_with_exact(&results);
}

#[test]
fn neither_threads_nor_calls_decide_about_results() {
    let experiment = eight_schools("training: (steps: 4, batch: 700, seed: 1, validation: (every: 2, samples: 100)),");
    let weights = |name: &str, more: &[&str]| {
        done(&experiment.train(name, more).output().unwrap());
        tensors(&experiment.path(name))
    };
    let one = weights("one", &["--threads", "1"]);
    assert!(one == weights("three", &["--threads", "3"]));
    assert!(one == weights("calls", &["--threads", "3", "--set", "target.calls=OneAtATime"]));
}

#[test]
fn a_run_goes_on_from_elsewhere() {
    let experiment = beside_faulty(SHORT);
    done(&experiment.train("run", &["--steps", "4"]).output().unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let arguments = ["train", "--resume", "--out", &experiment.argument("run")];
    done(&command(&arguments).current_dir(elsewhere.path()).output().unwrap());
    done(&experiment.train("whole", &[]).output().unwrap());
    assert!(tensors(&experiment.path("run")) == tensors(&experiment.path("whole")));
}

#[test]
fn what_is_not_such_a_library_is_refused() {
    let experiment = beside_faulty(SHORT);
    let config = experiment.argument("config.ron");
    for (set, parts) in [
        ("target.path=\"none.so\"", &["target.path = ", "none.so: accepted is a shared library that is there"][..]),
        ("target.path=\"config.ron\"", &["target.path = ", "accepted is a shared library that can be loaded: "]),
        (
            "target.symbol=\"none\"",
            &["target.symbol = none: accepted is the name of a target of the library: ", "has no none_version"],
        ),
        ("target.symbol=\"lone\"", &["has no lone_version"]),
        ("target.symbol=\"\"", &["target.symbol = \"\": accepted is the name of a function"]),
        (
            "target.symbol=\"old\"",
            &["target.path = ", "accepted is a library of version 1 of upg_target.h: its old_version gives 5"],
        ),
        ("target.dof=4", &["target.dof = 4: accepted is 3, as upg_target_dof of ", "libfaulty.so says"]),
        ("target.dof=0", &["target.dof = 0: accepted is a whole number, at least 1"]),
        ("target.shape=[2, 2]", &["target.shape = [2, 2]: accepted is a shape of 3 numbers, as target.dof says"]),
        ("target.shape=[3, 1]", &["target.shape = [3, 1]: accepted is the flow's, flow.lattice = [3]"]),
        ("flow.lattice=[4]", &["target.dof = 3: accepted is as many degrees of freedom as the flow has, 4"]),
        ("target.domain=Angles", &["target = angles: accepted is a target of real numbers, as the flow's"]),
        ("target.options=\"r\"", &["target.options = \"r\": accepted is what upg_target_create accepts: xxx"]),
        (
            "target.options=\"s\"",
            &["accepted is a library whose force is -dS/dx: component 0 of the force is ", "of it is tolerated"],
        ),
        ("target.options=\"w\"", &["component 2 of the force is ", "central differences of the action say "]),
        (
            "target.options=\"q0\"",
            &["accepted is a library that computes samples of the base: ", "it returns -3 and says nothing"],
        ),
    ] {
        for arguments in [
            ["train", "--config", &config, "--out", &experiment.argument("run")],
            ["hmc", "--config", &config, "--out", &experiment.argument("run")],
        ] {
            refused(&upg(&[&arguments[..], &["--set", set]].concat()), parts);
            assert!(!experiment.path("run").exists(), "{set}");
        }
    }
    let bare = ["--set", "target.symbol=\"bare\"", "--set", "target.options=\"x\""];
    refused(
        &experiment.train("run", &bare).output().unwrap(),
        &["target.options = \"x\": accepted is \"\", as the library has no bare_create"],
    );
    done(&experiment.train("run", &bare[..2]).output().unwrap());
    done(&experiment.train("off", &["--set", "target.options=\"s\"", "--set", "target.check=Off"]).output().unwrap());
}

#[test]
fn a_failure_ends_the_run_and_leaves_its_checkpoint() {
    let experiment = beside_faulty(SHORT);
    for (name, options, told) in [("e", "e260", ", x = ["), ("b", "b260", "out of licences")] {
        let options = ["--set", &format!("target.options={options:?}")];
        let output = experiment.train(name, &[&options[..], &device()].concat()).output().unwrap();
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let error = said.lines().find(|line| line.starts_with("error: target /")).unwrap_or_else(|| panic!("{said}"));
        assert!(error.contains("libfaulty.so: ") && error.contains(told), "{said}");
        assert_eq!(name == "e", said.contains("]: the solver didn't converge\n"), "{said}");
        assert!(experiment.path(name).join("checkpoint.safetensors").is_file());
    }
    let chains = [
        "hmc",
        "--config",
        &experiment.argument("config.ron"),
        "--set",
        "target.options=\"e3000\"",
        "--out",
        &experiment.argument("chains"),
    ];
    let output = upg(&chains);
    assert_eq!((output.status.code(), errors(&output).lines().count()), (Some(1), 1), "{}", errors(&output));
    assert!(errors(&output).contains("the solver didn't converge"), "{}", errors(&output));
}

#[test]
fn a_nan_is_told_of_and_its_step_skipped() {
    let experiment = beside_faulty(SHORT);
    for (options, what) in [("a260", "the action is NaN"), ("f260", "the force is NaN")] {
        // In the seventh step, after 34 samples of the check, six steps and two validations.
        let output = experiment.train(what, &["--set", &format!("target.options={options:?}")]).output().unwrap();
        let said = errors(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("warning: target /") && said.contains(": sample ") && said.contains(what), "{said}");
        assert_eq!(said.matches(" skipped: ").count(), 1, "{said}");
    }
}

#[test]
fn angles_live_in_libraries_too() {
    let config = SHORT
        .replace(
            "RealNvp(lattice: [3], couplings: 2, hidden: [6], activation: Tanh, mask: Alternating)",
            "TorusSpline(lattice: [4, 2], couplings: 2, hidden: [6], bins: 4)",
        )
        .replace("dof: 3", "dof: 8, symbol: \"angles\", domain: Angles, shape: [4, 2]")
        .replace(
            "steps: 9",
            "steps: 40, objective: Sum(reverse: PathFast, reverse_weight: 0.5, forward: PathFast, forward_weight: 0.5)",
        )
        .replace(
            "    evaluation",
            "    data: (train: Draw(200), test: Draw(200), hmc: (chains: 20, warm_up: 20, thin: 1)),\n    evaluation",
        );
    let experiment = beside_faulty(&config);
    done(&experiment.train("run", &[]).output().unwrap());
    done(&upg(&["hmc", "--run", &experiment.argument("run"), "--samples", "4000"]));
    let results = json(&experiment.path("run/hmc/hmc.json"));
    let [value, error] = observable(&results, "cos_3");
    assert!((value - 0.697_774_658).abs() < 5.0 * error && error < 0.05, "{value} ± {error}"); // I_1(2)/I_0(2)
}

/// S = Σ x²/2 and its force in precision `T`, of batches around the sizes that are cut.
fn agrees_with_the_formula<T: Real>(calls: &str) {
    let experiment = beside_faulty(&SHORT.replace("dof: 3", &format!("dof: 3, calls: {calls}")));
    let target = ConfigFile::read(&experiment.path("config.ron")).unwrap().build::<T>().unwrap().target;
    let (mut action, mut force) = (vec![], Batch::default());
    for samples in [1, 16, 17, 64, 65, 150] {
        let mut x = Batch::zeros(3, samples);
        SampleStream::new(1, 2, 3).fill_normals(0, &mut x);
        x.row_mut(1)[samples / 2] = T::of(f64::INFINITY); // the library would abort
        target.action_and_force(&Cpu::here(), &x, &mut action, Some(&mut force));
        let with_force = action.clone();
        target.action_and_force(&Cpu::here(), &x, &mut action, None);
        for n in 0..samples {
            let sample = [0, 1, 2].map(|i| x.row(i)[n].wide());
            if n == samples / 2 {
                assert!(action[n].is_nan() && (0..3).all(|i| force.row(i)[n].is_nan()));
                continue;
            }
            assert_eq!(action[n], sample.iter().fold(0.0, |sum, y| sum + y * y / 2.0), "{n} of {samples}");
            assert_eq!(action[n], with_force[n]);
            (0..3).for_each(|i| assert_eq!(force.row(i)[n].wide(), -sample[i], "{i}, {n} of {samples}"));
        }
    }
    assert!(target.status().is_ok());
}

#[test]
fn samples_reach_the_library_and_come_back() {
    for calls in ["OneAtATime", "Parallel"] {
        agrees_with_the_formula::<f32>(calls);
        agrees_with_the_formula::<f64>(calls);
    }
}

/// This program brings no Python along.
#[test]
fn a_target_in_python_is_refused() {
    for target in ["Python(module: \"energy.py\", dof: 3)", "Python(function: \"energy\", dof: 3)"] {
        let experiment = Experiment::new(&SHORT.replace("Library(path: \"libfaulty.so\", dof: 3)", target));
        std::fs::write(experiment.path("energy.py"), "").unwrap();
        let output = experiment.train("run", &[]).output().unwrap();
        refused(&output, &["target = Python, ", "one in Python needs the command upg of the Python package"]);
        assert!(!experiment.path("run").exists());
    }
}
