//! Every loader of `upg` as a function of bytes: whatever they are, it gives a value or an error of one line. What must hold of the value is asserted.

pub mod arguments;
pub mod calibration;
pub mod checkpoint;
pub mod config;
pub mod flow;
pub mod lattice;
pub mod metrics;
pub mod numbers;
pub mod overrides;
pub mod page;
pub mod results;
pub mod samples;
pub mod weights;
pub mod weights_file;

/// A loader.
#[derive(Clone, Copy, Debug)]
pub struct Loader {
    /// Its name, that of its target too.
    pub name: &'static str,
    /// Loads, and asserts what must hold.
    pub load: fn(&[u8]),
    /// Files to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// A line of the table.
macro_rules! loaders {
    ($($name:ident),* $(,)?) => {
        &[$(Loader { name: stringify!($name), load: $name::load, seeds: $name::seeds }),*]
    };
}

/// All of them.
pub const LOADERS: &[Loader] = loaders![
    arguments,
    calibration,
    checkpoint,
    config,
    flow,
    lattice,
    metrics,
    numbers,
    overrides,
    page,
    results,
    samples,
    weights,
    weights_file,
];

/// The loader of this name.
pub fn named(name: &str) -> Option<&'static Loader> {
    LOADERS.iter().find(|loader| loader.name == name)
}

/// Texts as files to begin with.
fn texts<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.into().into_bytes()).collect()
}
