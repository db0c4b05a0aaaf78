//! Weights, of small flows and of those of the golden cases.

use crate::{check, golden, golden_config, layout, runs};
use std::fs;
use std::sync::LazyLock;
use upg_core::ParamLayout;
use upg_experiments::io::weights::decode_params;

static LAYOUTS: LazyLock<Vec<ParamLayout>> = LazyLock::new(|| {
    let golden = golden();
    golden.iter().map(|case| golden_config(case)).chain([runs()[0].clone()]).map(|config| layout(&config)).collect()
});

pub fn load(bytes: &[u8]) {
    for layout in LAYOUTS.iter() {
        if let Some(theta) = check(decode_params::<f32>(bytes, layout)) {
            assert!(theta.len() == layout.size() && theta.iter().all(|x| x.is_finite()));
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let golden = golden().into_iter().filter_map(|case| fs::read(case.join("params.safetensors")).ok());
    golden.chain(super::checkpoint::seeds()).collect()
}
