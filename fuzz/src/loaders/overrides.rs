//! Values from the command line, a field a line, in the place of those of a configuration.

use super::texts;
use crate::check;
use upg_experiments::config::{ConfigFile, Override};

/// What they change.
const CONFIG: &str =
    "(flow: Maf(lattice: [4], layers: 2, hidden: [8]), target: Gmm(dim: 4), data: (train: Draw(50), test: Draw(40)))";

pub fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let overrides: Option<Vec<Override>> = text.lines().map(|line| check(line.parse::<Override>())).collect();
    let Some(overrides) = overrides.filter(|overrides| overrides.len() <= 4) else { return };
    if let Some(file) =
        check(ConfigFile::parse("config.ron".as_ref(), CONFIG.into()).and_then(|file| file.with(&overrides)))
    {
        check(file.check());
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts([
        "training.batch=500",
        "training.optimiser=AdamW(rate: 1e-3, weight_decay: 0.1)\ntraining.optimiser.rate=1e-4",
        "flow.hidden=[32, 32]\nflow.hidden[1]=7",
        "flow.transform=Spline(bins: 8, interval: 4.0)",
        "data.train=File(\"x.npy\")",
        "target.dim=4\ntraining.seed=18446744073709551615",
        "training.anneal=Beta(from: 0.2, steps: 30, shape: Cosine)",
    ])
}
