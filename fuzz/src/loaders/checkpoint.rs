//! Checkpoints. The bytes are read as they are and with a checksum that fits them, or the checksum would stop every change.

use crate::{check, layout, runs};
use std::sync::LazyLock;
use upg_core::{Cpu, ParamLayout};
use upg_experiments::config::Config;
use upg_experiments::io::checkpoint::Format;
use upg_experiments::io::output::Provenance;
use upg_experiments::io::weights::seal;
use upg_train::{DataSets, Trainer};

static RUNS: LazyLock<Vec<(Config, ParamLayout)>> =
    LazyLock::new(|| runs().into_iter().map(|config| (config.clone(), layout(&config))).collect());

pub fn load(bytes: &[u8]) {
    let mut sealed = bytes.to_vec();
    seal(&mut sealed);
    for (config, layout) in RUNS.iter() {
        for bytes in [bytes, &sealed] {
            if let Some(state) = check(Format::new(config, layout).decode::<f32>(bytes, "c".as_ref())) {
                assert_eq!(state.theta.len(), layout.size());
            }
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    runs().iter().map(after_three_steps).collect()
}

/// The checkpoint of a run after three steps.
fn after_three_steps(config: &Config) -> Vec<u8> {
    let problem = config.build::<f32>().expect("a model").problem();
    let mut trainer =
        Trainer::new(problem, Cpu::here(), config.training.plan(), DataSets::default()).expect("a trainer");
    (0..3).for_each(|_| drop(trainer.step().expect("the processor doesn't fail")));
    let provenance = Provenance {
        flow: config.flow_to_ron(),
        ..Provenance::new(1, "f32", Some(config.training.seed), config.to_ron())
    };
    Format::new(config, trainer.layout()).encode(&trainer.state(), &provenance)
}
