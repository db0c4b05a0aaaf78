//! NVRTC: CUDA C++ to machine code. It needs no card.

use super::libraries::{Library, Missing};
use crate::gpu::Source;
use cudarc::nvrtc::sys::{self, nvrtcProgram, nvrtcResult};
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::path::PathBuf;
use std::ptr;

/// What every text is compiled with: the language, and no warnings of functions that a text doesn't use (177).
pub const OPTIONS: [&str; 2] = ["--std=c++17", "--diag-suppress=177"];

/// What NVRTC made of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// A cubin, or PTX that ends with a zero.
    pub image: Vec<u8>,
    /// Its words: warnings, and what was asked for with `--ptxas-options=-v`.
    pub log: String,
}

/// A text that wasn't compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompileError {
    /// There is no NVRTC.
    Missing(Missing),
    /// There is no NVRTC, and the folder of kernels compiled before hasn't got the text.
    NotBefore {
        /// The folder.
        folder: PathBuf,
        /// Name of the text.
        name: &'static str,
        /// That there is no NVRTC.
        missing: Missing,
    },
    /// NVRTC refuses the text.
    Refused {
        /// Name of the text.
        name: &'static str,
        /// What it was to be compiled for.
        architecture: String,
        /// NVRTC's name of the failure.
        status: String,
        /// NVRTC's words, many lines.
        log: String,
    },
}

/// Compiles a text for `sm_80` or the like to a cubin, for `compute_80` or the like to PTX.
///
/// # Errors
/// See [`CompileError`].
pub fn compile(source: &Source, architecture: &str, options: &[&str]) -> Result<Compiled, CompileError> {
    Library::Nvrtc.find().map_err(CompileError::Missing)?;
    let program = Program::new(source).map_err(|status| refused(source, architecture, status, String::new()))?;
    let result = program.compile(&arguments(source, architecture, options));
    let log = program.log();
    let image = result.and_then(|()| match architecture.starts_with("sm_") {
        true => program.cubin(),
        false => program.ptx(),
    });
    match image {
        Ok(image) => Ok(Compiled { image, log }),
        Err(status) => Err(refused(source, architecture, status, log)),
    }
}

/// All that the compiler is told beside the text.
pub fn arguments(source: &Source, architecture: &str, options: &[&str]) -> Vec<String> {
    let mut arguments = vec![format!("--gpu-architecture={architecture}")];
    arguments.extend(OPTIONS.iter().chain(options).map(|&option| option.to_owned()));
    arguments.extend(source.defines.iter().map(|(name, value)| format!("-D{name}={value}")));
    arguments
}

/// Its version, e.g. (12, 9).
///
/// # Errors
/// If it is missing.
pub fn version() -> Result<(i32, i32), Missing> {
    Library::Nvrtc.find()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library is there.
    match unsafe { sys::nvrtcVersion(&mut major, &mut minor) } {
        nvrtcResult::NVRTC_SUCCESS => Ok((major, minor)),
        _ => Ok((0, 0)),
    }
}

/// What to compile for: the card's own architecture, or the newest that NVRTC knows, as PTX, where the card is newer than that.
///
/// # Errors
/// If it is missing.
pub fn architecture((major, minor): (u32, u32)) -> Result<String, Missing> {
    Library::Nvrtc.find()?;
    let card = (10 * major + minor) as c_int;
    let known = supported();
    Ok(match known.iter().copied().filter(|&known| known <= card).max() {
        Some(newest) if !known.contains(&card) => format!("compute_{newest}"),
        _ => format!("sm_{card}"),
    })
}

/// Architectures that NVRTC knows, e.g. 80 and 90.
fn supported() -> Vec<c_int> {
    let mut count = 0;
    // SAFETY: the library is there; the array has the number of elements that it says.
    unsafe {
        if sys::nvrtcGetNumSupportedArchs(&mut count) != nvrtcResult::NVRTC_SUCCESS {
            return vec![];
        }
        let mut known = vec![0; usize::try_from(count).unwrap_or(0)];
        match sys::nvrtcGetSupportedArchs(known.as_mut_ptr()) {
            nvrtcResult::NVRTC_SUCCESS => known,
            _ => vec![],
        }
    }
}

