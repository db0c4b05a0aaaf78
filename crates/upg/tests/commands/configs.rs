//! The configurations that come with the program.

use std::path::{Path, PathBuf};
use upg_experiments::config::{Config, ConfigFile};
use upg_experiments::paper::table2;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

#[test]
fn all_of_them_make_a_model() {
    let mut files = 0;
    for entry in folder().read_dir().unwrap() {
        let path = entry.unwrap().path();
        let outcome = ConfigFile::read(&path).and_then(|file| file.build::<f64>());
        outcome.map(|_| ()).unwrap_or_else(|error| panic!("{error}"));
        files += 1;
    }
    assert!(files >= 4, "{files} files");
}

#[test]
fn the_table_measures_what_they_describe() {
    let names = [("u1", "u1_16x16_beta3"), ("u1-continuous", "u1_16x16_continuous"), ("continuous", "phi4_16x8")];
    let mut compared = 0;
    for case in table2::cases() {
        assert_eq!(Config::parse(&case.config.to_ron()).unwrap(), case.config);
        let name = names.iter().find(|(flow, _)| *flow == case.flow).map(|(_, name)| (*name).to_owned());
        let name = name.unwrap_or_else(|| format!("phi4_{}", case.flow));
        if !folder().join(format!("{name}.ron")).exists() {
            continue; // a flow without a configuration of its own
        }
        let described = ConfigFile::read(&folder().join(format!("{name}.ron"))).unwrap().config;
        assert_eq!((&case.config.flow, &case.config.target), (&described.flow, &described.target), "{name}");
        compared += 1;
    }
    assert!(compared >= 5, "{compared} cases have a configuration");
}
