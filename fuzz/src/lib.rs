//! The [`loaders`], the models whose files they load, and the check of every outcome.

pub mod loaders;

use std::path::{Path, PathBuf};
use upg_core::{Layer, ParamLayout};
use upg_experiments::config::{Config, ConfigFile};
use upg_flows::FlowSpec;

/// Larger models are not made: a fuzzer would spend its time on them. That they are not too large, the loaders have told.
const SMALL: u64 = 1 << 14;

/// Whether a flow is made soon.
pub fn is_small(flow: &FlowSpec) -> bool {
    flow.size().is_ok_and(|size| size.parameters.max(size.indices) <= SMALL)
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of the golden cases.
pub fn golden() -> Vec<PathBuf> {
    let folder = repository().join("crates/upg-experiments/tests/golden");
    let mut cases: Vec<_> =
        folder.read_dir().expect("the golden cases").map(|case| case.expect("a case").path()).collect();
    cases.sort();
    cases
}

/// The configuration of a golden case.
pub fn golden_config(case: &Path) -> Config {
    ConfigFile::read(&case.join("config.ron")).expect("a configuration").config
}

/// Small runs, with every kind of state.
pub fn runs() -> [Config; 4] {
    [
        "optimiser: Adam(rate: 0.001)",
        "optimiser: AdamW(rate: 0.001), ema: 0.9, schedule: Plateau(patience: 3)",
        "optimiser: Sgd(rate: 0.001, momentum: 0.9)",
        "optimiser: Sgd(rate: 0.001)",
    ]
    .map(|training| {
        let flow = "RealNvp(lattice: [2], couplings: 2, hidden: [3], activation: Tanh, mask: Alternating)";
        let text = format!("(flow: {flow}, target: Gmm(dim: 2), training: (batch: 8, {training}))");
        Config::parse(&text).expect("a configuration")
    })
}

/// The layout of the parameters.
pub fn layout(config: &Config) -> ParamLayout {
    config.build::<f32>().expect("a model").flow.params()
}

/// Checks what is said about a wrong file: one line, not too long.
pub fn check<V, E: ToString>(outcome: Result<V, E>) -> Option<V> {
    let message = match outcome {
        Ok(value) => return Some(value),
        Err(error) => error.to_string(),
    };
    for line in message.split('\n') {
        assert!(!line.is_empty() && line.len() < 2000, "{} bytes: {line}", line.len());
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
    None
}
