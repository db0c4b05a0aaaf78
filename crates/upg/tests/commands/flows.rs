//! `upg flows`: every flow a configuration can name, with an example that trains.

use crate::support::{Experiment, errors, upg};
use serde_json::Value;
use upg_experiments::config::catalogue::FLOWS;

/// What `upg flows` with these arguments prints.
#[track_caller]
fn told(arguments: &[&str]) -> String {
    let output = upg(&[&["flows"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn told_as_json(arguments: &[&str]) -> Value {
    serde_json::from_str(&told(&[arguments, &["--json"]].concat())).unwrap()
}

/// The line on standard error of a refusal.
#[track_caller]
fn refusal(arguments: &[&str]) -> String {
    let output = upg(&[&["flows"], arguments].concat());
    let said = errors(&output);
    assert_eq!((output.status.code(), output.stdout.len(), said.lines().count()), (Some(2), 0, 1), "{said}");
    said
}

#[test]
fn every_page_is_a_configuration_that_trains() {
    for entry in FLOWS {
        let experiment = Experiment::new(&told(&[entry.name, "--lattice", "4,4"]));
        let config = experiment.argument("config.ron");
        let checked = upg(&["config", "check", &config]);
        assert!(checked.status.success(), "{}: {}", entry.name, errors(&checked));
        let mut quick = vec!["--steps", "2", "--set", "training.batch=16", "--set", "training.validation.samples=64"];
        if told(&[entry.name]).contains("\n    data: ") {
            quick.extend(["--set", "data.train=Draw(32)", "--set", "data.test=Draw(32)", "--set", "data.hmc.chains=4"]);
        }
        experiment.trained("run", &quick);
    }
}

#[test]
fn the_counts_are_those_that_one_finds_by_hand() {
    let all = told_as_json(&["--lattice", "4,2"]);
    let names: Vec<_> = all.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, FLOWS.iter().map(|entry| entry.name).collect::<Vec<_>>());
    // Eight nets of 4 → 64 → 64 → 8.
    let nvp = &all[0];
    assert_eq!(nvp["domain"], "numbers");
    let (weights, biases) = (8 * (4 * 64 + 64 * 64 + 64 * 8), 8 * (64 + 64 + 8));
    assert_eq!(nvp["counts"]["parameters"], weights + biases);
    let passes = &nvp["counts"]["multiply_adds"];
    assert_eq!(passes["sampling"], weights);
    assert_eq!(passes["ordinary"], 3 * weights);
    assert_eq!(passes["path_fast"], 4 * weights);
    // Links live on [2, 4, 2]; the extents of the gauge couplings must be multiples of 4.
    let row = |name: &str| all.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(row("U1Continuous")["counts"]["shape"].to_string(), "[2,4,2]");
    assert_eq!(row("TorusSpline")["counts"]["shape"].to_string(), "[2,4,2]");
    assert!(row("U1")["refused"].as_str().unwrap().contains("multiples of 4"), "{}", row("U1"));
    assert!(row("U1")["counts"].is_null());
}

#[test]
fn the_page_of_a_flow_adds_up() {
    for name in ["Glow", "U1", "Layers"] {
        let page = told_as_json(&[name, "--lattice", "4,4"]);
        let sum = |list: &str, field: &str| {
            let numbers = page[list].as_array().unwrap().iter().map(|entry| entry[field].as_u64().unwrap());
            numbers.sum::<u64>()
        };
        assert_eq!(page["counts"]["parameters"], sum("tensors", "parameters"), "{name}");
        assert_eq!(page["counts"]["parameters"], sum("layers", "parameters"), "{name}");
        assert_eq!(page["counts"]["multiply_adds"]["sampling"], sum("layers", "multiply_adds"), "{name}");
        let text = told(&[name, "--lattice", "4,4"]);
        for tensor in page["tensors"].as_array().unwrap() {
            assert!(text.contains(tensor["name"].as_str().unwrap()), "{text}");
        }
        assert!(text.trim_end().ends_with(page["experiment"].as_str().unwrap().trim_end()), "{text}");
    }
}

#[test]
fn the_table_has_what_the_json_has() {
    let (table, rows) = (told(&[]), told_as_json(&[]));
    for row in rows.as_array().unwrap() {
        for field in ["name", "domain", "good_for", "flow"] {
            assert!(table.contains(row[field].as_str().unwrap()), "{field} of {row}");
        }
        assert!(row["counts"].is_object(), "every flow lives on the lattice it is shown on by default: {row}");
    }
}

#[test]
fn what_is_wrong_is_said_in_a_line() {
    let unknown = refusal(&["Realnvp"]);
    assert!(FLOWS.iter().all(|entry| unknown.contains(entry.name)), "{unknown}");
    for lattice in ["4,x", "0", "1e3", "2000000", ""] {
        let said = refusal(&["--lattice", lattice]);
        assert!(said.contains("--lattice") && said.contains("accepted are extents of at least 1"), "{said}");
    }
    let misfit = refusal(&["U1", "--lattice", "6"]);
    assert!(misfit.contains("--lattice = [6]") && misfit.contains("two extents"), "{misfit}");
    assert!(refusal(&["TorusSpline", "--lattice", "6", "--json"]).contains("--lattice = [6]"));
}
