//! Steps that are not finite.

use super::done;
use crate::support::{Experiment, errors, json, metrics, progress_number, tensors};
use ndarray::Array2;
use ndarray_npy::WriteNpyExt;
use std::fs;
use std::process::Output;

/// A run whose second step and all that follow are not finite, though its weights are.
const DIVERGING: &str = "(
    flow: RealNvp(lattice: [4, 2], couplings: 2, hidden: [6], activation: Tanh, mask: Checkerboard),
    target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 40, batch: 16, optimiser: Sgd(rate: 1e30), abort_after: 7,
        validation: (every: 5, samples: 16), checkpoint: (every: 3), log_every: 4,
    ),
)";

fn lines(output: &Output) -> Vec<String> {
    errors(output).lines().map(str::to_owned).collect()
}

#[test]
fn a_run_that_diverges_is_given_up_and_saved() {
    let experiment = Experiment::new(DIVERGING);
    let output = experiment.train("run", &[]).output().unwrap();
    let said = lines(&output);
    assert_eq!((output.status.code(), said.len()), (Some(1), 8), "{said:?}");
    let fault = said[1].strip_prefix("warning: step 2 skipped: ").unwrap();
    assert!(fault.starts_with("the output of layer ") && fault.ends_with(" is not finite"), "{fault}");
    for (line, step) in said[1..].iter().zip(2..=8) {
        assert!(line.starts_with(&format!("warning: step {step} skipped: ")), "{said:?}");
    }
    assert!(said[0].starts_with("error: step 8: the output of layer "), "{said:?}");
    assert!(said[0].ends_with("; 7 steps in a row had to be skipped (training.abort_after)"), "{said:?}");

    let run = experiment.path("run");
    let latest = run.join("checkpoint.safetensors");
    let numbers = ["step", "updates", "skipped", "skipped_in_a_row"].map(|field| progress_number(&latest, field));
    assert_eq!(numbers, [8.0, 1.0, 7.0, 7.0]);
    let weights = |run: &str| tensors(&experiment.path(run).join("checkpoint.safetensors"));
    experiment.trained("one", &["--steps", "1"]);
    for (name, (_, _, values)) in weights("run").iter().filter(|(name, _)| !name.starts_with("state.")) {
        assert_eq!(*values, weights("one")[name].2, "{name} is what the first step made it");
        assert!(values.iter().all(|x| x.is_finite()));
    }
    let logged = metrics(&run);
    let steps: Vec<_> = logged.iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [2, 3, 4, 5, 6, 7, 8]);
    for line in &logged {
        assert!(
            line["loss"].is_null() && line["fault"].as_str().unwrap().starts_with("the output of layer "),
            "{line}"
        );
        assert_eq!(line["skipped"], line["step"].as_u64().unwrap() - 1);
    }

    // Whoever insists is told the same again, and no line is lost, though numbers in them are.
    let output = experiment.train("run", &["--resume"]).output().unwrap();
    assert_eq!((output.status.code(), lines(&output).len()), (Some(1), 3), "{}", errors(&output));
    assert_eq!(metrics(&run)[..7], logged);
    assert_eq!(metrics(&run).len(), 8);

    // What can't be computed is said not to be.
    let (folder, x) = (experiment.argument("run"), experiment.argument("x.npy"));
    let of = ["--run", &folder, "--weights", "latest", "--threads", "1"];
    let table = done(&[&["evaluate"], &of[..], &["--samples", "200"]].concat());
    let summary = json(&run.join("summary.json"));
    for key in ["ess_reverse", "acceptance", "tau_int", "loss"] {
        assert!(summary[key].is_null(), "{key}: {summary}");
    }
    assert!(summary["log_z"]["value"].is_null() && summary["log_z"]["exact"].is_number(), "{summary}");
    assert_eq!(summary["log_z"]["trusted"], false);
    assert!(table.contains("of 200 log-weights are not finite"), "{table}");
    done(&["report", "--run", &folder]);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("Not finite, and left out:") && page.contains(" of the samples to be shown"));
    let said = done(&[&["sample"], &of[..], &["-n", "5", "--out", &x]].concat());
    assert!(said.starts_with("5 samples, ") && said.contains(" log-weights not finite; written to "), "{said}");
}

/// One sample of the data is too large for the flow: the steps that meet it are skipped, the others are made.
#[test]
fn single_steps_that_are_not_finite_are_skipped() {
    let experiment = Experiment::new("");
    let mut data = Array2::from_shape_fn((16, 3), |(i, j)| ((5 * i + 3 * j) % 7) as f32 / 3.0 - 1.0);
    data[[11, 1]] = 1e30;
    for (name, data) in [("train.npy", &data), ("test.npy", &(&data * 0.0))] {
        data.write_npy(fs::File::create(experiment.path(name)).unwrap()).unwrap();
    }
    let text = format!(
        "(flow: RealNvp(lattice: [3], couplings: 3, hidden: [5], activation: Tanh, mask: Alternating), target: Gmm(dim: 3),
         training: (steps: 24, batch: 4, objective: Forward(PathFast), abort_after: 2, log_every: 100),
         data: (train: File({:?}), test: File({:?})))",
        experiment.path("train.npy"),
        experiment.path("test.npy"),
    );
    fs::write(experiment.path("config.ron"), text).unwrap();
    let output = experiment.train("run", &[]).output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    let said = lines(&output);
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(summary.contains(", 6 steps skipped; the run is in "), "one an epoch: {summary}");
    assert_eq!(said.len(), 6, "{said:?}");
    assert!(said.iter().all(|line| line.contains(" is not finite")), "{said:?}");
    let skipped: Vec<_> =
        metrics(&experiment.path("run")).iter().filter(|line| line.get("fault").is_some()).cloned().collect();
    assert_eq!(skipped.len(), 6, "each has its line");
    let latest = experiment.path("run/checkpoint.safetensors");
    assert_eq!(["step", "updates", "skipped"].map(|field| progress_number(&latest, field)), [24.0, 18.0, 6.0]);
}

/// An update that overflows can't be taken back: the checkpoint before it is kept.
#[test]
fn weights_that_overflow_are_not_saved() {
    let experiment = Experiment::new(&DIVERGING.replace("rate: 1e30", "rate: 1e38").replace("every: 3", "every: 1"));
    let output = experiment.train("run", &[]).output().unwrap();
    let said = lines(&output);
    assert_eq!((output.status.code(), said.len()), (Some(1), 1), "{said:?}");
    assert!(said[0].starts_with("error: step 1: weights in layers."), "{said:?}");
    assert!(said[0].ends_with("the learning rate is too large; the latest checkpoint is that of step 0"), "{said:?}");
    assert_eq!(progress_number(&experiment.path("run/checkpoint.safetensors"), "step"), 0.0);
    let output = experiment.train("run", &["--resume"]).output().unwrap();
    assert_eq!((output.status.code(), lines(&output)), (Some(1), said));
}
