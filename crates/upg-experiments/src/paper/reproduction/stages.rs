//! A file for each stage.

use super::error::ReproductionError;
use super::found::{Found, Made, Stage};
use crate::io::output::OutputFile;
use crate::io::read::read_text;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a reproduction.
#[derive(Debug)]
pub struct Stages {
    path: PathBuf,
}

impl Stages {
    /// The folder, made if it is missing.
    ///
    /// # Errors
    /// If it can't be.
    pub fn open(path: &Path) -> Result<Self, ReproductionError> {
        let folder = |source| ReproductionError::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(path.join("stages")).map_err(folder)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The stage of this name: that in its file, if it was asked for the same, else the one that `find` makes, which is kept.
    ///
    /// # Errors
    /// If `find` fails, or a file can't be read or written.
    pub fn stage(
        &self,
        name: &str,
        asked: String,
        find: impl FnOnce() -> Result<(Made, Found), ReproductionError>,
    ) -> Result<Stage, ReproductionError> {
        if let Some(stage) = self.kept(name)?.filter(|stage| stage.asked == asked) {
            return Ok(stage);
        }
        let (made, found) = find()?;
        let stage = Stage { name: name.into(), asked, made, found };
        let text = serde_json::to_string_pretty(&stage).expect("names and numbers");
        OutputFile::create(&self.file(name))?.commit(text.as_bytes())?;
        Ok(stage)
    }

    /// The stage of this name that is in the folder, whatever it was asked for, made here or on another machine.
    ///
    /// # Errors
    /// If its file can't be read.
    pub fn kept(&self, name: &str) -> Result<Option<Stage>, ReproductionError> {
        read(&self.file(name))
    }

    /// The stages in the folder whose names are this one and a number of steps, `NAME_2000`, in the order of the steps.
    ///
    /// # Errors
    /// If the folder or a file can't be read.
    pub fn kept_of_fewer_steps(&self, name: &str) -> Result<Vec<Stage>, ReproductionError> {
        let folder = |source| ReproductionError::Folder { path: self.path.clone(), source };
        let entries = std::fs::read_dir(self.path.join("stages")).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let steps_of = |entry: std::fs::DirEntry| {
            let file = entry.file_name().into_string().ok()?;
            file.strip_prefix(name)?.strip_prefix('_')?.strip_suffix(".json")?.parse::<u64>().ok()
        };
        let mut steps: Vec<_> = entries.map_err(folder)?.into_iter().filter_map(steps_of).collect();
        steps.sort_unstable();
        steps.iter().filter_map(|steps| self.kept(&format!("{name}_{steps}")).transpose()).collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join("stages").join(format!("{name}.json"))
    }
}

fn read(path: &Path) -> Result<Option<Stage>, ReproductionError> {
    let altered = |problem: String| ReproductionError::Altered { path: path.to_owned(), problem };
    match read_text(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| altered(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(altered(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_not_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let stages = Stages::open(folder.path()).unwrap();
        let made =
            Made { version: "1".into(), commit: "c".into(), processor: "p".into(), threads: 2, device: "cpu".into() };
        let mut times = 0;
        let mut stage = |asked: &str| {
            let stage = stages.stage("costs", asked.into(), || {
                times += 1;
                Ok((made.clone(), Found::Costs(vec![])))
            });
            (stage.unwrap().asked, times)
        };
        assert_eq!(stage("a"), ("a".into(), 1));
        assert_eq!(stage("a"), ("a".into(), 1));
        assert_eq!(stage("b"), ("b".into(), 2), "another question");
        assert_eq!(stages.kept("costs").unwrap().map(|stage| stage.asked), Some("b".into()));
        assert_eq!(stages.kept("gmm").unwrap(), None);
        for name in ["costs_200", "costs_30", "costs_ordinary_9", "costs_x"] {
            let stage = stages.stage(name, "c".into(), || Ok((made.clone(), Found::Costs(vec![]))));
            assert_eq!(stage.unwrap().name, name);
        }
        let fewer: Vec<_> = stages.kept_of_fewer_steps("costs").unwrap().into_iter().map(|stage| stage.name).collect();
        assert_eq!(fewer, ["costs_30", "costs_200"]);
        std::fs::write(folder.path().join("stages/costs.json"), "{}").unwrap();
        let refused = stages.stage("costs", "b".into(), || unreachable!()).unwrap_err();
        assert!(refused.to_string().contains("costs.json: missing field") && refused.exit_status() == 2, "{refused}");
    }
}
