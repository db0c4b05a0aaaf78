//! Pages read back by an XML parser: they are written so that they are well-formed as XML, too.

use super::*;
use ndarray::Array2;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value, json};

fn parse(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|e| panic!("{e}: {page}"))
}

/// All text below a node.
fn text(node: Node) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

/// The rows of all tables, each the text of its cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let document = parse(page);
    let rows = document.descendants().filter(|node| node.has_tag_name("tr"));
    rows.map(|row| row.children().filter(Node::is_element).map(text).collect()).collect()
}

/// The titles of the images, each with all text in the image.
fn images(page: &str) -> Vec<(String, String)> {
    let document = parse(page);
    let images = document.descendants().filter(|node| node.attribute("role") == Some("img"));
    images.map(|svg| (text(svg.first_element_child().unwrap()), text(svg))).collect()
}

fn named(name: &str) -> Run {
    Run { name: name.into(), ..Run::default() }
}

fn trained(name: &str, metrics: Vec<Value>) -> Run {
    Run { metrics, ..named(name) }
}

fn evaluated(name: &str, summary: Value) -> Run {
    Run { summary: Some(summary), ..named(name) }
}

fn full(name: &str) -> Run {
    let line = |i: u32| {
        json!({"step": 10 * i, "loss": -12.0 - f64::from(i).sin(), "ess_reverse": 0.3, "grad_norm": 0.8, "rate": 1e-3,
            "seconds": 0.5 * f64::from(i), "samples_per_second": 51_000.0, "skipped": 0,
            "validation": {"ess_reverse": 0.33, "ess_forward": 0.3, "loss": -12.5, "nll": 7.0}})
    };
    Run {
        config: "(flow: <&>, url: \"http://nowhere\")".into(),
        provenance: Some(json!({"version": "0.1.0", "seed": 3, "config": "()", "nested": {"a": 1}})),
        summary: Some(json!({"log_z": {"value": 1.0, "error": 0.1, "exact": 1.05, "trusted": true, "warnings": []}})),
        log_weights: Some((0..1000).map(|i| f64::from(i).sin()).collect()),
        autocorrelation: vec![("plaquette".into(), vec![1.0, 0.5, 0.2])],
        field: Some(Field { shape: vec![2, 4, 8], values: vec![0.5; 64], kind: FieldKind::Links }),
        marginals: Some(Array2::from_shape_fn((100, 2), |(i, k)| ((i + k) as f64).sin())),
        data_marginals: Some(Array2::from_shape_fn((50, 2), |(i, k)| ((i * k) as f64).cos())),
        ..trained(name, (1..700).map(line).collect())
    }
}

#[test]
fn a_page_needs_nothing_else() {
    let page = render(&[full("<script src='x'>"), full("two")]);
    parse(&page);
    let own = page.replace("http://nowhere", "");
    for reference in ["http", "url(", "@import", "src=", "href=", "<script", "<link", "<img", "//"] {
        assert!(!own.replace("src=&#39;", "").contains(reference), "{reference}");
    }
    assert!(page.starts_with("<!DOCTYPE html>\n<html") && page.contains("charset=\"utf-8\""));
}

#[test]
fn every_part_is_there() {
    let page = render(&[full("one"), full("two")]);
    let document = parse(&page);
    let headings = document.descendants().filter(|n| n.has_tag_name("h2")).map(text).collect::<Vec<_>>();
    let expected = ["Results", "Training", "Weights and autocorrelation", "One sample", "Marginals", "Configurations"];
    assert_eq!(headings, expected);
    let titles: Vec<_> = images(&page).into_iter().map(|image| image.0).collect();
    for title in ["Loss", "Gradient norm", "Log-weights", "Autocorrelation: plaquette", "P(x)", "x₀", "data: x₀, x₁"]
    {
        assert!(titles.iter().any(|t| t == title), "{title} in {titles:?}");
    }
    assert!(text(document.root()).contains("(flow: <&>, url: \"http://nowhere\")"));
}

