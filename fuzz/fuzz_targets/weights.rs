//! Weights, of small flows and of those of the golden cases.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use upg_core::ParamLayout;
use upg_experiments::io::weights::decode_params;
use upg_fuzz::{check, golden, golden_config, layout, runs};

static LAYOUTS: LazyLock<Vec<ParamLayout>> = LazyLock::new(|| {
    let golden = golden();
    golden.iter().map(|case| golden_config(case)).chain([runs()[0].clone()]).map(|config| layout(&config)).collect()
});

fuzz_target!(|bytes: &[u8]| {
    for layout in LAYOUTS.iter() {
        if let Some(theta) = check(decode_params::<f32>(bytes, layout)) {
            assert!(theta.len() == layout.size() && theta.iter().all(|x| x.is_finite()));
        }
    }
});
