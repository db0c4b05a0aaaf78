//! Configurations: reading, checking, and making the model if it is small.

use super::texts;
use crate::{check, golden, is_small, repository};
use std::fs;
use upg_experiments::config::catalogue::FLOWS;
use upg_experiments::config::{Config, ConfigFile, schema};

pub fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(file) = check(ConfigFile::parse("config.ron".as_ref(), text.to_owned())) else { return };
    let line = file.config.to_ron();
    let again = Config::parse(&line).expect("a configuration survives its own text");
    assert_eq!(again.to_ron(), line);
    if check(file.check()).is_none() {
        return;
    }
    match file.config.flow_spec() {
        Ok(flow) if !is_small(&flow) => {}
        Ok(_) => drop(check(file.build::<f32>())),
        Err(_) => {
            assert!(check(file.build::<f32>()).is_none(), "what is missing is left to a target that isn't accepted")
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = golden().iter().map(|case| fs::read(case.join("config.ron")).expect("a file")).collect();
    for entry in repository().join("configs").read_dir().expect("the configurations") {
        let config = ConfigFile::read(&entry.expect("a file").path()).expect("a configuration").config;
        seeds.extend(texts([config.to_ron(), config.to_pretty_ron()]));
    }
    seeds.extend(texts(FLOWS.iter().map(|entry| entry.experiment(&[4, 4]))));
    seeds.extend(texts([schema::EXAMPLE]));
    seeds
}
