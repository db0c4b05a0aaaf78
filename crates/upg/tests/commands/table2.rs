//! The table of costs on a small problem: its rows and its file.

use serde_json::Value;
use std::time::Duration;
use upg_core::Cpu;
use upg_experiments::config::Config;
use upg_experiments::io::output::Provenance;
use upg_experiments::paper::table2::{self, Case, Folder, Plan};
use upg_train::method::Divergence;

const SMALL: &str = "(flow: Z2Nice(lattice: [4, 2], couplings: 2, hidden: [9]), \
                     target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1))";

fn plan(batch: usize, rounds: u32, budget: Duration) -> Plan {
    Plan { batch, rounds, budget }
}

/// The rows, the page and the text for LaTeX.
fn measured(divergences: &'static [Divergence]) -> (Value, String, String) {
    let case = Case { flow: "z2nice", target: "phi4", config: Config::parse(SMALL).unwrap(), divergences };
    let plan = [plan(5, 4, Duration::from_secs(60)), plan(17, 1000, Duration::ZERO)];
    let rows = table2::run(&[case], &plan, &Cpu::<f32>::new(2)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/new/folder");
    Folder::create(&out).unwrap().write(&rows, &Provenance::new(2, "f32", Some(3), SMALL.into())).unwrap();
    let record: Value = serde_json::from_slice(&std::fs::read(out.join("provenance.json")).unwrap()).unwrap();
    assert_eq!((&record["config"], &record["threads"]), (&SMALL.into(), &2.into()));
    assert_eq!(out.read_dir().unwrap().count(), table2::FILES.len(), "no temporary file is left");
    let text = |name| std::fs::read_to_string(out.join(name)).unwrap();
    (serde_json::from_str(&text("table2.json")).unwrap(), text("table2.html"), text("table2.tex"))
}

#[test]
fn rows_hold_the_documented_fields() {
    let (rows, ..) = measured(&[Divergence::Reverse, Divergence::Forward]);
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["estimator"].as_str().unwrap()).collect();
    let reverse = ["reparam", "path-fast", "path-two-pass", "path-two-pass-lean"];
    let forward = ["max-likelihood", "path-fast", "gdreg"];
    assert_eq!(names, [&reverse[..], &forward, &reverse, &forward].concat());
    for row in rows.as_array().unwrap() {
        let keys: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected =
            ["flow", "target", "divergence", "estimator", "batch", "baseline", "samples_per_second"].to_vec();
        expected.extend(["seconds", "ratio", "device", "threads"]);
        expected.sort();
        assert_eq!(keys, expected);
        assert_eq!((&row["flow"], &row["target"], &row["threads"]), (&"z2nice".into(), &"phi4".into(), &2.into()));

        let number = |value: &Value| value.as_f64().filter(|x| x.is_finite()).unwrap_or_else(|| panic!("{row}"));
        let (median, min) = (number(&row["seconds"]["median"]), number(&row["seconds"]["min"]));
        assert!(0.0 < min && min <= median && number(&row["seconds"]["std"]) >= 0.0);
        let rate = number(&row["batch"]) / median;
        assert!((number(&row["samples_per_second"]) - rate).abs() < 1e-9 * rate);
        let baseline = if row["divergence"] == "reverse" { "reparam" } else { "max-likelihood" };
        assert_eq!(row["baseline"], baseline);
        let is_baseline = row["estimator"] == baseline;
        assert_eq!(is_baseline, row["ratio"] == serde_json::json!({ "mean": 1.0, "std": 0.0 }), "{row}");
    }
}

#[test]
fn the_page_and_the_text_for_latex_hold_the_numbers() {
    let (rows, page, tex) = measured(&[Divergence::Reverse]);
    assert!(page.contains("<!DOCTYPE html>") && !page.contains("src=") && !page.contains("href="), "it stands alone");
    for (begin, end) in [("\\begin{table}", "\\end{table}"), ("\\toprule", "\\bottomrule"), ("\\caption{", "\\label{")]
    {
        assert!(tex.find(begin) < tex.find(end) && tex.contains(begin), "{tex}");
    }
    let lines: Vec<_> = tex.lines().filter(|line| line.ends_with("\\\\")).collect();
    assert_eq!(lines.len(), 1 + rows.as_array().unwrap().len());
    assert_eq!(tex.matches("\\midrule").count(), 2, "below the head, and between the groups");
    for (row, line) in rows.as_array().unwrap().iter().zip(&lines[1..]) {
        let (mean, std) = (row["ratio"]["mean"].as_f64().unwrap(), row["ratio"]["std"].as_f64().unwrap());
        let cells =
            [row["estimator"].as_str().unwrap(), &format!("{:.0}", row["samples_per_second"].as_f64().unwrap())];
        for cell in cells {
            assert!(page.contains(&format!("<td>{cell}</td>")), "{cell} in {page}");
            assert!(line.contains(&format!("& {cell} &")), "{cell} in {line}");
        }
        assert!(page.contains(&format!("<td>{mean:.3} ± {std:.3}</td>")), "{page}");
        assert!(line.contains(&format!("& {mean:.3} $\\pm$ {std:.3} &")), "{line}");
        assert_eq!(line.matches(" & ").count(), 9);
    }
}

#[test]
fn the_paper_s_setting_is_measured() {
    let cases = table2::cases();
    let flows: Vec<_> = cases.iter().map(|case| case.flow).collect();
    assert_eq!(flows[..3], ["z2nice", "realnvp", "u1"]);
    for flow in ["spline", "maf", "iaf", "linear", "conv", "continuous", "u1-continuous"] {
        assert!(flows[3..].contains(&flow), "{flow} of {flows:?}");
    }
    let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let all = table2::only(table2::cases(), &[]).unwrap();
    assert_eq!(all.iter().map(|case| case.flow).collect::<Vec<_>>(), flows);
    let chosen = table2::only(cases, &named(&["maf", "z2nice"])).unwrap();
    assert_eq!(chosen.iter().map(|case| case.flow).collect::<Vec<_>>(), ["z2nice", "maf"]);
    let error = table2::only(chosen, &named(&["maf", "mfa"])).unwrap_err();
    assert_eq!((error.exit_status(), &*error.to_string()), (2, "--only = mfa: accepted are z2nice, maf"));
    let batches = |quick| table2::plan(quick).iter().map(|plan| plan.batch).collect::<Vec<_>>();
    assert_eq!((batches(true), batches(false)), (vec![64, 1024], vec![64, 1024, 8192]));
}

#[test]
fn a_folder_that_cannot_be_made_is_wrong_input() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = Folder::create(&folder.path().join("file/below")).unwrap_err();
    assert_eq!(error.exit_status(), 2, "{error}");
}