/// A text in NVRTC's hands; it may point into what it was given.
struct Program {
    handle: nvrtcProgram,
    _text: CString,
    _name: CString,
}

impl Program {
    fn new(source: &Source) -> Result<Self, nvrtcResult> {
        let inner_zero = |_| nvrtcResult::NVRTC_ERROR_INVALID_INPUT;
        let text = CString::new(source.text.as_str()).map_err(inner_zero)?;
        let name = CString::new(source.name).map_err(inner_zero)?;
        let (mut handle, none) = (ptr::null_mut(), ptr::null());
        // SAFETY: the library is there; both texts end with a zero and live as long as the program.
        checked(unsafe { sys::nvrtcCreateProgram(&mut handle, text.as_ptr(), name.as_ptr(), 0, none, none) })?;
        Ok(Self { handle, _text: text, _name: name })
    }

    fn compile(&self, arguments: &[String]) -> Result<(), nvrtcResult> {
        let inner_zero = |_| nvrtcResult::NVRTC_ERROR_INVALID_OPTION;
        let texts: Result<Vec<_>, _> = arguments.iter().map(|argument| CString::new(argument.as_str())).collect();
        let texts = texts.map_err(inner_zero)?;
        let places: Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
        // SAFETY: the program is alive; every option ends with a zero.
        checked(unsafe { sys::nvrtcCompileProgram(self.handle, places.len() as c_int, places.as_ptr()) })
    }

    fn cubin(&self) -> Result<Vec<u8>, nvrtcResult> {
        self.bytes(sys::nvrtcGetCUBINSize, sys::nvrtcGetCUBIN)
    }

    fn ptx(&self) -> Result<Vec<u8>, nvrtcResult> {
        self.bytes(sys::nvrtcGetPTXSize, sys::nvrtcGetPTX)
    }

    fn log(&self) -> String {
        let bytes = self.bytes(sys::nvrtcGetProgramLogSize, sys::nvrtcGetProgramLog).unwrap_or_default();
        let text = CStr::from_bytes_until_nul(&bytes).map(CStr::to_string_lossy).unwrap_or_default();
        text.trim_end().to_owned()
    }

    fn bytes(&self, size: Size, content: Content) -> Result<Vec<u8>, nvrtcResult> {
        let mut bytes = 0;
        // SAFETY: the program is alive, here and below.
        checked(unsafe { size(self.handle, &mut bytes) })?;
        let mut read = vec![0; bytes];
        // SAFETY: there is room for as many bytes as NVRTC says.
        checked(unsafe { content(self.handle, read.as_mut_ptr().cast()) })?;
        Ok(read)
    }
}

type Size = unsafe fn(nvrtcProgram, *mut usize) -> nvrtcResult;
type Content = unsafe fn(nvrtcProgram, *mut c_char) -> nvrtcResult;

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the program is alive until now.
        let _ = unsafe { sys::nvrtcDestroyProgram(&mut self.handle) };
    }
}

fn checked(result: nvrtcResult) -> Result<(), nvrtcResult> {
    match result {
        nvrtcResult::NVRTC_SUCCESS => Ok(()),
        failure => Err(failure),
    }
}

fn refused(source: &Source, architecture: &str, status: nvrtcResult, log: String) -> CompileError {
    let (name, architecture, status) = (source.name, architecture.to_owned(), format!("{status:?}"));
    CompileError::Refused { name, architecture, status, log }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::NotBefore { folder, name, missing } => {
                let folder = folder.display();
                write!(f, "UPG_CUBINS_DIR = {folder} doesn't hold {name} as this flow needs it, and there is {missing}")
            }
            Self::Refused { name, architecture, status, log } => {
                write!(f, "NVRTC doesn't compile {name} for {architecture}: {status}")?;
                if !log.is_empty() {
                    write!(f, "\n{log}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for CompileError {}
