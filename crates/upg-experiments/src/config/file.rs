//! Configuration files, and what is said about a wrong one.

use super::experiment::Config;
use super::invalid::{AllInvalid, Invalid};
use super::locate::{self, Position};
use super::mistakes::{ConfigError, Mistake, Origin};
use super::model::Model;
use super::overrides::{self, Override};
use super::parse::parse;
use super::place::{DeviceName, Place};
use crate::io::memory;
use crate::io::read::{MOST_MIB, read_text};
use crate::io::refusal::is_of_machine;
use crate::text::one_line;
use std::io;
use std::path::{Path, PathBuf};
use upg_core::{Cpu, Real};

/// A configuration and the text it was read from.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// The configuration.
    pub config: Config,
    path: PathBuf,
    text: String,
    overrides: Vec<Override>,
}

impl ConfigFile {
    /// Reads a configuration file. Files that it names, data and libraries, are relative to its folder, and absolute in what is returned.
    ///
    /// # Errors
    /// If it can't be read, isn't RON, or a field is missing, unknown or of the wrong type.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::read_with(path, &[])
    }

    /// The same with other values for some fields; files among them are relative to the folder of the configuration, too.
    ///
    /// # Errors
    /// As [`read`](Self::read), of the file as it stands; else if there is no such field, or it can't have such a value.
    pub fn read_with(path: &Path, overrides: &[Override]) -> Result<Self, ConfigError> {
        Self::parse(path, read_text(path).map_err(|e| unreadable(path, &e))?)?.with(overrides)
    }

    /// The same with other values for some fields, as if the file had been read with them.
    ///
    /// # Errors
    /// If there is no such field, or it can't have such a value.
    pub fn with(mut self, overrides: &[Override]) -> Result<Self, ConfigError> {
        self.config = overrides::apply(&self.path, self.config, overrides)?;
        self.overrides.extend_from_slice(overrides);
        let full = self.path.canonicalize().ok();
        let folder = full.and_then(|full| Some(full.parent()?.to_owned())).unwrap_or_default();
        self.resolve(&folder);
        Ok(self)
    }

    /// A configuration that isn't in a file; files that it names are relative to `folder`.
    ///
    /// # Errors
    /// As [`read`](Self::read); no place is told.
    pub fn of_text(text: String, folder: &Path) -> Result<Self, ConfigError> {
        let mut file = Self::parse(Path::new(""), text)?;
        file.resolve(folder);
        Ok(file)
    }

    fn resolve(&mut self, folder: &Path) {
        self.config.training.resolve(folder);
        self.config.target.resolve(folder);
        if let Some(data) = &mut self.config.data {
            data.resolve(folder);
        }
    }

    /// Reads a configuration from the text of a file called `path`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        Ok(Self { config: parse(path, &text)?, path: path.to_owned(), text, overrides: vec![] })
    }

    /// The text as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fields whose values are not those of the file, as they were given.
    pub fn overrides(&self) -> Vec<String> {
        self.overrides.iter().map(ToString::to_string).collect()
    }

    /// Checks all that can be checked without making the flow.
    ///
    /// # Errors
    /// Every field whose value isn't accepted.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.config.check().map_err(|invalid| self.locate(&invalid))
    }

    /// Checks that a training fits into the memory of this machine, where that is known.
    ///
    /// # Errors
    /// As [`Config::check_memory`].
    pub fn check_memory(&self) -> Result<(), ConfigError> {
        let memory = memory::of_machine().unwrap_or(u64::MAX);
        self.config.check_memory(memory).map_err(|invalid| self.locate(&invalid))
    }

    /// Checks that a device multiplies as it is asked to.
    ///
    /// # Errors
    /// That it doesn't.
    pub fn check_products(&self, device: DeviceName) -> Result<(), ConfigError> {
        device.check(self.config.precision.products).map_err(|invalid| self.locate(&invalid.into()))
    }

    /// Makes the flow and the target, on the host.
    ///
    /// # Errors
    /// Every field whose value isn't accepted; else if the target doesn't live where the flow does.
    pub fn build<T: Real>(&self) -> Result<Model<Cpu<T>>, ConfigError> {
        self.build_on(&Cpu::here())
    }

    /// The same on `device`, see [`Config::build_on`].
    ///
    /// # Errors
    /// As there.
    pub fn build_on<D: Place>(&self, device: &D) -> Result<Model<D>, ConfigError> {
        self.config.build_on(device).map_err(|invalid| self.locate(&invalid))
    }

    /// The same for an evaluation, see [`Config::build_for_evaluation`].
    ///
    /// # Errors
    /// As there.
    pub fn build_for_evaluation<D: Place>(&self, device: &D) -> Result<Model<D>, ConfigError> {
        self.config.build_for_evaluation(device).map_err(|invalid| self.locate(&invalid))
    }

    fn locate(&self, invalid: &AllInvalid) -> ConfigError {
        let found = locate::fields(&self.text);
        let mistakes = invalid.iter().map(|Invalid { field, value, accepted }| {
            let place =
                found.iter().filter(|found| locate::is_within(field, &found.path)).max_by_key(|found| found.path.len());
            let origin = match self.overrides.iter().rfind(|other| other.decides(field)) {
                Some(other) => Origin::Argument(other.option),
                None => Origin::File(place.map(|place| Position::of(&self.text, place.value))),
            };
            Mistake {
                origin,
                field: Some((field.clone(), one_line(value, 100))),
                problem: format!("accepted is {accepted}"),
            }
        });
        ConfigError::all(&self.path, mistakes.collect()).expect("there is a first one")
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let problem = match error.kind() {
        io::ErrorKind::FileTooLarge => format!("more than {MOST_MIB} MiB: accepted is up to {MOST_MIB} MiB of text"),
        _ => format!("cannot read the file: {error}"),
    };
    let origin = if is_of_machine(error) { Origin::Machine } else { Origin::File(None) };
    ConfigError::one(path, Mistake { origin, field: None, problem })
}
