//! What is no sweep is refused in one line, before anything is written.

use super::{GRID, RUNS, SMALL, refusal, run, sweep, swept};
use crate::support::{Experiment, errors, files, upg};
use std::fs;

#[test]
fn wrong_grids_are_refused_before_any_run() {
    let experiment = Experiment::new(SMALL);
    for (arguments, told) in [
        (&["--grid", "training.batch=[16, 0]"][..], "error: --grid training.batch = 0: accepted is a whole number"),
        (&["--grid", "training.bach=[16]"], "error: --grid training.bach = 16: accepted are the fields steps, batch"),
        (&["--grid", "training.batch=16"], "accepted is FIELD=[VALUE, VALUE]"),
        (&["--grid", "training.batch=[]"], "accepted is FIELD=[VALUE, VALUE]"),
        (&["--grid", "training.batch=[16, 16]"], "16 and 16 make the same run: accepted are values that differ"),
        (&["--grid", "training.batch=[8]", "--grid", "training.batch=[9]"], "--grid training.batch: given twice"),
        (
            &["--grid", "training.batch=[8, 9]", "--set", "training.batch=4"],
            "error: --set training.batch: accepted is it, or --grid with the same field, not both",
        ),
        (&["--grid", "training.seed=[1, 2]"], "--grid training.seed: accepted is --seeds"),
        (&["--grid", "target.dim=[4, 5]"], "--grid target.dim = 5: "),
        (&["--grid", "data.test=[File(\"x.npy\")]"], "x.npy"),
        (&["--set", "training.batch=0", "--grid", "training.clip=[1.0]"], "error: --set training.batch = 0: accepted"),
        (&["--seeds", "0"], "accepted is how many, at least 1, or a list"),
        (&["--seeds", "4,4"], "accepted is how many, at least 1, or a list"),
        (&["--seeds", "10001"], "--seeds = 10001: accepted are up to 10000 runs"),
        (&["--seeds", "1,2", "--set", "training.seed=3"], "accepted is it, or --seeds with a list, not both"),
        (&["--jobs", "0"], "--jobs <JOBS>': accepted is a whole number from 1 on"),
        (&["--task", "0"], "--task <NUMBER>': accepted is a whole number from 1 on"),
        (&["--task", "1", "--report"], "cannot be used with"),
    ] {
        let line = refusal(&sweep(&experiment, arguments).output().unwrap());
        assert!(line.contains(told), "`{line}` should contain `{told}`");
        assert!(!experiment.path("sweep").exists(), "{arguments:?}");
    }
    let line = refusal(&upg(&["sweep"]));
    assert!(line.contains("--config"), "{line}");
    let line = refusal(&upg(&["sweep", "--out", &experiment.argument("nowhere")]));
    assert!(line.ends_with("holds no sweep: accepted is one, or --config with it\n"), "{line}");
}

#[test]
fn another_sweep_is_refused_in_the_folder_of_one() {
    let experiment = Experiment::new(SMALL);
    swept(&experiment, &GRID);
    let before = files(&experiment.path("sweep"));
    for (arguments, told) in [
        (
            &["--grid", "training.batch=[16]", "--seeds", "2"][..],
            "has the run batch=24,seed=5 too: accepted is what adds to it",
        ),
        (&["--grid", "training.batch=[16, 24]"], "has the run batch=16,seed=6 too"),
        (&["--grid", "training.clip=[1.0]"], "training.clip: the sweep in "),
        (
            &[&GRID[..], &["--set", "training.ema=0.5"]].concat(),
            "training.ema = 0.5: accepted is 0.9, as the run began",
        ),
        (&[&GRID[..], &["--task", "5"]].concat(), "--task = 5: accepted is the number of a run, 1 to 4"),
    ] {
        let line = refusal(&sweep(&experiment, arguments).output().unwrap());
        assert!(line.contains(told), "`{line}` should contain `{told}`");
        assert_eq!(files(&experiment.path("sweep")), before, "{arguments:?}");
    }
    let record = experiment.path("sweep/sweep.ron");
    let text = fs::read_to_string(&record).unwrap();
    for wrong in [text.replace("batch=16,seed=5", "../../batch"), text.replace("seed:", "sead:"), text[..90].into()] {
        fs::write(&record, wrong).unwrap();
        let line = refusal(&upg(&["sweep", "--out", &experiment.argument("sweep")]));
        assert!(line.contains("sweep.ron") && line.contains("accepted is the file as `upg` wrote it"), "{line}");
    }
}

/// A sweep that goes on without its configuration holds its runs against its record.
#[test]
fn the_runs_of_a_sweep_are_those_of_its_record() {
    let experiment = Experiment::new(SMALL);
    swept(&experiment, &GRID);
    let [right, other, seed] = [0, 2, 1].map(|number| run(&experiment, RUNS[number].0));
    let told = || refusal(&upg(&["sweep", "--out", &experiment.argument("sweep")]));
    let aside = experiment.path("aside");
    fs::rename(&right, &aside).unwrap();
    let line = told();
    let expected = "sweep: the run batch=16,seed=5 isn't there: accepted is --config with it, which makes it anew\n";
    assert!(line.ends_with(expected), "{line}");
    for (foreign, problem) in [(&other, "the value of training.batch"), (&seed, "training.seed = 6")] {
        fs::create_dir(&right).unwrap();
        for file in fs::read_dir(foreign).unwrap().map(|file| file.unwrap()).filter(|file| file.path().is_file()) {
            fs::copy(file.path(), right.join(file.file_name())).unwrap();
        }
        let line = told();
        assert!(line.contains(&format!("{problem} is that of another run, not of batch=16,seed=5")), "{line}");
        fs::remove_dir_all(&right).unwrap();
    }
    fs::rename(&aside, &right).unwrap();
    assert!(upg(&["sweep", "--out", &experiment.argument("sweep")]).status.success());
}

/// They are meant from the folder of the configuration, from which a sweep that goes on doesn't know.
#[test]
fn names_of_files_in_a_grid_are_those_of_the_record() {
    let experiment = Experiment::new(SMALL);
    experiment.trained("before", &[]);
    swept(&experiment, &["--grid", "training.start_from=[\"before/checkpoint.safetensors\"]", "--steps", "10"]);
    let again = upg(&["sweep", "--out", &experiment.argument("sweep")]);
    assert!(again.status.success(), "{}", errors(&again));
}

/// There is nothing to compare by.
#[test]
fn runs_without_a_test_have_no_best() {
    let experiment = Experiment::new(&SMALL.replace("every: 20", "every: 50"));
    let told = swept(&experiment, &[&GRID[..], &["--steps", "30"]].concat());
    assert!(
        told.contains("No run that is done was tested on its way (training.validation.every, training.steps)"),
        "{told}"
    );
    assert!(!told.contains('*'), "{told}");
}

#[test]
fn the_folder_of_a_run_is_none_for_a_sweep() {
    let experiment = Experiment::new(SMALL);
    experiment.trained("sweep", &[]);
    let line = refusal(&sweep(&experiment, &GRID).output().unwrap());
    assert!(line.contains("holds another run, or lies in one: accepted is a folder of its own"), "{line}");
}
