//! Writes what the fuzzer starts from to `fuzz/corpus`: the seeds of every loader.

use std::fs;
use upg_fuzz::loaders::LOADERS;
use upg_fuzz::repository;

fn main() {
    for loader in LOADERS {
        let folder = repository().join("fuzz/corpus").join(loader.name);
        fs::create_dir_all(&folder).expect("a folder");
        for (number, seed) in (loader.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed{number}")), seed).expect("a file");
        }
    }
}
