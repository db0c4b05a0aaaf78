//! Arguments that don't go together, and runs that lack what they ask for.

use super::{assert_holds, refusal, trained};
use crate::support::{errors, files, first_error_line, upg};
use std::fs;
use std::path::Path;

/// Arguments with `RUN`, `CONFIG`, `FOLDER` and `OUT` for places, and what the first line must hold.
type Call = (&'static [&'static str], &'static [&'static str]);

const CALLS: &[Call] = &[
    (&["train"], &["--config: missing", "accepted is the file of an experiment"]),
    (&["train", "--out", "OUT"], &["--config: missing"]),
    (&["train", "--resume"], &["--config: missing", "--resume with --out"]),
    (&["train", "--resume", "--out", "OUT"], &["--out = ", "holds no run", "--config"]),
    (&["train", "--config", "nowhere.ron", "--out", "OUT"], &["config nowhere.ron: cannot read the file"]),
    (&["train", "--config", "FOLDER", "--out", "OUT"], &["config ", "cannot read the file"]),
    (
        &["train", "--config", "CONFIG", "--out", "RUN", "--resume", "--force"],
        &["'--resume' cannot be used with '--force'"],
    ),
    (&["train", "--config", "CONFIG", "--out", "OUT", "--steps", "-3"], &["'-3'"]),
    (&["train", "--config", "CONFIG", "--out", "OUT", "--steps", "3.5"], &["'3.5'", "--steps"]),
    (&["train", "--config", "CONFIG", "--out", "OUT", "--threads", "0"], &["'0'", "--threads"]),
    (
        &["train", "--config", "CONFIG", "--out", "OUT", "--device", "gpu"],
        &["'gpu'", "--device", "accepted is cpu, cuda, or cuda:N for the card number N"],
    ),
    (&["train", "--config", "CONFIG", "--out", "OUT", "--device", "cuda"], &["--device = cuda:0: "]),
    (&["evaluate", "--run", "RUN", "--device", "cuda:1"], &["--device = cuda:1: "]),
    (&["sample", "--run", "RUN", "-n", "3", "--out", "OUT", "--device", "cuda:-1"], &["'cuda:-1'", "--device"]),
    (
        &["train", "--config", "CONFIG", "--out", "OUT", "--set", "precision.products=Tf32"],
        &["precision.products = Tf32: accepted is Full on cpu, Full, Split or Tf32 on cuda"],
    ),
    (
        &["train", "--config", "CONFIG", "--out", "OUT", "--set", "precision.products=Half"],
        &["precision.products = Half", "expected one of `Full`, `Split`, or `Tf32`"],
    ),
    (&["train", "--config", "CONFIG", "--out", "OUT", "--seed=-1"], &["'-1'", "--seed"]),
    (&["train", "--config", "CONFIG", "--out", "OUT", "--batch", "3"], &["'--batch'"]),
    (&["evaluate"], &["required arguments"]),
    (&["eval\ru\u{c}a\u{90}te"], &["unrecognized subcommand 'eval u a\\u{90}te'"]), // a terminal obeys none of them
    (&["evaluate", "--run", "nowhere"], &["--run = nowhere: config.ron is missing", "`upg train`"]),
    (&["evaluate", "--run", "FOLDER"], &["--run = ", "checkpoint.best.safetensors", "is missing", "`upg train`"]),
    (&["evaluate", "--run", "CONFIG"], &["--run = ", "config.ron is missing", "`upg train`"]),
    (&["evaluate", "--run", "RUN", "--samples", "0"], &["--samples = 0", "at least 2, at most"]),
    (&["evaluate", "--run", "RUN", "--samples", "1"], &["--samples = 1", "at least 2, at most"]),
    (&["evaluate", "--run", "RUN", "--samples", "many"], &["'many'", "--samples"]),
    (&["evaluate", "--run", "RUN", "--weights", "first"], &["'first'", "--weights"]),
    (
        &["evaluate", "--run", "RUN", "--weights", "ema"],
        &["--weights = ema: training.ema is absent", "best and latest"],
    ),
    (&["sample", "--run", "RUN", "-n", "0", "--out", "OUT"], &["-n = 0", "at least 1 sample"]),
    (&["sample", "--run", "RUN", "-n", "1.5", "--out", "OUT"], &["'1.5'", "--samples"]),
    (&["sample", "--run", "RUN", "--out", "OUT"], &["required arguments"]),
    (&["sample", "--run", "nowhere", "-n", "3", "--out", "OUT"], &["--run = nowhere: config.ron is missing"]),
    (&["sample", "--run", "RUN", "-n", "3", "--out", "FOLDER"], &["output ", "is not a file"]),
    (
        &["sample", "--run", "RUN", "-n", "3", "--out", "nowhere/x.npy"],
        &["output nowhere/x.npy: nowhere is not a folder"],
    ),
    (
        &["sample", "--run", "RUN", "-n", "3", "--out", "OUT", "--log-weights", "nowhere/w.npy"],
        &["output nowhere/w.npy: nowhere is not a folder"],
    ),
    (&["sample", "--run", "RUN", "-n", "3", "--out", "OUT", "--log-weights", "OUT"], &["is --out too", "another file"]),
    (
        &["sample", "--run", "RUN", "-n", "3", "--out", "OUT", "--weights", "ema"],
        &["--weights = ema", "best and latest"],
    ),
    (&["variance", "--run", "nowhere"], &["--run = nowhere: config.ron is missing"]),
    (&["variance", "--run", "RUN", "--weights", "ema"], &["--weights = ema", "best and latest"]),
    (&["variance", "--run", "RUN", "--repetitions", "19"], &["'19'", "--repetitions"]),
    (&["variance", "--run", "RUN", "--batch", "0"], &["'0'", "--batch"]),
    (&["config", "check", "nowhere"], &["config nowhere: cannot read the file"]),
    (&["config", "check"], &["required arguments"]),
];