#[test]
fn odd_runs_have_a_page() {
    let null = json!(null);
    let odd = [
        named(""),
        trained("one point", vec![json!({"step": 7, "loss": -1.5})]),
        trained("NaN", vec![json!({"step": 1, "loss": null, "seconds": "?"}), json!({"step": 2, "loss": null})]),
        trained("junk", vec![null.clone(), json!(3), json!([]), json!({"step": "x"}), json!({"validation": 3})]),
        evaluated("null", null.clone()),
        evaluated("nulls", json!({"log_z": null, "observables": null, "ess_reverse": null, "acceptance": {}})),
        evaluated(
            "huge",
            json!({"log_z": {"value": 1e308, "error": 1e-308, "exact": -1e308}, "steps": -1e300, "loss": 1}),
        ),
        Run { provenance: Some(json!([1])), log_weights: Some(vec![]), ..named("empty") },
        Run { log_weights: Some(vec![f64::NAN, f64::NEG_INFINITY]), ..named("weightless") },
        Run { log_weights: Some(vec![2.0, f64::NEG_INFINITY, f64::MAX]), ..named("heavy") },
        Run { autocorrelation: vec![("a".into(), vec![]), ("b".into(), vec![f64::NAN])], ..named("uncorrelated") },
        Run { marginals: Some(Array2::zeros((0, 2))), data_marginals: Some(Array2::zeros((3, 3))), ..named("none") },
        Run { marginals: Some(Array2::from_elem((4, 1), f64::NAN)), ..named("lost") },
        Run {
            field: Some(Field { shape: vec![1, 3], values: vec![f64::NAN, 1.0, -2.0], kind: FieldKind::Sites }),
            ..named("short")
        },
    ];
    parse(&render(&[]));
    parse(&render(&odd));
    odd.iter().for_each(|run| drop(parse(&render(std::slice::from_ref(run)))));
}

#[test]
fn a_run_is_drawn_where_it_has_something() {
    let reverse =
        trained("reverse", vec![json!({"step": 1, "loss": 1.0, "ess_reverse": 0.5}), json!({"step": 2, "loss": 0.5})]);
    let forward =
        trained("forward", vec![json!({"step": 1, "loss": 2.0, "ess_reverse": null, "validation": {"nll": 3.0}})]);
    let page = render(&[reverse, forward]);
    let images = images(&page);
    let drawn = |title: &str| {
        let image = &images.iter().find(|image| image.0 == title).unwrap_or_else(|| panic!("no {title}")).1;
        (image.contains("reverse"), image.contains("forward"))
    };
    assert_eq!(drawn("Loss"), (true, true));
    assert_eq!(drawn("Reverse effective sample size"), (true, false));
    assert_eq!(drawn("Negative log-likelihood"), (false, true));
    assert_eq!(images.len(), 3, "neither seconds nor norms are known");
}

#[test]
fn numbers_stand_beside_the_exact_ones() {
    let run = evaluated(
        "run",
        json!({"steps": 20_000, "ess_reverse": 0.5, "tau_int": 1.25, "tau_int_error": 0.04,
        "log_z": {"value": 10.0, "error": 1.0, "exact": 14.04}, "nll": null,
        "integration": {"steps": 16, "of_samples": {"log_z": -0.0048}},
        "observables": {"q2": {"value": 1.0, "error": 0.1, "exact": 1.26}, "my_own": {"value": 3.0, "error": 0.2}}}),
    );
    let rows = rows(&render(std::slice::from_ref(&run)));
    let row = |label: &str| rows.iter().find(|row| row[0] == label).unwrap_or_else(|| panic!("no {label}")).clone();
    assert_eq!(row("log Z"), ["log Z", "14.04", "10.0(1.0)", "−4.0"]);
    assert_eq!(row("⟨Q²⟩"), ["⟨Q²⟩", "1.260", "1.00(10)", "−2.6"]);
    assert_eq!(row("my own"), ["my own", "", "3.00(20)", ""]);
    assert_eq!(row("τint"), ["τint", "", "1.250(40)", ""]);
    assert_eq!(row("steps of the integrator"), ["steps of the integrator", "", "16", ""]);
    let change = row("change of log Z by twice as many");
    assert_eq!((&change[2][..], &change[3][..]), ("−0.004800", ""));
    assert_eq!(row("training steps"), ["training steps", "", "20\u{202f}000", ""]);
    assert!(!rows.iter().any(|row| row[0].contains("likelihood") || row[0] == "weights"));
    let page = render(&[run]);
    assert!(page.contains("<td class=\"off\">−4.0</td>") && page.contains("<td class=\"fits\">−2.6</td>"));
}

#[test]
fn runs_of_different_targets_keep_their_exact_numbers() {
    let run = |name: &str, exact: Option<f64>| {
        evaluated(name, json!({"log_z": {"value": 1.0, "error": 0.5, "exact": exact}}))
    };
    let of = |runs: &[Run]| rows(&render(runs)).into_iter().find(|row| row[0] == "log Z").unwrap();
    assert_eq!(
        of(&[run("a", Some(1.5)), run("b", Some(1.5))]),
        ["log Z", "1.500", "1.00(50)", "−1.0", "1.00(50)", "−1.0"]
    );
    let own = ["log Z", "1.00(50)", "1.500", "−1.0", "1.00(50)", "2.500", "−3.0"];
    assert_eq!(of(&[run("a", Some(1.5)), run("b", Some(2.5))]), own);
    assert_eq!(of(&[run("a", Some(1.5)), run("b", None)])[4..], ["1.00(50)", "", ""]);
    assert_eq!(of(&[run("a", None), named("b")]), ["log Z", "1.00(50)", "–"]);
}

