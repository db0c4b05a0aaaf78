//! Compiled kernels on a card, and their launches.

use super::context::{Context, words};
use crate::gpu::{Argument, Launch};
use cudarc::driver::sys::{self, CUfunction, CUfunction_attribute, CUmodule, CUresult};
use std::collections::HashMap;
use std::ffi::{CString, c_int};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use upg_core::DeviceError;

/// Kernels compiled from one text, on a card.
#[derive(Debug)]
pub struct Module(Arc<Loaded>);

/// What the driver made of the text; it stays as long as work with it is to be done.
#[derive(Debug)]
struct Loaded {
    context: Arc<Context>,
    name: &'static str,
    module: CUmodule,
    kernels: Mutex<HashMap<&'static str, Kernel>>,
}

/// A kernel that was launched before.
#[derive(Clone, Copy, Debug)]
struct Kernel {
    function: CUfunction,
    /// The most dynamic shared memory that a launch may ask for, as the driver was told.
    shared: u32,
}

// SAFETY: handles of the driver may be used from any thread.
unsafe impl Send for Loaded {}
// SAFETY: as above; what changes is behind a lock.
unsafe impl Sync for Loaded {}

/// A kernel, ready to be launched; it keeps its module.
#[derive(Clone, Debug)]
pub struct Function {
    function: CUfunction,
    kernel: &'static str,
    module: Arc<Loaded>,
}

// SAFETY: handles of the driver may be used from any thread.
unsafe impl Send for Function {}

impl Module {
    /// Loads what was compiled of the text `name`; `image` is a cubin, or PTX that ends with a zero.
    pub(super) fn new(context: Arc<Context>, name: &'static str, image: &[u8]) -> Result<Self, DeviceError> {
        let mut module = ptr::null_mut();
        // SAFETY: both kinds of image say where they end.
        context.result(|| unsafe { sys::cuModuleLoadData(&mut module, image.as_ptr().cast()) }).map_err(|failure| {
            context.unavailable(format!("the driver doesn't load what NVRTC made of {name}: {}", words(failure)))
        })?;
        Ok(Self(Arc::new(Loaded { context, name, module, kernels: Mutex::default() })))
    }

    /// The kernel of a launch, ready for its shared memory.
    ///
    /// # Panics
    /// If there is no such kernel.
    pub(super) fn function(&self, launch: &Launch<'_>) -> Result<Function, DeviceError> {
        let Kernel { function, .. } = self.0.kernel(launch)?;
        Ok(Function { function, kernel: launch.kernel, module: self.0.clone() })
    }
}

impl Function {
    pub fn handle(&self) -> CUfunction {
        self.function
    }

    /// Calls a function of the driver with this kernel; a failure names it.
    pub fn called(&self, function: impl FnOnce() -> CUresult) -> Result<(), DeviceError> {
        self.module.context.result(function).map_err(|failure| self.module.failed(self.kernel, failure))
    }
}

impl Loaded {
    /// The kernel of a launch, ready for its shared memory.
    fn kernel(&self, launch: &Launch<'_>) -> Result<Kernel, DeviceError> {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kernel = match kernels.get(launch.kernel) {
            Some(known) => *known,
            None => Kernel { function: self.function(launch.kernel)?, shared: 0 },
        };
        if launch.shared > kernel.shared {
            self.allow(kernel.function, launch)?;
            kernel.shared = launch.shared;
        }
        kernels.insert(launch.kernel, kernel);
        Ok(kernel)
    }

    fn function(&self, kernel: &'static str) -> Result<CUfunction, DeviceError> {
        let mut function = ptr::null_mut();
        let name = CString::new(kernel).unwrap_or_default();
        // SAFETY: the module lives as long as `self`.
        match self.context.result(|| unsafe { sys::cuModuleGetFunction(&mut function, self.module, name.as_ptr()) }) {
            Ok(()) => Ok(function),
            Err(CUresult::CUDA_ERROR_NOT_FOUND) => panic!("{} has no kernel {kernel}", self.name),
            Err(failure) => Err(self.failed(kernel, failure)),
        }
    }

    /// Without it a block gets 48 KB together with what the kernel declares.
    fn allow(&self, function: CUfunction, launch: &Launch<'_>) -> Result<(), DeviceError> {
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let bytes = launch.shared as c_int;
        // SAFETY: the function is of this module.
        let result = self.context.result(|| unsafe { sys::cuFuncSetAttribute(function, attribute, bytes) });
        result.map_err(|failure| {
            self.context.unavailable(format!(
                "{} asks for {bytes} bytes of shared memory a block: {}",
                launch.kernel,
                words(failure)
            ))
        })
    }

    fn failed(&self, kernel: &str, failure: CUresult) -> DeviceError {
        self.context.lost(format!("{kernel} of {}: {}", self.name, words(failure)))
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // Kernels still running keep nothing of it alive.
        let _ = self.context.wait();
        // SAFETY: nobody else has the module.
        let _ = self.context.result(|| unsafe { sys::cuModuleUnload(self.module) });
    }
}

/// An argument at the beginning of eight bytes.
pub fn bits(argument: Argument) -> u64 {
    let mut bytes = [0; 8];
    match argument {
        Argument::Address(address) => bytes = address.0.to_ne_bytes(),
        Argument::Int(number) => bytes[..4].copy_from_slice(&number.to_ne_bytes()),
        Argument::Long(number) => bytes = number.to_ne_bytes(),
        Argument::Single(number) => bytes[..4].copy_from_slice(&number.to_ne_bytes()),
        Argument::Double(number) => bytes = number.to_ne_bytes(),
    }
    u64::from_ne_bytes(bytes)
}
