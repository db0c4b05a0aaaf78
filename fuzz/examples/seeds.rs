//! Writes what the fuzzer starts from to `fuzz/corpus`: the configurations and golden cases of the repository, and small checkpoints.

use std::fs;
use std::path::Path;
use upg_core::Cpu;
use upg_experiments::config::{Config, ConfigFile, schema};
use upg_experiments::io::checkpoint::Format;
use upg_experiments::io::output::Provenance;
use upg_fuzz::{golden, repository, runs};
use upg_train::{DataSets, Trainer};

fn main() {
    let configs = repository().join("configs").read_dir().expect("the configurations");
    for path in configs.map(|entry| entry.expect("a file").path()) {
        seed("config", &name(&path), &fs::read(&path).expect("a file"));
        let config = ConfigFile::read(&path).expect("a configuration").config;
        seed("config", &format!("{}.long", name(&path)), config.to_pretty_ron().as_bytes());
    }
    seed("config", "schema", schema::EXAMPLE.as_bytes());
    for case in golden() {
        for (target, file) in
            [("config", "config.ron"), ("weights", "params.safetensors"), ("samples", "z.npy"), ("samples", "x_data.npy")]
        {
            if let Ok(bytes) = fs::read(case.join(file)) {
                seed(target, &format!("{}.{file}", name(&case)), &bytes);
            }
        }
    }
    for (i, config) in runs().iter().enumerate() {
        let bytes = checkpoint(config);
        seed("checkpoint", &format!("run{i}"), &bytes);
        seed("weights", &format!("run{i}"), &bytes);
    }
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = repository().join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a file");
}

/// The checkpoint of a run after three steps.
fn checkpoint(config: &Config) -> Vec<u8> {
    let problem = config.build::<f32>().expect("a model").problem();
    let mut trainer =
        Trainer::new(problem, Cpu::here(), config.training.plan(), DataSets::default()).expect("a trainer");
    (0..3).for_each(|_| drop(trainer.step().expect("the processor doesn't fail")));
    let provenance = Provenance::new(1, "f32", Some(config.training.seed), config.to_ron());
    Format::new(config, trainer.layout()).encode(&trainer.state(), &provenance)
}
