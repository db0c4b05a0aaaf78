//! The files that are altered.

use std::path::{Path, PathBuf};
use upg_core::Cpu;
use upg_experiments::config::{Config, ConfigFile, schema};
use upg_experiments::io::checkpoint::Format;
use upg_experiments::io::output::Provenance;
use upg_train::{DataSets, Trainer};

/// The golden cases.
const GOLDEN: [&str; 5] = ["gmm_6", "phi4_4x4", "u1_4x4", "u1_8x4", "z2nice_4x4"];

/// A base that leaves numbers to its target.
const BASED: &str = "(
    flow: Z2Nice(lattice: [4, 2], couplings: 1, hidden: [3], base: TwoSigns(m2: 0.5)),
    target: Phi4(lattice: [4, 2], kappa: 0.3, lambda: 0.1),
)";

fn golden(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case)
}

/// Names and texts of the configurations: those that come with the program, the example of the schema, and each with all fields
/// spelled out.
pub fn configs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.extend(GOLDEN.map(|case| golden(case).join("config.ron")));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ron"));
    paths.sort();
    let mut texts: Vec<_> =
        paths.iter().map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect();
    texts.push(("the schema".into(), schema::EXAMPLE.into()));
    texts.push(("a base".into(), BASED.into()));
    let spelled_out = |(name, text): &(String, String)| {
        (format!("{name}, spelled out"), Config::parse(text).unwrap().to_pretty_ron())
    };
    let all: Vec<_> = texts.iter().map(spelled_out).collect();
    texts.extend(all);
    texts
}

/// A file of a golden case.
pub struct GoldenFile {
    pub name: String,
    pub config: Config,
    pub bytes: Vec<u8>,
}

/// The files called `name` of all golden cases that have one.
pub fn golden_files(name: &str) -> Vec<GoldenFile> {
    let read = |case: &str| {
        let config = ConfigFile::read(&golden(case).join("config.ron")).unwrap().config;
        let bytes = std::fs::read(golden(case).join(name)).ok()?;
        Some(GoldenFile { name: format!("{case}/{name}"), config, bytes })
    };
    GOLDEN.iter().filter_map(|case| read(case)).collect()
}

/// A checkpoint and the configuration it belongs to.
pub struct CheckpointSeed {
    pub config: Config,
    pub bytes: Vec<u8>,
}

impl CheckpointSeed {
    /// Small runs with every kind of state.
    pub fn all() -> Vec<Self> {
        let flow = "flow: RealNvp(lattice: [2], couplings: 2, hidden: [3], activation: Tanh, mask: Alternating), \
                    target: Gmm(dim: 2)";
        [
            "optimiser: Adam(rate: 0.001)",
            "optimiser: AdamW(rate: 0.001), ema: 0.9, schedule: Plateau(patience: 3)",
            "optimiser: Sgd(rate: 0.001, momentum: 0.9)",
            "optimiser: Sgd(rate: 0.001)",
        ]
        .map(|training| Self::new(&format!("({flow}, training: (batch: 8, {training}))")))
        .into()
    }

    /// After three steps of a run.
    fn new(text: &str) -> Self {
        let config = Config::parse(text).unwrap();
        let problem = config.build::<f32>().unwrap().problem();
        let mut trainer = Trainer::new(problem, Cpu::here(), config.training.plan(), DataSets::default()).unwrap();
        (0..3).for_each(|_| drop(trainer.step().unwrap()));
        let provenance = Provenance::new(1, "f32", Some(1), config.to_ron());
        let bytes = Format::new(&config, trainer.layout()).encode(&trainer.state(), &provenance);
        Self { config, bytes }
    }
}
