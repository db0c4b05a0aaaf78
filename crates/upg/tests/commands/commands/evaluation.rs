//! The output of `upg evaluate` and `upg variance`.

use super::{GAUGE, SCALAR, done_on, keys, number, trained};
use crate::support::{json, temporaries};
use serde_json::Value;

const KEYS: [&str; 27] = [
    "acceptance",
    "chain_warnings",
    "checksum",
    "ess_forward",
    "ess_reverse",
    "files",
    "free_energy_per_site",
    "integration",
    "largest_share",
    "log_z",
    "log_z_forward",
    "loss",
    "loss_error",
    "missed_by_inverse",
    "nll",
    "observables",
    "observables_chain",
    "observables_warnings",
    "provenance",
    "samples",
    "tail_index",
    "tail_index_of_tenth",
    "tail_index_primaries",
    "tau_int",
    "tau_int_error",
    "weights",
    "weights_of",
];

/// A value with its error, and where the exact value is known it is covered by five of them.
#[track_caller]
fn assert_covers(estimate: &Value, name: &str) {
    let (value, error) = (number(&estimate["value"]), number(&estimate["error"]));
    assert!(error > 0.0, "{name}: {estimate}");
    if let Some(exact) = estimate["exact"].as_f64() {
        assert!((value - exact).abs() < 5.0 * error, "{name}: {estimate}");
    }
}

#[track_caller]
fn assert_is_share(value: &Value) {
    let value = number(value);
    assert!(0.0 < value && value <= 1.0, "{value}");
}

fn check_summary(summary: &Value, sites: f64, exact: &[(&str, bool)], has_data: bool) {
    assert_eq!(keys(summary), KEYS);
    assert_eq!((&summary["samples"], &summary["weights"]), (&4000.into(), &"best".into()));
    for share in ["ess_reverse", "acceptance", "largest_share"] {
        assert_is_share(&summary[share]);
    }
    assert!(number(&summary["tau_int"]) >= 0.5 && number(&summary["tau_int_error"]) > 0.0);
    let log_z = &summary["log_z"];
    assert_eq!(keys(log_z), ["error", "exact", "interval", "rests_on", "trusted", "value", "warnings"]);
    assert_covers(log_z, "log Z");
    assert_eq!((&log_z["trusted"], &log_z["warnings"]), (&true.into(), &Value::Array(vec![])));
    assert!(number(&summary["loss"]) + 5.0 * number(&summary["loss_error"]) > -number(&log_z["exact"]), "a bound");
    let free_energy = &summary["free_energy_per_site"];
    assert_eq!(keys(free_energy), ["error", "exact", "interval", "rests_on", "value"]);
    for key in ["value", "exact"] {
        assert!((number(&free_energy[key]) * sites + number(&log_z[key])).abs() < 1e-9);
    }
    for key in ["ess_forward", "nll", "log_z_forward"] {
        assert_eq!(summary[key].is_null(), !has_data, "{key}");
    }
    if has_data {
        assert_is_share(&summary["ess_forward"]);
        assert_covers(&summary["nll"], "nll");
        assert_covers(&summary["log_z_forward"], "log Z from the data");
    }
    for &(name, is_known) in exact {
        assert_eq!(summary["observables"][name]["exact"].is_number(), is_known, "{name}");
    }
    let names = keys(&summary["observables"]);
    assert_eq!(names, keys(&summary["observables_chain"]));
    for name in names {
        let (reweighted, chain) = (&summary["observables"][name], &summary["observables_chain"][name]);
        assert_eq!(
            (keys(reweighted), keys(chain)),
            (
                ["error", "exact", "interval", "rests_on", "value"].into(),
                ["error", "exact", "interval", "rests_on", "tau_int", "value"].into()
            )
        );
        assert_eq!(reweighted["exact"], chain["exact"], "{name}");
        if !reweighted["value"].is_null() {
            assert_covers(reweighted, name);
            assert_covers(chain, name);
        }
    }
    let provenance = &summary["provenance"];
    assert_eq!(
        keys(provenance),
        ["commit", "config", "device", "instruction_set", "precision", "processor", "seed", "threads", "version"]
    );
}

#[test]
fn the_summary_holds_what_is_promised() {
    let scalar = [("phi2", true), ("magnetization_abs", false), ("susceptibility", false), ("two_point_1", false)];
    let gauge = [("plaquette", true), ("q2", true), ("wilson_2x2", true)];
    for (config, sites, exact, has_data) in [(SCALAR, 8.0, &scalar[..], true), (GAUGE, 16.0, &gauge, false)] {
        let experiment = trained(config);
        let table = done_on(&experiment, "evaluate", &[]);
        let summary = json(&experiment.path("run/summary.json"));
        check_summary(&summary, sites, exact, has_data);
        for name in keys(&summary["observables"]).into_iter().chain(["log Z", "Metropolis acceptance", "free energy"]) {
            assert!(table.contains(name), "{name}: {table}");
        }
        assert_eq!(temporaries(&experiment.path("run")), [""; 0]);
    }
}

