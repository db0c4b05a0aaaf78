//! Files of weights, by path: their flow, configuration, progress and moving average, as callers in other languages and reports read them.

use crate::{check, layout, runs};
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;
use upg_core::ParamLayout;
use upg_experiments::commands::tensors::of_file;
use upg_experiments::io::checkpoint::{read_config, read_ema, read_origin, read_progress, read_start, read_weights};
use upg_experiments::io::weights::seal;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::tempdir_in(folder).expect("a folder")
});
static LAYOUT: LazyLock<ParamLayout> = LazyLock::new(|| layout(&runs()[1]));

pub fn load(bytes: &[u8]) {
    let mut sealed = bytes.to_vec();
    seal(&mut sealed);
    let path = FOLDER.path().join(format!("{}.safetensors", std::process::id()));
    for bytes in [bytes, &sealed] {
        std::fs::write(&path, bytes).expect("a file in memory");
        let has = |tensors: usize| assert!(tensors > 0);
        check(of_file(&path, None)).into_iter().for_each(|read| has(read.tensors.len()));
        check(read_config(&path));
        check(read_origin(&path));
        check(read_progress(&path));
        let sized = [read_ema::<f32>(&path, &LAYOUT), read_weights(&path, &LAYOUT), read_start(&path, &LAYOUT)];
        sized.into_iter().filter_map(check).for_each(|theta| assert_eq!(theta.len(), LAYOUT.size()));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    super::checkpoint::seeds()
}