#[test]
fn many_runs_have_several_tables() {
    let runs: Vec<_> = (0..11).map(|i| evaluated(&format!("run {i}"), json!({"loss": f64::from(i)}))).collect();
    let page = render(&runs);
    let document = parse(&page);
    let heads = document.descendants().filter(|node| node.attribute("scope") == Some("colgroup"));
    let colours = heads.map(|head| head.first_element_child().unwrap().attribute("class").unwrap()[7..9].to_owned());
    assert_eq!(colours.collect::<String>(), "s0s1s2s3s4s5s6s7s0s1s2");
    let losses: Vec<_> = rows(&page).into_iter().filter(|row| row[0] == "loss").collect();
    assert_eq!(losses.iter().map(|row| row.len() - 1).collect::<Vec<_>>(), [6, 5]);
    assert_eq!(losses.iter().flat_map(|row| &row[1..]).map(|v| v.parse::<f64>().unwrap()).sum::<f64>(), 55.0);
}

#[test]
fn what_is_not_to_be_trusted_is_said_first() {
    let log_z =
        json!({"value": 1.0, "error": 0.1, "exact": null, "trusted": false, "warnings": ["ESS < 0.05", "one mode?"]});
    let metrics = vec![json!({"step": 1, "loss": null, "skipped": 0}), json!({"step": 2, "loss": 1.0, "skipped": 4})];
    let run = Run { metrics, ..evaluated("run", json!({"log_z": log_z})) };
    let page = render(&[full("good"), run]);
    let document = parse(&page);
    let boxes: Vec<_> = document.descendants().filter(|n| n.has_tag_name("aside")).collect();
    assert_eq!(boxes.iter().map(|n| n.attribute("class").unwrap()).collect::<Vec<_>>(), ["warning", "note"]);
    assert!(text(boxes[0]).contains("run: log Z, and what is reweighted: ESS < 0.05; one mode?"));
    let notes = text(boxes[1]);
    assert!(notes.contains("the loss is not finite in 1 of 2 logged steps") && notes.contains("4 steps skipped"));
    assert!(!notes.contains("good"));
    assert!(!render(&[full("good")]).contains("<aside"));
}

#[test]
fn hmc_stands_beside_the_flow() {
    let phi2 = |value| json!({"phi2": {"value": value, "error": 0.1, "exact": 2.0, "tau_int": 1.25}});
    let chains = json!({"number": 50, "acceptance": 0.81, "smallest_acceptance": 0.7, "never_moved": 3});
    let times = json!({"m": null, "m2": {"value": 4.0, "error": 0.2}, "phi2": {"value": 1.25, "error": 0.1}});
    let hmc = json!({"samples": 20_000, "chains": chains, "tau_int": times, "observables": phi2(1.9), "warnings": ["frozen"]});
    let exact = json!({"samples": 70, "chains": null, "tau_int": {"x": null}, "observables": {}, "warnings": []});
    let run = Run { hmc: Some(hmc), ..evaluated("run", json!({"observables": phi2(2.2)})) };
    let page = render(&[run, Run { hmc: Some(exact), ..named("exact") }, named("none")]);
    let rows = rows(&page);
    let found = |label: &str| rows.iter().filter(|row| row[0] == label).cloned().collect::<Vec<_>>();
    assert_eq!(found("⟨φ²⟩")[0][..4], ["⟨φ²⟩", "2.000", "2.20(10) τ 1.2", "+2.0"]);
    assert_eq!(found("⟨φ²⟩")[1][..4], ["⟨φ²⟩", "2.000", "1.90(10) τ 1.2", "−1.0"]);
    assert_eq!(found("samples")[0][2..], ["20\u{202f}000 of 50 chains", "", "70, exact", "", "–", ""]);
    assert_eq!(found("acceptance")[0][2], "0.810, of a chain at least 0.700");
    assert_eq!(found("chains that never moved")[0][2], "3");
    assert_eq!(found("τint in sweeps")[0][2], "4.00(20)");
    assert!(page.contains("HMC: frozen") && !page.contains("exact</span>: HMC"));
    let odd = json!({"tau_int": {"a": 1, "b": {"value": null}}, "observables": 3, "chains": [], "warnings": 1});
    for hmc in [json!(null), json!({}), odd] {
        parse(&render(&[Run { hmc: Some(hmc), ..named("odd") }]));
    }
}

#[test]
fn the_page_and_its_charts_have_the_same_colours() {
    let run = |i: i32| trained(&i.to_string(), vec![json!({"step": i, "loss": 1.0})]);
    let page = render(&(0..8).map(run).collect::<Vec<_>>());
    let coloured = |i: usize| page.split(&format!("class=\"s{i}\" color=\"")).nth(1).map(|rest| &rest[..7]);
    for (i, colour) in (0..8).map(|i| (i, coloured(i))) {
        let expected = colour.unwrap_or("var(--ink)");
        assert!(page.contains(&format!(".s{i} {{ color: {expected}; }}")), "{i}: {expected}");
    }
}
