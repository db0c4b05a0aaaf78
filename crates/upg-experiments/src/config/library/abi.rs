//! The functions of a library with a target, `include/upg_target.h`, and the only calls of them: a state that lives as long as the library
//! is used, slices whose lengths agree, and the texts of errors.

use crate::config::foreign::Failure;
use crate::config::invalid::Invalid;
use crate::text::{Shown, one_line};
use libloading::Library;
use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::null_mut;

/// `UPG_TARGET_VERSION`.
const VERSION: i32 = 1;
/// Bytes of the text of an error.
const TEXT: usize = 512;

type Version = unsafe extern "C" fn() -> i32;
type Create = unsafe extern "C" fn(*const c_char, i64, *mut *mut c_void, *mut c_char, i64) -> i32;
type Destroy = unsafe extern "C" fn(*mut c_void);
type Dof = unsafe extern "C" fn(*mut c_void) -> i64;
type Compute = unsafe extern "C" fn(*mut c_void, i64, i64, *const f64, *mut f64, *mut f64, *mut c_char, i64) -> i32;

/// Where a library is, and what is asked of it.
pub(super) struct Request<'a> {
    pub path: &'a Path,
    pub symbol: &'a str,
    pub options: &'a str,
    pub dof: usize,
}

/// The functions with their state.
pub(super) struct Functions {
    compute: Compute,
    destroy: Option<Destroy>,
    state: *mut c_void,
    dof: usize,
}

// SAFETY: the state is handed to the library's functions alone, and a library whose functions can't be called from several threads at once is called by
// one after the other (`Calls::OneAtATime`); that any thread may is asked of every library, docs/TARGETS.md.
unsafe impl Send for Functions {}
// SAFETY: as above.
unsafe impl Sync for Functions {}

impl Functions {
    /// Loads a library and makes its state. It is never unloaded, as threads of its own may go on running its code.
    ///
    /// # Errors
    /// What is missing, or what the library says.
    pub fn load(request: &Request<'_>) -> Result<Self, Invalid> {
        let library = request.open()?;
        // SAFETY: the functions have the types of the header, which the version stands for.
        let (version, compute) =
            unsafe { (request.function::<Version>(library, "_version")?, request.function::<Compute>(library, "")?) };
        // SAFETY: it takes nothing.
        let found = unsafe { version() };
        if found != VERSION {
            let accepted =
                format!("a library of version {VERSION} of upg_target.h: its {}_version gives {found}", request.symbol);
            return Err(request.refused("path", request.path.shown(), accepted));
        }
        // SAFETY: as above.
        let destroy = unsafe { request.function::<Destroy>(library, "_destroy") }.ok();
        let functions = Self { compute, destroy, state: request.create(library)?, dof: request.dof };
        // SAFETY: as above.
        let of_library = unsafe { request.function::<Dof>(library, "_dof") }.ok();
        // SAFETY: the state is that of the library.
        match of_library.map(|dof| unsafe { dof(functions.state) }) {
            Some(dof) if dof != request.dof as i64 => {
                let accepted = format!("{dof}, as {}_dof of {} says", request.symbol, request.path.shown());
                Err(request.refused("dof", request.dof.to_string(), accepted))
            }
            _ => Ok(functions),
        }
    }

    /// Fills `action` with S and `force`, if wanted, with −∂S/∂x, of the samples `x`, shape `[samples, dof]`.
    ///
    /// # Errors
    /// If the library returns one.
    pub fn compute(&self, x: &[f64], action: &mut [f64], force: Option<&mut [f64]>) -> Result<(), Failure> {
        let samples = action.len();
        action.fill(f64::NAN); // what isn't written isn't finite
        assert_eq!(x.len(), samples * self.dof, "numbers of x, and of {samples} samples");
        let force = force.map_or(null_mut(), |force| {
            assert_eq!(force.len(), x.len(), "numbers of the force, and of x");
            force.fill(f64::NAN);
            force.as_mut_ptr()
        });
        let (state, mut text) = (self.state, Text::new());
        // SAFETY: all arrays have the lengths that the header gives them.
        let code = unsafe {
            let (at, size) = text.place();
            (self.compute)(state, samples as i64, self.dof as i64, x.as_ptr(), action.as_mut_ptr(), force, at, size)
        };
        match code {
            0 => Ok(()),
            code => Err(Failure {
                sample: usize::try_from(code).ok().map(|n| n - 1).filter(|&n| n < samples),
                ..Failure::saying(text.words(code))
            }),
        }
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the state is that of the library, and this is the last use of it.
            unsafe { destroy(self.state) };
        }
    }
}

