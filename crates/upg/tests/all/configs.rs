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
    for case in table2::cases() {
        let name = if case.flow == "u1" { "u1_16x16_beta3".to_owned() } else { format!("phi4_{}", case.flow) };
        let described = ConfigFile::read(&folder().join(format!("{name}.ron"))).unwrap().config;
        assert_eq!((&case.config.flow, &case.config.target), (&described.flow, &described.target), "{name}");
        assert_eq!(Config::parse(&case.config.to_ron()).unwrap(), case.config);
    }
}
