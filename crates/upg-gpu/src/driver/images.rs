//! Where a card's machine code comes from: a folder of kernels compiled before, the cache on disk, or NVRTC.
//!
//! `UPG_CUBINS_DIR` names the folder of kernels compiled before, if there is one. With it a card needs no NVRTC for the texts that were compiled;
//! a cubin for 8.0 runs on 8.6, too: within a major number, what was compiled for a lesser one.

use super::cache;
use super::libraries::Missing;
use super::nvrtc::{self, CompileError};
use crate::gpu::Source;
use std::env;
use std::path::{Path, PathBuf};

/// In the place of a version of NVRTC: kernels compiled before may be of any.
const ANY_VERSION: (i32, i32) = (0, 0);

/// Where machine code comes from.
#[derive(Debug)]
pub struct Images {
    capability: (u32, u32),
    before: Option<PathBuf>,
    cache: Option<PathBuf>,
    compiler: Result<Compiler, Missing>,
}

/// NVRTC, as it is here.
#[derive(Debug)]
struct Compiler {
    version: (i32, i32),
    /// What it compiles for, e.g. `sm_80`.
    architecture: String,
}

impl Images {
    /// For a card of this capability.
    ///
    /// # Errors
    /// What is missing where there is neither NVRTC nor a folder of kernels compiled before; or that what `UPG_CUBINS_DIR` names is none.
    pub fn new(capability: (u32, u32)) -> Result<Self, String> {
        let before = env::var_os("UPG_CUBINS_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        if let Some(other) = before.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(format!("UPG_CUBINS_DIR = {}: accepted is a folder of compiled kernels", other.display()));
        }
        let compiler = Compiler::find(capability);
        match (compiler, &before) {
            (Err(missing), None) => Err(missing.to_string()),
            (compiler, _) => Ok(Self { capability, before, cache: cache::folder(), compiler }),
        }
    }

    /// Machine code of a text.
    pub fn of(&self, source: &Source) -> Result<Vec<u8>, CompileError> {
        let before = self.before.as_deref().and_then(|folder| compiled_before(folder, source, self.capability));
        match (before, &self.compiler, &self.before) {
            (Some(image), ..) => Ok(image),
            (None, Ok(compiler), _) => compiler.image(source, self.cache.as_deref()),
            (None, Err(missing), None) => Err(CompileError::Missing(missing.clone())),
            (None, Err(missing), Some(folder)) => {
                let (folder, missing) = (folder.clone(), missing.clone());
                Err(CompileError::NotBefore { folder, name: source.name, missing })
            }
        }
    }

    /// What compiles, in words.
    pub fn words(&self) -> String {
        let before = self.before.as_ref().map(|folder| format!("kernels compiled before in {}", folder.display()));
        let compiler = match &self.compiler {
            Ok(compiler) => compiler.words(),
            Err(_) => "no NVRTC".into(),
        };
        before.into_iter().chain([compiler]).collect::<Vec<_>>().join(", ")
    }
}

impl Compiler {
    fn find(capability: (u32, u32)) -> Result<Self, Missing> {
        Ok(Self { version: nvrtc::version()?, architecture: nvrtc::architecture(capability)? })
    }

    /// From disk, or compiled now.
    fn image(&self, source: &Source, cache: Option<&Path>) -> Result<Vec<u8>, CompileError> {
        let compile = || nvrtc::compile(source, &self.architecture, &[]).map(|compiled| compiled.image);
        let Some(folder) = cache else { return compile() };
        let file = folder.join(file_name(source, &self.architecture, self.version));
        if let Some(image) = cache::read(&file) {
            return Ok(image);
        }
        let image = compile()?;
        cache::write(&file, &image);
        Ok(image)
    }

    /// With the architecture where it isn't the card's.
    fn words(&self) -> String {
        let ((major, minor), architecture) = (self.version, &self.architecture);
        let older = match architecture.starts_with("compute_") {
            true => format!(" (kernels for {architecture}: it doesn't know the card's own architecture)"),
            false => String::new(),
        };
        format!("NVRTC {major}.{minor}{older}")
    }
}

/// Compiles a text for an architecture, e.g. `sm_80`, and keeps it in a folder of kernels compiled before.
///
/// # Errors
/// If it can't be compiled. Whether the folder can be written shows when it is read.
pub fn compile_to(folder: &Path, source: &Source, architecture: &str) -> Result<(), CompileError> {
    let image = nvrtc::compile(source, architecture, &[])?.image;
    cache::write(&folder.join(file_name(source, architecture, ANY_VERSION)), &image);
    Ok(())
}

/// What a folder has of a text for a card of this capability: the newest that runs there.
fn compiled_before(folder: &Path, source: &Source, (major, minor): (u32, u32)) -> Option<Vec<u8>> {
    let of = |minor| cache::read(&folder.join(file_name(source, &format!("sm_{major}{minor}"), ANY_VERSION)));
    (0..=minor).rev().find_map(of)
}

fn file_name(source: &Source, architecture: &str, version: (i32, i32)) -> String {
    cache::file_name(source, architecture, &nvrtc::arguments(source, architecture, &[]), version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "some.cu", text: text.into(), defines: vec![("A", "1".into())] }
    }

    #[test]
    fn a_kernel_compiled_before_serves_the_cards_of_its_major_number_from_its_minor_on() {
        let folder = tempfile::tempdir().unwrap();
        let keep = |architecture: &str| {
            let name = file_name(&source("text"), architecture, ANY_VERSION);
            cache::write(&folder.path().join(name), architecture.as_bytes());
        };
        keep("sm_80");
        keep("sm_86");
        let of = |text: &str, capability| {
            compiled_before(folder.path(), &source(text), capability).map(|image| String::from_utf8(image).unwrap())
        };
        assert_eq!(of("text", (8, 0)).as_deref(), Some("sm_80"));
        assert_eq!(of("text", (8, 5)).as_deref(), Some("sm_80"));
        assert_eq!(of("text", (8, 9)).as_deref(), Some("sm_86"));
        assert_eq!(of("text", (9, 0)), None, "another major number");
        assert_eq!(of("texts", (8, 0)), None, "another text");
    }

    #[test]
    fn without_a_compiler_what_was_not_compiled_before_is_refused_with_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Missing::Library(crate::driver::libraries::Library::Nvrtc);
        let before = Some(folder.path().to_owned());
        let images = Images { capability: (8, 0), before, cache: None, compiler: Err(missing.clone()) };
        let told = images.of(&source("text")).unwrap_err().to_string();
        let [folder_in_words, missing] = [folder.path().display().to_string(), missing.to_string()];
        assert_eq!(
            told,
            format!(
                "UPG_CUBINS_DIR = {folder_in_words} doesn't hold some.cu as this flow needs it, and there is {missing}"
            )
        );
        cache::write(&folder.path().join(file_name(&source("text"), "sm_80", ANY_VERSION)), b"code");
        assert_eq!(images.of(&source("text")).as_deref(), Ok(&b"code"[..]));
        assert!(images.words().ends_with("no NVRTC"), "{}", images.words());
    }
}