impl Request<'_> {
    fn refused(&self, field: &str, value: impl Into<String>, accepted: String) -> Invalid {
        Invalid { field: format!("target.{field}"), value: value.into(), accepted }
    }

    fn open(&self) -> Result<&'static Library, Invalid> {
        let refused = |accepted| self.refused("path", self.path.shown(), accepted);
        if !self.path.is_file() {
            return Err(refused("a shared library that is there".into()));
        }
        // A path without a folder would be looked for where the system has its libraries.
        let path = std::path::absolute(self.path).map_err(|error| refused(format!("a shared library: {error}")))?;
        // SAFETY: what the library does when it is loaded is asked for by whoever names it, as is all that it does.
        match unsafe { Library::new(path) } {
            Ok(library) => Ok(Box::leak(Box::new(library))),
            Err(error) => {
                let words = error.source().map_or(error.to_string(), ToString::to_string);
                Err(refused(format!("a shared library that can be loaded: {}", one_line(&words, 300))))
            }
        }
    }

    /// The function whose name is the symbol and `suffix`.
    ///
    /// # Safety
    /// It has to be of that type.
    unsafe fn function<F: Copy>(&self, library: &'static Library, suffix: &str) -> Result<F, Invalid> {
        let name = format!("{}{suffix}", self.symbol);
        // SAFETY: as of this function.
        let found = unsafe { library.get::<F>(name.as_bytes()) };
        found.map(|function| *function).map_err(|_| {
            let accepted = format!("the name of a target of the library: {} has no {name}", self.path.shown());
            self.refused("symbol", one_line(self.symbol, 60), accepted)
        })
    }

    /// The state, null if the library has none.
    fn create(&self, library: &'static Library) -> Result<*mut c_void, Invalid> {
        let options = |accepted| self.refused("options", format!("{:?}", one_line(self.options, 60)), accepted);
        // SAFETY: the type is that of the header.
        let Ok(create) = (unsafe { self.function::<Create>(library, "_create") }) else {
            let accepted = format!("\"\", as the library has no {}_create", self.symbol);
            return if self.options.is_empty() { Ok(null_mut()) } else { Err(options(accepted)) };
        };
        let given = CString::new(self.options).map_err(|_| options("a text without the character 0".into()))?;
        let (mut state, mut text) = (null_mut(), Text::new());
        let (at, size) = text.place();
        // SAFETY: the texts end with a 0, and the places are as large as is said.
        match unsafe { create(given.as_ptr(), self.dof as i64, &mut state, at, size) } {
            0 => Ok(state),
            code => Err(options(format!("what {}_create accepts: {}", self.symbol, text.words(code)))),
        }
    }
}

/// The place for the text of an error.
struct Text([u8; TEXT]);

impl Text {
    fn new() -> Self {
        Self([0; TEXT])
    }

    fn place(&mut self) -> (*mut c_char, i64) {
        (self.0.as_mut_ptr().cast(), TEXT as i64)
    }

    /// What the library wrote, in one line.
    fn words(&self, code: i32) -> String {
        let written = CStr::from_bytes_until_nul(&self.0).map_or(&self.0[..], CStr::to_bytes);
        match one_line(&String::from_utf8_lossy(written), 300) {
            nothing if nothing.is_empty() => format!("it returns {code} and says nothing"),
            words => words,
        }
    }
}
