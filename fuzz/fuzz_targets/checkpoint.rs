//! Checkpoints. The bytes are read as they are and with a checksum that fits them, or the checksum would stop every change.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use upg_core::ParamLayout;
use upg_experiments::config::Config;
use upg_experiments::io::checkpoint::Format;
use upg_experiments::io::weights::seal;
use upg_fuzz::{check, layout, runs};

static RUNS: LazyLock<Vec<(Config, ParamLayout)>> =
    LazyLock::new(|| runs().into_iter().map(|config| (config.clone(), layout(&config))).collect());

fuzz_target!(|bytes: &[u8]| {
    let mut sealed = bytes.to_vec();
    seal(&mut sealed);
    for (config, layout) in RUNS.iter() {
        for bytes in [bytes, &sealed] {
            if let Some(state) = check(Format::new(config, layout).decode::<f32>(bytes, "c".as_ref())) {
                assert_eq!(state.theta.len(), layout.size());
            }
        }
    }
});