#[test]
fn wrong_arguments_are_refused() {
    let experiment = trained();
    let before = files(experiment.folder.path());
    for (call, fragments) in CALLS {
        let place = |argument: &&str| match *argument {
            "RUN" => experiment.argument("run"),
            "CONFIG" => experiment.argument("config.ron"),
            "OUT" => experiment.argument("out"),
            "FOLDER" => experiment.argument(""),
            other => other.to_owned(),
        };
        let output = upg(&call.iter().map(place).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{call:?}: {}", errors(&output));
        assert!(output.stdout.is_empty() && errors(&output).starts_with("error: "), "{call:?}");
        assert_holds(&first_error_line(&output).to_owned(), fragments);
        assert_eq!(files(experiment.folder.path()), before, "{call:?}");
    }
}

/// A change to a run, the weights asked for, and the parts of the message.
type RunCase = (fn(&Path), &'static str, &'static [&'static str]);

const RUNS: &[RunCase] = &[
    (
        |run| fs::remove_file(run.join("checkpoint.best.safetensors")).unwrap(),
        "best",
        &["checkpoint.best.safetensors", "--weights latest"],
    ),
    (
        |run| fs::remove_file(run.join("checkpoint.safetensors")).unwrap(),
        "latest",
        &["checkpoint.safetensors is missing"],
    ),
    (|run| fs::remove_file(run.join("config.ron")).unwrap(), "best", &["config.ron is missing"]),
    (|run| fs::write(run.join("config.ron"), "(flow: 3)").unwrap(), "best", &["config.ron:1:8: flow = 3", "`RealNvp`"]),
    (|run| cut(&run.join("checkpoint.best.safetensors")), "best", &["checkpoint.best.safetensors", "not a complete"]),
    (
        |run| flip(&run.join("checkpoint.best.safetensors")),
        "best",
        &["checkpoint.best.safetensors", "altered or damaged"],
    ),
    (|run| flip(&run.join("checkpoint.safetensors")), "latest", &["checkpoint.safetensors", "altered or damaged"]),
];

fn cut(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() - 3]).unwrap();
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn runs_that_lack_something_are_refused() {
    for (spoil, weights, fragments) in RUNS {
        let experiment = trained();
        let (run, out) = (experiment.argument("run"), experiment.argument("out.npy"));
        spoil(&experiment.path("run"));
        let before = files(experiment.folder.path());
        for command in [&["evaluate"][..], &["sample", "-n", "3", "--out", &out], &["variance"]] {
            let call = [command, &["--run", &run, "--weights", weights]].concat();
            assert_holds(&refusal(&upg(&call), command[0]), fragments);
        }
        assert_eq!(files(experiment.folder.path()), before);
    }
}
