//! Outputs that would take the place of something else, and what is asked for in too large numbers.

use crate::support::{Content, Experiment, errors, files, golden, temporaries, upg};
use ndarray::Array2;
use ndarray_npy::WriteNpyExt;
use std::fs;

const SHORT: &str = "(
    flow: Z2Nice(lattice: [2, 2], couplings: 2, hidden: [3]),
    target: Phi4(lattice: [2, 2], kappa: 0.2, lambda: 0.1),
    training: (steps: 20, batch: 16, validation: (every: 10, samples: 16)),
)";

/// Refused in one line, and everything is as it was.
#[track_caller]
fn assert_refused(experiment: &Experiment, arguments: &[&str], fragments: &[&str]) {
    let before = files(experiment.folder.path());
    let output = upg(arguments);
    let line = errors(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(fragments.iter().all(|fragment| line.contains(fragment)), "{line} should contain {fragments:?}");
    assert!(files(experiment.folder.path()) == before, "{arguments:?}");
}

#[test]
fn samples_never_take_the_place_of_a_file_of_the_run_or_of_each_other() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    let at = |name: &str| experiment.argument(name);
    let run = at("run");
    let sample = |out: &str, more: &[&str]| {
        let all = [&["sample", "--run", &run, "-n", "5", "--out", out][..], more].concat();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    fs::create_dir(experiment.path("folder")).unwrap();
    for (arguments, fragment) in [
        (sample(&at("run/config.ron"), &[]), "is a file of the run too: accepted is another file"),
        (sample(&at("folder/../run/checkpoint.safetensors"), &[]), "is a file of the run too"),
        (sample(&at("x.npy"), &["--log-weights", &at("run/metrics.jsonl")]), "is a file of the run too"),
        (sample(&at("x.npy"), &["--log-weights", &at("folder/../x.npy")]), "is --out too: accepted is another file"),
        (sample(&format!("{}/", at("y")), &[]), "is the name of a folder, accepted is the name of a file"),
    ] {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        assert_refused(&experiment, &arguments, &[fragment]);
    }
}

#[test]
fn a_gradient_never_takes_the_place_of_its_inputs() {
    let experiment = Experiment::new("");
    for (path, Content(bytes)) in files(&golden("gmm_6")) {
        fs::write(experiment.path(path.file_name().unwrap().to_str().unwrap()), bytes).unwrap();
    }
    let at = |name: &str| experiment.argument(name);
    for (name, file) in [("--config", "config.ron"), ("--params", "params.safetensors"), ("--samples", "z.npy")] {
        let inputs = ["--config", &at("config.ron"), "--params", &at("params.safetensors"), "--samples", &at("z.npy")];
        let how = ["--estimator", "path-fast", "--divergence", "reverse", "--out", &at(file)];
        let arguments = [&["gradient"][..], &inputs, &how].concat();
        assert_refused(&experiment, &arguments, &[&format!("is {name} too: accepted is another file")]);
    }
}

#[test]
fn what_is_asked_for_has_a_limit_on_the_command_line_too() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    let (run, out) = (experiment.argument("run"), experiment.argument("x.npy"));
    for (arguments, fragments) in [
        (&["sample", "--run", &run, "--out", &out, "-n", "1000000001"][..], ["-n = 1000000001", "at most 1000000000"]),
        (&["sample", "--run", &run, "--out", &out, "-n", "0"], ["-n = 0", "at most 1000000000"]),
        (&["evaluate", "--run", &run, "--samples", "1000000001"], ["--samples = 1000000001", "at most 1000000000"]),
        (&["variance", "--run", &run, "--batch", "4294967295"], ["4294967295", "1..=10000000"]),
        (&["evaluate", "--run", &run, "--threads", "many"], ["'many'", "accepted is a whole number from 1 to 1024"]),
        (&["evaluate", "--run", &run, "--weights", "first"], ["'first'", "possible values: best, latest, ema"]),
        (&["sample", "--run", &run], ["required arguments", "--out <NPY>"]),
    ] {
        assert_refused(&experiment, arguments, &fragments);
    }
}

#[test]
fn a_result_that_is_not_json_is_named() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    for name in ["summary.json", "provenance.json"] {
        let good = fs::read(experiment.path("run").join(name)).unwrap_or_default();
        fs::write(experiment.path("run").join(name), "{").unwrap();
        assert_refused(
            &experiment,
            &["report", "--run", &experiment.argument("run")],
            &[name, "not JSON", "accepted is the file"],
        );
        fs::write(experiment.path("run").join(name), if good.is_empty() { b"{}".to_vec() } else { good }).unwrap();
    }
}

/// Wherever the program is started: data files are relative to the configuration that names them, and the run knows where they are.
#[test]
fn data_files_are_relative_to_the_configuration() {
    let experiment = Experiment::new(
        &SHORT.replace(")),\n)", ")),\n    data: (train: File(\"data/x.npy\"), test: File(\"data/x.npy\")),\n)"),
    );
    let config = experiment.argument("config.ron");
    fs::create_dir(experiment.path("data")).unwrap();
    assert_refused(&experiment, &["config", "check", &config], &["data.train", "data/x.npy"]);
    for (numbers, accepted) in [(Array2::<f64>::ones((30, 3)), false), (Array2::ones((30, 4)), true)] {
        numbers.write_npy(fs::File::create(experiment.path("data/x.npy")).unwrap()).unwrap();
        let output = upg(&["config", "check", &config]);
        assert_eq!(output.status.success(), accepted, "{}", errors(&output));
    }
    experiment.trained("run", &[]);
    let kept = fs::read_to_string(experiment.path("run/config.ron")).unwrap();
    let absolute = experiment.path("data/x.npy").canonicalize().unwrap();
    assert!(kept.contains(absolute.to_str().unwrap()), "{kept}");
    let output = upg(&["evaluate", "--run", &experiment.argument("run"), "--samples", "200"]);
    assert!(output.status.success(), "{}", errors(&output));
}

