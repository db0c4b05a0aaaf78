//! The page of a report: a line each of `summary.json`, `hmc.json`, `autocorrelation.json` and `provenance.json`, then those of `metrics.jsonl`.

use serde_json::Value;
use upg_experiments::report::page::{Run, render};

pub fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).ok());
    let mut next = || lines.next().flatten();
    let (summary, hmc, autocorrelation, provenance) = (next(), next(), next(), next());
    let named = autocorrelation.as_ref().and_then(Value::as_object).into_iter().flatten();
    let numbers = |value: &Value| serde_json::from_value::<Vec<f64>>(value.clone()).unwrap_or_default();
    let run = Run {
        name: "run".into(),
        summary,
        hmc,
        provenance,
        autocorrelation: named.map(|(name, rho)| (name.clone(), numbers(rho))).collect(),
        metrics: lines.flatten().collect(),
        ..Run::default()
    };
    assert!(render(&[run]).ends_with("</html>\n"));
}

pub fn seeds() -> Vec<Vec<u8>> {
    let results = include_str!("../../seeds/results.jsonl");
    let metrics = include_str!("../../seeds/metrics.jsonl");
    vec![
        [results, metrics].concat().into_bytes(),
        results.as_bytes().to_vec(),
        format!("\n\n\n\n{metrics}").into_bytes(),
    ]
}
