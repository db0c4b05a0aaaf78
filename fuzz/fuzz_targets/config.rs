//! Configurations: reading, checking, and making the model if it is small.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upg_experiments::config::{Config, ConfigFile};
use upg_fuzz::check;

/// Larger models are not made: a fuzzer would spend its time on them. That they are not too large, `check` has told.
const SMALL: u64 = 1 << 14;

fuzz_target!(|text: &str| {
    let Some(file) = check(ConfigFile::parse("config.ron".as_ref(), text.to_owned())) else { return };
    let line = file.config.to_ron();
    let again = Config::parse(&line).expect("a configuration survives its own text");
    assert_eq!(again.to_ron(), line);
    if check(file.check()).is_none() {
        return;
    }
    let size = file.config.flow_spec().and_then(|spec| spec.size()).expect("it was checked");
    if size.parameters.max(size.indices) <= SMALL {
        check(file.build::<f32>());
    }
});