/// The weights remember what they were trained with: an edited configuration in the folder of the run isn't believed.
#[test]
fn an_edited_configuration_is_noticed() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &["--steps", "15"]);
    let (run, config) = (experiment.argument("run"), experiment.path("run/config.ron"));
    let good = fs::read_to_string(&config).unwrap();
    for (from, to) in [
        ("kappa:0.2", "kappa:0.21"),
        ("kappa: 0.2", "kappa: 0.21"),
        ("batch:16", "batch:17"),
        ("batch: 16", "batch: 17"),
    ] {
        if !good.contains(from) {
            continue;
        }
        fs::write(&config, good.replace(from, to)).unwrap();
        let field = from.split(':').next().unwrap();
        for command in [&["train", "--resume", "--out", &run][..], &["evaluate", "--run", &run]] {
            assert_refused(&experiment, command, &[field, "accepted is", "as the run began"]);
        }
    }
    assert!(good.contains("kappa") && good.contains("batch"));
    fs::write(&config, &good).unwrap();
    experiment.trained("run", &["--resume"]);
}

/// What the user keeps in the folder of the event files stays there, and a lock that is a link harms nobody.
#[test]
fn files_of_the_user_stay() {
    let experiment = Experiment::new(&SHORT.replace("steps: 20", "tensorboard: On, steps: 20"));
    experiment.trained("run", &["--steps", "10"]);
    let notes = experiment.path("run/tensorboard/notes.txt");
    fs::write(&notes, "mine").unwrap();
    fs::write(experiment.path("mine"), "mine").unwrap();
    #[cfg(unix)]
    {
        fs::remove_file(experiment.path("run/lock")).unwrap();
        std::os::unix::fs::symlink(experiment.path("mine"), experiment.path("run/lock")).unwrap();
    }
    for how in ["--resume", "--force"] {
        experiment.trained("run", &[how]);
        let events = notes.parent().unwrap().read_dir().unwrap().count();
        assert_eq!((fs::read_to_string(&notes).unwrap(), events), ("mine".into(), 2), "{how}");
        assert_eq!(fs::read_to_string(experiment.path("mine")).unwrap(), "mine", "{how}");
    }
}

/// What an evaluation that was cut short leaves is no mixture of two.
#[test]
fn files_of_two_evaluations_are_told_apart() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    let run = experiment.argument("run");
    let evaluate = |seed: &str| {
        let output = upg(&["evaluate", "--run", &run, "--samples", "200", "--seed", seed]);
        assert!(output.status.success(), "{}", errors(&output));
    };
    let summary = experiment.path("run/summary.json");
    evaluate("1");
    let old = fs::read(&summary).unwrap();
    evaluate("2");
    assert!(upg(&["report", "--run", &run]).status.success());
    fs::write(&summary, old).unwrap();
    fs::remove_file(experiment.path("run/report.html")).unwrap();
    let output = upg(&["report", "--run", &run]);
    let line = errors(&output);
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("evaluation/") && line.contains("summary.json") && line.lines().count() == 1, "{line}");
    assert!(!experiment.path("run/report.html").exists());
}

/// A command that is ended takes what it was writing with it.
#[cfg(unix)]
#[test]
fn a_signal_leaves_no_temporary_file() {
    use std::os::unix::process::ExitStatusExt;
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let folder = experiment.path(signal);
        fs::create_dir(&folder).unwrap();
        let out = folder.join("x.npy");
        let arguments =
            ["sample", "--run", &experiment.argument("run"), "-n", "1000000000", "--out", out.to_str().unwrap()];
        let mut program = crate::support::command(&arguments).spawn().unwrap();
        let begun = std::time::Instant::now();
        while temporaries(&folder).is_empty() {
            assert!(begun.elapsed().as_secs() < 60 && program.try_wait().unwrap().is_none());
        }
        let kill = format!("kill -{signal} {}", program.id());
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let status = program.wait().unwrap();
        assert_eq!((status.signal(), fs::read_dir(&folder).unwrap().count()), (Some(number), 0), "{signal}");
    }
}

/// A disk that has room for the weights and not for the samples: both stay those of the sampling before.
#[cfg(unix)]
#[test]
fn samples_and_their_weights_stay_together() {
    let experiment = Experiment::new(SHORT);
    experiment.trained("run", &[]);
    let [run, x, w] = ["run", "x.npy", "w.npy"].map(|name| experiment.argument(name));
    let sample = |seed: &str, blocks: &str| {
        let limited = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &limited, env!("CARGO_BIN_EXE_upg"), "sample", "--run", &run, "-n", "2000", "--seed", seed]);
        shell.args(["--out", &x, "--log-weights", &w]).output().unwrap()
    };
    assert!(sample("1", "unlimited").status.success());
    let before = files(experiment.folder.path());
    let output = sample("2", "48"); // 24 kB: the weights have 16, the samples 32
    let line = errors(&output);
    assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{line}");
    assert!(line.contains("x.npy: cannot write: File too large"), "{line}");
    assert!(files(experiment.folder.path()) == before, "and no temporary file");
}