#[test]
fn seeds_and_numbers_of_samples_can_be_chosen() {
    let experiment = trained(SCALAR);
    let summary = |more: &[&str]| {
        done_on(&experiment, "evaluate", more);
        json(&experiment.path("run/summary.json"))
    };
    let (own, again, other) =
        (summary(&[]), summary(&["--seed", "6"]), summary(&["--seed", "2", "--samples", "700", "--weights", "ema"]));
    assert_eq!(own, again, "6 is the seed of the run");
    assert_eq!(
        (&other["samples"], &other["weights"], &other["provenance"]["seed"]),
        (&700.into(), &"ema".into(), &2.into())
    );
    assert_ne!(own["ess_reverse"], other["ess_reverse"]);
    assert_eq!(own["nll"]["value"].is_number(), other["nll"]["value"].is_number());
}

#[test]
fn the_noise_of_every_estimator_is_told() {
    let reverse = ["reparam", "path-fast", "path-two-pass", "path-two-pass-lean"];
    let forward = ["max-likelihood", "path-fast", "gdreg"];
    for (config, forward) in [(SCALAR, &forward[..]), (GAUGE, &[])] {
        let experiment = trained(config);
        let table = done_on(&experiment, "variance", &["--repetitions", "60", "--batch", "32"]);
        let told = json(&experiment.path("run/variance.json"));
        assert_eq!(keys(&told), ["batch", "checksum", "estimators", "provenance", "repetitions", "weights"]);
        let estimators = told["estimators"].as_array().unwrap();
        let names: Vec<_> = estimators.iter().map(|of| of["estimator"].as_str().unwrap()).collect();
        assert_eq!(names, [&reverse[..], forward].concat());
        for of in estimators {
            assert_eq!(
                keys(of),
                [
                    "by_layer",
                    "distance",
                    "divergence",
                    "estimator",
                    "signal_to_noise",
                    "squared_norm",
                    "variance",
                    "variance_ratio"
                ]
            );
            assert!(table.contains(of["estimator"].as_str().unwrap()));
            let variance = number(&of["variance"]["value"]);
            let layers: f64 = of["by_layer"].as_array().unwrap().iter().map(number).sum();
            assert!(variance > 0.0 && (layers / variance - 1.0).abs() < 1e-9);
            let ordinary = estimators.iter().find(|other| other["divergence"] == of["divergence"]).unwrap();
            let ratio = number(&of["variance_ratio"]["value"]);
            assert!((ratio * number(&ordinary["variance"]["value"]) / variance - 1.0).abs() < 1e-9);
            // All estimators of a divergence have the same mean.
            let (own, other) = (&of["squared_norm"], &ordinary["squared_norm"]);
            let error = number(&own["error"]).hypot(number(&other["error"]));
            assert!((number(&own["value"]) - number(&other["value"])).abs() <= 5.0 * error, "{of}, {ordinary}");
        }
        let path = number(&estimators[1]["variance_ratio"]["value"]);
        assert!(path < 1.0, "path gradients pay near the target: {path}");
    }
}

/// A continuous flow on a lattice, which two steps of the integrator don't resolve.
const CONTINUOUS: &str = "(
    flow: Continuous(lattice: [4, 2], field: Lattice(frequencies: 2, times: 2), steps: 2, base: FreeField(m2: 0.5)),
    target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1),
    training: (
        steps: 60, batch: 64, seed: 6, precision: F64, optimiser: Adam(rate: 0.05), validation: (every: 60, samples: 300),
    ),
    data: (test: Draw(300), hmc: (chains: 50, warm_up: 30, thin: 5)),
    evaluation: (samples: 2000, blocks: 40, ode_steps: 8),
)";

#[test]
fn continuous_flows_are_evaluated_with_more_steps_and_tell_what_they_are_worth() {
    let run = trained(CONTINUOUS);
    let steps = |more: &[&str]| {
        let text = done_on(&run, "evaluate", more);
        let integration = json(&run.path("run/summary.json"))["integration"].clone();
        for side in ["of_samples", "of_data"] {
            let expected = ["log_weight_mean", "log_weight_std", "log_z", "samples", "score"];
            assert_eq!(keys(&integration[side]), expected);
        }
        let line = format!("steps of the integrator      {}; twice as many change\n", integration["steps"]);
        assert!(text.contains(&line) && text.contains("  of the data "), "{text}");
        (integration["steps"].clone(), number(&integration["of_samples"]["log_weight_std"]))
    };
    let (configured, few, many) = (steps(&[]), steps(&["--ode-steps", "2"]), steps(&["--ode-steps", "32"]));
    assert_eq!([&configured.0, &few.0, &many.0], [&Value::from(8), &Value::from(2), &Value::from(32)]);
    assert!(few.1 > 30.0 * configured.1 && configured.1 > 30.0 * many.1, "{few:?}, {configured:?}, {many:?}");
    let variance = done_on(&run, "variance", &["--repetitions", "20", "--batch", "10"]);
    assert!(variance.contains("path-fast"), "{variance}");
}
